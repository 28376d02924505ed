//! Maintenance windows: times, often recurring, in which people do not hear of what is being worked on.
//!
//! A window's times are those of the wall clock at its place: its start is a time of the day there, its
//! duration goes by. A start that a change to summer time leaves out is that much later; of one that
//! comes twice, the first counts.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use rules::{Condition, Subject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::HumanDuration;

use super::{
    clock::Clock,
    interval,
    matcher::{self, Matcher},
    recurrence::{Days, Recurrence},
};

/// Windows of the configuration and of people together.
pub(super) const WINDOWS_MAX: usize = 1000;
const NAME_BYTES_MAX: usize = 128;
const TEXT_BYTES_MAX: usize = 4096;
const EXCEPT_MAX: usize = 366;
const DURATION_MIN: Duration = Duration::from_secs(60);
const DURATION_MAX: Duration = Duration::from_secs(31 * 24 * 3600);
/// Days looked ahead for the next occurrence: a leap day's may be eight years away.
const DAYS_AHEAD_MAX: i64 = 8 * 366;

/// What a window does to the alerts it is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WindowEffect {
    /// People do not hear of them.
    #[default]
    Suppress,
    /// People hear of them, with the window's name in the field `saker.window`.
    Mark,
}

/// A time in which alerts are suppressed or marked for which `match` holds, or all `matchers` do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Unique.
    pub name: String,
    /// A condition; or `matchers` in its place.
    #[serde(rename = "match", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub condition: Option<Condition>,
    /// Alertmanager's, as in silences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matchers: Vec<Matcher>,
    /// The first start, in local time at `location`: `2026-11-28T22:00:00`.
    #[schemars(with = "String")]
    pub starts: DateTime,
    /// Name of the time zone, for example `Europe/Berlin`. UTC if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// How long each lasts, 1m to 31d.
    pub duration: HumanDuration,
    /// On which days it recurs: a rule of iCalendar (RFC 5545) that recurs by days, such as
    /// `FREQ=WEEKLY;BYDAY=SA`. Once if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Recurrence>,
    /// Days on which it does not start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub except: Vec<Date>,
    #[serde(default)]
    pub effect: WindowEffect,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// A window and what it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WindowView {
    #[serde(flatten)]
    pub window: Window,
    pub open: bool,
    /// When it opens or closes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Timestamp>,
    /// Alerts it suppressed or marked.
    pub hits: u64,
    /// From the configuration file rather than the API.
    pub configured: bool,
}

impl Window {
    /// Returns what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let name = &self.name;
        if name.trim() != name || name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(format!("a name has 1 to {NAME_BYTES_MAX} bytes without blanks around it"));
        }
        matcher::check(self.condition.as_ref(), &self.matchers)?;
        if !(DURATION_MIN..=DURATION_MAX).contains(&self.duration.0) {
            return Err("duration: it lasts from 1m to 31d".to_owned());
        }
        if interval::zone(self.location.as_deref()).is_none() {
            let name = self.location.as_deref().unwrap_or_default().escape_debug();
            return Err(format!("location: this machine knows no time zone `{name}`"));
        }
        if self.except.len() > EXCEPT_MAX || self.comment.len() > TEXT_BYTES_MAX {
            return Err(format!("at most {EXCEPT_MAX} days in `except`, 4096 bytes of `comment`"));
        }
        let times = Times::new(self);
        let before = times.start_on(self.starts.date());
        let before = before.checked_sub(SignedDuration::from_secs(1)).unwrap_or(before);
        match times.next_start(before) {
            Some(_) => Ok(()),
            None => Err("repeat: it never occurs".to_owned()),
        }
    }

    fn matches(&self, subject: &Subject<'_>) -> bool {
        matcher::holds(self.condition.as_ref(), &self.matchers, subject)
    }

    /// Returns what it is about, as it was written.
    pub fn what(&self) -> String {
        matcher::written(self.condition.as_ref(), &self.matchers)
    }
}

/// When a window is open.
#[derive(Clone, Debug)]
struct Times {
    first: DateTime,
    zone: TimeZone,
    duration: SignedDuration,
    days: Option<Days>,
    except: Vec<Date>,
}

/// Where a window is at a time, and until when that is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    /// When the time it is open for began.
    open_since: Option<Timestamp>,
    from: Timestamp,
    /// The end of time when nothing comes any more.
    until: Timestamp,
}

impl Times {
    fn new(window: &Window) -> Self {
        Self {
            first: window.starts,
            // It was checked, unless on another machine.
            zone: interval::zone(window.location.as_deref()).unwrap_or(TimeZone::UTC),
            duration: SignedDuration::try_from(window.duration.0).unwrap_or_default(),
            days: window.repeat.as_ref().map(|rule| Days::new(rule, window.starts.date())),
            except: window.except.clone(),
        }
    }

    fn starts_on(&self, day: Date) -> bool {
        let is_one = match &self.days {
            Some(days) => days.contains(day),
            None => day == self.first.date(),
        };
        is_one && !self.except.contains(&day)
    }

    /// Returns when it starts on a day.
    fn start_on(&self, day: Date) -> Timestamp {
        let local = day.to_datetime(self.first.time());
        self.zone.to_ambiguous_timestamp(local).compatible().unwrap_or(Timestamp::MAX)
    }

