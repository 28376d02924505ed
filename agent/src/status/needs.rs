//! Which rules need which kinds of event, and which of them miss some.

use std::{collections::BTreeMap, sync::Arc};

use alert::EventKind;
use rules::RuleSet;
use serde::{Deserialize, Serialize};

use super::SensorReport;

/// Rules named for one kind of event; more are counted.
const NAMES_MAX: usize = 20;

/// What the rules in force need, found out once for each set.
#[derive(Debug)]
pub(crate) struct Needs {
    rules: Arc<RuleSet>,
    /// Each rule with the kinds that can match it and that a sensor reports.
    kinds: Vec<(String, Vec<EventKind>)>,
}

impl Needs {
    pub(crate) fn of(rules: &Arc<RuleSet>) -> Self {
        let kinds = rules.rules().iter().map(|rule| {
            let reported = rules.kinds(rule).into_iter().filter(|kind| kind.is_reported());
            (rule.name.clone(), reported.collect())
        });
        Self { kinds: kinds.collect(), rules: Arc::clone(rules) }
    }

    /// Returns whether these are the rules it was made of.
    pub(crate) fn is_of(&self, rules: &Arc<RuleSet>) -> bool {
        Arc::ptr_eq(&self.rules, rules)
    }

    /// Returns how many rules need each kind, and the names of the first.
    pub(super) fn by_kind(&self) -> BTreeMap<&'static str, (u64, Vec<String>)> {
        let mut by_kind: BTreeMap<_, (u64, Vec<String>)> = BTreeMap::new();
        for (rule, kinds) in &self.kinds {
            for kind in kinds {
                let (count, names) = by_kind.entry(kind.name()).or_default();
                *count += 1;
                if names.len() < NAMES_MAX {
                    names.push(rule.clone());
                }
            }
        }
        by_kind
    }
}

/// A rule that does not get all its events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleGap {
    pub rule: String,
    /// Kinds it needs and no hook sees.
    pub unseen: Vec<String>,
    /// Kinds that are seen by less than they might be: `hooks` and `unavailable` tell why.
    pub weaker: Vec<String>,
    /// Whether no event can reach it.
    pub blind: bool,
}

/// Returns the rules that miss something with these hooks.
pub(crate) fn gaps(needs: &Needs, sensor: &SensorReport) -> Vec<RuleGap> {
    let hooked = |kind: &str| sensor.hooks.iter().any(|hook| hook.serves(kind));
    let named = |kinds: &[EventKind], is: &dyn Fn(&str) -> bool| -> Vec<String> {
        let names = kinds.iter().map(|kind| kind.name());
        names.filter(|name| is(name)).map(str::to_owned).collect()
    };
    let gaps = needs.kinds.iter().filter(|(_, kinds)| !kinds.is_empty()).map(|(rule, kinds)| {
        let unseen = named(kinds, &|kind| !hooked(kind));
        let weaker = named(kinds, &|kind| hooked(kind) && sensor.is_weaker(kind));
        RuleGap { rule: rule.clone(), blind: unseen.len() == kinds.len(), unseen, weaker }
    });
    gaps.filter(|gap| !gap.unseen.is_empty() || !gap.weaker.is_empty()).collect()
}
