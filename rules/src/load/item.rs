//! The items of a rule file, with their keys checked but nothing looked up.

use std::rc::Rc;

use super::{
    inside,
    required::{engine_version, plugin_versions},
    value::{boolean, get, unknown_key},
};
use crate::{
    case,
    diagnostic::{Code, Diagnostic, ItemType},
    ir::nearest,
    text::{Files, Text},
    yaml::{Kind, Node},
};

/// One item of a rule file.
#[derive(Debug)]
pub(crate) enum Item {
    List(Entry),
    Macro(Entry),
    Rule(Entry),
    /// An item that was found faulty: what names it need not be told of again.
    Broken(ItemType, Rc<Text>),
    /// A test of a rule, which only Saker reads.
    Case(case::Test),
}

/// A list, macro or rule as written.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: Rc<Text>,
    /// The value of the key that names it.
    pub(crate) node: Node,
    /// The whole item.
    pub(crate) item: Node,
    pub(crate) pairs: Rc<[(Node, Node)]>,
    /// `append: true`, the old way.
    pub(crate) append: bool,
    /// Keys to append or replace.
    pub(crate) overrides: Vec<(Node, Change)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Append,
    Replace,
}

impl Entry {
    /// Returns the value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        get(&self.pairs, key)
    }

    /// Returns how an override changes a key.
    pub(crate) fn change(&self, key: &str) -> Option<Change> {
        self.overrides.iter().find(|(name, _)| name.str() == Some(key)).map(|(_, change)| *change)
    }
}

/// A kind of item: its keys, and which of them an override may change.
struct Shape {
    key: &'static str,
    item_type: ItemType,
    keys: &'static [&'static str],
    /// With whether it may also be appended to.
    changes: &'static [(&'static str, bool)],
}

/// In the order in which the first key that is there decides what an item is.
const SHAPES: [Shape; 3] = [
    Shape {
        key: "list",
        item_type: ItemType::List,
        keys: &["list", "items", "append", "override"],
        changes: &[("items", true)],
    },
    Shape {
        key: "macro",
        item_type: ItemType::Macro,
        keys: &["macro", "condition", "append", "override"],
        changes: &[("condition", true)],
    },
    Shape {
        key: "rule",
        item_type: ItemType::Rule,
        keys: &[
            "rule",
            "condition",
            "output",
            "desc",
            "priority",
            "source",
            "enabled",
            "tags",
            "exceptions",
            "capture",
            "capture_duration",
            "warn_evttypes",
            "skip-if-unknown-filter",
            "append",
            "override",
        ],
        changes: RULE_CHANGES,
    },
];

/// What a rule may override, and whether it may also be appended to.
pub(crate) const RULE_CHANGES: &[(&str, bool)] = &[
    ("condition", true),
    ("output", true),
    ("desc", true),
    ("tags", true),
    ("exceptions", true),
    ("priority", false),
    ("capture", false),
    ("capture_duration", false),
    ("enabled", false),
    ("warn_evttypes", false),
    ("skip-if-unknown-filter", false),
];

/// Reads the items of a file's documents.
pub(crate) fn read_items(
    files: &Files,
    documents: &[Node],
    found: &mut Vec<Diagnostic>,
) -> Vec<Item> {
    let mut items = Vec::new();
    for document in documents {
        match &document.kind {
            _ if document.is_null() => {}
            Kind::Sequence(nodes) => {
                for node in nodes.iter().filter(|node| !node.is_null()) {
                    items.extend(read_item(files, node, found));
                }
            }
            _ => found.push(
                document
                    .error(files, Code::YamlValidate, "a rule file is a list of items")
                    .hint("each item begins with `- rule:`, `- macro:` or `- list:`"),
            ),
        }
    }
    items
}

fn read_item(files: &Files, node: &Node, found: &mut Vec<Diagnostic>) -> Option<Item> {
    let Kind::Mapping(pairs) = &node.kind else {
        let message = format!("expected an item with keys, found {}", node.what());
        return inside(files, found, ItemType::RulesContentItem, "", node, |found| {
            found.push(node.error(files, Code::YamlValidate, message));
            None
        });
    };
    if let Some(version) = get(pairs, "required_engine_version") {
        inside(files, found, ItemType::RequiredEngineVersion, "", node, |found| {
            unknown_keys(files, pairs, "requirement", &["required_engine_version"], found);
            engine_version(files, version, found);
        });
        return None;
    }
    if let Some(plugins) = get(pairs, "required_plugin_versions") {
        inside(files, found, ItemType::RequiredPluginVersions, "", plugins, |found| {
            unknown_keys(files, pairs, "requirement", &["required_plugin_versions"], found);
            plugin_versions(files, plugins, found);
        });
        return None;
    }
    if let Some(shape) = SHAPES.iter().find(|shape| get(pairs, shape.key).is_some()) {
        let name = get(pairs, shape.key).and_then(Node::str).unwrap_or_default();
        return inside(files, found, shape.item_type, name, node, |found| {
            named(files, shape, node, pairs, found)
        });
    }
    inside(files, found, ItemType::RulesContentItem, "", node, |found| {
        if let Some(rule) = get(pairs, "test") {
            unknown_keys(files, pairs, "test", case::KEYS, found);
            let name = name(files, rule, "test", found)?;
            return case::read(files, name, rule, pairs, found).map(Item::Case);
        }
        let first = pairs.first().map_or(node, |(key, _)| key);
        let warning = first.error(files, Code::UnknownItem, "unknown item, it is ignored");
        let words = ["list", "macro", "rule", "test"];
        found.push(match nearest(first.str().unwrap_or_default(), words.into_iter()) {
            Some(near) => warning.hint(format!("did you mean `{near}`?")),
            None => warning,
        });
        None
    })
}

