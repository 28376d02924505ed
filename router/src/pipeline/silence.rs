//! Hides alerts from people for a bounded time; they are counted all the same.

use std::{collections::BTreeMap, fmt, time::Duration};

use jiff::Timestamp;
use rules::{Condition, Subject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    clock::{self, Clock},
    interval::{self, Interval},
    matcher::{self, Matcher},
};

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

/// Alerts for which `match` holds, or all `matchers` do, between `starts` and `ends` are suppressed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// Unique; a silence added with the id of another takes its place.
    pub id: SilenceId,
    /// A condition; or `matchers` in its place.
    #[serde(rename = "match", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub condition: Option<Condition>,
    /// Alertmanager's: `NAME="VALUE"`, `!=`, `=~`, `!~`; all must hold. One at least must not hold
    /// for an empty value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matchers: Vec<Matcher>,
    /// It only counts within one of these times of the calendar; always if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<Interval>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SilencePhase {
    Pending,
    Active,
    Expired,
}

/// A silence and what it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SilenceView {
    #[serde(flatten)]
    pub silence: Silence,
    pub phase: SilencePhase,
    /// Alerts it hid.
    pub hits: u64,
    /// From the configuration file rather than the API.
    pub configured: bool,
    /// What it was before it was changed, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Former>,
    /// When it ended, by its time or by a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
}

/// What a silence was before it was changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Former {
    pub silence: Silence,
    /// When it was changed.
    pub until: Timestamp,
}

/// How long an ended silence is still shown.
const KEPT_AFTER_END: Duration = Duration::from_secs(24 * 3600);
const TEXT_BYTES_MAX: usize = 4096;
/// Former states kept of each; the oldest is forgotten.
const HISTORY_MAX: usize = 8;
const TIMES_MAX: usize = 16;
/// Forgotten silences whose hits wait for the weekly report.
const UNREPORTED_MAX: usize = 1000;

impl Silence {
    /// Returns what is wrong with it, apart from a condition that does not parse.
    pub fn check(&self) -> Result<(), String> {
        matcher::check(self.condition.as_ref(), &self.matchers)?;
        if self.times.len() > TIMES_MAX {
            return Err(format!("times: at most {TIMES_MAX}"));
        }
        if let Some(fault) = self.times.iter().find_map(Interval::fault) {
            return Err(format!("times: {}: {}", fault.key, fault.message));
        }
        self.check_span().map_err(str::to_owned)
    }

    fn check_span(&self) -> Result<(), &'static str> {
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
            && self.matches(subject)
            && interval::any(&self.times, now)
    }

    /// Returns whether it is about the alert, at whatever time.
    pub(super) fn matches(&self, subject: &Subject<'_>) -> bool {
        matcher::holds(self.condition.as_ref(), &self.matchers, subject)
    }

    /// Returns whether it would have hidden the alert then, had it been there: whenever it starts and
    /// ends.
    pub(crate) fn would_have_hidden(&self, subject: &Subject<'_>, then: Timestamp) -> bool {
        interval::any(&self.times, then) && self.matches(subject)
    }

    /// Returns what it hides, as it was written.
    pub fn what(&self) -> String {
        matcher::written(self.condition.as_ref(), &self.matchers)
    }

    /// Returns what is wrong with it when it is added at `now`.
    pub fn check_at(&self, now: Timestamp) -> Result<(), String> {
        self.check()?;
        if self.ends <= now {
            return Err("it has ended already".to_owned());
        }
        if self.ends > clock::after(self.starts.unwrap_or(now), SILENCE_MAX) {
            return Err("it lasts for more than 30 days".to_owned());
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    history: Vec<Former>,
    /// When people are to be told that it is about to end, by the wall clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) notice: Option<Timestamp>,
    /// Its hits at the last weekly report.
    #[serde(default)]
    reported: u64,
}

/// All silences: those that count or will, apart from those that ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Silences {
    current: BTreeMap<SilenceId, Entry>,
    ended: BTreeMap<SilenceId, Entry>,
    /// When one last began to count, in the pipeline's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began: Option<Timestamp>,
    /// What the timer of the weekly report is set for, in the pipeline's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) report_timer: Option<Timestamp>,
    /// What those hid that are forgotten since the last weekly report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unreported: Vec<Hid>,
}

