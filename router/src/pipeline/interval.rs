//! Times of the calendar in which a route tells people, or does not.
//!
//! Keys, ranges and their meaning are those of Alertmanager's `time_intervals` (its documentation of
//! version 0.27), so that intervals written for it can be pasted.

use std::{borrow::Cow, collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use jiff::{Timestamp, tz::TimeZone};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Intervals by their names; a name holds when one of its intervals does.
pub type Intervals = BTreeMap<String, Vec<Interval>>;

/// Times for which everything that is said holds; of a list, one entry is enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Interval {
    /// Of the day; all day if absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<Times>,
    /// `monday`, or `monday:friday`. The week begins with Sunday.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weekdays: Vec<Weekdays>,
    /// `1`, `1:7`, or from the end of the month: `-3:-1`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub days_of_month: Vec<DaysOfMonth>,
    /// `may`, `1:3` or `december:december`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub months: Vec<Months>,
    /// `2027`, or `2027:2030`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub years: Vec<Years>,
    /// Name of the time zone, for example `Europe/Berlin`. UTC if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

/// A part of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// `HH:MM`.
    pub start_time: TimeOfDay,
    /// The first minute that no longer belongs to it, at most `24:00`.
    pub end_time: TimeOfDay,
}

/// Minutes since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

/// What is wrong with an interval, and in which of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) key: String,
    pub(super) message: String,
}

impl Interval {
    pub(super) fn fault(&self) -> Option<Fault> {
        let reversed = self.times.iter().position(|times| times.start_time >= times.end_time);
        if let Some(index) = reversed {
            let message = "it ends before it starts: times beyond midnight are two entries".into();
            return Some(Fault { key: format!("times[{index}]"), message });
        }
        if zone(self.location.as_deref()).is_none() {
            let name = self.location.as_deref().unwrap_or_default();
            let message = format!("this machine knows no time zone `{name}`");
            return Some(Fault { key: "location".to_owned(), message });
        }
        None
    }
}

/// Returns a time zone of this machine's database; UTC without a name.
pub(super) fn zone(name: Option<&str>) -> Option<TimeZone> {
    match name {
        None | Some("UTC") => Some(TimeZone::UTC),
        Some(name) => TimeZone::get(name).ok(),
    }
}

/// The intervals a route lives by.
#[derive(Clone, Debug, Default)]
pub(super) struct Hours {
    mute: Vec<Named>,
    active: Vec<Named>,
}

#[derive(Clone, Debug)]
struct Named {
    name: Arc<str>,
    intervals: Vec<(Interval, TimeZone)>,
}

/// Why a route tells nobody at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// One of these intervals to be mute in.
    Muted(Arc<str>),
    /// None of the intervals to be active in.
    Inactive,
}

impl Hours {
    /// Finds the intervals of these names. A configuration with others was refused; so was one with
    /// an unknown time zone, unless that was on another machine: UTC then stands in.
    pub(super) fn new(mute: &[String], active: &[String], all: &Intervals) -> Self {
        let find = |names: &[String]| {
            let named = names.iter().filter_map(|name| {
                let intervals = all.get(name)?.iter().map(|interval| {
                    let zone = zone(interval.location.as_deref()).unwrap_or(TimeZone::UTC);
                    (interval.clone(), zone)
                });
                Some(Named { name: name.as_str().into(), intervals: intervals.collect() })
            });
            named.collect()
        };
        Self { mute: find(mute), active: find(active) }
    }

    /// Returns why nobody is to be told at this time of the wall clock.
    pub(super) fn closed(&self, at: Timestamp) -> Option<Closed> {
        if let Some(named) = self.mute.iter().find(|named| named.contains(at)) {
            return Some(Closed::Muted(named.name.clone()));
        }
        let inactive =
            !self.active.is_empty() && !self.active.iter().any(|named| named.contains(at));
        inactive.then_some(Closed::Inactive)
    }
}

impl Named {
    fn contains(&self, at: Timestamp) -> bool {
        self.intervals.iter().any(|(interval, zone)| contains(interval, zone, at))
    }
}

/// Returns whether one of the intervals holds, or there is none.
pub(super) fn any(intervals: &[Interval], at: Timestamp) -> bool {
    let holds = |interval: &Interval| {
        let zone = zone(interval.location.as_deref()).unwrap_or(TimeZone::UTC);
        contains(interval, &zone, at)
    };
    intervals.is_empty() || intervals.iter().any(holds)
}

