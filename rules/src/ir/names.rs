//! Names that a condition asks about, of addresses and of files: a sensor looks them up ahead.

use alert::Field;

use super::{Leaf, Literal, Predicate, Term, Test};
use crate::parse::Operator;

/// Returns the names an end of a socket is compared with; none for other predicates, and none for
/// comparisons with a part of a name, which nobody can look up.
pub(crate) fn address_names(predicate: &Predicate) -> impl Iterator<Item = &str> {
    let asked = match &predicate.term {
        Term::Leaf(Leaf::Event(field, _)) if is_name(*field) => literals(&predicate.test),
        _ => &[],
    };
    asked.iter().filter_map(|literal| match literal {
        Literal::Text(name) => Some(&**name),
        _ => None,
    })
}

/// Returns the full paths an event's file is compared with; none for comparisons with a part of one.
pub(crate) fn file_names(predicate: &Predicate) -> impl Iterator<Item = &str> {
    let asked = match &predicate.term {
        Term::Leaf(Leaf::Event(Field::FdName | Field::FdResolved, _)) => literals(&predicate.test),
        _ => &[],
    };
    asked.iter().filter_map(|literal| match literal {
        Literal::Text(name) if name.starts_with('/') => Some(&**name),
        _ => None,
    })
}

const fn is_name(field: Field) -> bool {
    matches!(field, Field::FdCipName | Field::FdSipName | Field::FdLipName | Field::FdRipName)
}

fn literals(test: &Test) -> &[Literal] {
    match test {
        Test::Equal(literal) | Test::NotEqual(literal) => std::slice::from_ref(literal),
        Test::In(literals) | Test::Intersects(literals) => literals,
        Test::Modified(_, Operator::Equal | Operator::NotEqual, literals) => literals,
        _ => &[],
    }
}
