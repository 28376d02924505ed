//! Merges the items of all files: redefinitions, appends and overrides, in the order of the files.

use std::rc::Rc;

use alert::Priority;
use hashbrown::HashMap;

use super::{
    exception::{Exception, read_exceptions},
    item::{Change, Entry, Item, boolean},
};
use crate::{
    diagnostic::{Code, Diagnostic},
    text::{Files, Text},
    yaml::{Kind, Node},
};

#[derive(Debug)]
pub(crate) struct ListDefinition {
    pub(crate) name: Rc<Text>,
    pub(crate) items: Vec<Rc<Text>>,
    pub(crate) node: Node,
}

#[derive(Debug)]
pub(crate) struct MacroDefinition {
    pub(crate) condition: Text,
    pub(crate) node: Node,
    /// Number of the item that touched it last: it sees the macros defined before that.
    pub(crate) touched: usize,
    pub(crate) defined: usize,
}

#[derive(Debug)]
pub(crate) struct RuleDefinition {
    pub(crate) name: Rc<Text>,
    pub(crate) node: Node,
    pub(crate) condition: Text,
    pub(crate) output: Text,
    pub(crate) description: String,
    pub(crate) priority: Priority,
    pub(crate) source: String,
    pub(crate) enabled: bool,
    pub(crate) warn_event_types: bool,
    pub(crate) skip_if_unknown_filter: bool,
    pub(crate) tags: Vec<String>,
    pub(crate) exceptions: Vec<Exception>,
}

/// Everything that was defined.
#[derive(Debug, Default)]
pub(crate) struct Collection {
    pub(crate) lists: Vec<ListDefinition>,
    pub(crate) macros: HashMap<String, MacroDefinition>,
    pub(crate) rules: Vec<RuleDefinition>,
    list_index: HashMap<String, usize>,
    rule_index: HashMap<String, usize>,
}

/// Merges items, and says what does not fit together.
pub(crate) fn collect(files: &Files, items: &[Item], found: &mut Vec<Diagnostic>) -> Collection {
    let mut collection = Collection::default();
    for (number, item) in items.iter().enumerate() {
        let mut merge = Merge { files, found, number };
        match item {
            Item::List(entry) => merge.list(&mut collection, entry),
            Item::Macro(entry) => merge.macro_item(&mut collection, entry),
            Item::Rule(entry) => merge.rule(&mut collection, entry),
            Item::Case(_) => None,
        };
    }
    collection
}

struct Merge<'a> {
    files: &'a Files,
    found: &'a mut Vec<Diagnostic>,
    number: usize,
}

