//! Which times an interval holds, and what is refused.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;

/// Prints for each time of the wall clock whether the interval holds.
fn check(interval: Value, times: &[&str], expected: Expect) {
    let shown = match serde_json::from_value::<Interval>(interval) {
        Err(error) => format!("error: {error}"),
        Ok(interval) => match interval.fault() {
            Some(fault) => format!("fault: {}: {}", fault.key, fault.message),
            None => {
                let zone = zone(interval.location.as_deref()).unwrap();
                let holds = |text: &&str| contains(&interval, &zone, text.parse().unwrap());
                let shown: Vec<_> =
                    times.iter().map(|time| if holds(time) { "in" } else { "out" }).collect();
                shown.join(" ")
            }
        },
    };
    expected.assert_eq(&shown);
}

#[test]
fn an_interval_that_says_nothing_always_holds() {
    check(json!({}), &["2026-11-27T00:00:00Z", "1999-01-01T23:59:59Z"], expect!["in in"]);
}

#[test]
fn the_end_of_a_time_does_not_belong_to_it() {
    let times = [
        "2026-11-27T08:59:59Z",
        "2026-11-27T09:00:00Z",
        "2026-11-27T16:59:59.9Z",
        "2026-11-27T17:00:00Z",
        "2026-11-27T23:59:59Z",
    ];
    let hours = json!({"times": [
        {"start_time": "09:00", "end_time": "17:00"}, {"start_time": "23:59", "end_time": "24:00"},
    ]});
    check(hours, &times, expect!["out in in out in"]);
}

#[test]
fn weekdays_are_ranges_of_a_week_that_begins_with_sunday() {
    // 22 November 2026 is a Sunday.
    let days: Vec<String> = (22..29).map(|day| format!("2026-11-{day}T12:00:00Z")).collect();
    let days: Vec<&str> = days.iter().map(String::as_str).collect();
    check(json!({"weekdays": ["monday:friday"]}), &days, expect!["out in in in in in out"]);
    check(json!({"weekdays": ["Sunday", "saturday"]}), &days, expect!["in out out out out out in"]);
    check(
        json!({"weekdays": ["friday:monday"]}),
        &[],
        expect!["error: `friday:monday` ends before it starts"],
    );
    check(json!({"weekdays": ["mon"]}), &[], expect!["error: `mon` is not a day of the week"]);
}

#[test]
fn days_are_counted_from_either_end_of_the_month() {
    let days = [
        "2028-02-01T00:00:00Z",
        "2028-02-26T00:00:00Z",
        "2028-02-27T00:00:00Z",
        "2028-02-29T00:00:00Z",
        "2026-02-28T00:00:00Z",
        "2026-01-31T00:00:00Z",
    ];
    check(json!({"days_of_month": ["-3:-1"]}), &days, expect!["out out in in in in"]);
    check(json!({"days_of_month": [1, "29:31"]}), &days, expect!["in out out in out in"]);
    check(json!({"days_of_month": ["27:-1"]}), &days, expect!["out out in in in in"]);
    check(
        json!({"days_of_month": ["-1:3"]}),
        &[],
        expect!["error: what starts from the end of the month also ends there"],
    );
    check(
        json!({"days_of_month": [0]}),
        &[],
        expect!["error: `0` is not a day of a month, 1 to 31 or -31 to -1"],
    );
}

#[test]
fn months_and_years_are_ranges_too() {
    let times = ["2026-01-31T23:00:00Z", "2026-05-01T00:00:00Z", "2027-12-31T23:59:59Z"];
    check(json!({"months": ["january:march", 12]}), &times, expect!["in out in"]);
    check(json!({"months": ["4:5"], "years": [2026]}), &times, expect!["out in out"]);
    check(json!({"years": ["2027:2030"]}), &times, expect!["out out in"]);
    check(
        json!({"months": ["13"]}),
        &[],
        expect!["error: `13` is not a month, by its name or 1 to 12"],
    );
}

#[test]
fn times_are_those_of_the_place_through_changes_of_its_clocks() {
    let hours = json!({
        "times": [{"start_time": "09:00", "end_time": "17:00"}],
        "location": "Europe/Berlin",
    });
    let times = [
        "2026-07-01T07:00:00Z",
        "2026-07-01T15:00:00Z",
        "2026-12-01T07:30:00Z",
        "2026-12-01T15:59:00Z",
    ];
    check(hours, &times, expect!["in out out in"]);
    check(
        json!({"location": "Mars/Olympus"}),
        &[],
        expect!["fault: location: this machine knows no time zone `Mars/Olympus`"],
    );
}

#[test]
fn a_time_of_day_is_written_in_one_way() {
    let times = |start, end| json!({"times": [{"start_time": start, "end_time": end}]});
    for wrong in ["9:00", "24:01", "12:60", "0900", "-1:00", "+9:00", ""] {
        let error = serde_json::from_value::<Interval>(times(wrong, "24:00")).unwrap_err();
        assert!(error.to_string().contains("is not a time"), "{wrong}: {error}");
    }
    check(
        times("22:00", "06:00"),
        &[],
        expect!["fault: times[0]: it ends before it starts: times beyond midnight are two entries"],
    );
}

#[test]
fn an_interval_is_written_as_it_was_read() {
    let text = r#"{"times":[{"start_time":"09:00","end_time":"24:00"}],"weekdays":["Monday:friday"],"days_of_month":["-3:-1"],"months":["1:3"],"years":["2026"],"location":"Europe/Berlin"}"#;
    let interval: Interval = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&interval).unwrap(), text);
}
