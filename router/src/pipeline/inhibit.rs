//! Inhibition: while one finding is active, people do not hear of others that follow from it.
//!
//! As in Alertmanager: a target is hidden while there is a source with the same values of the fields in
//! `equal`, where a field that is absent is an empty one; and a finding that is source and target of a
//! rule is not hidden by another that is both.

use std::{collections::BTreeMap, mem, sync::Arc};

use alert::{Alert, Fingerprint};
use hashbrown::HashMap;
use rules::{Condition, Subject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    facts::{Facts, Key},
    group,
};

/// Places in which one finding counts as a source. Its alerts may differ in the fields of `equal`;
/// those in further places hide nothing, and are counted.
const SOURCES_MAX: usize = 16;

/// Findings for which `target` holds are hidden while one is active for which `source` does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inhibition {
    /// Shown in explanations; `inhibition-1` for the first if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Findings with an alert for which this holds hide others while they are active.
    #[schemars(with = "String")]
    pub source: Condition,
    /// What they hide.
    #[schemars(with = "String")]
    pub target: Condition,
    /// Only where source and target have the same values of these: as in a route's `group_by`. A
    /// field that is absent is an empty one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub equal: Vec<String>,
}

/// Returns an inhibition's own name, or its place.
pub(super) fn name(inhibition: &Inhibition, index: usize) -> String {
    inhibition.name.clone().unwrap_or_else(|| format!("inhibition-{}", index + 1))
}

/// Which finding hides another, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Inhibitor {
    /// The inhibition's name.
    pub rule: Arc<str>,
    /// The finding that is its source.
    pub source: Fingerprint,
}

/// A finding's part in one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    /// Index of the rule in the configuration in force.
    rule: u32,
    /// Digest of the values of the rule's `equal`.
    key: u64,
    /// It is source and target of the rule.
    both: bool,
}

/// A finding's part in all rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parts {
    /// Of any of its alerts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sources: Vec<Part>,
    /// Of its last alert.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    targets: Vec<Part>,
}

impl Parts {
    pub(super) fn is_source(&self) -> bool {
        !self.sources.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.targets.is_empty()
    }
}

#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    source: Condition,
    target: Condition,
    equal: Vec<Key>,
}

/// The compiled rules, and the findings that are sources of each. Follows from the configuration and
/// the findings' parts.
#[derive(Debug, Default)]
pub(super) struct Inhibitions {
    rules: Vec<Rule>,
    /// By rule and key, with whether the source is also a target.
    sources: HashMap<(u32, u64), BTreeMap<Fingerprint, bool>>,
    value: String,
}

