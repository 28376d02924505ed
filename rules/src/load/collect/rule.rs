//! Defines rules, and changes them.

use std::rc::Rc;

use alert::{EventSource, Priority};

use super::{Collection, Merge, RuleDefinition};
use crate::{
    diagnostic::{Code, ItemType},
    load::{
        exception::{Exception, Purpose, read_exceptions},
        inside,
        item::{Change, Entry, RULE_CHANGES},
        value,
    },
    yaml::Node,
};

const DEFAULT_SOURCE: &str = "syscall";

impl Merge<'_> {
    pub(super) fn rule(&mut self, collection: &mut Collection, entry: &Entry) -> Option<()> {
        let existing = collection.rule_index.get(entry.name.as_str()).copied();
        let has = |key: &&str| entry.get(key).is_some();
        if entry.append || !entry.overrides.is_empty() {
            let keys = self.overrides_have_keys(entry);
            let covered = self.keys_have_overrides(entry);
            let Some(index) = existing else {
                return self.no_target(collection, ItemType::Rule, entry);
            };
            let rule = &mut collection.rules[index];
            self.source_is_the_same(rule, entry)?;
            return self.change_rule(rule, entry).and(keys).and(covered);
        }
        if !["condition", "output", "desc", "priority"].iter().any(has) {
            return self.toggle(collection, entry, existing);
        }
        let existing_rule = existing.map(|index| &collection.rules[index]);
        let rule = self.new_rule(entry, existing_rule)?;
        match existing {
            Some(index) => {
                self.source_is_the_same(&collection.rules[index], entry)?;
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

    /// `enabled` alone changes a rule that is there, the old way.
    fn toggle(
        &mut self,
        collection: &mut Collection,
        entry: &Entry,
        existing: Option<usize>,
    ) -> Option<()> {
        let Some(node) = entry.get("enabled") else {
            let message = format!("`{}` has no `condition`", entry.name.as_str());
            let error = entry.node.error(self.files, Code::YamlValidate, message);
            let hint = "a rule has condition, output, desc and priority; \
                        to change one use `override`";
            self.found.push(error.hint(hint));
            return None;
        };
        let message = "to change `enabled` alone is deprecated";
        let warning = node.error(self.files, Code::DeprecatedItem, message);
        self.found.push(warning.hint("write `override: {enabled: replace}`"));
        let enabled = value::boolean(self.files, node, "enabled", self.found)?;
        let Some(index) = existing else {
            return self.no_target(collection, ItemType::Rule, entry);
        };
        collection.rules[index].enabled = enabled;
        Some(())
    }

    fn source_is_the_same(&mut self, rule: &RuleDefinition, entry: &Entry) -> Option<()> {
        match entry.get("source") {
            Some(node)
                if node.str().is_some_and(|source| {
                    !node.is_null() && !source.is_empty() && source != rule.source
                }) =>
            {
                let message = format!("the rule is defined before with source `{}`", rule.source);
                self.error(node, Code::Validate, message)
            }
            _ => Some(()),
        }
    }

    /// Says which keys have no entry in `override`, or are nothing `append: true` changes.
    fn keys_have_overrides(&mut self, entry: &Entry) -> Option<()> {
        let before = self.found.len();
        for (key, _) in RULE_CHANGES {
            let Some(node) = entry.get(key) else { continue };
            if entry.append && !matches!(*key, "condition" | "exceptions") {
                let message = format!("`append` does not change `{key}`, it is ignored");
                let warning = node.error(self.files, Code::UnknownKey, message);
                self.found.push(warning.hint(format!("write `override: {{{key}: …}}`")));
            } else if !entry.append && entry.change(key).is_none() {
                let message = format!("`override` does not say how to change `{key}`");
                inside(self.files, self.found, ItemType::Overrides, key, node, |found| {
                    found.push(node.error(self.files, Code::YamlValidate, message));
                });
            }
        }
        (entry.append || self.found.len() == before).then_some(())
    }

    fn new_rule(
        &mut self,
        entry: &Entry,
        existing: Option<&RuleDefinition>,
    ) -> Option<RuleDefinition> {
        let condition = self.text(entry, "condition");
        let output = self.text(entry, "output");
        let description = self.text(entry, "desc");
        let priority = self.needed(entry, "priority").and_then(|node| self.priority(node));
        let source = match (entry.get("source"), existing) {
            (None, None) => Some(DEFAULT_SOURCE.to_owned()),
            (None, Some(existing)) => Some(existing.source.clone()),
            (Some(_), _) => self.text(entry, "source").map(|source| source.as_str().to_owned()),
        };
        let tags = self.tags(entry);
        let events = source.as_deref().and_then(EventSource::from_name);
        let exceptions = self.exceptions(entry, Purpose::Define, events);
        let mut flag = |key: &str, default: bool| match entry.get(key) {
            Some(node) => value::boolean(self.files, node, key, self.found),
            None => Some(default),
        };
        let enabled = flag("enabled", true);
        let warn_event_types = flag("warn_evttypes", true);
        let skip_if_unknown_filter = flag("skip-if-unknown-filter", false);
        // Captures are asked for, but none is written here.
        let capture = flag("capture", false);
        let duration = self.capture_duration(entry);
        capture?;
        duration?;
        Some(RuleDefinition {
            name: Rc::clone(&entry.name),
            node: entry.node.clone(),
            item: entry.item.clone(),
            condition: (*condition?).clone(),
            condition_node: entry.get("condition")?.clone(),
            output: output?.trim(),
            output_node: entry.get("output")?.clone(),
            description: description?.as_str().trim().to_owned(),
            priority: priority?,
            source: source?,
            enabled: enabled?,
            warn_event_types: warn_event_types?,
            skip_if_unknown_filter: skip_if_unknown_filter?,
            tags: tags?,
            exceptions: exceptions?,
        })
    }

    fn capture_duration(&mut self, entry: &Entry) -> Option<()> {
        match entry.get("capture_duration") {
            None => Some(()),
            Some(node) => {
                value::number(self.files, node, "capture_duration", self.found).map(|_| ())
            }
        }
    }

    fn priority(&mut self, node: &Node) -> Option<Priority> {
        let text = value::text(self.files, node, "priority", self.found)?;
        let text = match text.as_str().parse() {
            Ok(priority) => return Some(priority),
            Err(alert::UnknownPriority(text)) => text,
        };
        let message = format!("unknown priority `{text}`");
        let error = node.error(self.files, Code::YamlValidate, message);
        let names = Priority::ALL.map(|priority| priority.name().to_ascii_uppercase());
        let near = crate::ir::nearest(&text.to_ascii_uppercase(), names.iter().map(String::as_str));
        let error = match near {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("the priorities are {}", names.join(", "))),
        };
        inside(self.files, self.found, ItemType::RulePriority, "", node, |found| {
            found.push(error);
            None
        })
    }

    fn tags(&mut self, entry: &Entry) -> Option<Vec<String>> {
        let Some(node) = entry.get("tags") else { return Some(Vec::new()) };
        let texts = value::texts(self.files, node, "tags", self.found)?;
        let mut tags: Vec<_> = texts.iter().map(|text| text.as_str().to_owned()).collect();
        tags.sort_unstable();
        tags.dedup();
        Some(tags)
    }

    fn exceptions(
        &mut self,
        entry: &Entry,
        purpose: Purpose,
        source: Option<EventSource>,
    ) -> Option<Vec<Exception>> {
        match entry.get("exceptions") {
            None => Some(Vec::new()),
            Some(node) => read_exceptions(self.files, node, purpose, source, self.found),
        }
    }

    /// Appends come before replacements, whatever their order in the file.
    fn change_rule(&mut self, rule: &mut RuleDefinition, entry: &Entry) -> Option<()> {
        let mut done = Some(());
        if entry.append {
            for key in
                ["condition", "exceptions"].into_iter().filter(|key| entry.get(key).is_some())
            {
                done = self.append(rule, entry, key).and(done);
            }
            if entry.get("condition").is_none() && entry.get("exceptions").is_none() {
                let message = "`append` changes `condition` and `exceptions`, there is neither";
                return self.error(&entry.node, Code::Validate, message);
            }
            return done;
        }
        for wanted in [Change::Append, Change::Replace] {
            for (key, _) in RULE_CHANGES.iter().filter(|(key, _)| entry.get(key).is_some()) {
                if entry.change(key) == Some(wanted) {
                    let changed = match wanted {
                        Change::Append => self.append(rule, entry, key),
                        Change::Replace => self.replace(rule, entry, key),
                    };
                    done = changed.and(done);
                }
            }
        }
        done
    }

    fn append(&mut self, rule: &mut RuleDefinition, entry: &Entry, key: &str) -> Option<()> {
        match key {
            "condition" | "output" => {
                let text = self.text(entry, key)?;
                let is_condition = key == "condition";
                let target = if is_condition { &mut rule.condition } else { &mut rule.output };
                target.push_own(" ");
                target.push_text(&text);
            }
            "desc" => {
                let text = self.text(entry, key)?;
                rule.description = format!("{} {}", rule.description, text.as_str().trim());
            }
            "tags" => {
                rule.tags.append(&mut self.tags(entry)?);
                rule.tags.sort_unstable();
                rule.tags.dedup();
            }
            _ => {
                let source = EventSource::from_name(&rule.source);
                for exception in self.exceptions(entry, Purpose::Append, source)? {
                    let (name, node) = (exception.name.clone(), exception.node.clone());
                    inside(self.files, self.found, ItemType::Exception, &name, &node, |found| {
                        let mut merge = Merge { files: self.files, found, number: self.number };
                        merge.exception(rule, exception)
                    })?;
                }
            }
        }
        Some(())
    }

    /// Adds values to an exception of that name, or a new one.
    fn exception(&mut self, rule: &mut RuleDefinition, exception: Exception) -> Option<()> {
        let name = &exception.name;
        let Some(existing) = rule.exceptions.iter_mut().find(|old| old.name == *name) else {
            let missing = if exception.shape.is_none() { "fields" } else { "values" };
            if exception.shape.is_none() || exception.values.is_empty() {
                let message =
                    format!("the rule has no exception `{name}`, so it needs `{missing}`");
                return self.error(&exception.node, Code::Validate, message);
            }
            rule.exceptions.push(exception);
            return Some(());
        };
        if exception.shape.is_some() || exception.has_operators {
            let message = format!("the rule has an exception `{name}`: only `values` can be added");
            return self.error(&exception.node, Code::Validate, message);
        }
        existing.values.extend(exception.values);
        Some(())
    }

    fn replace(&mut self, rule: &mut RuleDefinition, entry: &Entry, key: &str) -> Option<()> {
        let node = entry.get(key)?;
        match key {
            "condition" => {
                rule.condition = (*self.text(entry, key)?).clone();
                rule.condition_node = node.clone();
            }
            "output" => {
                rule.output = (*self.text(entry, key)?).clone();
                rule.output_node = node.clone();
            }
            "desc" => rule.description = self.text(entry, key)?.as_str().trim().to_owned(),
            "tags" => rule.tags = self.tags(entry)?,
            "exceptions" => {
                let source = EventSource::from_name(&rule.source);
                rule.exceptions = self.exceptions(entry, Purpose::Define, source)?;
            }
            "priority" => rule.priority = self.priority(node)?,
            "capture_duration" => self.capture_duration(entry)?,
            _ => {
                let value = value::boolean(self.files, node, key, self.found)?;
                match key {
                    "enabled" => rule.enabled = value,
                    "warn_evttypes" => rule.warn_event_types = value,
                    "skip-if-unknown-filter" => rule.skip_if_unknown_filter = value,
                    // `capture` is accepted, but none is written here.
                    _ => {}
                }
            }
        }
        Some(())
    }
}
