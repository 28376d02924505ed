//! One question about a record, and the machine that answers it.

use std::{cmp::Ordering, net::IpAddr};

use alert::{Priority, Value};
use hashbrown::HashSet;
use ipnet::IpNet;
use regex_automata::meta::Regex;

use super::{Leaf, Record, Term, glob::glob, regex, term::Elements};
use crate::parse::{Modifier, Operator};

/// A value written in a condition, read for the type it is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Literal {
    Bool(bool),
    Number(i128),
    Text(Box<str>),
    Ip(IpAddr),
    Net(IpNet),
    Priority(Priority),
    /// Compared with a value of any type: as a number, an address or a truth if the value is one.
    Any(Box<str>),
}

impl Literal {
    /// Returns the text of a value that is compared as one.
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Any(text) => Some(text),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    Exists,
    Equal(Literal),
    NotEqual(Literal),
    Order(Operator, Literal),
    Text(Operator, Box<str>),
    In(Box<[Literal]>),
    Intersects(Box<[Literal]>),
    PathMatch(Box<[Box<str>]>),
    Modified(Modifier, Operator, Box<[Literal]>),
    Term(Operator, Term),
}

/// A question about a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Predicate {
    pub(crate) term: Term,
    pub(crate) test: Test,
}

/// What is prepared once for a predicate.
#[derive(Clone, Debug)]
pub(crate) enum Machine {
    None,
    Regex(Box<Regex>),
    /// Those of `regex oneof`, `anyof` and `allof`, in order.
    Regexes(Box<[Regex]>),
    /// Texts of an `in`.
    Set(HashSet<Box<str>>),
    /// What `bcontains` and `bstartswith` look for: one, or those of `oneof`, `anyof` and `allof`.
    Bytes(Box<[Box<[u8]>]>),
}

/// Below this a list is searched one by one.
const SET_ITEMS_MIN: usize = 4;

impl Machine {
    pub(crate) fn new(test: &Test) -> Result<Self, String> {
        Ok(match test {
            Test::Text(Operator::Regex, pattern) => Self::Regex(Box::new(regex::compile(pattern)?)),
            Test::Text(Operator::BContains | Operator::BStartsWith, hex) => {
                Self::Bytes([bytes(hex)?].into())
            }
            Test::In(items) | Test::Intersects(items) if items.len() >= SET_ITEMS_MIN => {
                let texts: Option<HashSet<Box<str>>> = items
                    .iter()
                    .map(|item| match item {
                        Literal::Text(text) => Some(text.clone()),
                        _ => None,
                    })
                    .collect();
                texts.map_or(Self::None, Self::Set)
            }
            Test::Modified(_, Operator::Regex, patterns) => {
                let texts = patterns.iter().filter_map(Literal::text);
                let built: Result<Vec<_>, _> = texts.map(regex::compile).collect();
                Self::Regexes(built?.into())
            }
            Test::Modified(_, Operator::BContains | Operator::BStartsWith, items) => {
                let texts = items.iter().filter_map(Literal::text);
                Self::Bytes(texts.map(bytes).collect::<Result<_, _>>()?)
            }
            _ => Self::None,
        })
    }
}

fn bytes(hex: &str) -> Result<Box<[u8]>, String> {
    let digits = hex.as_bytes();
    if digits.is_empty()
        || !digits.len().is_multiple_of(2)
        || !digits.iter().all(u8::is_ascii_hexdigit)
    {
        return Err("expected hex digits in pairs".to_owned());
    }
    let nibble = |byte: u8| (byte as char).to_digit(16).unwrap_or(0) as u8;
    Ok(digits.chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect())
}

impl Predicate {
    /// Calls `visit` for every field it reads, on either side.
    pub(crate) fn leaves(&self, visit: &mut dyn FnMut(&Leaf)) {
        self.term.leaves(visit);
        if let Test::Term(_, right) = &self.test {
            right.leaves(visit);
        }
    }

    /// Returns the answer, or `None` if the record lacks the value.
    pub(crate) fn test(&self, machine: &Machine, record: &impl Record) -> Option<bool> {
        let value = self.term.value(record);
        if self.test == Test::Exists {
            return Some(value.is_some());
        }
        let value = value?;
        if let Test::Term(operator, right) = &self.test {
            return Some(compare(*operator, &value, &right.value(record)?));
        }
        Some(self.holds(machine, &value))
    }

    /// Returns whether a value that is there satisfies the test.
    pub(crate) fn holds(&self, machine: &Machine, value: &Value<'_>) -> bool {
        let test = &self.test;
        let Value::List(items) = value else { return scalar(test, machine, value) };
        let elements = self.term.elements();
        let mut each = items.iter().map(|item| scalar(test, machine, item));
        match test {
            Test::Exists => true,
            Test::NotEqual(_) if elements != Elements::Any => each.all(|holds| holds),
            Test::In(_) if elements == Elements::List => {
                !items.is_empty() && each.all(|holds| holds)
            }
            // Each wanted value may be found in another element.
            Test::Modified(..) if elements == Elements::List => scalar(test, machine, value),
            _ => each.any(|holds| holds),
        }
    }
}

