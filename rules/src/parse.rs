//! Conditions and output formats as written, before anything is known about their fields.

mod ast;
mod condition;
mod output;
mod print;
#[cfg(test)]
mod tests;

pub(crate) use ast::{
    Check, Expression, Function, Literal, Modifier, Name, Operand, Operator, Right, Span,
};
pub(crate) use condition::{DEPTH_MAX, Dialect, condition, list_name_character};
pub(crate) use output::{Piece, output};

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
