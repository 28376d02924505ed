//! Recurrence rules of iCalendar (RFC 5545, 3.3.10), for what recurs by days.
//!
//! Whether a day is one of a rule's is a question of the calendar alone; the time of day and its zone
//! come with the window. What recurs within a day, and weeks and days counted through a year, are not
//! known here and refused.

use std::{borrow::Cow, fmt, str::FromStr};

use jiff::{
    ToSpan,
    civil::{Date, Weekday},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

const TEXT_BYTES_MAX: usize = 512;
/// Entries of one list.
const ENTRIES_MAX: usize = 64;
const INTERVAL_MAX: i32 = 1000;
const COUNT_MAX: u32 = 10_000;
/// Days looked through for the last of a rule with `COUNT`.
const DAYS_MAX: i32 = 100 * 366;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// A day of the week, or the nth of a month or year; from its end if negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ByDay {
    nth: Option<i16>,
    weekday: Weekday,
}

/// A rule, such as `FREQ=WEEKLY;BYDAY=SA`. Serialises as its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurrence {
    text: Box<str>,
    frequency: Frequency,
    interval: i32,
    count: Option<u32>,
    until: Option<Date>,
    by_month: Vec<i8>,
    by_month_day: Vec<i8>,
    by_day: Vec<ByDay>,
    by_position: Vec<i16>,
    week_start: Weekday,
}

/// A rule from its first day on.
#[derive(Clone, Debug)]
pub(super) struct Days {
    rule: Recurrence,
    start: Date,
    /// The last day, if there is one.
    last: Option<Date>,
}

impl Days {
    pub(super) fn new(rule: &Recurrence, start: Date) -> Self {
        let mut days = Self { rule: rule.anchored(start), start, last: rule.until };
        if let Some(count) = rule.count {
            days.last = Some(days.last_of(count));
        }
        days
    }