fn scalar(test: &Test, machine: &Machine, value: &Value<'_>) -> bool {
    match test {
        Test::Exists => true,
        Test::Equal(literal) => equal(value, literal),
        Test::NotEqual(literal) => !equal(value, literal),
        Test::Order(operator, literal) => {
            order(value, literal).is_some_and(|order| ordered(*operator, order))
        }
        Test::Text(operator, pattern) => pattern_holds(*operator, machine, 0, value, pattern),
        Test::In(items) | Test::Intersects(items) => match (machine, value) {
            (Machine::Set(set), Value::Text(text)) => set.contains(text.as_ref()),
            _ => items.iter().any(|item| equal(value, item)),
        },
        Test::PathMatch(paths) => {
            with_text(value, &|text| paths.iter().any(|path| path_match(path, text)))
        }
        Test::Modified(modifier, operator, wanted) => {
            let holds =
                |number: &usize| one_of(*operator, machine, value, &wanted[*number], *number);
            let count = (0..wanted.len()).filter(holds).count();
            match modifier {
                Modifier::One => count == 1,
                Modifier::Any => count >= 1,
                Modifier::All => !wanted.is_empty() && count == wanted.len(),
            }
        }
        Test::Term(..) => false,
    }
}

/// Answers `operator` for one of the values behind `oneof`, `anyof` or `allof`.
fn one_of(
    operator: Operator,
    machine: &Machine,
    value: &Value<'_>,
    wanted: &Literal,
    number: usize,
) -> bool {
    match (operator, wanted.text()) {
        (Operator::Equal, _) => any_element(value, &|value| equal(value, wanted)),
        (Operator::NotEqual, _) => !any_element(value, &|value| equal(value, wanted)),
        (_, Some(pattern)) => {
            any_element(value, &|value| pattern_holds(operator, machine, number, value, pattern))
        }
        _ => false,
    }
}

/// Answers an operator that takes a pattern; `number` is that of the pattern in the machine.
fn pattern_holds(
    operator: Operator,
    machine: &Machine,
    number: usize,
    value: &Value<'_>,
    pattern: &str,
) -> bool {
    match (machine, value) {
        // Data is compared byte by byte, whatever text it may be.
        (Machine::Bytes(wanted), Value::Bytes(bytes)) => {
            bytes_hold(operator, bytes, &wanted[number])
        }
        (_, Value::Bytes(bytes)) => bytes_hold(operator, bytes, pattern.as_bytes()),
        (Machine::Bytes(wanted), value) => {
            with_text(value, &|text| bytes_hold(operator, text.as_bytes(), &wanted[number]))
        }
        (Machine::Regex(regex), value) => with_text(value, &|text| regex.is_match(text)),
        (Machine::Regexes(built), value) => with_text(value, &|text| built[number].is_match(text)),
        _ => with_text(value, &|text| text_holds(operator, text, pattern)),
    }
}

/// Returns whether a value, or an element of a list, satisfies the test.
fn any_element(value: &Value<'_>, test: &dyn Fn(&Value<'_>) -> bool) -> bool {
    match value {
        Value::List(items) => items.iter().any(test),
        value => test(value),
    }
}

fn with_text(value: &Value<'_>, test: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::Text(text) => test(text),
        Value::List(items) => items.iter().any(|item| with_text(item, test)),
        other => test(&other.to_string()),
    }
}

pub(crate) fn text_holds(operator: Operator, text: &str, pattern: &str) -> bool {
    match operator {
        Operator::Equal => text == pattern,
        Operator::NotEqual => text != pattern,
        Operator::Contains => memchr::memmem::find(text.as_bytes(), pattern.as_bytes()).is_some(),
        Operator::IContains => contains_any_case(text.as_bytes(), pattern.as_bytes()),
        Operator::StartsWith => text.starts_with(pattern),
        Operator::EndsWith => text.ends_with(pattern),
        Operator::Glob => glob(pattern, text, false),
        Operator::IGlob => glob(pattern, text, true),
        _ => false,
    }
}

fn bytes_hold(operator: Operator, bytes: &[u8], wanted: &[u8]) -> bool {
    match operator {
        Operator::Contains | Operator::BContains => memchr::memmem::find(bytes, wanted).is_some(),
        Operator::StartsWith | Operator::BStartsWith => bytes.starts_with(wanted),
        Operator::EndsWith => bytes.ends_with(wanted),
        _ => false,
    }
}

fn contains_any_case(text: &[u8], wanted: &[u8]) -> bool {
    let Some(first) = wanted.first() else { return true };
    let Some(last_start) = text.len().checked_sub(wanted.len()) else { return false };
    let (lower, upper) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    memchr::memchr2_iter(lower, upper, text)
        .take_while(|start| *start <= last_start)
        .any(|start| text[start..start + wanted.len()].eq_ignore_ascii_case(wanted))
}

