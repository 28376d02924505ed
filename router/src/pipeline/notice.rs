//! What people are told about silences themselves: that one is about to end, and which hid much.
//!
//! They are alerts of the source `saker`, and routes take them like any other. The pipeline only keeps
//! them: whoever runs it appends them to the journal, and they are told of when they come from there.
//! Their ids follow from what they tell of, so that one that is appended twice counts once.

use std::{cmp::Reverse, collections::VecDeque};

use alert::{Alert, AlertId, Fields, Priority};
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Weekday, tz::TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::HumanDuration;

use super::{Pipeline, SilenceId, group, timer::Timer};

const SOURCE: &str = "saker";
pub(super) const ENDS: &str = "Silence ends soon";
/// What makes two of these the same, unless the configuration says otherwise.
pub(super) const IDENTITY: [&str; 2] = ["silence.id", "silence.ends"];
const REPORT: &str = "Silences of the week";
/// Silences a report names.
const REPORTED_MAX: usize = 10;

/// What people are told about silences themselves: alerts of the source `saker`, which routes take
/// like any other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SilenceNotices {
    /// Tells this long before a silence ends. Not at all if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_end: Option<HumanDuration>,
    /// Tells every Monday at 00:00 UTC which silences hid at least so many alerts since the Monday
    /// before. Not at all if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekly_hits_min: Option<u64>,
}

impl SilenceNotices {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Alerts of our own that did not come from the journal yet, the oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Notices(VecDeque<Alert>);

impl Notices {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn push(&mut self, alert: Alert, max: usize) {
        self.0.retain(|known| known.id != alert.id);
        self.0.push_back(alert);
        // A silence has one at a time: more only wait while the journal takes none of them, but takes
        // changes of silences.
        while self.0.len() > max {
            self.0.pop_front();
        }
    }

    /// Forgets one that came.
    pub(super) fn came(&mut self, alert: &Alert) {
        if !self.0.is_empty() && alert.source == SOURCE {
            self.0.retain(|known| known.id != alert.id);
        }
    }
}

impl Pipeline {
    /// Returns alerts of our own that are to be appended to the journal, the oldest first.
    pub fn notices(&self, max: usize) -> Vec<Alert> {
        self.notices.0.iter().take(max).cloned().collect()
    }

    /// Notes when people are to be told that a silence is about to end: not at all when it is that
    /// short.
    pub(super) fn note_end(&mut self, id: &SilenceId) {
        let (wall, before) = (self.wall(), self.config.silence_notices.before_end);
        if let (Some(before), Some(entry)) = (before, self.silences.get_mut(id)) {
            let before = SignedDuration::try_from(before.0).unwrap_or(SignedDuration::MAX);
            let at = entry.silence.ends.checked_sub(before).ok();
            entry.notice = at.filter(|at| *at > wall);
        }
    }

    /// Tells that a silence is about to end, if it is time.
    pub(super) fn tell_of_end(&mut self, id: &SilenceId) {
        let wall = self.wall();
        let Some(entry) = self.silences.get_mut(id) else { return };
        if entry.ended.is_some() || entry.notice.is_none_or(|at| at > wall) {
            return;
        }
        entry.notice = None;
        let (silence, hits) = (entry.silence.clone(), entry.hits);
        let mut fields = Fields::new();
        fields.insert("silence.id".to_owned(), id.0.clone().into());
        fields.insert("silence.author".to_owned(), silence.author.clone().into());
        fields.insert("silence.ends".to_owned(), silence.ends.to_string().into());
        fields.insert("silence.match".to_owned(), silence.what().into());
        fields.insert("silence.hits".to_owned(), hits.into());
        let output = format!(
            "the silence {id} of {} ends at {:.0}; it hid {hits} alerts: {}",
            silence.author, silence.ends, silence.comment
        );
        let key = format!("{id} {}", silence.ends);
        self.raise(ENDS, &key, output, fields);
    }

    /// Waits for the next report, if there is to be one.
    pub(super) fn schedule_report(&mut self) {
        if let Some(at) = self.silences.report_timer.take() {
            self.timers.clear(at, Timer::Report);
        }
        if self.config.silence_notices.weekly_hits_min.is_none() {
            return;
        }
        let at = self.clock.at_wall(next_monday(self.wall()));
        self.silences.report_timer = Some(at);
        self.timers.set(at, Timer::Report);
    }

    /// Tells which silences hid much since the last report.
    pub(super) fn report(&mut self) {
        self.schedule_report();
        let Some(min) = self.config.silence_notices.weekly_hits_min else { return };
        let mut hid = self.silences.take_week();
        hid.retain(|(_, hits, _)| *hits >= min.max(1));
        hid.sort_by_key(|(id, hits, _)| (Reverse(*hits), id.clone()));
        if hid.is_empty() {
            return;
        }
        let lines: Vec<String> = hid
            .iter()
            .take(REPORTED_MAX)
            .map(|(id, hits, what)| format!("{hits} by {id}: {what}"))
            .collect();
        let mut fields = Fields::new();
        fields.insert("silence.count".to_owned(), hid.len().into());
        let output = format!("{} silences hid much this week:\n{}", hid.len(), lines.join("\n"));
        let key = self.wall().to_string();
        self.raise(REPORT, &key, output, fields);
    }

    /// Has an alert of our own appended.
    fn raise(&mut self, rule: &str, key: &str, output: String, fields: Fields) {
        let half =
            |salt: &[u8]| u128::from(group::digest64(&[salt, rule.as_bytes(), key.as_bytes()]));
        let now = self.wall();
        let alert = Alert {
            id: AlertId::from_u128(half(b"0") << 64 | half(b"1")),
            time: now,
            received: now,
            rule: rule.to_owned(),
            priority: Priority::Notice,
            source: SOURCE.to_owned(),
            hostname: "saker-router".to_owned(),
            output,
            tags: Vec::new(),
            fields,
            ends: None,
        };
        self.notices.push(alert, self.config.limits.silences_max.saturating_add(1));
    }
}

/// Returns the first Monday at 00:00 UTC after a time.
fn next_monday(after: Timestamp) -> Timestamp {
    let day = TimeZone::UTC.to_datetime(after).date();
    let days = 7 - i64::from(day.weekday().since(Weekday::Monday));
    let monday = day.saturating_add(days.days()).to_zoned(TimeZone::UTC);
    monday.map_or(Timestamp::MAX, |monday| monday.timestamp())
}