/// What a silence hid, and what it was about.
pub(super) type Hid = (SilenceId, u64, String);

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
        let (hits, reported, mut history) = match previous {
            None => (0, 0, Vec::new()),
            Some(Entry { silence: former, hits, reported, mut history, .. }) => {
                let until = clock.wall(clock.now());
                history.extend((former != silence).then_some(Former { silence: former, until }));
                (hits, reported, history)
            }
        };
        history.drain(..history.len().saturating_sub(HISTORY_MAX));
        let entry = Entry {
            silence,
            hits,
            configured,
            ended: None,
            timer: None,
            history,
            notice: None,
            reported,
        };
        self.current.insert(id, entry);
    }

    /// Returns the silence that hides the alert at this time of the wall clock, and counts it.
    pub(super) fn hit(&mut self, subject: &Subject<'_>, now: Timestamp) -> Option<SilenceId> {
        let mut current = self.current.values_mut();
        let entry = current.find(|entry| entry.silence.covers(subject, now))?;
        entry.hits += 1;
        Some(entry.silence.id.clone())
    }

    /// Counts alerts that it hid by the time they would have been told of.
    pub(super) fn count(&mut self, id: &SilenceId, alerts: u64) {
        if let Some(entry) = self.current.get_mut(id) {
            entry.hits += alerts;
        }
    }

    /// As [`Self::hit`], without counting.
    pub(super) fn find(&self, subject: &Subject<'_>, now: Timestamp) -> Option<&SilenceId> {
        let mut current = self.current.values();
        current.find(|entry| entry.silence.covers(subject, now)).map(|entry| &entry.silence.id)
    }

    /// Returns what each hid since this was last asked, with what it is about.
    pub(super) fn take_week(&mut self) -> Vec<Hid> {
        let mut hid = std::mem::take(&mut self.unreported);
        let kept = self.current.values_mut().chain(self.ended.values_mut());
        hid.extend(kept.map(Entry::take_week));
        hid
    }

    /// Returns whether one may count now that did not at `time`.
    pub(super) fn began_since(&self, time: Timestamp) -> bool {
        let mut current = self.current.values();
        self.began.is_some_and(|began| began >= time) && !self.current.is_empty()
            || current.any(|entry| !entry.silence.times.is_empty())
    }

    /// Ends a silence; returns its hits, or `None` when it is not there or ended before.
    pub(super) fn end(&mut self, id: &SilenceId, now: Timestamp) -> Option<u64> {
        let mut entry = self.current.remove(id)?;
        entry.ended = Some(now);
        let hits = entry.hits;
        self.ended.insert(id.clone(), entry);
        Some(hits)
    }

    /// Returns whether a silence is within its times of the calendar, if it has any.
    pub(super) fn is_within(&self, id: &SilenceId, now: Timestamp) -> bool {
        self.current.get(id).is_some_and(|entry| interval::any(&entry.silence.times, now))
    }

    /// Returns the silence if it is kept.
    pub(super) fn get(&self, id: &SilenceId) -> Option<&Entry> {
        self.current.get(id).or_else(|| self.ended.get(id))
    }

    /// Returns the silence if it is kept.
    pub(super) fn get_mut(&mut self, id: &SilenceId) -> Option<&mut Entry> {
        self.current.get_mut(id).or_else(|| self.ended.get_mut(id))
    }

    /// Forgets a silence that ended; with `reports`, what it hid is kept for the next weekly report.
    /// Beyond a bound the one that hid least is left out.
    pub(super) fn forget(&mut self, id: &SilenceId, reports: bool) {
        let Some(mut entry) = self.ended.remove(id) else { return };
        let hid = entry.take_week();
        if !reports {
            return self.unreported.clear();
        }
        if hid.1 > 0 {
            self.unreported.push(hid);
        }
        if self.unreported.len() > UNREPORTED_MAX {
            let hits = self.unreported.iter().enumerate().map(|(index, hid)| (hid.1, index));
            if let Some((_, least)) = hits.min() {
                self.unreported.remove(least);
            }
        }
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
    /// Returns what it hid since this was last asked.
    fn take_week(&mut self) -> Hid {
        let hits = self.hits - std::mem::replace(&mut self.reported, self.hits);
        (self.silence.id.clone(), hits, self.silence.what())
    }

    /// Returns when the silence next needs attention: when its times of the calendar may change or its
    /// end is to be told, at its end, then when it has been shown for long enough.
    pub(super) fn deadline(&self, clock: &Clock) -> Timestamp {
        match self.ended {
            Some(ended) => clock::after(ended, KEPT_AFTER_END),
            None => {
                let recurs = !self.silence.times.is_empty();
                let minute = recurs.then(|| interval::next_minute(clock.wall(clock.now())));
                let soonest = [self.notice, minute].into_iter().flatten().min();
                let ends = self.silence.ends;
                clock.at_wall(soonest.map_or(ends, |soonest| soonest.min(ends)))
            }
        }
    }

    pub(super) fn view(&self, clock: &Clock) -> SilenceView {
        let now = clock.wall(clock.now());
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
            history: self.history.clone(),
            ended: self.ended.map(|ended| clock.wall(ended)),
        }
    }
}