/// Returns whether `prefix` is a prefix of `path`, component by component. A component with
/// `? * [` is a pattern.
pub(crate) fn path_match(prefix: &str, path: &str) -> bool {
    let mut components = path.split('/').filter(|part| !part.is_empty());
    prefix.split('/').filter(|part| !part.is_empty()).all(|wanted| {
        components.next().is_some_and(|part| match wanted.contains(['?', '*', '[']) {
            true => glob(wanted, part, false),
            false => part == wanted,
        })
    })
}

fn number(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::I64(value) => Some((*value).into()),
        Value::U64(value) => Some((*value).into()),
        _ => None,
    }
}

fn equal(value: &Value<'_>, literal: &Literal) -> bool {
    match (literal, value) {
        (Literal::Text(wanted), Value::Text(text)) => **wanted == **text,
        (Literal::Text(wanted), Value::Bytes(bytes)) => wanted.as_bytes() == &**bytes,
        (Literal::Bool(wanted), Value::Bool(value)) => wanted == value,
        (Literal::Number(wanted), value) => number(value) == Some(*wanted),
        // An IPv4 address mapped into IPv6 is the IPv4 address.
        (Literal::Ip(wanted), Value::Ip(ip)) => wanted.to_canonical() == ip.to_canonical(),
        (Literal::Net(wanted), Value::Ip(ip)) => wanted.contains(&ip.to_canonical()),
        (Literal::Priority(wanted), Value::Text(text)) => text.parse() == Ok(*wanted),
        (Literal::Any(wanted), value) => match value {
            Value::Text(text) => **wanted == **text || in_network(text, wanted),
            Value::Bool(value) => wanted.parse() == Ok(*value),
            Value::I64(_) | Value::U64(_) => wanted.parse().ok() == number(value),
            Value::Ip(ip) => in_network(&ip.to_string(), wanted) || wanted.parse() == Ok(*ip),
            Value::Bytes(bytes) => wanted.as_bytes() == &**bytes,
            Value::List(items) => items.iter().any(|item| equal(item, literal)),
        },
        _ => false,
    }
}

/// An address in an alert's field is text; a literal with a `/` may be its network.
fn in_network(text: &str, wanted: &str) -> bool {
    wanted.contains('/')
        && !wanted.starts_with('/')
        && matches!((wanted.parse::<IpNet>(), text.parse::<IpAddr>()), (Ok(net), Ok(ip)) if net.contains(&ip))
}

/// Returns how a value compares with a literal; `None` if they have no order.
fn order(value: &Value<'_>, literal: &Literal) -> Option<Ordering> {
    match (literal, value) {
        (Literal::Number(wanted), value) => Some(number(value)?.cmp(wanted)),
        (Literal::Text(wanted), Value::Text(text)) => Some((**text).cmp(wanted)),
        (Literal::Priority(wanted), Value::Text(text)) => {
            Some(text.parse::<Priority>().ok()?.cmp(wanted))
        }
        (Literal::Any(wanted), value) => match (number(value), wanted.parse::<i128>()) {
            (Some(value), Ok(wanted)) => Some(value.cmp(&wanted)),
            _ => decimal(&value.to_string())?.partial_cmp(&decimal(wanted)?),
        },
        _ => None,
    }
}

/// Reads a number with a fraction. Words such as `inf` are none.
fn decimal(text: &str) -> Option<f64> {
    text.contains(|character: char| character.is_ascii_digit()).then(|| text.parse().ok())?
}

fn ordered(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Less => order.is_lt(),
        Operator::LessEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    }
}

/// Compares the values of two fields.
fn compare(operator: Operator, left: &Value<'_>, right: &Value<'_>) -> bool {
    let among = |item: &Value<'_>| any_element(right, &|other| same(item, other));
    match (operator, left, right) {
        (Operator::In, Value::List(left), _) => !left.is_empty() && left.iter().all(among),
        (Operator::In | Operator::Intersects, left, _) => any_element(left, &among),
        // Only an alert's fields come here as lists: an element that satisfies is enough.
        (Operator::Equal, left, _) => any_element(left, &among),
        (Operator::NotEqual, left, _) => !any_element(left, &among),
        (operator, Value::List(left), right) => {
            left.iter().any(|left| compare(operator, left, right))
        }
        (operator, left, Value::List(right)) => {
            right.iter().any(|right| compare(operator, left, right))
        }
        (operator, left, right) if operator.is_order() => {
            order_of(left, right).is_some_and(|order| ordered(operator, order))
        }
        (operator, Value::Bytes(left), Value::Bytes(right)) => bytes_hold(operator, left, right),
        (operator, left, right) => {
            with_text(left, &|left| with_text(right, &|right| text_holds(operator, left, right)))
        }
    }
}

fn order_of(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        _ => Some(number(left)?.cmp(&number(right)?)),
    }
}

fn same(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}
