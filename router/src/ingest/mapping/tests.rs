//! What a mapping makes of a message.

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

/// Reads one message, and shows the alert without what is always the same, or what is wrong.
fn check(mapping: Value, message: Value, expected: Expect) {
    expected.assert_eq(&shown(mapping, &message));
}

fn shown(mapping: Value, message: &Value) -> String {
    let mapping: MappingConfig = serde_json::from_value(mapping).unwrap();
    let origin = Origin {
        name: "scans",
        sender: None,
        received: Timestamp::UNIX_EPOCH,
        id: AlertId::random(),
    };
    match mapping.read(message, message, origin) {
        Ok(alert) => {
            let mut shown = serde_json::to_value(&alert).unwrap();
            shown.as_object_mut().unwrap().retain(|key, _| key != "id" && key != "received");
            shown.to_string()
        }
        Err(wrong) => format!("{}: {}", wrong.key, wrong.reason),
    }
}

#[test]
fn every_part_of_an_alert_may_be_somewhere_in_a_message() {
    check(
        json!({
            "rule": "{/kind}: {/name}", "source": "/tool", "hostname": "/host",
            "time": "/at", "output": "/text", "tags": ["/labels", "scan"],
            "priority": {"from": "/level", "values": {"7": "critical"}},
            "fields": {"cve": "/name", "score": "/score", "all": "/labels", "none": "/none"}
        }),
        json!({
            "kind": "CVE", "name": "2026-1", "tool": "trivy", "host": "h1", "at": 1_700_000_000,
            "text": "bad", "labels": ["b", "a"], "level": 7, "score": 9.8
        }),
        expect![[
            r#"{"fields":{"all":["b","a"],"cve":"2026-1","score":9.8},"hostname":"h1","output":"bad","priority":"Critical","rule":"CVE: 2026-1","source":"trivy","tags":["a","b","scan"],"time":"2023-11-14T22:13:20Z"}"#
        ]],
    );
}

#[test]
fn what_is_not_found_has_a_default() {
    check(
        json!({"rule": ["/name", "unnamed"], "time": "/at", "priority": {"from": "/level"}}),
        json!({}),
        expect![[
            r#"{"hostname":"","output":"","priority":"Warning","rule":"unnamed","source":"scans","time":"1970-01-01T00:00:00Z"}"#
        ]],
    );
}

#[test]
fn what_is_wrong_is_named_with_its_part_and_place() {
    let rule = |rule: &str| json!({"rule": rule});
    let with = |key: &str, value: Value| json!({"rule": "r", key: value});
    check(rule("/a"), json!({}), expect!["rule: there is nothing at `/a`"]);
    check(rule("/a"), json!({"a": ""}), expect!["rule: there is nothing at `/a`"]);
    check(rule("/a"), json!({"a": {}}), expect!["rule: an object at `/a` is no text"]);
    check(
        with("time", json!("/t")),
        json!({"t": "soon"}),
        expect!["time: what is at `/t` is no time"],
    );
    check(
        with("time", json!("/t")),
        json!({"t": [1]}),
        expect!["time: what is at `/t` is no time"],
    );
    check(with("id", json!("/i")), json!({}), expect!["id: there is nothing at `/i`"]);
    check(
        with("tags", json!(["/t"])),
        json!({"t": ["a", 1]}),
        expect!["tags: a number at `/t` is no text"],
    );
    check(
        with("priority", json!({"from": "/p"})),
        json!({"p": []}),
        expect!["priority: an array at `/p` is no text"],
    );
}

#[test]
fn a_time_is_read_whatever_it_counts() {
    for (time, expected) in [
        (json!(1_700_000_000), "2023-11-14T22:13:20Z"),
        (json!(1_700_000_000_123_i64), "2023-11-14T22:13:20.123Z"),
        (json!(1_700_000_000_123_456_i64), "2023-11-14T22:13:20.123456Z"),
        (json!(1_700_000_000_123_456_789_i64), "2023-11-14T22:13:20.123456789Z"),
        (json!(1_700_000_000.5), "2023-11-14T22:13:20.5Z"),
        (json!("2023-11-14T23:13:20+01:00"), "2023-11-14T22:13:20Z"),
    ] {
        let shown = shown(json!({"rule": "r", "time": "/t"}), &json!({"t": time}));
        assert!(shown.contains(&format!("\"time\":\"{expected}\"")), "{shown}");
    }
    for wrong in [json!(u64::MAX), json!(1e300), json!(-1e300), json!("1700000000")] {
        let shown = shown(json!({"rule": "r", "time": "/t"}), &json!({"t": wrong}));
        assert_eq!(shown, "time: what is at `/t` is no time", "{wrong}");
    }
}

#[test]
fn hostile_values_are_bounded() {
    let nested = |levels| (0..levels).fold(json!(1), |value, _| json!([value]));
    let field = json!({"rule": "r", "fields": {"f": "/f"}});
    assert!(shown(field.clone(), &json!({"f": nested(DEPTH_MAX)})).contains("\"f\":[["));
    let deep = shown(field.clone(), &json!({"f": nested(DEPTH_MAX + 1)}));
    assert_eq!(deep, "fields.f: it is nested more than 32 levels deep");
    let long = shown(field, &json!({"f": "x".repeat(TEXT_BYTES_MAX + 1)}));
    assert!(long.contains("x…\"") && long.len() < TEXT_BYTES_MAX + 1000);
    let tags = json!({"rule": "r", "tags": ["/t"]});
    let many: Vec<String> = (0..=TAGS_MAX).map(|tag| tag.to_string()).collect();
    assert_eq!(shown(tags, &json!({"t": many})), "tags: more than 256 tags");
}

#[test]
fn the_same_id_of_the_same_sender_is_the_same_alert() {
    let mapping: MappingConfig = serde_json::from_value(json!({"rule": "r", "id": "/id"})).unwrap();
    let id = |name, sender, id: Value| {
        let origin =
            Origin { name, sender, received: Timestamp::UNIX_EPOCH, id: AlertId::random() };
        let message = json!({"id": id});
        mapping.read(&message, &message, origin).unwrap().id
    };
    let one = id("a", Some("s"), json!("1"));
    assert_eq!(one, id("a", Some("s"), json!(1)));
    for other in
        [id("a", Some("s"), json!("2")), id("b", Some("s"), json!("1")), id("a", None, json!("1"))]
    {
        assert_ne!(one, other);
    }
}

#[test]
fn alerts_are_the_items_of_an_array() {
    let mapping: MappingConfig =
        serde_json::from_value(json!({"rule": "/r", "alerts": "/list"})).unwrap();
    let items = |body: Value| match mapping.items(&body) {
        Ok(items) => items.len().to_string(),
        Err(wrong) => format!("{}: {}", wrong.key, wrong.reason),
    };
    assert_eq!(items(json!({"list": [1, 2]})), "2");
    assert_eq!(items(json!({"list": {}})), "alerts: an object at `/list` is no array");
    assert_eq!(items(json!([])), "alerts: there is nothing at `/list`");
    let literal: MappingConfig =
        serde_json::from_value(json!({"rule": "/r", "alerts": "list"})).unwrap();
    assert_eq!(literal.problem().unwrap().0, "alerts");
}