    /// Returns the first start after `at`.
    fn next_start(&self, at: Timestamp) -> Option<Timestamp> {
        // A start that summer time moved is on the day of its name or the one after.
        let from = self.zone.to_datetime(at).date().saturating_sub(1.day()).max(self.first.date());
        let last = match &self.days {
            Some(days) => days.last().unwrap_or(Date::MAX),
            None => self.first.date(),
        };
        let last = last.min(from.saturating_add(DAYS_AHEAD_MAX.days()));
        let mut days = from.series(1.day()).take_while(|day| *day <= last);
        days.find_map(|day| {
            let start = self.starts_on(day).then(|| self.start_on(day))?;
            (start > at).then_some(start)
        })
    }

    /// Returns the last start and the last end of the occurrences that `at` is in.
    fn open_at(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let today = self.zone.to_datetime(at).date();
        let earliest = at.checked_sub(self.duration).unwrap_or(Timestamp::MIN);
        let from = self.zone.to_datetime(earliest).date().saturating_sub(1.day());
        let days = from.max(self.first.date()).series(1.day()).take_while(|day| *day <= today);
        let mut open = None;
        for day in days.filter(|day| self.starts_on(*day)) {
            let start = self.start_on(day);
            let end = start.checked_add(self.duration).unwrap_or(Timestamp::MAX);
            if start <= at && at < end {
                open = Some((start, end));
            }
        }
        open
    }

    fn standing(&self, at: Timestamp) -> Standing {
        match self.open_at(at) {
            Some((start, end)) => Standing { open_since: Some(start), from: at, until: end },
            None => {
                let until = self.next_start(at).unwrap_or(Timestamp::MAX);
                Standing { open_since: None, from: at, until }
            }
        }
    }
}

/// A window while it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) window: Window,
    pub(super) hits: u64,
    pub(super) configured: bool,
    /// It was open when its timer last fired.
    pub(super) was_open: bool,
    /// What its timer is set for, in the pipeline's time.
    pub(super) timer: Option<Timestamp>,
    #[serde(skip)]
    name: Arc<str>,
    #[serde(skip)]
    times: Option<Times>,
    #[serde(skip)]
    standing: Option<Standing>,
}

impl Entry {
    fn compile(&mut self, now: Timestamp) {
        self.name = self.window.name.as_str().into();
        let times = Times::new(&self.window);
        self.standing = Some(times.standing(now));
        self.times = Some(times);
    }

    fn refresh(&mut self, now: Timestamp) {
        let holds = |at: &Standing| (at.from..at.until).contains(&now);
        if self.standing.as_ref().is_none_or(|standing| !holds(standing)) {
            self.standing = self.times.as_ref().map(|times| times.standing(now));
        }
    }

    fn open_since(&self) -> Option<Timestamp> {
        self.standing.and_then(|standing| standing.open_since)
    }

    pub(super) fn is_open(&self) -> bool {
        self.open_since().is_some()
    }

    /// Returns when it opens or closes next, by the wall clock.
    pub(super) fn changes(&self) -> Option<Timestamp> {
        let until = self.standing.map(|standing| standing.until);
        until.filter(|until| *until < Timestamp::MAX)
    }

    pub(super) fn view(&self) -> WindowView {
        WindowView {
            window: self.window.clone(),
            open: self.is_open(),
            changes: self.changes(),
            hits: self.hits,
            configured: self.configured,
        }
    }
}

/// All windows, by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Windows(BTreeMap<String, Entry>);

impl Windows {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.0.values()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.0.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Entry> {
        self.0.get_mut(name)
    }

    /// Adds a window, in place of one with its name, whose hits it inherits.
    pub(super) fn add(&mut self, window: Window, configured: bool, now: Timestamp) {
        let hits = self.0.get(&window.name).map_or(0, |entry| entry.hits);
        let mut entry = Entry {
            hits,
            configured,
            was_open: false,
            timer: None,
            name: Arc::default(),
            times: None,
            standing: None,
            window,
        };
        entry.compile(now);
        self.0.insert(entry.window.name.clone(), entry);
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Entry> {
        self.0.remove(name)
    }

    /// Makes what follows from windows that were restored.
    pub(super) fn compile(&mut self, now: Timestamp) {
        self.0.values_mut().for_each(|entry| entry.compile(now));
    }

    /// Takes the time in: windows open and close.
    pub(super) fn refresh(&mut self, now: Timestamp) {
        self.0.values_mut().for_each(|entry| entry.refresh(now));
    }

    /// Returns the open window of this effect that is about the alert.
    pub(super) fn find(&self, subject: &Subject<'_>, effect: WindowEffect) -> Option<Arc<str>> {
        let mut open = self.0.values().filter(|it| it.window.effect == effect && it.is_open());
        open.find(|entry| entry.window.matches(subject)).map(|entry| entry.name.clone())
    }

    /// Counts alerts of a window.
    pub(super) fn count(&mut self, name: &str, alerts: u64) {
        if let Some(entry) = self.0.get_mut(name) {
            entry.hits += alerts;
        }
    }

    /// Returns whether one that suppresses opened at or after `time`, in the pipeline's time.
    pub(super) fn began_since(&self, time: Timestamp, clock: &Clock) -> bool {
        let suppressing = |it: &&Entry| it.window.effect == WindowEffect::Suppress;
        let mut since = self.0.values().filter(suppressing).filter_map(Entry::open_since);
        since.any(|since| clock.at_wall(since) >= time)
    }

    /// Returns when an entry's timer is to fire, in the pipeline's time.
    pub(super) fn deadline(entry: &Entry, clock: &Clock) -> Option<Timestamp> {
        entry.changes().map(|at| clock.at_wall(at))
    }
}

#[cfg(test)]
mod tests;
