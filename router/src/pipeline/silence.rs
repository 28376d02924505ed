//! Hides alerts from people for a bounded time; they are counted all the same.

use std::{collections::BTreeMap, fmt, time::Duration};

use jiff::Timestamp;
use rules::{Condition, Subject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clock::{self, Clock};

/// The longest a silence may last. What must be quiet for longer is a rule exception.
pub const SILENCE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// Names one silence.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct SilenceId(pub String);

impl fmt::Display for SilenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Alerts for which `match` holds between `starts` and `ends` are suppressed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// Unique; a silence added with the id of another takes its place.
    pub id: SilenceId,
    #[serde(rename = "match")]
    #[schemars(with = "String")]
    pub condition: Condition,
    /// From when; at once if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub starts: Option<Timestamp>,
    /// Until when; at most 30 days after the start.
    #[schemars(with = "String")]
    pub ends: Timestamp,
    /// Who answers for it.
    pub author: String,
    /// Why.
    pub comment: String,
}

/// Where a silence is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SilencePhase {
    Pending,
    Active,
    Expired,
}

/// A silence and what it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SilenceView {
    #[serde(flatten)]
    pub silence: Silence,
    pub phase: SilencePhase,
    /// Alerts it hid.
    pub hits: u64,
    /// From the configuration file rather than the API.
    pub configured: bool,
}

/// How long an ended silence is still shown.
const KEPT_AFTER_END: Duration = Duration::from_secs(24 * 3600);
const TEXT_BYTES_MAX: usize = 4096;

impl Silence {
    /// Returns what is wrong with it, apart from a condition that does not parse.
    pub fn check(&self) -> Result<(), &'static str> {
        let texts = [&self.id.0, &self.author, &self.comment];
        if texts.iter().any(|text| text.trim().is_empty()) {
            return Err("id, author and comment are required");
        }
        if texts.iter().any(|text| text.len() > TEXT_BYTES_MAX) {
            return Err("id, author and comment have at most 4096 bytes each");
        }
        match self.starts {
            Some(starts) if self.ends <= starts => Err("it ends before it starts"),
            Some(starts) if self.ends > clock::after(starts, SILENCE_MAX) => {
                Err("it lasts for more than 30 days")
            }
            _ => Ok(()),
        }
    }

    /// Returns whether it hides the alert at this time of the wall clock.
    fn covers(&self, subject: &Subject<'_>, now: Timestamp) -> bool {
        self.starts.is_none_or(|starts| starts <= now)
            && now < self.ends
            && self.condition.matches(subject)
    }

    /// Returns what is wrong with it when it is added at `now`.
    pub fn check_at(&self, now: Timestamp) -> Result<(), &'static str> {
        self.check()?;
        if self.ends <= now {
            return Err("it has ended already");
        }
        if self.ends > clock::after(self.starts.unwrap_or(now), SILENCE_MAX) {
            return Err("it lasts for more than 30 days");
        }
        Ok(())
    }
}

/// A silence while it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) silence: Silence,
    pub(super) hits: u64,
    pub(super) configured: bool,
    /// When it ended, by its time or by a person, in the pipeline's time.
    pub(super) ended: Option<Timestamp>,
    /// What its timer is set for, in the pipeline's time.
    pub(super) timer: Option<Timestamp>,
}

/// All silences: those that count or will, apart from those that ended.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Silences {
    current: BTreeMap<SilenceId, Entry>,
    ended: BTreeMap<SilenceId, Entry>,
    /// When one last began to count, in the pipeline's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began: Option<Timestamp>,
}

impl Silences {
    pub(super) fn len(&self) -> usize {
        self.current.len() + self.ended.len()
    }

    pub(super) fn current_len(&self) -> usize {
        self.current.len()
    }

    /// Returns every silence kept, by id.
    pub(super) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.current.values().chain(self.ended.values())
    }

    /// Adds it, in place of one with the same id, whose hits it inherits.
    pub(super) fn add(&mut self, silence: Silence, configured: bool, clock: &Clock) {
        let id = silence.id.clone();
        let starts = silence.starts.map(|starts| clock.at_wall(starts)).unwrap_or(clock.now());
        self.began = self.began.max(Some(starts));
        let previous = self.current.remove(&id).or_else(|| self.ended.remove(&id));
        let hits = previous.map_or(0, |entry| entry.hits);
        self.current.insert(id, Entry { silence, hits, configured, ended: None, timer: None });
    }

    /// Returns the silence that hides the alert at this time of the wall clock, and counts it.
    pub(super) fn hit(&mut self, subject: &Subject<'_>, now: Timestamp) -> Option<SilenceId> {
        let mut current = self.current.values_mut();
        let entry = current.find(|entry| entry.silence.covers(subject, now))?;
        entry.hits += 1;
        Some(entry.silence.id.clone())
    }

    /// As [`Self::hit`], without counting.
    pub(super) fn find(&self, subject: &Subject<'_>, now: Timestamp) -> Option<&SilenceId> {
        let mut current = self.current.values();
        current.find(|entry| entry.silence.covers(subject, now)).map(|entry| &entry.silence.id)
    }

    /// Returns whether one may count now that did not at `time`.
    pub(super) fn began_since(&self, time: Timestamp) -> bool {
        !self.current.is_empty() && self.began.is_some_and(|began| began >= time)
    }

    /// Ends a silence; returns its hits, or `None` when it is not there or ended before.
    pub(super) fn end(&mut self, id: &SilenceId, now: Timestamp) -> Option<u64> {
        let mut entry = self.current.remove(id)?;
        entry.ended = Some(now);
        let hits = entry.hits;
        self.ended.insert(id.clone(), entry);
        Some(hits)
    }

    /// Returns the silence if it is kept.
    pub(super) fn get_mut(&mut self, id: &SilenceId) -> Option<&mut Entry> {
        self.current.get_mut(id).or_else(|| self.ended.get_mut(id))
    }

    /// Forgets a silence that ended.
    pub(super) fn forget(&mut self, id: &SilenceId) {
        self.ended.remove(id);
    }

    pub(super) fn is_current(&self, id: &SilenceId) -> bool {
        self.current.contains_key(id)
    }

    /// Returns the ids of silences from the configuration that count or will.
    pub(super) fn configured(&self) -> Vec<SilenceId> {
        let configured = self.current.values().filter(|entry| entry.configured);
        configured.map(|entry| entry.silence.id.clone()).collect()
    }
}

impl Entry {
    /// Returns when the silence next needs attention: at its end, then when it has been shown for
    /// long enough.
    pub(super) fn deadline(&self, clock: &Clock) -> Timestamp {
        match self.ended {
            Some(ended) => clock::after(ended, KEPT_AFTER_END),
            None => clock.at_wall(self.silence.ends),
        }
    }

    pub(super) fn view(&self, now: Timestamp) -> SilenceView {
        let phase = match self.silence.starts {
            _ if self.ended.is_some() => SilencePhase::Expired,
            Some(starts) if starts > now => SilencePhase::Pending,
            _ => SilencePhase::Active,
        };
        SilenceView {
            silence: self.silence.clone(),
            phase,
            hits: self.hits,
            configured: self.configured,
        }
    }
}
