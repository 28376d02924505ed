//! One question about a record, and the machine that answers it.

use std::net::IpAddr;

use alert::{Priority, Value};
use hashbrown::HashSet;
use ipnet::IpNet;
use regex_automata::{meta::Regex, util::syntax};

use super::{Leaf, Record, Term, glob::glob, term::Elements};
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
    Modified(Modifier, Operator, Box<[Box<str>]>),
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
    /// What `bcontains` and `bstartswith` look for.
    Bytes(Box<[u8]>),
}

const REGEX_BYTES_MAX: usize = 1 << 20;
/// Below this a list is searched one by one.
const SET_ITEMS_MIN: usize = 4;

impl Machine {
    pub(crate) fn new(test: &Test) -> Result<Self, String> {
        Ok(match test {
            Test::Text(Operator::Regex, pattern) => Self::Regex(Box::new(regex(pattern)?)),
            Test::Text(Operator::BContains | Operator::BStartsWith, hex) => {
                Self::Bytes(bytes(hex)?.into())
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
                let built: Result<Vec<_>, _> = patterns.iter().map(|text| regex(text)).collect();
                Self::Regexes(built?.into())
            }
            _ => Self::None,
        })
    }
}

fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::builder()
        .syntax(syntax::Config::new().dot_matches_new_line(true))
        .configure(Regex::config().nfa_size_limit(Some(REGEX_BYTES_MAX)))
        .build(&format!(r"\A(?:{pattern})\z"))
        .map_err(|error| {
            use std::error::Error;
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            let last = cause.lines().last().unwrap_or_default().trim_start_matches("error: ");
            if last.is_empty() { error.to_string() } else { last.to_owned() }
        })
}

fn bytes(hex: &str) -> Result<Vec<u8>, String> {
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
        match test {
            Test::Exists => true,
            Test::Modified(..) => scalar(test, machine, value),
            Test::NotEqual(_) if elements != Elements::Any => {
                items.iter().all(|item| scalar(test, machine, item))
            }
            Test::In(_) if elements == Elements::List => {
                !items.is_empty() && items.iter().all(|item| scalar(test, machine, item))
            }
            _ => items.iter().any(|item| scalar(test, machine, item)),
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
        Test::Text(operator, pattern) if let Value::Bytes(bytes) = value => {
            bytes_hold(*operator, bytes, pattern, machine)
        }
        Test::Text(operator, pattern) => with_text(value, &|text| match (operator, machine) {
            (Operator::Regex, Machine::Regex(regex)) => regex.is_match(text),
            (Operator::BContains, Machine::Bytes(wanted)) => {
                memchr::memmem::find(text.as_bytes(), wanted).is_some()
            }
            (Operator::BStartsWith, Machine::Bytes(wanted)) => text.as_bytes().starts_with(wanted),
            _ => text_holds(*operator, text, pattern),
        }),
        Test::In(items) | Test::Intersects(items) => match (machine, value) {
            (Machine::Set(set), Value::Text(text)) => set.contains(text.as_ref()),
            _ => items.iter().any(|item| equal(value, item)),
        },
        Test::PathMatch(paths) => {
            with_text(value, &|text| paths.iter().any(|path| path_match(path, text)))
        }
        Test::Modified(modifier, operator, patterns) => {
            let holds = |number: &usize| {
                with_text(value, &|text| match machine {
                    Machine::Regexes(built) => built[*number].is_match(text),
                    _ => text_holds(*operator, text, &patterns[*number]),
                })
            };
            let count = (0..patterns.len()).filter(holds).count();
            match modifier {
                Modifier::One => count == 1,
                Modifier::Any => count >= 1,
                Modifier::All => !patterns.is_empty() && count == patterns.len(),
            }
        }
        Test::Term(..) => false,
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

/// Data is compared byte by byte, whatever text it may be.
fn bytes_hold(operator: Operator, bytes: &[u8], pattern: &str, machine: &Machine) -> bool {
    let contains = |wanted| memchr::memmem::find(bytes, wanted).is_some();
    match (operator, machine) {
        (Operator::BContains, Machine::Bytes(wanted)) => contains(wanted),
        (Operator::BStartsWith, Machine::Bytes(wanted)) => bytes.starts_with(wanted),
        (Operator::Contains, _) => contains(pattern.as_bytes()),
        (Operator::StartsWith, _) => bytes.starts_with(pattern.as_bytes()),
        (Operator::EndsWith, _) => bytes.ends_with(pattern.as_bytes()),
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
        components.next().is_some_and(|part| {
            part == wanted || (wanted.contains(['?', '*', '[']) && glob(wanted, part, false))
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
        (Literal::Ip(wanted), Value::Ip(ip)) => wanted == ip,
        (Literal::Net(wanted), Value::Ip(ip)) => wanted.contains(ip),
        (Literal::Priority(wanted), Value::Text(text)) => text.parse() == Ok(*wanted),
        (Literal::Any(wanted), value) => match value {
            Value::Text(text) => **wanted == **text || in_network(text, wanted),
            Value::Bool(value) => wanted.parse() == Ok(*value),
            Value::I64(_) | Value::U64(_) => wanted.parse().ok() == number(value),
            Value::Ip(ip) => wanted.parse() == Ok(*ip),
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

fn order(value: &Value<'_>, literal: &Literal) -> Option<std::cmp::Ordering> {
    match (literal, value) {
        (Literal::Number(wanted), value) => Some(number(value)?.cmp(wanted)),
        (Literal::Priority(wanted), Value::Text(text)) => {
            Some(text.parse::<Priority>().ok()?.cmp(wanted))
        }
        (Literal::Any(wanted), value) => match number(value) {
            Some(value) if wanted.parse::<i128>().is_ok() => Some(value.cmp(&wanted.parse().ok()?)),
            _ => value.to_string().parse::<f64>().ok()?.partial_cmp(&wanted.parse().ok()?),
        },
        _ => None,
    }
}

fn ordered(operator: Operator, order: std::cmp::Ordering) -> bool {
    match operator {
        Operator::Less => order.is_lt(),
        Operator::LessEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    }
}

/// Compares two values of one type.
fn compare(operator: Operator, left: &Value<'_>, right: &Value<'_>) -> bool {
    match (operator, left, right) {
        (Operator::In, Value::List(left), Value::List(right)) => {
            !left.is_empty() && left.iter().all(|item| right.contains(item))
        }
        (Operator::Intersects, Value::List(left), Value::List(right)) => {
            left.iter().any(|item| right.contains(item))
        }
        (Operator::In | Operator::Intersects, left, Value::List(right)) => right.contains(left),
        (Operator::In | Operator::Intersects | Operator::Equal, left, right) => same(left, right),
        (Operator::NotEqual, left, right) => !same(left, right),
        (operator, left, right) if operator.is_order() => match (number(left), number(right)) {
            (Some(left), Some(right)) => ordered(operator, left.cmp(&right)),
            _ => false,
        },
        (operator, left, right) => {
            with_text(left, &|left| with_text(right, &|right| text_holds(operator, left, right)))
        }
    }
}

fn same(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}