/// Every step returns `None` after it has said what is wrong.
impl Merge<'_> {
    fn error<T>(&mut self, node: &Node, code: Code, message: impl Into<String>) -> Option<T> {
        self.found.push(node.error(self.files, code, message));
        None
    }

    fn text(&mut self, entry: &Entry, key: &str) -> Option<Rc<Text>> {
        let Some(node) = entry.get(key) else {
            let message = format!("`{}` has no `{key}`", entry.name.as_str());
            return self.error(&entry.node, Code::YamlValidate, message);
        };
        match node.scalar() {
            Some(text) if !text.as_str().trim().is_empty() && !node.is_null() => {
                Some(Rc::clone(text))
            }
            Some(_) => self.error(node, Code::YamlValidate, format!("`{key}` must not be empty")),
            None => {
                let message = format!("`{key}` must be a text, found {}", node.what());
                self.error(node, Code::YamlValidate, message)
            }
        }
    }

    fn texts(&mut self, node: &Node, what: &str) -> Option<Vec<Rc<Text>>> {
        if node.is_null() {
            return Some(Vec::new());
        }
        let Kind::Sequence(nodes) = &node.kind else {
            let message = format!("`{what}` must be a list, found {}", node.what());
            return self.error(node, Code::YamlValidate, message);
        };
        let mut texts = Vec::with_capacity(nodes.len());
        for node in nodes.iter().filter(|node| !node.is_null()) {
            match node.scalar() {
                Some(text) => texts.push(Rc::clone(text)),
                None => {
                    let message = format!("expected a single value, found {}", node.what());
                    return self.error(node, Code::YamlValidate, message);
                }
            }
        }
        Some(texts)
    }

    /// Returns how `key` changes what there is; `None` means a new definition.
    fn change_of(&mut self, entry: &Entry, key: &str) -> Option<Change> {
        if entry.append {
            return Some(Change::Append);
        }
        entry.change(key)
    }

    fn overrides_have_keys(&mut self, entry: &Entry) -> Option<()> {
        for (key, _) in &entry.overrides {
            let name = key.str().unwrap_or_default();
            if entry.get(name).is_none() {
                let message = format!("`override` names `{name}`, but the item has no such key");
                return self.error(key, Code::YamlValidate, message);
            }
        }
        Some(())
    }

    fn list(&mut self, collection: &mut Collection, entry: &Entry) -> Option<()> {
        self.overrides_have_keys(entry)?;
        let name = entry.name.as_str();
        let valid = |byte: u8| crate::parse::list_name_character(byte);
        if !name.bytes().all(valid) {
            let message = format!("`{name}` has letters that no condition can name");
            self.found.push(entry.node.error(self.files, Code::InvalidListName, message));
        }
        let Some(node) = entry.get("items") else {
            let message = format!("the list `{name}` has no `items`");
            return self.error(&entry.node, Code::YamlValidate, message);
        };
        let items = self.texts(node, "items")?;
        let existing = collection.list_index.get(name).copied();
        match (self.change_of(entry, "items"), existing) {
            (Some(Change::Append), Some(index)) => collection.lists[index].items.extend(items),
            (Some(Change::Append), None) => return self.no_target(entry, "list"),
            (_, Some(index)) => collection.lists[index].items = items,
            (_, None) => {
                collection.list_index.insert(name.to_owned(), collection.lists.len());
                let (name, node) = (Rc::clone(&entry.name), entry.node.clone());
                collection.lists.push(ListDefinition { name, items, node });
            }
        }
        Some(())
    }

    fn no_target<T>(&mut self, entry: &Entry, what: &str) -> Option<T> {
        let message = format!("there is no {what} `{}` before this to change", entry.name.as_str());
        self.error(&entry.node, Code::Validate, message)
    }

    fn macro_item(&mut self, collection: &mut Collection, entry: &Entry) -> Option<()> {
        self.overrides_have_keys(entry)?;
        let name = entry.name.as_str();
        let valid = name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !valid {
            let message = format!("`{name}` is no name that a condition can use");
            self.found.push(entry.node.error(self.files, Code::InvalidMacroName, message));
        }
        let condition = self.text(entry, "condition")?;
        let change = self.change_of(entry, "condition");
        match (change, collection.macros.get_mut(name)) {
            (Some(Change::Append), Some(existing)) => {
                existing.condition.push_own(" ");
                existing.condition.push_text(&condition);
                existing.touched = self.number;
            }
            (Some(Change::Append), None) => return self.no_target(entry, "macro"),
            (_, existing) => {
                let defined = existing.map_or(self.number, |existing| existing.defined);
                let (condition, node) = ((*condition).clone(), entry.node.clone());
                let touched = self.number;
                let definition = MacroDefinition { condition, node, touched, defined };
                collection.macros.insert(name.to_owned(), definition);
            }
        }
        Some(())
    }

    fn rule(&mut self, collection: &mut Collection, entry: &Entry) -> Option<()> {
        self.overrides_have_keys(entry)?;
        let existing = collection.rule_index.get(entry.name.as_str()).copied();
        let bare =
            ["condition", "output", "desc", "priority"].iter().all(|key| entry.get(key).is_none());
        if entry.append || !entry.overrides.is_empty() {
            let Some(index) = existing else { return self.no_target(entry, "rule") };
            return self.change_rule(&mut collection.rules[index], entry);
        }
        if bare && let Some(enabled) = entry.get("enabled") {
            let warning = enabled.error(self.files, Code::DeprecatedItem, "this way is deprecated");
            self.found.push(warning.hint("write `override: {enabled: replace}`"));
            let enabled = boolean(self.files, enabled, self.found)?;
            let Some(index) = existing else { return self.no_target(entry, "rule") };
            collection.rules[index].enabled = enabled;
            return Some(());
        }
        let rule = self.new_rule(entry)?;
        match existing {
            Some(index) => {
                if entry.get("source").is_some() && collection.rules[index].source != rule.source {
                    let message = "the rule is defined before with another source";
                    return self.error(&entry.node, Code::Validate, message);
                }
                collection.rules[index] = rule;
            }
            None => {
                let name = entry.name.as_str().to_owned();
                collection.rule_index.insert(name, collection.rules.len());
                collection.rules.push(rule);
            }
        }
        Some(())
    }

    fn new_rule(&mut self, entry: &Entry) -> Option<RuleDefinition> {
        let condition = self.text(entry, "condition");
        let output = self.text(entry, "output");
        let description = self.text(entry, "desc");
        let priority = self.text(entry, "priority").and_then(|_| self.priority(entry));
        let tags = self.tags(entry);
        let exceptions = self.exceptions(entry);
        let mut flag = |key: &str, default: bool| match entry.get(key) {
            Some(node) => boolean(self.files, node, self.found),
            None => Some(default),
        };
        let enabled = flag("enabled", true);
        let warn_event_types = flag("warn_evttypes", true);
        let skip_if_unknown_filter = flag("skip-if-unknown-filter", false);
        let source = match entry.get("source").and_then(Node::str) {
            None | Some("") => "syscall".to_owned(),
            Some(source) => source.to_owned(),
        };
        Some(RuleDefinition {
            name: Rc::clone(&entry.name),
            node: entry.node.clone(),
            condition: (*condition?).clone(),
            output: output?.trim(),
            description: description?.as_str().trim().to_owned(),
            priority: priority?,
            source,
            enabled: enabled?,
            warn_event_types: warn_event_types?,
            skip_if_unknown_filter: skip_if_unknown_filter?,
            tags: tags?,
            exceptions: exceptions?,
        })
    }

    fn priority(&mut self, entry: &Entry) -> Option<Priority> {
        let node = entry.get("priority")?;
        match node.str().unwrap_or_default().parse() {
            Ok(priority) => Some(priority),
            Err(alert::UnknownPriority(text)) => {
                let error = node.error(
                    self.files,
                    Code::YamlValidate,
                    format!("unknown priority `{text}`"),
                );
                let names = Priority::ALL.map(|priority| priority.name().to_ascii_uppercase());
                let near = crate::ir::nearest(
                    &text.to_ascii_uppercase(),
                    names.iter().map(String::as_str),
                );
                self.found.push(match near {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint(format!("the priorities are {}", names.join(", "))),
                });
                None
            }
        }
    }

    fn tags(&mut self, entry: &Entry) -> Option<Vec<String>> {
        let Some(node) = entry.get("tags") else { return Some(Vec::new()) };
        let texts = self.texts(node, "tags")?;
        let mut tags: Vec<_> = texts.iter().map(|text| text.as_str().to_owned()).collect();
        tags.sort_unstable();
        tags.dedup();
        Some(tags)
    }

    fn exceptions(&mut self, entry: &Entry) -> Option<Vec<Exception>> {
        match entry.get("exceptions") {
            None => Some(Vec::new()),
            Some(node) => read_exceptions(self.files, node, self.found),
        }
    }

    fn change_rule(&mut self, rule: &mut RuleDefinition, entry: &Entry) -> Option<()> {
        const KEYS: [&str; 10] = [
            "condition",
            "output",
            "desc",
            "tags",
            "exceptions",
            "priority",
            "enabled",
            "warn_evttypes",
            "skip-if-unknown-filter",
            "source",
        ];
        // Appends come before replacements, whatever their order in the file.
        for wanted in [Change::Append, Change::Replace] {
            for key in KEYS.into_iter().filter(|key| entry.get(key).is_some()) {
                match self.change_of(entry, key) {
                    Some(change) if change == wanted => {
                        self.change_key(rule, entry, key, change)?
                    }
                    None if wanted == Change::Append && key != "source" => {
                        let message = format!("`override` does not say how to change `{key}`");
                        return self.error(&entry.node, Code::YamlValidate, message);
                    }
                    _ => {}
                }
            }
        }
        Some(())
    }

    fn change_key(
        &mut self,
        rule: &mut RuleDefinition,
        entry: &Entry,
        key: &str,
        change: Change,
    ) -> Option<()> {
        let append = change == Change::Append;
        match key {
            "condition" | "output" => {
                let text = self.text(entry, key)?;
                let target =
                    if key == "condition" { &mut rule.condition } else { &mut rule.output };
                if append {
                    target.push_own(" ");
                    target.push_text(&text);
                } else {
                    *target = (*text).clone();
                }
            }
            "desc" => {
                let text = self.text(entry, key)?;
                let old = if append { format!("{} ", rule.description) } else { String::new() };
                rule.description = old + text.as_str().trim();
            }
            "tags" => {
                let mut tags = self.tags(entry)?;
                if append {
                    tags.append(&mut rule.tags);
                    tags.sort_unstable();
                    tags.dedup();
                }
                rule.tags = tags;
            }
            "exceptions" => {
                let exceptions = self.exceptions(entry)?;
                if !append {
                    rule.exceptions = exceptions;
                    return Some(());
                }
                for exception in exceptions {
                    let same = rule.exceptions.iter_mut().find(|old| old.name == exception.name);
                    match same {
                        Some(old) => old.values.extend(exception.values),
                        None => rule.exceptions.push(exception),
                    }
                }
            }
            "priority" => rule.priority = self.priority(entry)?,
            "enabled" | "warn_evttypes" | "skip-if-unknown-filter" => {
                let value = boolean(self.files, entry.get(key)?, self.found)?;
                match key {
                    "enabled" => rule.enabled = value,
                    "warn_evttypes" => rule.warn_event_types = value,
                    _ => rule.skip_if_unknown_filter = value,
                }
            }
            _ => {}
        }
        Some(())
    }
}
