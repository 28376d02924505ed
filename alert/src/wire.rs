//! Falco's JSON alert, read with falcosidekick's tolerance and written as Falco writes it.
//!
//! Read: keys match in any case, the last duplicate wins, unknown keys are dropped, `null` is as
//! good as absent. A wrong type is an error that names the field. Too long texts are cut with `…`:
//! an alert is never refused for being long-winded. Numbers keep every digit.

mod value;

use std::{borrow::Cow, fmt};

use jiff::Timestamp;
use serde::{
    Deserialize, Serialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use self::value::{Numbers, State, ValueSeed};
use crate::{Alert, AlertId, Fields, Priority};

/// Longest rule, source, host name or tag kept, and longest field name.
const NAME_BYTES_MAX: usize = 512;
/// Longest formatted text and longest single text field kept.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Fields and tags an alert may have; more is an error.
const FIELDS_MAX: usize = 1024;
const TAGS_MAX: usize = 256;
/// Nesting of a field's value. It leaves room for what an alert is wrapped in later: whatever was
/// accepted must be readable again, and serde_json reads no more than 127 levels.
const DEPTH_MAX: usize = 32;
/// Go's zero time, `0001-01-01T00:00:00Z`, which senders write where they know none.
const ZERO_TIME_SECOND: i64 = -62_135_596_800;

/// Why a text is no alert.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct WireError {
    /// The field that is wrong; absent when the text is no JSON object at all.
    pub field: Option<&'static str>,
    pub reason: String,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some(field) => write!(f, "field `{field}`: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

fn wrong(field: &'static str, reason: impl Into<String>) -> WireError {
    WireError { field: Some(field), reason: reason.into() }
}

/// Reads one alert. A valid upstream `uuid` is kept as its id.
pub fn read_alert(json: &[u8], received: Timestamp) -> Result<Alert, WireError> {
    let mut state = State::default();
    let mut draft = parse(json, &state);
    if state.is_doubtful() || draft.as_ref().is_err_and(value::is_out_of_range) {
        // A number is not what its digits say. It is rare, so only now each literal is looked at.
        state = State::new(Numbers::Exact);
        draft = parse(json, &state);
    }
    draft
        .map_err(|error| WireError { field: None, reason: not_an_object(&error) })?
        .finish(received)
}

fn parse(json: &[u8], state: &State) -> serde_json::Result<Draft> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let draft = deserializer.deserialize_map(DraftVisitor(state))?;
    deserializer.end().map(|()| draft)
}

fn not_an_object(error: &serde_json::Error) -> String {
    if error.is_data() {
        "expected a JSON object".to_owned()
    } else {
        format!("invalid JSON: {error}")
    }
}

/// Appends the alert as one line without a line break: Falco's keys in alphabetical order, `time`
/// with nine decimals, and `uuid`.
pub fn write_falco(alert: &Alert, out: &mut Vec<u8>) {
    let line = Line {
        hostname: &alert.hostname,
        output: &alert.output,
        output_fields: &alert.fields,
        priority: alert.priority,
        rule: &alert.rule,
        source: &alert.source,
        tags: &alert.tags,
        time: format!("{:.9}", alert.time),
        uuid: alert.id,
    };
    // Strings, numbers and maps with text keys into memory: there is nothing that can fail.
    serde_json::to_writer(out, &line).ok();
}

#[derive(Serialize)]
struct Line<'a> {
    hostname: &'a str,
    output: &'a str,
    output_fields: &'a Fields,
    priority: Priority,
    rule: &'a str,
    source: &'a str,
    tags: &'a [String],
    time: String,
    uuid: AlertId,
}

/// What was found so far. The first mistake is kept and the rest of the object still read, so that
/// the reader behind it finds the object's end.
#[derive(Default)]
struct Draft {
    uuid: Option<String>,
    output: Option<String>,
    priority: Option<String>,
    rule: Option<String>,
    time: Option<String>,
    fields: Fields,
    source: Option<String>,
    tags: Vec<String>,
    hostname: Option<String>,
    problem: Option<WireError>,
}

