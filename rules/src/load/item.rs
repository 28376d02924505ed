//! The items of a rule file, with their keys checked but nothing looked up.

use std::rc::Rc;

use crate::{
    case,
    diagnostic::{Code, Diagnostic},
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
    /// A test of a rule, which only Saker reads.
    Case(case::Test),
}

/// A list, macro or rule as written.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: Rc<Text>,
    pub(crate) node: Node,
    pairs: Rc<[(Node, Node)]>,
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

fn get<'a>(pairs: &'a [(Node, Node)], key: &str) -> Option<&'a Node> {
    pairs.iter().find(|(name, _)| name.str() == Some(key)).map(|(_, value)| value)
}

const LIST_KEYS: &[&str] = &["list", "items", "append", "override"];
const MACRO_KEYS: &[&str] = &["macro", "condition", "append", "override"];
const RULE_KEYS: &[&str] = &[
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
];

const LIST_CHANGES: &[(&str, bool)] = &[("items", true)];
const MACRO_CHANGES: &[(&str, bool)] = &[("condition", true)];
/// What a rule may override, and whether it may also be appended to.
const RULE_CHANGES: &[(&str, bool)] = &[
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
        found.push(node.error(files, Code::YamlValidate, message));
        return None;
    };
    duplicates(files, pairs, found);
    if let Some(version) = get(pairs, "required_engine_version") {
        engine_version(files, version, found);
        return None;
    }
    if let Some(plugins) = get(pairs, "required_plugin_versions") {
        plugin_versions(files, plugins, found);
        return None;
    }
    let (key, keys, changes) = [
        ("list", LIST_KEYS, LIST_CHANGES),
        ("macro", MACRO_KEYS, MACRO_CHANGES),
        ("rule", RULE_KEYS, RULE_CHANGES),
        ("test", case::KEYS, &[][..]),
    ]
    .into_iter()
    .find(|(key, ..)| get(pairs, key).is_some())
    .or_else(|| {
        let first = pairs.first().map_or(node, |(key, _)| key);
        let mut warning = first.error(files, Code::UnknownItem, "unknown item, it is ignored");
        let words = ["list", "macro", "rule", "test"];
        if let Some(near) = nearest(first.str().unwrap_or_default(), words.into_iter()) {
            warning = warning.hint(format!("did you mean `{near}`?"));
        }
        found.push(warning);
        None
    })?;
    for (name, _) in pairs.iter() {
        let text = name.str().unwrap_or_default();
        if !keys.contains(&text) {
            let warning = name.error(files, Code::UnknownKey, format!("unknown key `{text}`"));
            found.push(match nearest(text, keys.iter().copied()) {
                Some(near) => warning.hint(format!("did you mean `{near}`?")),
                None => warning.hint(format!("a {key} has the keys {}", keys.join(", "))),
            });
        }
    }
    let name_node = get(pairs, key)?;
    let name = match name_node.scalar() {
        Some(name) if !name_node.is_null() => Rc::clone(name),
        _ => {
            let message = format!("the name of a {key} must be a text, found {}", name_node.what());
            found.push(name_node.error(files, Code::YamlValidate, message));
            return None;
        }
    };
    if key == "test" {
        return case::read(files, name, name_node, pairs, found).map(Item::Case);
    }
    let append = match get(pairs, "append") {
        None => false,
        Some(append) => {
            found.push(
                append
                    .error(files, Code::DeprecatedItem, "`append` is deprecated")
                    .hint("write `override: {condition: append}`"),
            );
            boolean(files, append, found)?
        }
    };
    let overrides = match get(pairs, "override") {
        None => Vec::new(),
        Some(node) => overrides(files, node, changes, found)?,
    };
    if append && !overrides.is_empty() {
        let message = "`append` and `override` cannot stand together";
        found.push(name_node.error(files, Code::YamlValidate, message));
        return None;
    }
    let entry = Entry { name, node: name_node.clone(), pairs: Rc::clone(pairs), append, overrides };
    Some(match key {
        "list" => Item::List(entry),
        "macro" => Item::Macro(entry),
        _ => Item::Rule(entry),
    })
}

