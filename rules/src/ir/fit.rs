//! Which operator may be used on what, and what two fields may be compared.

use alert::{ArgumentRule, Field, Type};

use super::{Compiler, Leaf, Remark, Term, literal::Kind};
use crate::parse::{Check, Dialect, Fault, Function, Operand, Operator, Span};

impl Operator {
    /// Operators that every type has.
    const fn is_common(self) -> bool {
        matches!(self, Self::Exists | Self::Equal | Self::NotEqual | Self::In | Self::Intersects)
    }

    /// Returns whether it asks for the whole value rather than for a part of it.
    pub(super) const fn compares_whole(self) -> bool {
        self.is_common() && !matches!(self, Self::Exists)
    }

    pub(crate) const fn fits(self, value_type: Type) -> bool {
        match value_type {
            Type::Any => true,
            Type::Text | Type::Path => !matches!(self, Self::BContains | Self::BStartsWith),
            Type::Bytes => {
                self.is_common()
                    || matches!(
                        self,
                        Self::Contains
                            | Self::StartsWith
                            | Self::EndsWith
                            | Self::BContains
                            | Self::BStartsWith
                    )
            }
            Type::Signed | Type::Unsigned | Type::Port | Type::Priority => {
                self.is_common() || self.is_order()
            }
            Type::Bool | Type::Ip | Type::Net => self.is_common(),
        }
    }
}

/// Returns whether a value is a list as such, not one of several such as `proc.aname`. One element
/// of a list, as in `fd.types[0]`, counts as a list in Falco.
fn is_list(term: &Term) -> bool {
    match term {
        Term::Leaf(Leaf::Event(field, _)) => *field == Field::FdTypes,
        Term::Call(Function::Len | Function::Join | Function::Concat, _) => false,
        Term::Call(Function::GetOpt, terms) => terms.len() == 2,
        Term::Call(_, terms) => terms.iter().any(is_list),
        Term::Leaf(Leaf::Alert(_)) | Term::Constant(_) | Term::List(_) => false,
    }
}

fn leaf_field(term: &Term) -> Option<Field> {
    match term {
        Term::Leaf(Leaf::Event(field, _)) => Some(*field),
        _ => None,
    }
}

/// Refuses an operator that the left side's type does not have.
pub(super) fn operator_fits(check: &Check, term: &Term) -> Result<(), Fault> {
    use Operator as O;
    let operator = check.operator;
    if is_list(term) && !matches!(operator, O::Exists | O::In | O::Intersects) {
        let fault = Fault::new(
            check.operator_span,
            format!("`{}` cannot be used on `{}`, which is a list", operator.word(), check.left),
        );
        return Err(
            fault.hint("a list takes `in` (all its elements), `intersects` (one) and `exists`")
        );
    }
    let value_type = term.value_type();
    if operator.fits(value_type) {
        return Ok(());
    }
    let message = format!(
        "`{}` cannot be used on `{}`, which is {}",
        operator.word(),
        check.left,
        type_name(value_type)
    );
    let hint = match (operator, value_type) {
        (O::BContains, Type::Text | Type::Path) => "texts take `contains`".to_owned(),
        (O::BStartsWith, Type::Text | Type::Path) => "texts take `startswith`".to_owned(),
        (_, Type::Ip) => {
            "networks are compared with the `net` fields: `fd.snet`, `fd.cnet`, …".to_owned()
        }
        _ => {
            let fitting = O::ALL.iter().filter(|operator| operator.fits(value_type));
            let words: Vec<_> = fitting.map(|operator| operator.word()).collect();
            format!("it takes {}", words.join(" "))
        }
    };
    Err(Fault::new(check.operator_span, message).hint(hint))
}

/// Returns whether Falco compares a field's value in a way of its own, in which it cannot be
/// compared with another field.
fn compares_in_its_own_way(field: Field) -> bool {
    matches!(
        field,
        Field::FdIp
            | Field::FdPort
            | Field::FdProto
            | Field::FdCipName
            | Field::FdSipName
            | Field::FdLipName
            | Field::FdRipName
            | Field::EvtRawarg
            | Field::EvtAround
            | Field::ProcAenv
    ) || field.argument() == ArgumentRule::Ancestor
        || field.value_type() == Type::Net
}

impl Compiler<'_> {
    /// Reads the right side where it is a field or a call.
    pub(super) fn other_side(
        &mut self,
        check: &Check,
        left: &Term,
        operand: &Operand,
    ) -> Result<Term, Remark> {
        let operator = check.operator;
        let right = self.term(operand)?;
        if matches!(operator, Operator::PathMatch | Operator::Regex) {
            let message = format!("`{}` does not compare two fields", operator.word());
            let fault = Fault::new(check.operator_span, message);
            return Err(fault
                .hint("it takes patterns, which are known when rules are loaded")
                .into());
        }
        if self.dialect == Dialect::Events {
            may_be_compared(left, check.left.span())?;
            may_be_compared(&right, operand.span())?;
        }
        same_kind(left, &right, operand.span())?;
        Ok(right)
    }
}

fn may_be_compared(side: &Term, span: Span) -> Result<(), Fault> {
    let Some(field) = leaf_field(side) else { return Ok(()) };
    let own = compares_in_its_own_way(field) || matches!(field, Field::FdTypes | Field::EvtType);
    if !own {
        return Ok(());
    }
    let fault = Fault::new(span, format!("`{}` cannot be compared with a field", field.name()));
    Err(match field {
        Field::EvtType => fault.hint("compare it with names of events: they say which to look at"),
        Field::FdIp | Field::FdPort | Field::FdProto => {
            fault.hint("it is both ends of a socket: take one, such as `fd.sip` or `fd.sport`")
        }
        _ if field.argument() == ArgumentRule::Ancestor => fault.hint(
            "take the field of the process or its parent, such as `proc.name` or `proc.pname`",
        ),
        _ => fault,
    })
}

fn same_kind(left: &Term, right: &Term, span: Span) -> Result<(), Fault> {
    let (left_kind, right_kind) = (Kind::of(left), Kind::of(right));
    let plain = |kind: Kind| match kind.value_type {
        Type::Path => Kind { value_type: Type::Text, ..kind },
        _ => kind,
    };
    let any = [left_kind, right_kind].iter().any(|kind| kind.value_type == Type::Any);
    if !any && plain(left_kind) != plain(right_kind) {
        let is_number = |kind: Kind| matches!(kind.value_type, Type::Signed | Type::Unsigned);
        let name = |kind: Kind| match is_number(left_kind) && is_number(right_kind) {
            true => kind.describe(),
            false => type_name(kind.value_type).to_owned(),
        };
        let (left, right) = (name(left_kind), name(right_kind));
        let message = format!("{left} cannot be compared with {right}");
        return Err(Fault::new(span, message).hint("both sides must have the same type"));
    }
    let message = match (left.is_list(), right.is_list()) {
        (false, true) => "a single value cannot be compared with a list",
        (true, false) => "a list cannot be compared with a single value",
        _ => return Ok(()),
    };
    Err(Fault::new(span, message))
}

pub(super) const fn type_name(value_type: Type) -> &'static str {
    match value_type {
        Type::Bool => "a truth value",
        Type::Signed | Type::Unsigned => "a number",
        Type::Text => "a text",
        Type::Path => "a path",
        Type::Bytes => "bytes",
        Type::Ip => "an address",
        Type::Net => "a network",
        Type::Port => "a port",
        Type::Priority => "a priority",
        Type::Any => "a value of any type",
    }
}
