//! Rules against a calendar that shares nothing with ours: `tests/data/recurrences.txt` was written by
//! python-dateutil 2.9; each line has a rule, its first day, and the first ten days it occurs on by
//! 2046.

use jiff::civil::date;

use super::*;

const CASES: &str = include_str!("../tests/data/recurrences.txt");

fn read(text: &str) -> Date {
    Date::strptime("%Y%m%d", text).unwrap()
}

#[test]
fn rules_occur_on_the_days_another_calendar_names() {
    for case in CASES.lines() {
        let mut words = case.split(' ');
        let rule: Recurrence = words.next().unwrap().parse().unwrap();
        let start = read(words.next().unwrap());
        let expected: Vec<Date> = words.filter(|word| *word != "-").map(read).collect();
        let days = Days::new(&rule, start);
        let until = expected.get(9).copied().unwrap_or(date(2046, 12, 31));
        let found = start.series(1.day()).take_while(|day| *day <= until);
        let found: Vec<Date> = found.filter(|day| days.contains(*day)).collect();
        assert_eq!(found, expected, "{case}");
    }
    assert_eq!(CASES.lines().count(), 153);
}

#[test]
fn what_is_no_rule_is_refused_and_told_why() {
    for (text, expected) in [
        ("", "is not NAME=VALUE"),
        ("BYDAY=MO", "it has no FREQ"),
        ("FREQ=SOMETIMES", "is no FREQ"),
        ("FREQ=HOURLY", "a window recurs by days"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ is said twice"),
        ("FREQ=DAILY;INTERVAL=0", "not a number from 1 to 1000"),
        ("FREQ=DAILY;COUNT=99999", "not a number from 1 to 10000"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20270101", "COUNT and UNTIL exclude each other"),
        ("FREQ=DAILY;UNTIL=2027-01-01", "is no day such as"),
        ("FREQ=DAILY;UNTIL=20270230", "is no day such as"),
        ("FREQ=DAILY;BYDAY=1MO", "counts days only in a month or year"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "exclude each other"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "0 is not a place"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "not a number from -31 to 31"),
        ("FREQ=MONTHLY;BYDAY=XX", "is no day of the week"),
        ("FREQ=MONTHLY;BYDAY=M", "is no day of the week"),
        ("FREQ=MONTHLY;BYSETPOS=1", "chooses from what another BY"),
        ("FREQ=DAILY;BYHOUR=3", "the time of day is that of `starts`"),
        ("FREQ=YEARLY;BYWEEKNO=3", "is not known here"),
        ("FREQ=YEARLY;X-OWN=3", "is no part of a rule"),
    ] {
        let error = text.parse::<Recurrence>().unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_rule_may_be_pasted_from_a_calendar() {
    let rule: Recurrence = "RRULE:freq=weekly;byday=sa,su".parse().unwrap();
    assert_eq!(rule.text(), "RRULE:freq=weekly;byday=sa,su");
    assert!(Days::new(&rule, date(2026, 11, 27)).contains(date(2026, 11, 28)));
}
