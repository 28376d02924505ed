//! Patterns where none are, and texts that were meant as patterns.

use alert::Type;

use super::{
    Finding,
    claims::{checks, shown},
    constant::conditions,
    reading::Subject,
};
use crate::{
    ir::{Literal, Predicate, Test},
    parse::{Check, Operator},
};

/// A message and a hint about a question.
type Remark = (String, String);

fn every(subject: &Subject, judge: impl Fn(&Check, &Predicate) -> Option<Remark>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (written, item) in conditions(subject) {
        checks(&written.root, false, &mut |part, check, _| {
            let Some(predicate) = subject.predicate(part.node) else { return };
            let Some((message, hint)) = judge(check, predicate) else { return };
            let place = subject.place(written, part.span);
            findings.push(Finding { place, item: item.clone(), message, hint });
        });
    }
    findings
}

/// Returns the texts that a predicate compares with, and how.
fn texts(predicate: &Predicate) -> Vec<(Operator, &str)> {
    fn text(literal: &Literal) -> Option<&str> {
        match literal {
            Literal::Text(text) => Some(text),
            _ => None,
        }
    }
    match &predicate.test {
        Test::Equal(literal) | Test::NotEqual(literal) => {
            text(literal).map(|text| (Operator::Equal, text)).into_iter().collect()
        }
        Test::In(items) | Test::Intersects(items) => {
            items.iter().filter_map(text).map(|text| (Operator::Equal, text)).collect()
        }
        Test::Text(operator, text) => vec![(*operator, &**text)],
        Test::PathMatch(items) => items.iter().map(|text| (Operator::PathMatch, &**text)).collect(),
        Test::Modified(_, operator, items) => {
            items.iter().filter_map(text).map(|text| (*operator, text)).collect()
        }
        _ => Vec::new(),
    }
}

/// A `*` where it stands for itself.
pub(super) fn wildcard_as_text(subject: &Subject) -> Vec<Finding> {
    every(subject, |check, predicate| {
        let path = predicate.term.value_type() == Type::Path;
        let (operator, text) = texts(predicate).into_iter().find(|(operator, text)| {
            let edge = text.len() > 1 && (text.starts_with('*') || text.ends_with('*'));
            match operator {
                Operator::Equal => text.len() > 1 && text.contains('*'),
                Operator::StartsWith | Operator::EndsWith | Operator::Contains => {
                    edge || (path && text.contains('*'))
                }
                _ => false,
            }
        })?;
        let word = operator.word();
        let message = format!("in `{word} {text}` the `*` stands for itself");
        let hint = format!("for a pattern write `{} glob \"{text}\"`", check.left);
        Some((message, hint))
    })
}

/// A pattern that another operator says plainly.
pub(super) fn plain_pattern(subject: &Subject) -> Vec<Finding> {
    every(subject, |check, predicate| {
        let (operator, text, plain) =
            texts(predicate).into_iter().find_map(|(operator, text)| {
                let plain = match operator {
                    Operator::Glob | Operator::IGlob => plain_glob(text)?,
                    Operator::Regex => plain_regex(text)?,
                    _ => return None,
                };
                Some((operator, text, plain))
            })?;
        let message = match plain {
            ("=", _) => format!("`{text}` has no wildcard, so it must be the whole text"),
            _ => format!(
                "`{} {text}` is a slow way to write `{} {}`",
                operator.word(),
                plain.0,
                plain.1
            ),
        };
        let hint = match plain {
            ("=", _) => {
                format!("write `{0} = {1}` or `{0} contains {1}`", check.left, plain.1)
            }
            _ => format!("write `{} {} {}`", check.left, plain.0, plain.1),
        };
        Some((message, hint))
    })
}

fn plain_glob(text: &str) -> Option<(&'static str, &str)> {
    (!text.is_empty() && !text.contains(['*', '?', '[', '\\'])).then_some(("=", text))
}

/// Returns the operator and the text that say the same as a regular expression.
fn plain_regex(text: &str) -> Option<(&'static str, &str)> {
    let text = text.strip_prefix('^').unwrap_or(text);
    let text = text.strip_suffix('$').unwrap_or(text);
    let (before, rest) = match text.strip_prefix(".*") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (after, rest) = match rest.strip_suffix(".*") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let is_plain = !rest.is_empty()
        && !rest.contains(['.', '^', '$', '*', '+', '?', '(', ')', '[', ']', '{', '}', '|', '\\']);
    let operator = match (before, after) {
        (false, false) => "=",
        (true, true) => "contains",
        (true, false) => "endswith",
        (false, true) => "startswith",
    };
    is_plain.then_some((operator, rest))
}

/// A `[` that no `]` closes stands for itself.
pub(super) fn unclosed_bracket(subject: &Subject) -> Vec<Finding> {
    every(subject, |check, predicate| {
        texts(predicate).into_iter().find(|(operator, text)| {
            matches!(operator, Operator::Glob | Operator::IGlob | Operator::PathMatch)
                && is_unclosed(text)
        })?;
        let message = format!("in `{}` a `[` has no `]`, so it stands for itself", shown(check));
        Some((message, "close it, or write `\\[` if the bracket is meant".to_owned()))
    })
}

fn is_unclosed(pattern: &str) -> bool {
    let mut bytes = pattern.bytes();
    let mut open = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if !open => drop(bytes.next()),
            b'[' => open = true,
            b']' => open = false,
            _ => {}
        }
    }
    open
}

/// A comparison that every value satisfies.
pub(super) fn empty_text(subject: &Subject) -> Vec<Finding> {
    every(subject, |check, predicate| {
        texts(predicate).into_iter().find(|(operator, text)| match operator {
            Operator::Contains
            | Operator::IContains
            | Operator::StartsWith
            | Operator::EndsWith => text.is_empty(),
            Operator::Glob | Operator::IGlob => *text == "*",
            Operator::Regex => *text == ".*",
            Operator::PathMatch => text.bytes().all(|byte| byte == b'/'),
            _ => false,
        })?;
        let message = format!("every value satisfies `{}`", shown(check));
        Some((message, format!("write `{} exists` if that is meant", check.left)))
    })
}
