//! Every output that was ever configured, and what it owes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{OutputLedger, PipelineConfig};

/// Outputs by number; numbers are given for ever, so that the ledger never forgets one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Destinations(Vec<Destination>);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Destination {
    pub(super) name: Arc<str>,
    /// It is in the configuration in force.
    pub(super) configured: bool,
    /// It edits messages it sent, so it is told when only counts changed.
    pub(super) updated_in_place: bool,
    /// It does not want to hear that something is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) untold_of_ends: bool,
    pub(super) ledger: OutputLedger,
}

impl Destinations {
    /// Takes over the configured outputs; those that are gone keep their numbers.
    pub(super) fn configure(&mut self, config: &PipelineConfig) {
        for destination in &mut self.0 {
            destination.configured = false;
        }
        for name in &config.outputs {
            let number = match self.number(name) {
                Some(number) => usize::from(number),
                None if self.0.len() <= usize::from(u16::MAX) => {
                    self.0.push(Destination {
                        name: name.as_str().into(),
                        configured: true,
                        updated_in_place: false,
                        untold_of_ends: false,
                        ledger: OutputLedger::default(),
                    });
                    self.0.len() - 1
                }
                None => continue,
            };
            let destination = &mut self.0[number];
            destination.configured = true;
            destination.updated_in_place = config.outputs_updated_in_place.contains(name);
            destination.untold_of_ends = config.outputs_untold_of_ends.contains(name);
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<u16> {
        let index = self.0.iter().position(|destination| *destination.name == *name)?;
        u16::try_from(index).ok()
    }

    pub(super) fn get(&self, number: u16) -> Option<&Destination> {
        self.0.get(usize::from(number))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Destination> {
        self.0.iter()
    }

    /// Returns the numbers and names of those of `names` that are configured, each once; all that
    /// are configured for `None`.
    pub(super) fn resolve(&self, names: Option<&[String]>) -> (Arc<[u16]>, Arc<[Arc<str>]>) {
        let mut numbers: Vec<u16> = match names {
            Some(names) => names.iter().filter_map(|name| self.number(name)).collect(),
            None => (0..=u16::MAX).take(self.0.len()).collect(),
        };
        let mut seen = Vec::new();
        numbers.retain(|number| {
            let keep = self.is_configured(*number) && !seen.contains(number);
            seen.push(*number);
            keep
        });
        let names = numbers.iter().map(|number| self.name(*number)).collect();
        (numbers.into(), names)
    }

    pub(super) fn is_configured(&self, number: u16) -> bool {
        self.get(number).is_some_and(|destination| destination.configured)
    }

    pub(super) fn is_updated_in_place(&self, number: u16) -> bool {
        self.get(number).is_some_and(|output| output.configured && output.updated_in_place)
    }

    pub(super) fn is_told_of_ends(&self, number: u16) -> bool {
        self.get(number).is_some_and(|output| output.configured && !output.untold_of_ends)
    }

    pub(super) fn name(&self, number: u16) -> Arc<str> {
        self.get(number).map_or_else(|| Arc::from(""), |destination| destination.name.clone())
    }

    /// Returns the account of an output; every number in the state is one of ours.
    pub(super) fn ledger(&mut self, number: u16) -> &mut OutputLedger {
        &mut self.0[usize::from(number)].ledger
    }
}
