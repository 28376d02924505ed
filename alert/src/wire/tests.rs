//! What is read, what is refused, what is written.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const RECEIVED: Timestamp = Timestamp::UNIX_EPOCH;

fn read(value: &Value) -> Result<Alert, WireError> {
    read_alert(value.to_string().as_bytes(), RECEIVED)
}

fn with(key: &str, value: Value) -> Value {
    let mut alert = json!({ "rule": "R", "priority": "Warning", "time": "2026-11-21T08:00:00.5Z", "output_fields": { "a": 1 } });
    alert[key] = value;
    alert
}

/// Reads an alert in which one key has an odd value, and tells the answer.
fn check(key: &str, value: Value, expected: Result<(), &str>) {
    let answer = read(&with(key, value.clone())).map(drop).map_err(|error| error.to_string());
    assert_eq!(
        answer.as_ref().map_err(String::as_str).map(|()| &()),
        expected.as_ref().map_err(|text| *text),
        "{key}: {value}"
    );
}

#[test]
fn what_falco_sends_is_read_whole() {
    let text = r#"{"hostname":"n1","output":"08:00:00.000000000: Warning x","output_fields":{"evt.time":1763712000123456789,"proc.name":"cat","user.loginuid":-1,"fd.name":null},"priority":"Warning","rule":"Read sensitive file","source":"syscall","tags":["T1555","filesystem"],"time":"2026-11-21T08:00:00.123456789Z"}"#;
    let alert = read_alert(text.as_bytes(), RECEIVED).unwrap();
    assert_eq!(
        (alert.rule.as_str(), alert.hostname.as_str(), alert.priority),
        ("Read sensitive file", "n1", Priority::Warning)
    );
    assert_eq!(alert.fields["evt.time"], json!(1_763_712_000_123_456_789_u64));
    assert_eq!(alert.fields["fd.name"], Value::Null);
    assert_eq!(alert.tags, ["T1555", "filesystem"]);
}

#[test]
fn keys_match_in_any_case_the_last_wins_and_unknown_ones_are_dropped() {
    let text = r#"{"RULE":"a","Rule":"b","PRIORITY":"info","Time":"2026-11-21T08:00:00Z","message":{"x":[1]},"Output_Fields":{"a":1}}"#;
    let alert = read_alert(text.as_bytes(), RECEIVED).unwrap();
    assert_eq!((alert.rule.as_str(), alert.priority), ("b", Priority::Informational));
    assert_eq!(alert.source, "syscall");
}

#[test]
fn an_upstream_id_is_kept_and_an_odd_one_replaced() {
    let id = "0198c0de-0000-7000-8000-000000000001";
    assert_eq!(read(&with("uuid", json!(id))).unwrap().id.to_string(), id);
    check("uuid", json!("nonsense"), Ok(()));
    check("uuid", json!(5), Ok(()));
    let nil = "00000000-0000-0000-0000-000000000000";
    assert_ne!(read(&with("uuid", json!(nil))).unwrap().id.to_string(), nil);
}

#[test]
fn the_zero_time_is_no_time() {
    check("time", json!("0001-01-01T00:00:00Z"), Err("field `time`: is the zero time"));
}

#[test]
fn numbers_keep_every_digit() {
    let text = r#"{"rule":"R","priority":"error","time":"2026-11-21T08:00:00Z","output_fields":{"u":18446744073709551615,"i":-9223372036854775808,"f":0.1,"e":1e20,"big":123456789012345678901234567890,"huge":1e400,"list":[98765432109876543210,{"a":1}]}}"#;
    let fields = read_alert(text.as_bytes(), RECEIVED).unwrap().fields;
    assert_eq!(
        json!(fields),
        json!({
            "u": u64::MAX, "i": i64::MIN, "f": 0.1, "e": 1e20,
            "big": "123456789012345678901234567890", "huge": "1e400",
            "list": ["98765432109876543210", { "a": 1 }]
        })
    );
}

#[test]
fn deep_nesting_is_refused_by_name_and_survived() {
    let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let alert = |value: &str| {
        let text = with("output_fields", json!({ "a": "HERE" })).to_string();
        read_alert(text.replace("\"HERE\"", value).as_bytes(), RECEIVED)
    };
    assert!(alert(&nested(DEPTH_MAX)).is_ok());
    for depth in [DEPTH_MAX + 1, 127, 128, 100_000] {
        let error = alert(&nested(depth)).unwrap_err().to_string();
        assert_eq!(error, "field `output_fields`: is nested more than 32 deep", "{depth}");
    }
    let big = format!("[12345678901234567890123,{}]", nested(DEPTH_MAX));
    assert!(alert(&big).is_err());
}