impl Inhibitions {
    pub(super) fn new(inhibitions: &[Inhibition]) -> Self {
        let compile = |(index, inhibition): (usize, &Inhibition)| Rule {
            name: name(inhibition, index).into(),
            source: inhibition.source.clone(),
            target: inhibition.target.clone(),
            equal: inhibition.equal.iter().map(|name| Key::parse(name)).collect(),
        };
        Self { rules: inhibitions.iter().enumerate().map(compile).collect(), ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns an alert's part in the rules that `wanted` names by their index.
    pub(super) fn parts(
        &mut self,
        alert: &Alert,
        facts: &Facts<'_>,
        subject: &Subject<'_>,
        wanted: impl Fn(u32) -> bool,
    ) -> Parts {
        let mut parts = Parts::default();
        let mut value = mem::take(&mut self.value);
        for (index, rule) in (0..).zip(&self.rules).filter(|(index, _)| wanted(*index)) {
            let is_source = rule.source.matches(subject);
            let is_target = rule.target.matches(subject);
            if !is_source && !is_target {
                continue;
            }
            let mut values = Vec::with_capacity(rule.equal.len());
            for key in &rule.equal {
                value.clear();
                key.write(alert, facts, subject.fingerprint, &mut value);
                values.push(group::digest64(&[value.as_bytes()]).to_be_bytes());
            }
            let values: Vec<&[u8]> = values.iter().map(<[u8; 8]>::as_slice).collect();
            let part =
                Part { rule: index, key: group::digest64(&values), both: is_source && is_target };
            parts.sources.extend(is_source.then_some(part));
            parts.targets.extend(is_target.then_some(part));
        }
        self.value = value;
        parts
    }

    /// Takes a finding's new alert in: its sources grow, its targets are those of this alert.
    /// Returns how many sources there was no room for.
    pub(super) fn take(&mut self, fingerprint: Fingerprint, held: &mut Parts, new: Parts) -> u64 {
        held.targets.clear();
        self.add(fingerprint, held, new)
    }

    /// As [`Self::take`], but keeps the targets there are.
    pub(super) fn add(&mut self, fingerprint: Fingerprint, held: &mut Parts, new: Parts) -> u64 {
        let mut refused = 0;
        for part in new.sources {
            if held.sources.contains(&part) {
                continue;
            }
            if held.sources.len() >= SOURCES_MAX {
                refused += 1;
                continue;
            }
            held.sources.push(part);
            self.enter(fingerprint, part);
        }
        held.targets.extend(new.targets);
        held.targets.sort_by_key(|part| part.rule);
        refused
    }

    fn enter(&mut self, fingerprint: Fingerprint, part: Part) {
        let sources = self.sources.entry((part.rule, part.key)).or_default();
        sources.insert(fingerprint, part.both);
    }

    /// Notes again what a finding is a source of.
    pub(super) fn restore(&mut self, fingerprint: Fingerprint, held: &Parts) {
        for part in &held.sources {
            self.enter(fingerprint, *part);
        }
    }

    /// Forgets a finding; returns the rules it was a source of, each once.
    pub(super) fn forget(&mut self, fingerprint: Fingerprint, held: &Parts) -> Vec<Arc<str>> {
        let mut rules: Vec<Arc<str>> = Vec::new();
        for part in &held.sources {
            let key = (part.rule, part.key);
            if let Some(sources) = self.sources.get_mut(&key) {
                sources.remove(&fingerprint);
                if sources.is_empty() {
                    self.sources.remove(&key);
                }
            }
            let rule = self.rules.get(part.rule as usize).map(|rule| rule.name.clone());
            rules.extend(rule.filter(|name| !rules.contains(name)));
        }
        rules
    }

    /// Returns what hides a finding now, of the first rule by which something does.
    pub(super) fn inhibitor(&self, fingerprint: Fingerprint, held: &Parts) -> Option<Inhibitor> {
        held.targets.iter().find_map(|part| {
            let sources = self.sources.get(&(part.rule, part.key))?;
            let mut hiding = sources
                .iter()
                .filter(|(source, both)| **source != fingerprint && !(part.both && **both));
            let source = *hiding.next()?.0;
            Some(Inhibitor { rule: self.rules.get(part.rule as usize)?.name.clone(), source })
        })
    }

    /// Returns for how many values of its `equal` each rule has sources.
    pub(super) fn sources_by_rule(&self) -> Vec<u64> {
        let mut counts = vec![0; self.rules.len()];
        for (rule, _) in self.sources.keys() {
            if let Some(count) = counts.get_mut(*rule as usize) {
                *count += 1;
            }
        }
        counts
    }

    /// Returns how many pairs of a rule and the values of its `equal` have sources.
    pub(super) fn sources_len(&self) -> usize {
        self.sources.len()
    }
}

/// Where the rules of a former configuration are in a new one.
pub(super) struct Moved(Vec<Option<u32>>);

impl Moved {
    pub(super) fn new(before: &[Inhibition], after: &[Inhibition]) -> Self {
        // A rule without a name is called by its place, so that one that moved is another one.
        let same = |(index, old): (usize, &Inhibition)| {
            let is_same = |(place, new): (usize, &Inhibition)| {
                old == new && name(old, index) == name(new, place)
            };
            let place = after.iter().enumerate().position(is_same)?;
            u32::try_from(place).ok()
        };
        Self(before.iter().enumerate().map(same).collect())
    }

    /// Returns whether a rule of the new configuration was not in the former one.
    pub(super) fn is_new(&self, rule: u32) -> bool {
        !self.0.contains(&Some(rule))
    }

    /// Renumbers a finding's parts, and drops those in rules that are gone.
    pub(super) fn renumber(&self, held: &mut Parts) {
        for parts in [&mut held.sources, &mut held.targets] {
            parts.retain_mut(|part| match self.0.get(part.rule as usize).copied().flatten() {
                Some(rule) => {
                    part.rule = rule;
                    true
                }
                None => false,
            });
        }
    }
}
