//! Merges the items of all files: redefinitions, appends and overrides, in the order of the files.

mod rule;

use std::rc::Rc;

use alert::Priority;
use hashbrown::{HashMap, HashSet};

use super::{
    exception::Exception,
    inside,
    item::{Change, Entry, Item},
    value,
};
use crate::{
    diagnostic::{Code, Diagnostic, ItemType},
    text::{Files, Text},
    yaml::Node,
};

#[derive(Debug)]
pub(crate) struct ListDefinition {
    pub(crate) name: Rc<Text>,
    pub(crate) items: Vec<Rc<Text>>,
    /// The value of the key that names it.
    pub(crate) node: Node,
    pub(crate) item: Node,
}

#[derive(Debug)]
pub(crate) struct MacroDefinition {
    pub(crate) condition: Text,
    /// Where the condition stands.
    pub(crate) condition_node: Node,
    pub(crate) node: Node,
    pub(crate) item: Node,
    /// Number of the item that touched it last: it sees the macros defined before that.
    pub(crate) touched: usize,
    pub(crate) defined: usize,
}

#[derive(Debug)]
pub(crate) struct RuleDefinition {
    pub(crate) name: Rc<Text>,
    pub(crate) node: Node,
    pub(crate) item: Node,
    pub(crate) condition: Text,
    pub(crate) condition_node: Node,
    pub(crate) output: Text,
    pub(crate) output_node: Node,
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
    /// Names of items with faults, which were told; that they are not there need not be.
    broken: HashSet<(u8, String)>,
}

impl Collection {
    fn add_broken(&mut self, item_type: ItemType, name: &str) {
        self.broken.insert((item_type as u8, name.to_owned()));
    }

    /// Returns whether an item of that name was found faulty.
    pub(crate) fn is_broken(&self, item_type: ItemType, name: &str) -> bool {
        self.broken.contains(&(item_type as u8, name.to_owned()))
    }
}

/// Merges items, and says what does not fit together.
pub(crate) fn collect(files: &Files, items: &[Item], found: &mut Vec<Diagnostic>) -> Collection {
    let mut collection = Collection::default();
    for (number, item) in items.iter().enumerate() {
        let (item_type, entry) = match item {
            Item::List(entry) => (ItemType::List, entry),
            Item::Macro(entry) => (ItemType::Macro, entry),
            Item::Rule(entry) => (ItemType::Rule, entry),
            Item::Broken(item_type, name) => {
                collection.add_broken(*item_type, name.as_str());
                continue;
            }
            Item::Case(_) => continue,
        };
        let name = entry.name.as_str();
        inside(files, found, item_type, name, &entry.item, |found| {
            let mut merge = Merge { files, found, number };
            let done = match item_type {
                ItemType::List => merge.list(&mut collection, entry),
                ItemType::Macro => merge.macro_item(&mut collection, entry),
                _ => merge.rule(&mut collection, entry),
            };
            if done.is_none() {
                collection.add_broken(item_type, name);
            }
        });
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

    /// Returns the value of a key that must be there.
    fn needed<'e>(&mut self, entry: &'e Entry, key: &str) -> Option<&'e Node> {
        let node = entry.get(key);
        if node.is_none() {
            let message = format!("`{}` has no `{key}`", entry.name.as_str());
            self.found.push(entry.node.error(self.files, Code::YamlValidate, message));
        }
        node
    }

    fn text(&mut self, entry: &Entry, key: &str) -> Option<Rc<Text>> {
        let node = self.needed(entry, key)?;
        value::text(self.files, node, key, self.found)
    }

    fn overrides_have_keys(&mut self, entry: &Entry) -> Option<()> {
        let before = self.found.len();
        for (key, _) in &entry.overrides {
            let name = key.str().unwrap_or_default();
            if entry.get(name).is_none() {
                let message = format!("`override` names `{name}`, but the item has no such key");
                self.found.push(key.error(self.files, Code::YamlValidate, message));
            }
        }
        (self.found.len() == before).then_some(())
    }

    /// Says that what should be changed is not there, unless that was told in other words.
    fn no_target<T>(
        &mut self,
        collection: &Collection,
        item_type: ItemType,
        entry: &Entry,
    ) -> Option<T> {
        let name = entry.name.as_str();
        if !collection.is_broken(item_type, name) {
            let what = match item_type {
                ItemType::List => "list",
                ItemType::Macro => "macro",
                _ => "rule",
            };
            let message = format!("there is no {what} `{name}` before this to change");
            self.found.push(entry.node.error(self.files, Code::Validate, message));
        }
        None
    }

    fn list(&mut self, collection: &mut Collection, entry: &Entry) -> Option<()> {
        let name = entry.name.as_str();
        if !name.bytes().all(crate::parse::list_name_character) {
            let message = format!("`{name}` has letters that no condition can name");
            self.found.push(entry.node.error(self.files, Code::InvalidListName, message));
        }
        let keys = self.overrides_have_keys(entry);
        let node = self.needed(entry, "items")?;
        let items = value::texts(self.files, node, "items", self.found)?;
        keys?;
        let appends = entry.append || entry.change("items") == Some(Change::Append);
        match collection.list_index.get(name).copied() {
            Some(index) if appends => collection.lists[index].items.extend(items),
            None if appends => return self.no_target(collection, ItemType::List, entry),
            Some(index) => collection.lists[index].items = items,
            None => {
                collection.list_index.insert(name.to_owned(), collection.lists.len());
                let name = Rc::clone(&entry.name);
                let (node, item) = (entry.node.clone(), entry.item.clone());
                collection.lists.push(ListDefinition { name, items, node, item });
            }
        }
        Some(())
    }

    fn macro_item(&mut self, collection: &mut Collection, entry: &Entry) -> Option<()> {
        let name = entry.name.as_str();
        let valid = name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !valid {
            let message = format!("`{name}` is no name that a condition can use");
            self.found.push(entry.node.error(self.files, Code::InvalidMacroName, message));
        }
        let keys = self.overrides_have_keys(entry);
        let condition = self.text(entry, "condition")?;
        keys?;
        let appends = entry.append || entry.change("condition") == Some(Change::Append);
        match collection.macros.get_mut(name) {
            Some(existing) if appends => {
                existing.condition.push_own(" ");
                existing.condition.push_text(&condition);
                existing.touched = self.number;
            }
            None if appends => return self.no_target(collection, ItemType::Macro, entry),
            existing => {
                let defined = existing.map_or(self.number, |existing| existing.defined);
                let definition = MacroDefinition {
                    condition: (*condition).clone(),
                    condition_node: entry.get("condition").unwrap_or(&entry.node).clone(),
                    node: entry.node.clone(),
                    item: entry.item.clone(),
                    touched: self.number,
                    defined,
                };
                collection.macros.insert(name.to_owned(), definition);
            }
        }
        Some(())
    }
}
