//! Holds an alert against what a case expects of it.

use alert::{Event, Field};
use serde_json::Value as Json;

use super::{item::ExpectedAlert, report::Difference};
use crate::{
    Rule,
    yaml::{Kind, Node},
};

const NOTHING: &str = "nothing";

/// Returns what of the rule's alert is not as expected.
pub(super) fn differences(expected: &ExpectedAlert, rule: &Rule, event: &Event) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut differ = |what: &str, expected: String, got: String| {
        found.push(Difference { what: what.to_owned(), expected, got });
    };
    if let Some(priority) = expected.priority
        && priority != rule.priority
    {
        differ("priority", priority.to_string(), rule.priority.to_string());
    }
    let rendered = rule.render(event);
    if let Some(output) = &expected.output
        && *output != rendered.output
    {
        differ("output", quoted(output), quoted(&rendered.output));
    }
    for (name, wanted) in &expected.fields {
        let got = match rendered.fields.get(name) {
            Some(value) => value.clone(),
            None => value(name, event),
        };
        if !equal(wanted, &got) {
            differ(name, written(wanted), shown(&got));
        }
    }
    found
}

/// Returns the value of a field that the alert does not carry.
fn value(name: &str, event: &Event) -> Json {
    let (name, argument) = match name.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
        Some((name, argument)) => (name, Some(argument)),
        None => (name, None),
    };
    let Ok((field, argument)) = Field::resolve(name, argument) else { return Json::Null };
    event.value(field, &argument).map_or(Json::Null, |value| value.to_json())
}

/// YAML has no types here: a value is as expected if it prints as was written.
fn equal(wanted: &Node, got: &Json) -> bool {
    match (&wanted.kind, got) {
        (Kind::Sequence(nodes), Json::Array(values)) => {
            nodes.len() == values.len()
                && nodes.iter().zip(values).all(|(node, value)| equal(node, value))
        }
        (_, Json::Null) => wanted.is_null(),
        (Kind::Scalar { value, .. }, Json::String(text)) => value.as_str() == text,
        (Kind::Scalar { value, .. }, Json::Bool(_) | Json::Number(_)) => {
            let printed = got.to_string();
            value.as_str() == printed
        }
        _ => false,
    }
}

fn written(node: &Node) -> String {
    match &node.kind {
        _ if node.is_null() => NOTHING.to_owned(),
        Kind::Scalar { value, .. } => quoted(value.as_str()),
        Kind::Sequence(nodes) => {
            format!("[{}]", nodes.iter().map(written).collect::<Vec<_>>().join(", "))
        }
        Kind::Mapping(_) => "a mapping, which no field is".to_owned(),
    }
}

fn shown(value: &Json) -> String {
    match value {
        Json::Null => NOTHING.to_owned(),
        Json::String(text) => quoted(text),
        Json::Array(values) => {
            format!("[{}]", values.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        other => quoted(&other.to_string()),
    }
}

/// Escapes what a terminal would obey, and makes blanks seen.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.chars().flat_map(escape).collect::<String>())
}

fn escape(character: char) -> Vec<char> {
    match character {
        control if control.is_control() => control.escape_default().collect(),
        other => vec![other],
    }
}