/// Returns the next whole minute: no interval begins or ends within one.
pub(super) fn next_minute(at: Timestamp) -> Timestamp {
    let second = at.as_second();
    Timestamp::from_second(second - second.rem_euclid(60) + 60).unwrap_or(Timestamp::MAX)
}

fn contains(interval: &Interval, zone: &TimeZone, at: Timestamp) -> bool {
    fn any<T>(entries: &[T], holds: impl Fn(&T) -> bool) -> bool {
        entries.is_empty() || entries.iter().any(holds)
    }
    let local = zone.to_datetime(at);
    let minute = TimeOfDay(local.hour() as u16 * 60 + local.minute() as u16);
    let weekday = i16::from(local.weekday().to_sunday_zero_offset());
    let days = i16::from(local.date().days_in_month());
    any(&interval.times, |times| (times.start_time..times.end_time).contains(&minute))
        && any(&interval.weekdays, |range| range.0.contains(weekday))
        && any(&interval.days_of_month, |range| range.0.of_month(days, i16::from(local.day())))
        && any(&interval.months, |range| range.0.contains(i16::from(local.month())))
        && any(&interval.years, |range| range.0.contains(local.year()))
}

/// A range with both its ends, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    first: i16,
    last: i16,
    text: Box<str>,
}

impl Range {
    fn parse(text: &str, value: impl Fn(&str) -> Option<i16>, what: &str) -> Result<Self, String> {
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        let end = |end: &str| {
            value(&end.trim().to_ascii_lowercase())
                .ok_or_else(|| format!("`{}` is not {what}", end.trim().escape_debug()))
        };
        let (first, last) = (end(first)?, end(last)?);
        // A day counted from the end of the month against one from its beginning is decided anew each
        // month; what is backwards in the longest is never right.
        let from_start = |day: i16| if day < 0 { 32 + day } else { day };
        if first < 0 && last > 0 {
            return Err("what starts from the end of the month also ends there".to_owned());
        }
        if from_start(first) > from_start(last) {
            return Err(format!("`{}` ends before it starts", text.escape_debug()));
        }
        Ok(Self { first, last, text: text.into() })
    }

    fn contains(&self, value: i16) -> bool {
        (self.first..=self.last).contains(&value)
    }

    /// Returns whether it holds a day of a month with so many days.
    fn of_month(&self, days: i16, day: i16) -> bool {
        let from_start = |day: i16| if day < 0 { days + day + 1 } else { day };
        (from_start(self.first)..=from_start(self.last)).contains(&day)
    }
}

const WEEKDAYS: [&str; 7] =
    ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

fn position(names: &[&str], name: &str) -> Option<i16> {
    names.iter().position(|known| *known == name).and_then(|index| i16::try_from(index).ok())
}

fn number(text: &str, within: std::ops::RangeInclusive<i16>) -> Option<i16> {
    text.parse().ok().filter(|number| within.contains(number))
}

macro_rules! range {
    ($(#[$doc:meta])* $name:ident, $what:literal, $value:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(Range);

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Range::parse(text, $value, $what).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0.text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Written($what))?.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": ["string", "integer"] })
            }
        }
    };
}

range!(
    /// Days of the week.
    Weekdays,
    "a day of the week",
    |text| position(&WEEKDAYS, text)
);
range!(
    /// Days of the month, -1 is the last.
    DaysOfMonth,
    "a day of a month, 1 to 31 or -31 to -1",
    |text| number(text, -31..=31).filter(|day| *day != 0)
);
range!(
    /// Months by name or number.
    Months,
    "a month, by its name or 1 to 12",
    |text| position(&MONTHS, text).map(|index| index + 1).or_else(|| number(text, 1..=12))
);
range!(
    /// Years.
    Years,
    "a year",
    |text| number(text, 1..=9999)
);

/// A range of a single number may be written as one.
struct Written(&'static str);

impl de::Visitor<'_> for Written {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, or a range FIRST:LAST", self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(':').filter(|(hour, minute)| {
            let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
            hour.len() == 2 && minute.len() == 2 && digits(hour) && digits(minute)
        });
        let minutes = parts.and_then(|(hour, minute)| {
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            (minute < 60 && hour * 60 + minute <= 24 * 60).then_some(hour * 60 + minute)
        });
        let wrong = || format!("`{}` is not a time `HH:MM` up to 24:00", text.escape_debug());
        minutes.map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for TimeOfDay {
    fn schema_name() -> Cow<'static, str> {
        "TimeOfDay".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$" })
    }
}

#[cfg(test)]
mod tests;