fn duplicates(files: &Files, pairs: &[(Node, Node)], found: &mut Vec<Diagnostic>) {
    let mut seen = hashbrown::HashSet::new();
    for (key, _) in pairs {
        let text = key.str().unwrap_or_default();
        if !seen.insert(text) {
            let message = format!("the key `{text}` stands twice");
            found.push(key.error(files, Code::YamlValidate, message));
        }
    }
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
            return None;
        };
        match value.str() {
            Some("append") if *appendable => read.push((key.clone(), Change::Append)),
            Some("replace") => read.push((key.clone(), Change::Replace)),
            _ => {
                let words = if *appendable { "`append` or `replace`" } else { "`replace`" };
                let message = format!("expected {words} for `{name}`");
                found.push(value.error(files, Code::YamlValidate, message));
                return None;
            }
        }
    }
    Some(read)
}

/// Reads a truth value as YAML 1.1 does; `enabled: no` is common in Falco's files.
pub(crate) fn boolean(files: &Files, node: &Node, found: &mut Vec<Diagnostic>) -> Option<bool> {
    match node.str().map(str::to_ascii_lowercase).as_deref() {
        Some("true" | "yes" | "on" | "y") => Some(true),
        Some("false" | "no" | "off" | "n") => Some(false),
        _ => {
            found.push(node.error(files, Code::YamlValidate, "expected `true` or `false`"));
            None
        }
    }
}

/// Falco's engine version whose language this is.
const ENGINE_VERSION: (u64, u64, u64) = (0, 63, 0);

/// Plugins whose fields are built in here.
const PLUGINS: [(&str, (u64, u64, u64)); 3] =
    [("container", (0, 7, 0)), ("k8saudit", (0, 18, 0)), ("json", (0, 7, 5))];

fn version(text: &str) -> Option<(u64, u64, u64)> {
    let text = text.split(['-', '+']).next()?;
    let mut parts = text.split('.').map(|part| part.parse().ok());
    match (parts.next()??, parts.next(), parts.next(), parts.next()) {
        (minor, None, None, None) => Some((0, minor, 0)),
        (major, Some(minor), Some(patch), None) => Some((major, minor?, patch?)),
        _ => None,
    }
}

fn engine_version(files: &Files, node: &Node, found: &mut Vec<Diagnostic>) {
    let Some(required) = node.str().and_then(version) else {
        let message = "expected a version such as 0.57.0, or a number";
        found.push(node.error(files, Code::YamlValidate, message));
        return;
    };
    if required.0 != ENGINE_VERSION.0 || required > ENGINE_VERSION {
        let (major, minor, patch) = ENGINE_VERSION;
        let message = format!("the file needs a newer engine than {major}.{minor}.{patch}");
        found.push(node.error(files, Code::Validate, message));
    }
}

fn plugin_versions(files: &Files, node: &Node, found: &mut Vec<Diagnostic>) {
    let Kind::Sequence(plugins) = &node.kind else {
        let message = format!("expected a list of plugins, found {}", node.what());
        found.push(node.error(files, Code::YamlValidate, message));
        return;
    };
    for plugin in plugins.iter() {
        let Some((name, required)) = name_and_version(plugin) else {
            let message = "expected `name` and `version`, such as 0.4.0";
            found.push(plugin.error(files, Code::YamlValidate, message));
            continue;
        };
        let alternatives = match &plugin.kind {
            Kind::Mapping(pairs) => match get(pairs, "alternatives").map(|node| &node.kind) {
                Some(Kind::Sequence(nodes)) => nodes.iter().filter_map(name_and_version).collect(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        let known = |name: &str| PLUGINS.iter().find(|(known, _)| *known == name);
        let wanted = std::iter::once((name, required)).chain(alternatives);
        let Some((name, required, available)) =
            wanted.filter_map(|(name, required)| Some((name, required, known(name)?.1))).next()
        else {
            let message = format!("the plugin `{name}` is not available, its rules are skipped");
            found.push(plugin.error(files, Code::UnknownSource, message));
            continue;
        };
        if required.0 != available.0 || required > available {
            let (major, minor, patch) = available;
            let message = format!("`{name}` is built in as version {major}.{minor}.{patch}");
            found.push(plugin.error(files, Code::Validate, message));
        }
    }
}

fn name_and_version(node: &Node) -> Option<(&str, (u64, u64, u64))> {
    let Kind::Mapping(pairs) = &node.kind else { return None };
    Some((get(pairs, "name")?.str()?, version(get(pairs, "version")?.str()?)?))
}