/// How many alerts a second one core reads. Run it by name, in release.
#[test]
#[ignore = "a measurement"]
fn rate() {
    let output = "o".repeat(500);
    let text = format!(
        r#"{{"hostname":"node-1","output":"{output}","output_fields":{{"container.id":"3ad7b26ded6d","container.image.repository":"docker.io/library/nginx","container.name":"web","evt.time":1763712000123456789,"k8s.ns.name":"prod","k8s.pod.name":"web-5d4f8","proc.cmdline":"bash -c curl example","proc.name":"bash","proc.pid":1234,"proc.pname":"sh","user.loginuid":-1,"user.name":"root"}},"priority":"Warning","rule":"Terminal shell in container","source":"syscall","tags":["container","shell"],"time":"2026-11-21T08:00:00.123456789Z","uuid":"0198c0de-0000-7000-8000-000000000001"}}"#
    );
    let count = 300_000;
    let started = std::time::Instant::now();
    for _ in 0..count {
        std::hint::black_box(read_alert(text.as_bytes(), RECEIVED).unwrap());
    }
    let rate = f64::from(count) / started.elapsed().as_secs_f64();
    println!("{} bytes: {rate:.0} alerts/s", text.len());
}

#[test]
fn a_wrong_type_names_its_field() {
    check("rule", json!(5), Err("field `rule`: expected a text, found a number"));
    check("rule", json!(""), Err("field `rule`: is missing"));
    check("rule", json!(null), Err("field `rule`: is missing"));
    check("priority", json!(4), Err("field `priority`: expected a text, found a number"));
    check("priority", json!(["Warning"]), Err("field `priority`: expected a text, found an array"));
    check(
        "time",
        json!("yesterday"),
        Err("field `time`: is no RFC 3339 time such as 2026-11-21T08:00:00Z"),
    );
    check("time", json!({ "s": 1 }), Err("field `time`: expected a text, found an object"));
    check("output", json!(true), Err("field `output`: expected a text, found a boolean"));
    check("tags", json!("a,b"), Err("field `tags`: expected an array of texts, found a text"));
    check("tags", json!(["a", 1]), Err("field `tags`: expected texts, found a number"));
    check("tags", json!(["a", null]), Ok(()));
    check(
        "output_fields",
        json!([1]),
        Err("field `output_fields`: expected an object, found an array"),
    );
    check("output_fields", json!(null), Ok(()));
    check("output_fields", json!({ "k8s.ns.name": 5, "x": { "y": [null] } }), Ok(()));
}

#[test]
fn what_is_no_object_or_no_json_says_so() {
    for (text, expected) in [
        ("[]", "expected a JSON object"),
        ("5", "expected a JSON object"),
        ("{", "invalid JSON"),
        ("", "invalid JSON"),
        ("{} x", "invalid JSON"),
    ] {
        let error = read_alert(text.as_bytes(), RECEIVED).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    assert!(read_alert(b"{\"rule\":\"\xff\"}", RECEIVED).is_err());
    assert!(read_alert("[".repeat(100_000).as_bytes(), RECEIVED).is_err());
    let deep = format!("{{\"rule\":{}", "[".repeat(100_000));
    assert!(read_alert(deep.as_bytes(), RECEIVED).is_err());
}

#[test]
fn long_texts_are_cut_and_too_many_fields_refused() {
    let alert = read(&with("output", json!("ä".repeat(100_000)))).unwrap();
    assert!(alert.output.len() <= TEXT_BYTES_MAX && alert.output.ends_with('…'));
    let many: Fields = (0..=FIELDS_MAX).map(|number| (number.to_string(), json!(1))).collect();
    check("output_fields", json!(many), Err("field `output_fields`: has more than 1024 fields"));
}

#[test]
fn an_alert_is_written_as_falco_writes_it() {
    let mut alert = read(&with("tags", json!(["b", "a"]))).unwrap();
    alert.id = AlertId::from_u128(1);
    let mut line = Vec::new();
    write_falco(&alert, &mut line);
    expect_test::expect![[r#"{"hostname":"","output":"","output_fields":{"a":1},"priority":"Warning","rule":"R","source":"syscall","tags":["a","b"],"time":"2026-11-21T08:00:00.500000000Z","uuid":"00000000-0000-0000-0000-000000000001"}"#]]
        .assert_eq(&String::from_utf8(line).unwrap());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_alert(&bytes, RECEIVED).ok();
    }

    #[test]
    fn what_is_written_is_read_as_it_was(rule in "[^\\x00]{1,40}", output in ".*", host in ".{0,20}", tags in proptest::collection::btree_set("[a-z]{1,8}", 0..4), seconds in 0_i64..4_000_000_000) {
        let alert = Alert {
            id: AlertId::random(),
            time: Timestamp::from_second(seconds).unwrap(),
            received: RECEIVED,
            rule,
            priority: Priority::Error,
            source: "test".to_owned(),
            hostname: host,
            output,
            tags: tags.into_iter().collect(),
            fields: Fields::from([("a.b".to_owned(), json!("x\u{1b}"))]),
            ends: None,
        };
        let mut line = Vec::new();
        write_falco(&alert, &mut line);
        prop_assert_eq!(read_alert(&line, RECEIVED).unwrap(), alert);
    }
}
