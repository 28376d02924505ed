//! What a silence would hide, before it is added.

use alert::{Alert, Fingerprint, Priority};
use jiff::Timestamp;
use rules::Subject;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Page, Part, Pipeline, Place, Silence, arrival};

/// Findings a preview lists.
const LISTED_MAX: usize = 20;

/// Which of the findings that are active now a silence would hide: their first alerts were held against
/// it; and what it would have hidden of the last week's alerts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    /// Active findings that were looked at.
    pub examined: usize,
    /// Those it would hide.
    pub findings: u64,
    /// Their alerts so far.
    pub alerts: u64,
    /// When the oldest of them was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The most recently opened of them, at most 20.
    pub listed: Vec<Previewed>,
    /// Absent if there is no history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past: Option<PastPreview>,
}

/// What a silence would have hidden in its times of the calendar, if it has any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PastPreview {
    /// Alerts from then on were looked at.
    pub since: Timestamp,
    pub examined: u64,
    pub alerts: u64,
    /// Those of them that somebody was to be told of.
    pub told: u64,
    /// Not all were looked at: that took too long, or a file could not be read.
    pub incomplete: bool,
}

/// A finding that a silence would hide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Previewed {
    pub fingerprint: Fingerprint,
    pub rule: String,
    pub priority: Priority,
    pub alerts: u64,
    pub last_seen: Timestamp,
}

impl Preview {
    /// Adds what was found among older findings.
    pub(crate) fn add(&mut self, older: Self) {
        self.examined += older.examined;
        self.findings += older.findings;
        self.alerts += older.alerts;
        self.since = match (self.since, older.since) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.listed.extend(older.listed);
        self.listed.truncate(LISTED_MAX);
    }
}

impl Pipeline {
    /// Looks at a part of the findings, the most recently opened first. Returns where the next part
    /// begins, if there is one: findings that come and go meanwhile shift nothing.
    pub fn would_hide(&self, silence: &Silence, page: Page) -> (Preview, Option<Place>) {
        let mut preview = Preview::default();
        let look = |slot: &u32| self.findings.get(*slot);
        let part = Part::of(self.findings_opened.newest(page.after), page.limit, look);
        for live in part.items {
            preview.examined += 1;
            let Ok(sample) = serde_json::from_str::<Alert>(live.sample.get()) else { continue };
            let alert = Alert { priority: live.priority, ..sample };
            let subject = arrival::subject(&alert, live.fingerprint, live.count);
            let score = live.points_at(self.clock.now(), &self.config.score);
            if !silence.matches(&Subject { score: Some(score), ..subject }) {
                continue;
            }
            preview.add(Preview {
                examined: 0,
                findings: 1,
                alerts: live.count,
                since: Some(live.first_seen),
                listed: vec![Previewed {
                    fingerprint: live.fingerprint,
                    rule: live.rule.to_string(),
                    priority: live.priority,
                    alerts: live.count,
                    last_seen: self.clock.wall(live.last_seen),
                }],
                past: None,
            });
        }
        (preview, part.next)
    }
}