impl Draft {
    fn finish(self, received: Timestamp) -> Result<Alert, WireError> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let rule =
            self.rule.filter(|rule| !rule.is_empty()).ok_or_else(|| wrong("rule", "is missing"))?;
        let priority = self.priority.ok_or_else(|| wrong("priority", "is missing"))?;
        let priority = priority
            .parse()
            .map_err(|error: crate::UnknownPriority| wrong("priority", error.to_string()))?;
        let time = self.time.ok_or_else(|| wrong("time", "is missing"))?;
        let time: Timestamp = time
            .parse()
            .map_err(|_| wrong("time", "is no RFC 3339 time such as 2026-11-21T08:00:00Z"))?;
        if time.as_second() == ZERO_TIME_SECOND {
            return Err(wrong("time", "is the zero time"));
        }
        let mut tags = self.tags;
        tags.sort_unstable();
        tags.dedup();
        Ok(Alert {
            id: self
                .uuid
                .and_then(|id| id.parse().ok())
                .filter(|id: &AlertId| id.as_u128() != 0)
                .unwrap_or_else(AlertId::random),
            time,
            received,
            rule: cut(rule, NAME_BYTES_MAX),
            priority,
            source: self
                .source
                .filter(|source| !source.is_empty())
                .map_or_else(|| "syscall".to_owned(), |source| cut(source, NAME_BYTES_MAX)),
            hostname: cut(self.hostname.unwrap_or_default(), NAME_BYTES_MAX),
            output: cut(self.output.unwrap_or_default(), TEXT_BYTES_MAX),
            tags,
            fields: self.fields,
        })
    }

    fn keep(&mut self, problem: WireError) {
        self.problem.get_or_insert(problem);
    }

    fn text(&mut self, field: &'static str, found: Scalar) -> Option<String> {
        match found {
            Scalar::Text(text) => Some(text),
            Scalar::Null => None,
            Scalar::Other(kind) => {
                self.keep(wrong(field, format!("expected a text, found {kind}")));
                None
            }
        }
    }
}

struct DraftVisitor<'s>(&'s State);

impl<'de> Visitor<'de> for DraftVisitor<'_> {
    type Value = Draft;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Draft, A::Error> {
        let mut draft = Draft::default();
        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
            let mut lower = [0; 16];
            match lower_case(&key, &mut lower) {
                b"uuid" => {
                    // An odd id is no reason to refuse: a fresh one takes its place.
                    draft.uuid = match map.next_value()? {
                        Scalar::Text(text) => Some(text),
                        _ => None,
                    };
                }
                b"output" => {
                    draft.output = {
                        let found = map.next_value()?;
                        draft.text("output", found)
                    }
                }
                b"priority" => {
                    draft.priority = {
                        let found = map.next_value()?;
                        draft.text("priority", found)
                    }
                }
                b"rule" => {
                    draft.rule = {
                        let found = map.next_value()?;
                        draft.text("rule", found)
                    }
                }
                b"time" => {
                    draft.time = {
                        let found = map.next_value()?;
                        draft.text("time", found)
                    }
                }
                b"source" => {
                    draft.source = {
                        let found = map.next_value()?;
                        draft.text("source", found)
                    }
                }
                b"hostname" => {
                    draft.hostname = {
                        let found = map.next_value()?;
                        draft.text("hostname", found)
                    }
                }
                b"tags" => match map.next_value()? {
                    Tags::Ok(tags) => draft.tags = tags,
                    Tags::Wrong(reason) => draft.keep(wrong("tags", reason)),
                },
                b"output_fields" => match map.next_value_seed(FieldMapVisitor(self.0))? {
                    FieldMap::Ok(fields) => draft.fields = fields,
                    FieldMap::Wrong(reason) => draft.keep(wrong("output_fields", reason)),
                },
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(draft)
    }
}

/// Returns the key in lower case, or nothing when it is longer than any known one.
fn lower_case<'a>(key: &str, buffer: &'a mut [u8; 16]) -> &'a [u8] {
    let Some(room) = buffer.get_mut(..key.len()) else { return b"" };
    room.copy_from_slice(key.as_bytes());
    room.make_ascii_lowercase();
    room
}

/// A key, borrowed from the text unless it has escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// A text, nothing, or the name of what stands there instead.
enum Scalar {
    Text(String),
    Null,
    Other(&'static str),
}

macro_rules! other_kinds {
    ($($method:ident $type:ty => $kind:literal;)+) => {
        $(fn $method<E>(self, _: $type) -> Result<Self::Value, E> {
            Ok(Self::other($kind))
        })+

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Self::other("an object"))
        }
    };
}

