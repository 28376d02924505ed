//! Conditions and output formats as written, before anything is known about their fields.

mod ast;
mod check;
mod condition;
mod lex;
mod operand;
mod output;
mod print;
#[cfg(test)]
mod tests;
mod tree;
mod value;

pub(crate) use ast::{
    Check, Expression, Function, Literal, Modifier, Name, Operand, Operator, Right, Span,
};
pub(crate) use condition::condition;
pub(crate) use lex::{list_name_character, shown};
pub(crate) use output::{Piece, output};
pub use print::quoted_value as quoted;
pub use tree::{ConditionFault, ConditionTree, parse_condition};

/// Groups in parentheses may nest this deep.
const DEPTH_MAX: usize = 1000;

/// `and`, `or` and `not` may stand in one another this deep, so that a tree can be walked by
/// recursion. Falco counts five for each group and takes 1000.
pub(crate) const NESTING_MAX: usize = 200;

/// Which undotted names are fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// None: an undotted name is a macro.
    Events,
    /// Those of an alert.
    Alerts,
}

/// Where a text could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
