//! What the inhibitions in force hold back now.

use std::{collections::BTreeMap, sync::Arc};

use alert::Fingerprint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Pipeline, inhibit};

/// Sources an inhibition lists, and findings each of them does.
const LISTED_MAX: usize = 20;

/// An inhibition in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InhibitionView {
    pub name: String,
    /// The condition of what hides.
    pub source: String,
    /// The condition of what is hidden.
    pub target: String,
    pub equal: Vec<String>,
    /// Sets of values of `equal` for which there is a source now.
    pub sources: u64,
    /// Active findings it holds back now.
    pub held: u64,
    /// What holds back most, at most 20.
    pub holding: Vec<Holding>,
}

/// A finding that holds others back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Holding {
    pub source: Fingerprint,
    /// Active findings it holds back.
    pub held: u64,
    /// At most 20 of them.
    pub listed: Vec<Fingerprint>,
}

impl Pipeline {
    /// Returns the inhibitions in force, in their order.
    pub fn inhibitions(&self) -> Vec<InhibitionView> {
        let mut holding: BTreeMap<Arc<str>, Vec<Holding>> = BTreeMap::new();
        for (by, findings) in self.hidden_by.inhibited() {
            let listed = findings.iter().take(LISTED_MAX).copied().collect();
            let held = findings.len() as u64;
            let holds = Holding { source: by.source, held, listed };
            holding.entry(Arc::clone(&by.rule)).or_default().push(holds);
        }
        let sources = self.inhibitions.sources_by_rule();
        let view = |(index, rule): (usize, &inhibit::Inhibition)| {
            let name = inhibit::name(rule, index);
            let mut holding = holding.remove(name.as_str()).unwrap_or_default();
            let held = holding.iter().map(|holding| holding.held).sum();
            holding.sort_by_key(|holding| (std::cmp::Reverse(holding.held), holding.source));
            holding.truncate(LISTED_MAX);
            InhibitionView {
                source: rule.source.text().to_owned(),
                target: rule.target.text().to_owned(),
                equal: rule.equal.clone(),
                sources: sources.get(index).copied().unwrap_or_default(),
                name,
                held,
                holding,
            }
        };
        self.config.inhibitions.iter().enumerate().map(view).collect()
    }
}
