//! Fields of the configuration: `static.name` stands for a value that no event changes.

use std::collections::BTreeMap;

use crate::parse::{Expression, Function, Literal, Operand, Right};

const PREFIX: &str = "static.";

/// The values by their names, without the prefix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statics<'a>(pub(super) &'a BTreeMap<String, String>);

impl Statics<'_> {
    fn value(self, operand: &Operand) -> Option<Literal> {
        let Operand::Field { name, argument: None, span } = operand else { return None };
        let value = self.0.get(name.strip_prefix(PREFIX)?)?;
        Some(Literal { text: value.as_str().into(), span: *span })
    }

    /// Puts values into a condition; a name without a value stays an unknown field.
    pub(super) fn fold(self, expression: &mut Expression) {
        if self.0.is_empty() {
            return;
        }
        match expression {
            Expression::And(children) | Expression::Or(children) => {
                children.iter_mut().for_each(|child| self.fold(child));
            }
            Expression::Not(child, _) => self.fold(child),
            Expression::Macro(_) => {}
            Expression::Check(check) => {
                self.operand(&mut check.left);
                if let Right::Operand(operand) = &mut check.right {
                    self.operand(operand);
                    if let Operand::Literal(literal) = operand {
                        check.right = Right::Literal(literal.clone());
                    }
                }
            }
        }
    }

    /// Puts a value in the place of a field, and into functions.
    pub(super) fn operand(self, operand: &mut Operand) {
        if let Some(literal) = self.value(operand) {
            *operand = Operand::Literal(literal);
            return;
        }
        match operand {
            Operand::Call { arguments, .. } => {
                for argument in arguments {
                    match self.value(argument) {
                        Some(literal) => *argument = as_call(literal),
                        None => self.operand(argument),
                    }
                }
            }
            Operand::List(items, _) => items.iter_mut().for_each(|item| self.operand(item)),
            Operand::Field { .. } | Operand::Literal(_) => {}
        }
    }
}

/// Returns a call with the value: functions take no plain text where they take a field.
fn as_call(literal: Literal) -> Operand {
    let span = literal.span;
    let nothing = Literal { text: "".into(), span };
    Operand::Call {
        function: Function::Concat,
        arguments: vec![Operand::Literal(literal), Operand::Literal(nothing)],
        argument: None,
        span,
    }
}
