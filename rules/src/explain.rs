//! Tells what a rule asks and of which events, and why one event matched it or did not.

mod print;
mod step;
mod trace;

use std::collections::BTreeMap;

use alert::{EventKind, Priority};
use serde::Serialize;

use crate::{Rule, RuleSet, ir::Leaf};

pub(crate) use print::{leaf, predicate, whole};
pub use step::{Operator, Seen, Step};
pub use trace::Trace;

/// What a rule is and what it asks.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    pub rule: String,
    pub description: String,
    pub priority: Priority,
    pub source: String,
    pub tags: Vec<String>,
    /// Names of its exceptions; values can be appended to each.
    pub exceptions: Vec<String>,
    pub file: String,
    /// From 1.
    pub line: usize,
    /// Kinds of event it is asked about.
    pub kinds: Vec<&'static str>,
    /// Its condition with lists and macros in their places, equal parts joined, and what is known
    /// before any event left out.
    pub condition: Step,
    pub fields: Vec<FieldUse>,
}

/// A field that a rule reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldUse {
    /// With its argument, as in `proc.aname[2]`.
    pub name: String,
    pub in_condition: bool,
    pub in_output: bool,
    /// Whether any sensor gives it a value today.
    pub supplied: bool,
    /// Where its value comes from.
    pub from: &'static str,
}

impl RuleSet {
    /// Returns what the rule of this name asks; `None` if no enabled rule has it.
    pub fn explain(&self, rule: &str) -> Option<Explanation> {
        let (index, rule) = self.find(rule)?;
        let (file, line) = rule.location();
        Some(Explanation {
            rule: rule.name.clone(),
            description: rule.description.clone(),
            priority: rule.priority,
            source: rule.source.clone(),
            tags: rule.tags.clone(),
            exceptions: rule.exceptions.clone(),
            file,
            line,
            kinds: self.kinds(rule).into_iter().map(EventKind::name).collect(),
            condition: step::plain(self.graph(), self.root(index)),
            fields: self.fields(index, rule),
        })
    }

    /// Returns the kinds of event that can match a rule of this set.
    pub fn kinds(&self, rule: &Rule) -> Vec<EventKind> {
        let Some((index, _)) = self.find(&rule.name) else { return Vec::new() };
        let asked = |kind: &EventKind| {
            self.program().entries(*kind).iter().any(|entry| entry.rule as usize == index)
        };
        EventKind::ALL.into_iter().filter(asked).collect()
    }

    fn find(&self, name: &str) -> Option<(usize, &Rule)> {
        self.rules().iter().enumerate().find(|(_, rule)| rule.name == name)
    }

    fn fields(&self, index: usize, rule: &Rule) -> Vec<FieldUse> {
        let mut uses: BTreeMap<String, FieldUse> = BTreeMap::new();
        self.condition_leaves(self.root(index), &mut |leaf| {
            if let Some(entry) = entry(&mut uses, leaf) {
                entry.in_condition = true;
            }
        });
        rule.output_leaves(&mut |leaf| {
            if let Some(entry) = entry(&mut uses, leaf) {
                entry.in_output = true;
            }
        });
        uses.into_values().collect()
    }
}

fn entry<'u>(uses: &'u mut BTreeMap<String, FieldUse>, leaf: &Leaf) -> Option<&'u mut FieldUse> {
    let Leaf::Event(field, argument) = leaf else { return None };
    let name = print::field(*field, argument);
    let supplied = field.supplied();
    let from =
        if supplied { field.origin().sentence().trim_end_matches('.') } else { "nobody yet" };
    let (in_condition, in_output) = (false, false);
    let unused = FieldUse { name: name.clone(), in_condition, in_output, supplied, from };
    Some(uses.entry(name).or_insert(unused))
}

impl Explanation {
    /// Returns the condition on lines of its own, indented by its parts.
    pub fn condition_text(&self) -> String {
        print::tree(&self.condition, &mut |_, line| line)
    }
}

#[cfg(test)]
mod tests;
