//! What a condition means, in the plainest way: its tree is walked and each check is made anew.
//!
//! It shares with the matcher the syntax and the reading of a field's value, and nothing else: no
//! graph, no index, no memory. Tests hold the matcher to it, benchmarks compare with it.

use std::{borrow::Cow, collections::HashMap, net::IpAddr};

use alert::{Argument, Detail, Event, Field, Value};
use regex_automata::meta::Regex;
use serde_json::Value as Json;

/// A condition as its tree says it.
pub(crate) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Check { left: Term, operator: String, modifier: Option<String>, right: Right, regex: Regexes },
}

/// The patterns of `regex` with their programs.
type Regexes = HashMap<String, Regex>;

/// What stands on a side of an operator.
pub(crate) enum Term {
    Field(Field, Argument),
    Call(String, Vec<Term>),
    Text(String),
    List(Vec<Term>),
}

pub(crate) enum Right {
    Nothing,
    Text(String),
    List(Vec<String>),
    Term(Term),
}

impl Condition {
    /// Reads a condition without macros.
    pub(crate) fn new(text: &str) -> Self {
        let tree = rules::parse_condition(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        Self::read(&serde_json::to_value(&tree).expect("a tree is plain data"))
    }

    fn read(tree: &Json) -> Self {
        let children = || array(&tree["children"]).iter().map(Self::read).collect();
        match text(&tree["type"]) {
            "and" => Self::And(children()),
            "or" => Self::Or(children()),
            "not" => Self::Not(Box::new(Self::read(&tree["child"]))),
            "check" => {
                let (operator, right) = (text(&tree["operator"]), Right::read(&tree["right"]));
                let regex = match operator {
                    "regex" => {
                        right.texts().iter().map(|text| (text.clone(), regex(text))).collect()
                    }
                    _ => Regexes::new(),
                };
                Self::Check {
                    left: Term::read(&tree["left"]),
                    operator: operator.to_owned(),
                    modifier: tree["modifier"].as_str().map(ToOwned::to_owned),
                    right,
                    regex,
                }
            }
            other => panic!("a condition is no {other}"),
        }
    }

    /// Returns whether an event satisfies it, seen through one of its paths.
    fn holds(&self, event: &Event, resolved: bool) -> bool {
        match self {
            Self::And(children) => children.iter().all(|child| child.holds(event, resolved)),
            Self::Or(children) => children.iter().any(|child| child.holds(event, resolved)),
            Self::Not(child) => !child.holds(event, resolved),
            Self::Check { left, operator, modifier, right, regex } => {
                let Some(value) = left.value(event, resolved) else { return false };
                let check = Check { left, operator, modifier: modifier.as_deref(), regex };
                check.holds(&value, right, event, resolved)
            }
        }
    }

    /// Returns whether an event satisfies it through either of its paths.
    pub(crate) fn matches(&self, event: &Event) -> bool {
        self.holds(event, false) || self.holds(event, true)
    }
}

impl Right {
    fn texts(&self) -> &[String] {
        match self {
            Self::Text(text) => std::slice::from_ref(text),
            Self::List(texts) => texts,
            Self::Nothing | Self::Term(_) => &[],
        }
    }

    fn read(tree: &Json) -> Self {
        match tree["type"].as_str() {
            None => Self::Nothing,
            Some("value") => Self::Text(text(&tree["value"]).to_owned()),
            Some("list") => {
                let items = array(&tree["items"]).iter();
                Self::List(items.map(|item| text(&item["value"]).to_owned()).collect())
            }
            Some(_) => Self::Term(Term::read(tree)),
        }
    }
}

fn regex(pattern: &str) -> Regex {
    Regex::new(&format!(r"\A(?:{pattern})\z")).expect("a plain pattern")
}

impl Term {
    fn read(tree: &Json) -> Self {
        let items = |list: &Json| array(list).iter().map(Self::read).collect();
        match text(&tree["type"]) {
            "field" => {
                let argument = tree["argument"].as_str();
                let (field, argument) =
                    Field::resolve(text(&tree["name"]), argument).expect("a known field");
                Self::Field(field, argument)
            }
            "call" => Self::Call(text(&tree["function"]).to_owned(), items(&tree["arguments"])),
            "list" => Self::List(items(&tree["items"])),
            _ => Self::Text(text(&tree["value"]).to_owned()),
        }
    }

    fn value<'a>(&'a self, event: &'a Event, resolved: bool) -> Option<Value<'a>> {
        match self {
            Self::Field(field, argument) => match second_path(event, *field) {
                Some(path) if resolved => Some(Value::text(path)),
                _ => event.value(*field, argument),
            },
            Self::Text(text) => Some(Value::text(text)),
            Self::List(terms) => {
                let values: Option<Vec<_>> =
                    terms.iter().map(|term| term.value(event, resolved)).collect();
                values.map(Value::List)
            }
            Self::Call(function, terms) => {
                let values: Option<Vec<_>> =
                    terms.iter().map(|term| term.value(event, resolved)).collect();
                call(function, &values?)
            }
        }
    }
}

/// Returns what a field shows of the path the kernel resolved, if it is another.
fn second_path(event: &Event, field: Field) -> Option<&str> {
    let Detail::Open(file) = &event.detail else { return None };
    let path = file.resolved.as_deref().filter(|resolved| **resolved != *file.path)?;
    let slash = path.rfind('/');
    match (field, slash) {
        (Field::FdName, _) => Some(path),
        (Field::FdDirectory, Some(0)) => Some("/"),
        (Field::FdDirectory, Some(at)) => Some(&path[..at]),
        (Field::FdDirectory, None) => Some(""),
        (Field::FdFilename, Some(at)) => Some(&path[at + 1..]),
        (Field::FdFilename, None) => Some(path),
        _ => None,
    }
}

fn call<'a>(function: &str, values: &[Value<'a>]) -> Option<Value<'a>> {
    let first = values.first()?;
    let made = match (function, first) {
        ("len", Value::List(items)) => return Some(Value::U64(items.len() as u64)),
        ("len", other) => return Some(Value::U64(other.to_string().len() as u64)),
        ("tolower", other) => other.to_string().to_ascii_lowercase(),
        ("toupper", other) => other.to_string().to_ascii_uppercase(),
        ("basename", other) => {
            let text = other.to_string();
            text.rsplit('/').next().unwrap_or_default().to_owned()
        }
        ("concat", _) => values.iter().map(ToString::to_string).collect(),
        ("join", separator) => {
            let Some(Value::List(items)) = values.get(1) else { return None };
            let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
            texts.join(&separator.to_string())
        }
        (other, _) => panic!("the function {other} is not known here"),
    };
    Some(Value::Text(made.into()))
}

