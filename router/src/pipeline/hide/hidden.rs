//! Which findings are hidden, and by what.

use std::collections::BTreeSet;

use alert::Fingerprint;
use hashbrown::HashMap;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::pipeline::{Reason, SilenceId, inhibit::Inhibitor};

/// Why people do not hear of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::pipeline) struct Hidden {
    pub(in crate::pipeline) reason: Reason,
    /// Its alerts that nobody was told of for this.
    pub(in crate::pipeline) alerts: u64,
    /// Journal sequence of the last of them that was withheld: further outputs withhold the same.
    #[serde(default)]
    pub(super) withheld_upto: u64,
    /// When it is judged again, as what hid it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::pipeline) judge_at: Option<Timestamp>,
}

/// Reads what was a yes or no when only silences hid findings.
pub(in crate::pipeline) fn read_hidden<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<Hidden>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Silenced(bool),
        Hidden(Option<Box<Hidden>>),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Hidden(hidden) => hidden,
        Written::Silenced(false) => None,
        // Which silence it was is not known: its next alert tells of it.
        Written::Silenced(true) => {
            let reason = Reason::Silence(SilenceId(String::new()));
            Some(Box::new(Hidden { reason, alerts: 0, withheld_upto: 0, judge_at: None }))
        }
    })
}

/// Hidden findings by what hides them. Follows from the findings.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct HiddenBy {
    by_reason: HashMap<Reason, BTreeSet<Fingerprint>>,
    count: usize,
}

impl HiddenBy {
    pub(in crate::pipeline) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn insert(&mut self, reason: &Reason, fingerprint: Fingerprint) {
        let findings = match self.by_reason.get_mut(reason) {
            Some(findings) => findings,
            None => self.by_reason.entry(reason.clone()).or_default(),
        };
        if findings.insert(fingerprint) {
            self.count += 1;
        }
    }

    pub(super) fn remove(&mut self, reason: &Reason, fingerprint: Fingerprint) {
        let Some(findings) = self.by_reason.get_mut(reason) else { return };
        if findings.remove(&fingerprint) {
            self.count -= 1;
        }
        if findings.is_empty() {
            self.by_reason.remove(reason);
        }
    }

    /// Returns what inhibits findings, with these.
    pub(in crate::pipeline) fn inhibited(
        &self,
    ) -> impl Iterator<Item = (&Inhibitor, &BTreeSet<Fingerprint>)> {
        self.by_reason.iter().filter_map(|(reason, findings)| match reason {
            Reason::Inhibited(by) => Some((by, findings)),
            _ => None,
        })
    }

    pub(super) fn take(&mut self, reason: &Reason) -> impl Iterator<Item = Fingerprint> + use<> {
        let findings = self.by_reason.remove(reason).unwrap_or_default();
        self.count -= findings.len();
        findings.into_iter()
    }
}