    /// Returns the day of the rule's `count`th occurrence, or where the search for it ended.
    fn last_of(&self, count: u32) -> Date {
        let (mut day, mut left) = (self.start, count);
        for _ in 0..DAYS_MAX {
            left -= u32::from(left > 0 && self.contains(day));
            if left == 0 {
                break;
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        day
    }

    /// Returns whether the rule occurs on this day.
    pub(super) fn contains(&self, day: Date) -> bool {
        if day < self.start || self.last.is_some_and(|last| day > last) {
            return false;
        }
        let rule = &self.rule;
        if !rule.is_in_turn(self.start, day) || !rule.takes(day) {
            return false;
        }
        rule.by_position.is_empty() || rule.is_at_position(day)
    }

    /// Returns the last day on which the rule may occur.
    pub(super) fn last(&self) -> Option<Date> {
        self.last
    }
}

impl Recurrence {
    /// Returns the rule with what it leaves to its first day said.
    fn anchored(&self, start: Date) -> Self {
        let mut rule = self.clone();
        if !rule.by_day.is_empty() || !rule.by_month_day.is_empty() {
            return rule;
        }
        match rule.frequency {
            Frequency::Daily => {}
            Frequency::Weekly => rule.by_day.push(ByDay { nth: None, weekday: start.weekday() }),
            Frequency::Monthly => rule.by_month_day.push(start.day()),
            Frequency::Yearly => {
                rule.by_month_day.push(start.day());
                if rule.by_month.is_empty() {
                    rule.by_month.push(start.month());
                }
            }
        }
        rule
    }

    /// Returns whether a day is in a period that `INTERVAL` does not leave out.
    fn is_in_turn(&self, start: Date, day: Date) -> bool {
        let months = |date: Date| i32::from(date.year()) * 12 + i32::from(date.month());
        let passed = match self.frequency {
            Frequency::Daily => days_between(start, day),
            Frequency::Weekly => days_between(self.week(start), self.week(day)) / 7,
            Frequency::Monthly => months(day) - months(start),
            Frequency::Yearly => i32::from(day.year() - start.year()),
        };
        passed % self.interval == 0
    }

    /// Returns the first day of a day's week.
    fn week(&self, day: Date) -> Date {
        let since = day.weekday().since(self.week_start);
        day.saturating_sub(i64::from(since).days())
    }

    /// Returns whether a day is what the lists say, positions apart.
    fn takes(&self, day: Date) -> bool {
        fn any<T>(entries: &[T], holds: impl Fn(&T) -> bool) -> bool {
            entries.is_empty() || entries.iter().any(holds)
        }
        let from_end = day.day() - day.days_in_month() - 1;
        any(&self.by_month, |month| *month == day.month())
            && any(&self.by_month_day, |of| *of == day.day() || *of == from_end)
            && any(&self.by_day, |by| self.is_weekday(by, day))
    }

    fn is_weekday(&self, by: &ByDay, day: Date) -> bool {
        if by.weekday != day.weekday() {
            return false;
        }
        let Some(nth) = by.nth else { return true };
        let is_of_month = self.frequency == Frequency::Monthly || !self.by_month.is_empty();
        let (place, days) = match is_of_month {
            true => (i16::from(day.day()), i16::from(day.days_in_month())),
            false => (day.day_of_year(), day.days_in_year()),
        };
        nth == (place - 1) / 7 + 1 || nth == -((days - place) / 7 + 1)
    }

    /// Returns whether a day of the rule is at one of the places in its period that are asked for.
    fn is_at_position(&self, day: Date) -> bool {
        let (first, last) = match self.frequency {
            Frequency::Daily => (day, day),
            Frequency::Weekly => {
                let first = self.week(day);
                (first, first.saturating_add(6.days()))
            }
            Frequency::Monthly => (day.first_of_month(), day.last_of_month()),
            Frequency::Yearly => (day.first_of_year(), day.last_of_year()),
        };
        let (mut before, mut total) = (0_i16, 0_i16);
        for other in first.series(1.day()).take_while(|other| *other <= last) {
            if self.takes(other) {
                total += 1;
                before += i16::from(other < day);
            }
        }
        let holds = |position: &i16| *position == before + 1 || *position == before - total;
        self.by_position.iter().any(holds)
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Sets what one `NAME=VALUE` says.
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "FREQ" => self.frequency = frequency(value)?,
            "INTERVAL" => self.interval = number(value, 1, INTERVAL_MAX)?,
            "COUNT" => self.count = Some(number(value, 1, COUNT_MAX)?),
            "UNTIL" => self.until = Some(date(value)?),
            "WKST" => self.week_start = weekday(value)?,
            "BYMONTH" => self.by_month = list(value, |text| number(text, 1, 12))?,
            "BYMONTHDAY" => self.by_month_day = list(value, |text| signed(text, 31))?,
            "BYSETPOS" => self.by_position = list(value, |text| signed(text, 366))?,
            "BYDAY" => self.by_day = list(value, by_day)?,
            "BYHOUR" | "BYMINUTE" | "BYSECOND" => {
                return Err(format!("{name}: the time of day is that of `starts`"));
            }
            "BYYEARDAY" | "BYWEEKNO" => {
                return Err(format!(
                    "{name} is not known here: say it with BYMONTH and BYMONTHDAY"
                ));
            }
            _ => return Err(format!("`{}` is no part of a rule", name.escape_debug())),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), &'static str> {
        let has_nth = self.by_day.iter().any(|by| by.nth.is_some());
        if has_nth && matches!(self.frequency, Frequency::Daily | Frequency::Weekly) {
            return Err("BYDAY counts days only in a month or year: FREQ=MONTHLY or YEARLY");
        }
        if self.frequency == Frequency::Weekly && !self.by_month_day.is_empty() {
            return Err("BYMONTHDAY and FREQ=WEEKLY exclude each other");
        }
        if self.count.is_some() && self.until.is_some() {
            return Err("COUNT and UNTIL exclude each other");
        }
        let has_list =
            !(self.by_day.is_empty() && self.by_month_day.is_empty() && self.by_month.is_empty());
        if !self.by_position.is_empty() && !has_list {
            return Err("BYSETPOS chooses from what another BY… says");
        }
        Ok(())
    }
}

fn days_between(from: Date, to: Date) -> i32 {
    (to - from).get_days()
}

fn frequency(text: &str) -> Result<Frequency, String> {
    Ok(match text {
        "DAILY" => Frequency::Daily,
        "WEEKLY" => Frequency::Weekly,
        "MONTHLY" => Frequency::Monthly,
        "YEARLY" => Frequency::Yearly,
        "HOURLY" | "MINUTELY" | "SECONDLY" => {
            return Err(format!("FREQ={text}: a window recurs by days; `intervals` know hours"));
        }
        _ => return Err(format!("`{}` is no FREQ", text.escape_debug())),
    })
}

fn weekday(text: &str) -> Result<Weekday, String> {
    const DAYS: [(&str, Weekday); 7] = [
        ("MO", Weekday::Monday),
        ("TU", Weekday::Tuesday),
        ("WE", Weekday::Wednesday),
        ("TH", Weekday::Thursday),
        ("FR", Weekday::Friday),
        ("SA", Weekday::Saturday),
        ("SU", Weekday::Sunday),
    ];
    let found = DAYS.iter().find(|(name, _)| *name == text).map(|(_, day)| *day);
    found.ok_or_else(|| format!("`{}` is no day of the week: MO to SU", text.escape_debug()))
}

fn by_day(text: &str) -> Result<ByDay, String> {
    let split = text.len().saturating_sub(2);
    let Some((nth, day)) = text.split_at_checked(split) else {
        return Err(format!("`{}` is no day of the week", text.escape_debug()));
    };
    let nth = if nth.is_empty() { None } else { Some(signed(nth, 53)?) };
    Ok(ByDay { nth, weekday: weekday(day)? })
}

/// Reads a day, or the day of a time.
fn date(text: &str) -> Result<Date, String> {
    let day = text.split_once('T').map_or(text, |(day, _)| day);
    let wrong = || format!("`{}` is no day such as 20271231", text.escape_debug());
    if day.len() != 8 || !day.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    Date::strptime("%Y%m%d", day).map_err(|_| wrong())
}

fn number<T: FromStr + PartialOrd + fmt::Display>(text: &str, min: T, max: T) -> Result<T, String> {
    let read = text.parse().ok().filter(|number| *number >= min && *number <= max);
    read.ok_or_else(|| format!("`{}` is not a number from {min} to {max}", text.escape_debug()))
}

/// Reads a number from `-max` to `max` that is not 0.
fn signed<T: TryFrom<i16>>(text: &str, max: i16) -> Result<T, String> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let number = number(digits, -max, max)?;
    let number = Some(number).filter(|number| *number != 0);
    number
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| format!("0 is not a place: 1 is the first, -1 the last, of at most {max}"))
}