struct ScalarVisitor;

impl ScalarVisitor {
    fn other(kind: &'static str) -> Scalar {
        Scalar::Other(kind)
    }
}

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("an array"))
    }

    other_kinds! {
        visit_bool bool => "a boolean";
        visit_i64 i64 => "a number";
        visit_u64 u64 => "a number";
        visit_f64 f64 => "a number";
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

enum Tags {
    Ok(Vec<String>),
    Wrong(String),
}

struct TagsVisitor;

impl TagsVisitor {
    fn other(kind: &'static str) -> Tags {
        Tags::Wrong(format!("expected an array of texts, found {kind}"))
    }
}

impl<'de> Visitor<'de> for TagsVisitor {
    type Value = Tags;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Tags, E> {
        Ok(Tags::Ok(Vec::new()))
    }

    fn visit_str<E>(self, _: &str) -> Result<Tags, E> {
        Ok(Self::other("a text"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tags, A::Error> {
        let mut tags = Vec::new();
        let mut reason = None;
        while let Some(item) = items.next_element()? {
            match item {
                Scalar::Text(tag) if tags.len() < TAGS_MAX => tags.push(cut(tag, NAME_BYTES_MAX)),
                Scalar::Text(_) => reason = Some(format!("has more than {TAGS_MAX} tags")),
                Scalar::Null => {}
                Scalar::Other(kind) => reason = Some(format!("expected texts, found {kind}")),
            }
        }
        Ok(reason.map_or(Tags::Ok(tags), Tags::Wrong))
    }

    other_kinds! {
        visit_bool bool => "a boolean";
        visit_i64 i64 => "a number";
        visit_u64 u64 => "a number";
        visit_f64 f64 => "a number";
    }
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TagsVisitor)
    }
}

enum FieldMap {
    Ok(Fields),
    Wrong(String),
}

struct FieldMapVisitor<'s>(&'s State);

impl FieldMapVisitor<'_> {
    fn other(kind: &'static str) -> FieldMap {
        FieldMap::Wrong(format!("expected an object, found {kind}"))
    }
}

impl<'de> Visitor<'de> for FieldMapVisitor<'_> {
    type Value = FieldMap;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<FieldMap, E> {
        Ok(FieldMap::Ok(Fields::new()))
    }

    fn visit_str<E>(self, _: &str) -> Result<FieldMap, E> {
        Ok(Self::other("a text"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<FieldMap, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::other("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FieldMap, A::Error> {
        let mut fields = Fields::new();
        let mut too_many = false;
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(ValueSeed::new(self.0))?;
            if fields.len() < FIELDS_MAX || fields.contains_key(&name) {
                fields.insert(cut(name, NAME_BYTES_MAX), value);
            } else {
                too_many = true;
            }
        }
        Ok(if self.0.is_too_deep() {
            FieldMap::Wrong(format!("is nested more than {DEPTH_MAX} deep"))
        } else if too_many {
            FieldMap::Wrong(format!("has more than {FIELDS_MAX} fields"))
        } else {
            FieldMap::Ok(fields)
        })
    }

    fn visit_bool<E>(self, _: bool) -> Result<FieldMap, E> {
        Ok(Self::other("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<FieldMap, E> {
        Ok(Self::other("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<FieldMap, E> {
        Ok(Self::other("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<FieldMap, E> {
        Ok(Self::other("a number"))
    }
}

impl<'de> DeserializeSeed<'de> for FieldMapVisitor<'_> {
    type Value = FieldMap;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<FieldMap, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Cuts a text to at most `bytes_max` bytes, on a character's border, and marks the cut with `…`.
fn cut(mut text: String, bytes_max: usize) -> String {
    const MARK: char = '…';
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max - MARK.len_utf8()));
        text.push(MARK);
    }
    text
}

#[cfg(test)]
mod tests {
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
        check(
            "priority",
            json!(["Warning"]),
            Err("field `priority`: expected a text, found an array"),
        );
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
        check(
            "output_fields",
            json!(many),
            Err("field `output_fields`: has more than 1024 fields"),
        );
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
            };
            let mut line = Vec::new();
            write_falco(&alert, &mut line);
            prop_assert_eq!(read_alert(&line, RECEIVED).unwrap(), alert);
        }
    }
}