struct Check<'a> {
    left: &'a Term,
    operator: &'a str,
    modifier: Option<&'a str>,
    regex: &'a Regexes,
}

impl Check<'_> {
    fn holds(&self, value: &Value<'_>, right: &Right, event: &Event, resolved: bool) -> bool {
        let one = |wanted: &str| elements(value).iter().any(|item| self.compare(item, wanted));
        match (right, self.modifier) {
            (Right::Nothing, _) => true,
            (Right::Text(wanted), _) if self.operator == "!=" && !self.is_ancestors() => {
                elements(value).iter().all(|item| self.compare(item, wanted))
            }
            (Right::Text(wanted), _) => one(wanted),
            (Right::List(wanted), Some(modifier)) => {
                let count = wanted.iter().filter(|wanted| one(wanted)).count();
                match modifier {
                    "oneof" => count == 1,
                    "anyof" => count > 0,
                    _ => count > 0 && count == wanted.len(),
                }
            }
            (Right::List(wanted), None) => {
                let among = |item: &&Value<'_>| wanted.iter().any(|one| self.compare(item, one));
                elements(value).iter().any(among)
            }
            (Right::Term(term), _) => term.value(event, resolved).is_some_and(|other| {
                elements(value).iter().any(|item| self.compare(item, &other.to_string()))
            }),
        }
    }

    /// Of the ancestors one that differs is enough for `!=`.
    const fn is_ancestors(&self) -> bool {
        matches!(
            self.left,
            Term::Field(
                Field::ProcAname | Field::ProcAexe | Field::ProcAexepath | Field::ProcAcmdline,
                _
            )
        )
    }

    fn compare(&self, value: &Value<'_>, wanted: &str) -> bool {
        let shown = match value {
            Value::Text(text) => Cow::Borrowed(&**text),
            other => Cow::Owned(other.to_string()),
        };
        let number = || (shown.parse::<i128>().ok(), wanted.parse::<i128>().ok());
        match self.operator {
            "=" | "==" | "in" | "intersects" => equal(value, wanted),
            "!=" => !equal(value, wanted),
            "<" => matches!(number(), (Some(left), Some(right)) if left < right),
            "<=" => matches!(number(), (Some(left), Some(right)) if left <= right),
            ">" => matches!(number(), (Some(left), Some(right)) if left > right),
            ">=" => matches!(number(), (Some(left), Some(right)) if left >= right),
            "contains" => shown.contains(wanted),
            "icontains" => shown.to_ascii_lowercase().contains(&wanted.to_ascii_lowercase()),
            "startswith" => shown.starts_with(wanted),
            "endswith" => shown.ends_with(wanted),
            "glob" => glob(&characters(wanted), &characters(&shown)),
            "iglob" => glob(
                &characters(&wanted.to_ascii_lowercase()),
                &characters(&shown.to_ascii_lowercase()),
            ),
            "regex" => self.regex[wanted].is_match(&*shown),
            "pmatch" => {
                let (wanted, parts) = (components(wanted), components(&shown));
                wanted.len() <= parts.len()
                    && wanted
                        .iter()
                        .zip(&parts)
                        .all(|(wanted, part)| glob(&characters(wanted), &characters(part)))
            }
            other => panic!("the operator {other} is not known here"),
        }
    }
}

fn elements<'v, 'a>(value: &'v Value<'a>) -> Vec<&'v Value<'a>> {
    match value {
        Value::List(items) => items.iter().collect(),
        one => vec![one],
    }
}

fn equal(value: &Value<'_>, wanted: &str) -> bool {
    match value {
        Value::Ip(ip) => match (wanted.parse::<IpAddr>(), wanted.parse::<ipnet::IpNet>()) {
            (Ok(wanted), _) => wanted == *ip,
            (_, Ok(net)) => net.contains(ip),
            _ => false,
        },
        Value::Text(text) => text == wanted,
        other => other.to_string() == wanted,
    }
}

fn components(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

fn characters(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// `*`, `?` and plain brackets.
fn glob(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=text.len()).any(|skipped| glob(rest, &text[skipped..])),
        (['?', rest @ ..], [_, after @ ..]) => glob(rest, after),
        (['[', rest @ ..], [first, after @ ..]) => {
            let end =
                rest.iter().position(|character| *character == ']').expect("a closed bracket");
            rest[..end].contains(first) && glob(&rest[end + 1..], after)
        }
        ([wanted, rest @ ..], [first, after @ ..]) => wanted == first && glob(rest, after),
        _ => false,
    }
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_else(|| panic!("{json} is no text"))
}

fn array(json: &Json) -> &[Json] {
    json.as_array().map_or(&[], Vec::as_slice)
}