fn list<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    if text.split(',').count() > ENTRIES_MAX {
        return Err(format!("a list has at most {ENTRIES_MAX} entries"));
    }
    text.split(',').map(|entry| read(entry.trim())).collect()
}

impl FromStr for Recurrence {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("a rule has at most {TEXT_BYTES_MAX} bytes"));
        }
        let mut rule = Self {
            text: text.into(),
            frequency: Frequency::Daily,
            interval: 1,
            count: None,
            until: None,
            by_month: Vec::new(),
            by_month_day: Vec::new(),
            by_day: Vec::new(),
            by_position: Vec::new(),
            week_start: Weekday::Monday,
        };
        let upper = text.trim().to_ascii_uppercase();
        let body = upper.strip_prefix("RRULE:").unwrap_or(&upper);
        let mut seen: Vec<&str> = Vec::new();
        for part in body.split(';') {
            let wrong = || format!("`{}` is not NAME=VALUE", part.escape_debug());
            let (name, value) = part.split_once('=').ok_or_else(wrong)?;
            if seen.contains(&name) {
                return Err(format!("{name} is said twice"));
            }
            seen.push(name);
            rule.set(name, value)?;
        }
        if !seen.contains(&"FREQ") {
            return Err("it has no FREQ".to_owned());
        }
        rule.check().map_err(str::to_owned)?;
        Ok(rule)
    }
}

impl Serialize for Recurrence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Recurrence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Recurrence {
    fn schema_name() -> Cow<'static, str> {
        "Recurrence".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests;
