//! When windows are open, summer time and leap days included.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn window(keys: Value) -> Window {
    let mut window = json!({"name": "w", "match": "rule = a"});
    window.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    serde_json::from_value(window).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Prints the next times a window is open from a moment on, three at most.
fn check(keys: Value, from: &str, expected: Expect) {
    let window = window(keys);
    window.check().unwrap();
    let times = Times::new(&window);
    let (mut now, mut shown) = (at(from), Vec::new());
    while shown.len() < 3 {
        let standing = times.standing(now);
        if standing.open_since.is_some() {
            shown.push(format!("{now} to {}", standing.until));
        }
        if standing.until == Timestamp::MAX {
            break;
        }
        now = standing.until;
    }
    expected.assert_eq(&shown.join("\n"));
}

#[test]
fn a_window_without_a_rule_is_open_once() {
    check(
        json!({"starts": "2026-11-28T22:00:00", "duration": "4h"}),
        "2026-11-27T00:00:00Z",
        expect!["2026-11-28T22:00:00Z to 2026-11-29T02:00:00Z"],
    );
}

#[test]
fn a_window_that_is_open_already_is_open_to_its_end() {
    check(
        json!({"starts": "2026-11-28T22:00:00", "duration": "4h"}),
        "2026-11-29T01:00:00Z",
        expect!["2026-11-29T01:00:00Z to 2026-11-29T02:00:00Z"],
    );
    check(
        json!({"starts": "2026-11-28T22:00:00", "duration": "4h"}),
        "2026-11-29T02:00:00Z",
        expect![[r#""#]],
    );
}

#[test]
fn its_hours_are_those_of_its_place() {
    check(
        json!({"starts": "2026-03-27T22:00:00", "duration": "1h", "location": "Europe/Berlin",
            "repeat": "FREQ=DAILY"}),
        "2026-03-27T00:00:00Z",
        expect![[r#"
            2026-03-27T21:00:00Z to 2026-03-27T22:00:00Z
            2026-03-28T21:00:00Z to 2026-03-28T22:00:00Z
            2026-03-29T20:00:00Z to 2026-03-29T21:00:00Z"#]],
    );
    check(
        json!({"starts": "2026-10-23T22:00:00", "duration": "1h", "location": "Europe/Berlin",
            "repeat": "FREQ=DAILY"}),
        "2026-10-24T00:00:00Z",
        expect![[r#"
            2026-10-24T20:00:00Z to 2026-10-24T21:00:00Z
            2026-10-25T21:00:00Z to 2026-10-25T22:00:00Z
            2026-10-26T21:00:00Z to 2026-10-26T22:00:00Z"#]],
    );
}

#[test]
fn a_start_that_summer_time_leaves_out_is_that_much_later() {
    // On 2026-03-29 it is 03:00 in Berlin after 01:59.
    check(
        json!({"starts": "2026-03-28T02:30:00", "duration": "1h", "location": "Europe/Berlin",
            "repeat": "FREQ=DAILY"}),
        "2026-03-28T00:00:00Z",
        expect![[r#"
            2026-03-28T01:30:00Z to 2026-03-28T02:30:00Z
            2026-03-29T01:30:00Z to 2026-03-29T02:30:00Z
            2026-03-30T00:30:00Z to 2026-03-30T01:30:00Z"#]],
    );
}

#[test]
fn of_a_start_that_comes_twice_the_first_counts() {
    // On 2026-10-25 it is 02:00 in Berlin after 02:59.
    check(
        json!({"starts": "2026-10-24T02:30:00", "duration": "2h", "location": "Europe/Berlin",
            "repeat": "FREQ=DAILY"}),
        "2026-10-24T00:00:00Z",
        expect![[r#"
            2026-10-24T00:30:00Z to 2026-10-24T02:30:00Z
            2026-10-25T00:30:00Z to 2026-10-25T02:30:00Z
            2026-10-26T01:30:00Z to 2026-10-26T03:30:00Z"#]],
    );
}

#[test]
fn a_duration_goes_by_also_when_the_clocks_change() {
    check(
        json!({"starts": "2026-03-28T22:00:00", "duration": "8h", "location": "Europe/Berlin"}),
        "2026-03-28T00:00:00Z",
        expect!["2026-03-28T21:00:00Z to 2026-03-29T05:00:00Z"],
    );
    check(
        json!({"starts": "2026-10-31T22:00:00", "duration": "8h", "location": "America/New_York"}),
        "2026-10-31T00:00:00Z",
        expect!["2026-11-01T02:00:00Z to 2026-11-01T10:00:00Z"],
    );
}

#[test]
fn a_day_that_a_place_left_out_has_no_hours() {
    // Samoa went from the 29th of December 2011 to the 31st.
    check(
        json!({"starts": "2011-12-29T12:00:00", "duration": "1h", "location": "Pacific/Apia",
            "repeat": "FREQ=DAILY"}),
        "2011-12-29T00:00:00Z",
        expect![[r#"
            2011-12-29T22:00:00Z to 2011-12-29T23:00:00Z
            2011-12-30T22:00:00Z to 2011-12-30T23:00:00Z
            2011-12-31T22:00:00Z to 2011-12-31T23:00:00Z"#]],
    );
}

#[test]
fn places_change_by_half_an_hour_too() {
    check(
        json!({"starts": "2026-10-03T02:15:00", "duration": "30m",
            "location": "Australia/Lord_Howe", "repeat": "FREQ=DAILY"}),
        "2026-10-02T12:00:00Z",
        expect![[r#"
            2026-10-02T15:45:00Z to 2026-10-02T16:15:00Z
            2026-10-03T15:45:00Z to 2026-10-03T16:15:00Z
            2026-10-04T15:15:00Z to 2026-10-04T15:45:00Z"#]],
    );
}

#[test]
fn days_are_excepted() {
    check(
        json!({"starts": "2026-12-24T08:00:00", "duration": "10h", "repeat": "FREQ=DAILY;COUNT=4",
            "except": ["2026-12-25", "2026-12-26"]}),
        "2026-12-24T00:00:00Z",
        expect![[r#"
            2026-12-24T08:00:00Z to 2026-12-24T18:00:00Z
            2026-12-27T08:00:00Z to 2026-12-27T18:00:00Z"#]],
    );
}

#[test]
fn a_leap_day_comes_when_it_comes() {
    check(
        json!({"starts": "2096-02-29T00:00:00", "duration": "1d",
            "repeat": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"}),
        "2096-01-01T00:00:00Z",
        expect![[r#"
            2096-02-29T00:00:00Z to 2096-03-01T00:00:00Z
            2104-02-29T00:00:00Z to 2104-03-01T00:00:00Z
            2108-02-29T00:00:00Z to 2108-03-01T00:00:00Z"#]],
    );
}

#[test]
fn occurrences_that_overlap_are_one() {
    check(
        json!({"starts": "2026-11-27T00:00:00", "duration": "36h", "repeat": "FREQ=DAILY;COUNT=3"}),
        "2026-11-26T00:00:00Z",
        expect![[r#"
            2026-11-27T00:00:00Z to 2026-11-28T12:00:00Z
            2026-11-28T12:00:00Z to 2026-11-29T12:00:00Z
            2026-11-29T12:00:00Z to 2026-11-30T12:00:00Z"#]],
    );
}

#[test]
fn a_rule_says_the_days_and_the_start_only_the_first() {
    // The first start is a Friday, on which the rule does not occur.
    check(
        json!({"starts": "2026-11-27T22:00:00", "duration": "1h", "repeat": "FREQ=WEEKLY;BYDAY=SA;UNTIL=20261206"}),
        "2026-11-27T00:00:00Z",
        expect![[r#"
            2026-11-28T22:00:00Z to 2026-11-28T23:00:00Z
            2026-12-05T22:00:00Z to 2026-12-05T23:00:00Z"#]],
    );
}

#[test]
fn what_is_wrong_with_a_window_is_told() {
    let good = json!({"starts": "2026-11-27T22:00:00", "duration": "1h"});
    for (keys, expected) in [
        (json!({"name": ""}), "a name has 1 to 128 bytes"),
        (json!({"name": " w"}), "without blanks around it"),
        (json!({"matchers": ["a=b"]}), "either `match` or `matchers`"),
        (json!({"match": null}), "either `match` or `matchers`"),
        (json!({"match": null, "matchers": ["a=~.*"]}), "must not hold for an empty value"),
        (json!({"duration": "59s"}), "from 1m to 31d"),
        (json!({"duration": "32d"}), "from 1m to 31d"),
        (json!({"location": "Mars/Base"}), "knows no time zone `Mars/Base`"),
        (json!({"repeat": "FREQ=DAILY;UNTIL=20200101"}), "it never occurs"),
        (json!({"repeat": "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30"}), "it never occurs"),
        (json!({"except": ["2026-11-27"]}), "it never occurs"),
    ] {
        let mut all = good.clone();
        all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        let error = window(all).check().unwrap_err();
        assert!(error.contains(expected), "{keys}: {error}");
    }
}

const RULES: [Option<&str>; 6] = [
    None,
    Some("FREQ=DAILY;INTERVAL=3"),
    Some("FREQ=WEEKLY;BYDAY=SA,SU"),
    Some("FREQ=MONTHLY;BYDAY=-1SU"),
    Some("FREQ=MONTHLY;BYMONTHDAY=31"),
    Some("FREQ=DAILY;COUNT=20"),
];
const PLACES: [&str; 4] = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Looks at every day since the first, where ours looks at a few; and where ours says that nothing
    /// changes, nothing does.
    #[test]
    fn a_window_is_open_when_a_naive_evaluator_says_so(
        rule in prop::sample::select(&RULES[..]),
        place in prop::sample::select(&PLACES[..]),
        minutes in 1_u64..60 * 24 * 3,
        start in 0_i8..24,
        hours in 0_i64..24 * 500,
    ) {
        let window = window(json!({"starts": format!("2026-01-01T{start:02}:30:00"),
            "duration": format!("{minutes}m"), "location": place, "repeat": rule}));
        let times = Times::new(&window);
        let naive = |at: Timestamp| {
            let days = window.starts.date().series(1.day()).take(520);
            days.filter(|day| times.starts_on(*day)).any(|day| {
                let local = day.to_datetime(window.starts.time());
                let start = local.to_zoned(times.zone.clone()).unwrap().timestamp();
                start <= at && at < start + times.duration
            })
        };
        let now = at("2025-12-31T00:00:00Z") + SignedDuration::from_hours(hours);
        let standing = times.standing(now);
        prop_assert_eq!(standing.open_since.is_some(), naive(now));
        prop_assert!(standing.until > now);
        if standing.until < at("2027-05-01T00:00:00Z") {
            let before = standing.until - SignedDuration::from_secs(1);
            prop_assert_eq!(naive(before), standing.open_since.is_some());
            prop_assert!(standing.open_since.is_some() || naive(standing.until));
        }
    }
}
