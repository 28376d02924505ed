//! Values of keys: text, truth values, numbers and lists of texts, or what is wrong with them.
//!
//! Every function returns `None` after it has said what is wrong.

use std::rc::Rc;

use super::inside;
use crate::{
    diagnostic::{Code, Diagnostic, ItemType},
    ir::nearest,
    text::{Files, Text},
    yaml::{Kind, Node},
};

/// Returns the value of a key; of a key that stands twice, the first.
pub(super) fn get<'a>(pairs: &'a [(Node, Node)], key: &str) -> Option<&'a Node> {
    pairs.iter().find(|(name, _)| name.str() == Some(key)).map(|(_, value)| value)
}

pub(super) fn unknown_key(files: &Files, key: &Node, what: &str, known: &[&str]) -> Diagnostic {
    let text = key.str().unwrap_or_default();
    let warning = key.error(files, Code::UnknownKey, format!("unknown key `{text}`"));
    match nearest(text, known.iter().copied()) {
        Some(near) => warning.hint(format!("did you mean `{near}`?")),
        None => warning.hint(format!("a {what} has the keys {}", known.join(", "))),
    }
}

fn wrong<T>(
    files: &Files,
    node: &Node,
    key: &str,
    message: String,
    found: &mut Vec<Diagnostic>,
) -> Option<T> {
    inside(files, found, ItemType::ValueFor, key, node, |found| {
        found.push(node.error(files, Code::YamlValidate, message));
        None
    })
}

/// Returns a text that is not empty.
pub(super) fn text(
    files: &Files,
    node: &Node,
    key: &str,
    found: &mut Vec<Diagnostic>,
) -> Option<Rc<Text>> {
    let message = match node.scalar() {
        Some(text) if !text.as_str().is_empty() && !node.is_null() => {
            return Some(Rc::clone(text));
        }
        Some(_) => format!("`{key}` must not be empty"),
        None => format!("`{key}` must be a text, found {}", node.what()),
    };
    wrong(files, node, key, message, found)
}

/// Returns the items of a list of texts.
pub(super) fn texts(
    files: &Files,
    node: &Node,
    key: &str,
    found: &mut Vec<Diagnostic>,
) -> Option<Vec<Rc<Text>>> {
    let Kind::Sequence(nodes) = &node.kind else {
        let message = match node.is_null() {
            true => format!("`{key}` must be a list, found nothing; an empty list is `[]`"),
            false => format!("`{key}` must be a list, found {}", node.what()),
        };
        return wrong(files, node, key, message, found);
    };
    let mut texts = Vec::with_capacity(nodes.len());
    for node in nodes.iter() {
        match node.scalar() {
            Some(text) if !node.is_null() => texts.push(Rc::clone(text)),
            _ => {
                let message = format!("expected a single value, found {}", node.what());
                inside(files, found, ItemType::ListItem, "", node, |found| {
                    found.push(node.error(files, Code::YamlValidate, message));
                });
            }
        }
    }
    (texts.len() == nodes.len()).then_some(texts)
}

/// Reads a truth value as YAML 1.1 does; `enabled: no` is common in Falco's files.
pub(super) fn boolean(
    files: &Files,
    node: &Node,
    key: &str,
    found: &mut Vec<Diagnostic>,
) -> Option<bool> {
    let text = node.str().unwrap_or_default();
    let lower = text.to_ascii_lowercase();
    let rest = text.get(1..).unwrap_or_default();
    let is_usual =
        text == lower || text == text.to_ascii_uppercase() || rest == rest.to_ascii_lowercase();
    match lower.as_str() {
        "true" | "yes" | "on" | "y" if is_usual => Some(true),
        "false" | "no" | "off" | "n" if is_usual => Some(false),
        _ => {
            let message = format!("expected `true` or `false`, found {}", shown(node));
            wrong(files, node, key, message, found)
        }
    }
}

/// Reads a number that is not negative.
pub(super) fn number(
    files: &Files,
    node: &Node,
    key: &str,
    found: &mut Vec<Diagnostic>,
) -> Option<u32> {
    match node.str().and_then(|text| text.parse().ok()) {
        Some(number) => Some(number),
        None => {
            let message = format!("expected a number, found {}", shown(node));
            wrong(files, node, key, message, found)
        }
    }
}

fn shown(node: &Node) -> String {
    match node.str() {
        Some(text) if !node.is_null() => {
            format!("`{}`", text.chars().take(40).collect::<String>())
        }
        _ => node.what().to_owned(),
    }
}
