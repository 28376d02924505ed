//! Fields as YAML: as text for a file, and as nodes for the reader.

use std::rc::Rc;

use super::{Pair, Written};
use crate::{
    text::Text,
    yaml::{Kind, Node},
};

/// Returns a list's item, indented for a test.
pub(super) fn item(pairs: &[Pair]) -> String {
    let mut text = String::new();
    for (index, (key, value)) in pairs.iter().enumerate() {
        text.push_str(if index == 0 { "    - " } else { "      " });
        match value {
            Written::Parents(parents) => {
                text.push_str(&format!("{key}:\n"));
                for parent in parents {
                    text.push_str(&format!("        - {}\n", flow(parent)));
                }
            }
            other => text.push_str(&format!("{key}: {}\n", plain(other))),
        }
    }
    text
}

fn flow(pairs: &[Pair]) -> String {
    match pairs {
        [] => "program".to_owned(),
        _ => {
            let fields = pairs.iter().map(|(key, value)| format!("{key}: {}", plain(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

fn plain(value: &Written) -> String {
    match value {
        Written::Nothing => "null".to_owned(),
        Written::Text(text) => scalar(text),
        Written::List(items) => {
            format!("[{}]", items.iter().map(|item| scalar(item)).collect::<Vec<_>>().join(", "))
        }
        Written::Parents(parents) => {
            let parents: Vec<String> = parents.iter().map(|parent| flow(parent)).collect();
            format!("[{}]", parents.join(", "))
        }
    }
}

/// Returns a scalar that reads back as `text`, quoted where YAML needs it.
pub(super) fn scalar(text: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"/._+@=-".contains(&byte);
    let starts_safely =
        text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '/');
    let is_null = text.eq_ignore_ascii_case("null");
    if starts_safely && !is_null && text.bytes().all(safe) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            other if other.is_control() || is_special(other) => {
                quoted.push_str(&format!("\\u{:04x}", other as u32));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// Returns whether YAML gives a character a meaning, or a terminal may: line and direction marks.
const fn is_special(character: char) -> bool {
    matches!(
        character,
        '\u{feff}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}'
    )
}

/// Returns the fields as the reader of YAML would have made them.
pub(super) fn node(pairs: &[Pair]) -> Node {
    let pairs = pairs.iter().map(|(key, value)| (scalar_node(key), value_node(value)));
    Node { kind: Kind::Mapping(pairs.collect()), file: 0, span: 0..0 }
}

fn value_node(value: &Written) -> Node {
    let nodes: Vec<Node> = match value {
        Written::Nothing => return node_of("null", false),
        Written::Text(text) => return scalar_node(text),
        Written::List(items) => items.iter().map(|item| scalar_node(item)).collect(),
        Written::Parents(parents) => parents.iter().map(|parent| node(parent)).collect(),
    };
    Node { kind: Kind::Sequence(nodes.into()), file: 0, span: 0..0 }
}

fn scalar_node(text: &str) -> Node {
    node_of(text, true)
}

fn node_of(text: &str, quoted: bool) -> Node {
    let value = Rc::new(Text::new(text, 0, "", 0));
    Node { kind: Kind::Scalar { value, quoted }, file: 0, span: 0..0 }
}
