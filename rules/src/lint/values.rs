//! Values that a field can never take.

use super::{
    Finding,
    claims::checks,
    constant::conditions,
    domain::{Reason, of_field, reason},
    reading::{Subject, Written},
};
use crate::{
    diagnostic::Place,
    ir::{Leaf, Literal, Predicate, Term, Test},
    parse::{Function, Operator, Right, Span},
};

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (written, item) in conditions(subject) {
        checks(&written.root, false, &mut |part, check, _| {
            let Some(predicate) = subject.predicate(part.node) else { return };
            for (value, operator) in compared(predicate) {
                let Some(reason) = impossible(&predicate.term, operator, &value) else { continue };
                findings.push(Finding {
                    place: place(subject, written, part.span, &check.right, &value),
                    item: item.clone(),
                    message: format!("`{}` is never `{value}`: {}", check.left, reason.why),
                    hint: reason.hint,
                });
            }
        });
    }
    findings
}

/// Returns the values a predicate compares with, and how.
fn compared(predicate: &Predicate) -> Vec<(String, Operator)> {
    let text = |literal: &Literal| match literal {
        Literal::Text(text) => Some(text.to_string()),
        Literal::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match &predicate.test {
        Test::Equal(literal) | Test::NotEqual(literal) => {
            text(literal).map(|text| (text, Operator::Equal)).into_iter().collect()
        }
        Test::In(items) | Test::Intersects(items) => {
            items.iter().filter_map(text).map(|text| (text, Operator::Equal)).collect()
        }
        Test::Text(operator, text) => vec![(text.to_string(), *operator)],
        Test::Modified(_, operator, items) => {
            items.iter().filter_map(text).map(|text| (text, *operator)).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns where a value stands: in its list if it was pasted from one.
fn place(subject: &Subject, written: &Written, part: Span, right: &Right, value: &str) -> Place {
    let literal = match right {
        Right::Literal(literal) => Some(literal),
        Right::List(items, _) => items.iter().find(|literal| &*literal.text == value),
        _ => None,
    };
    let Some(literal) = literal else { return subject.place(written, part) };
    let place = subject.place(written, literal.span);
    if place.file.text.get(place.span.clone()).is_some_and(|text| text.contains(value)) {
        return place;
    }
    let items = subject.lists.iter().flat_map(|list| &list.items);
    let mut items = items.filter(|item| item.as_str().trim_matches('"') == value);
    match items.next() {
        Some(item) => item.place(&subject.files, 0..item.as_str().len()),
        None => place,
    }
}

fn impossible(term: &Term, operator: Operator, value: &str) -> Option<Reason> {
    match term {
        Term::Leaf(Leaf::Event(field, argument)) => of_field(*field, argument, operator, value),
        Term::Call(function, _) => of_function(*function, value),
        _ => None,
    }
}

fn of_function(function: Function, value: &str) -> Option<Reason> {
    match function {
        Function::ToLower if value.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            reason("it has no capital letters", format!("write `{}`", value.to_ascii_lowercase()))
        }
        Function::ToUpper if value.bytes().any(|byte| byte.is_ascii_lowercase()) => {
            reason("it has no small letters", format!("write `{}`", value.to_ascii_uppercase()))
        }
        Function::BaseName if value.contains('/') => {
            reason("it has no `/`", "write only what follows the last `/`")
        }
        _ => None,
    }
}