/// Warns about keys that are not known, or stand twice.
fn unknown_keys(
    files: &Files,
    pairs: &[(Node, Node)],
    what: &str,
    known: &[&str],
    found: &mut Vec<Diagnostic>,
) {
    let mut seen = hashbrown::HashSet::new();
    for (key, _) in pairs {
        let text = key.str().unwrap_or_default();
        if !known.contains(&text) {
            found.push(unknown_key(files, key, what, known));
        } else if !seen.insert(text) {
            let message = format!("the key `{text}` stands twice, only the first counts");
            found.push(key.error(files, Code::UnknownKey, message));
        }
    }
}

fn name(files: &Files, node: &Node, what: &str, found: &mut Vec<Diagnostic>) -> Option<Rc<Text>> {
    match node.scalar() {
        Some(name) if !node.is_null() && !name.as_str().is_empty() => Some(Rc::clone(name)),
        _ => {
            let message = match node.str() {
                Some("") if !node.is_null() => format!("the name of a {what} must not be empty"),
                _ => format!("the name of a {what} must be a text, found {}", node.what()),
            };
            found.push(node.error(files, Code::YamlValidate, message));
            None
        }
    }
}

/// Reads a list, macro or rule.
fn named(
    files: &Files,
    shape: &Shape,
    item: &Node,
    pairs: &Rc<[(Node, Node)]>,
    found: &mut Vec<Diagnostic>,
) -> Option<Item> {
    unknown_keys(files, pairs, shape.key, shape.keys, found);
    let node = get(pairs, shape.key)?;
    let name = name(files, node, shape.key, found)?;
    let append = match get(pairs, "append") {
        None => Some(false),
        Some(append) => boolean(files, append, "append", found).inspect(|append_is_set| {
            if *append_is_set {
                let warning = append.error(files, Code::DeprecatedItem, "`append` is deprecated");
                let key = shape.changes[0].0;
                found.push(warning.hint(format!("write `override: {{{key}: append}}`")));
            }
        }),
    };
    let overrides = match get(pairs, "override") {
        None => Some(Vec::new()),
        Some(node) if node.is_null() => Some(Vec::new()),
        Some(node) => inside(files, found, ItemType::Overrides, "", node, |found| {
            overrides(files, node, shape.changes, found)
        }),
    };
    let (Some(append), Some(overrides)) = (append, overrides) else {
        return Some(Item::Broken(shape.item_type, name));
    };
    if append && !overrides.is_empty() {
        let message = "`append` and `override` cannot stand together";
        found.push(node.error(files, Code::YamlValidate, message).hint("leave `append` out"));
        return Some(Item::Broken(shape.item_type, name));
    }
    let (node, item) = (node.clone(), item.clone());
    let entry = Entry { name, node, item, pairs: Rc::clone(pairs), append, overrides };
    Some(match shape.item_type {
        ItemType::List => Item::List(entry),
        ItemType::Macro => Item::Macro(entry),
        _ => Item::Rule(entry),
    })
}

fn overrides(
    files: &Files,
    node: &Node,
    changes: &[(&str, bool)],
    found: &mut Vec<Diagnostic>,
) -> Option<Vec<(Node, Change)>> {
    let Kind::Mapping(pairs) = &node.kind else {
        let message = format!("`override` has a key for each change, found {}", node.what());
        found.push(node.error(files, Code::YamlValidate, message));
        return None;
    };
    let mut read = Vec::new();
    for (key, value) in pairs.iter() {
        let name = key.str().unwrap_or_default();
        let Some((_, appendable)) = changes.iter().find(|(known, _)| *known == name) else {
            let message = format!("`{name}` cannot be overridden");
            let known: Vec<_> = changes.iter().map(|(known, _)| *known).collect();
            let hint = format!("these can: {}", known.join(", "));
            found.push(key.error(files, Code::YamlValidate, message).hint(hint));
            continue;
        };
        match value.str() {
            Some("append") if *appendable => read.push((key.clone(), Change::Append)),
            Some("replace") => read.push((key.clone(), Change::Replace)),
            _ => {
                let words = if *appendable { "`append` or `replace`" } else { "`replace`" };
                let message = format!("expected {words} for `{name}`");
                found.push(value.error(files, Code::YamlValidate, message));
            }
        }
    }
    (read.len() == pairs.len()).then_some(read)
}
