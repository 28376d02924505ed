//! What the journal holds, and so everything the pipeline may know.
//!
//! The pipeline's state is a function of these records in their order. Whoever wants to change it
//! appends a record and waits until it is durable.

use std::{collections::BTreeMap, fmt};

use alert::{Alert, GroupId, NotificationId};
use jiff::Timestamp;
use outputs::Receipt;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{
        DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer,
    },
};

use crate::pipeline::{PipelineConfig, Silence, SilenceId, Window};

/// One journal record. Its journal sequence number is its identity.
///
/// In JSON, an object with one key, the record's kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum Record {
    /// An alert was accepted; the sender was or will be answered 200.
    Alert(Box<Alert>),
    /// Time passed: timers that are due may fire. Nothing else tells the pipeline the time, save
    /// the `received` and `at` times of other records.
    Tick {
        now: Timestamp,
    },
    /// The router started or reloaded with this configuration.
    Configured {
        at: Timestamp,
        config: Box<PipelineConfig>,
    },
    SilenceAdded {
        at: Timestamp,
        silence: Silence,
    },
    SilenceExpired {
        at: Timestamp,
        id: SilenceId,
        by: String,
    },
    WindowAdded {
        at: Timestamp,
        window: Box<Window>,
        by: String,
    },
    WindowRemoved {
        at: Timestamp,
        name: String,
        by: String,
    },
    /// The output took the notification.
    Delivered {
        at: Timestamp,
        notification: NotificationId,
        group: GroupId,
        output: String,
        attempts: u32,
        receipt: Receipt,
    },
    /// The output will not take it, or its retries are spent.
    DeadLettered {
        at: Timestamp,
        notification: NotificationId,
        group: GroupId,
        output: String,
        attempts: u32,
        reason: String,
    },
    /// A person asked to deliver a dead letter again.
    Replayed {
        at: Timestamp,
        notification: NotificationId,
        by: String,
        /// Another output than it was for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// A person gave a dead letter up: it is not kept for a replay any more.
    Purged {
        at: Timestamp,
        notification: NotificationId,
        by: String,
    },
    /// Room for what later versions write; kept so that an old journal with it still reads.
    #[serde(skip)]
    Unknown(BTreeMap<String, serde_json::Value>),
}

impl Record {
    /// Returns the time the record tells, if it tells one.
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Alert(alert) => Some(alert.received),
            Self::Tick { now } => Some(*now),
            Self::Configured { at, .. }
            | Self::SilenceAdded { at, .. }
            | Self::SilenceExpired { at, .. }
            | Self::WindowAdded { at, .. }
            | Self::WindowRemoved { at, .. }
            | Self::Delivered { at, .. }
            | Self::DeadLettered { at, .. }
            | Self::Replayed { at, .. }
            | Self::Purged { at, .. } => Some(*at),
            Self::Unknown(_) => None,
        }
    }
}

const KINDS: [&str; 11] = [
    "alert",
    "tick",
    "configured",
    "silence_added",
    "silence_expired",
    "window_added",
    "window_removed",
    "delivered",
    "dead_lettered",
    "replayed",
    "purged",
];

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unknown(fields) => fields.serialize(serializer),
            known => Self::serialize(known, serializer),
        }
    }
}

/// Written by hand so that a known record is read straight from the text: serde's `untagged` would
/// first make a tree of every alert.
impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecordVisitor)
    }
}

struct RecordVisitor;

impl<'de> Visitor<'de> for RecordVisitor {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one key, the kind of record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
        let kind: String = map.next_key()?.ok_or_else(|| A::Error::custom("an empty record"))?;
        if KINDS.contains(&kind.as_str()) {
            let rest = WithKind { kind: Some(kind), map };
            return Record::deserialize(MapAccessDeserializer::new(rest));
        }
        let mut unknown = BTreeMap::from([(kind, map.next_value()?)]);
        while let Some((key, value)) = map.next_entry()? {
            unknown.insert(key, value);
        }
        Ok(Record::Unknown(unknown))
    }
}

/// A map whose first key was read already.
struct WithKind<A> {
    kind: Option<String>,
    map: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithKind<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        match self.kind.take() {
            Some(kind) => seed.deserialize(kind.into_deserializer()).map(Some),
            None => self.map.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// Reads a record and writes it again.
    fn check(json: &str, expected: Expect) {
        let shown = match serde_json::from_str::<Record>(json) {
            Ok(record) => serde_json::to_string(&record).unwrap(),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn every_kind_reads_back_as_it_was_written() {
        let at = "\"at\":\"2023-11-14T22:13:20Z\"";
        let letter = "\"notification\":\"0000000000000001\",\"group\":\"0000000000000002\",\"output\":\"soc\",\"attempts\":1";
        let silence = "{\"id\":\"s\",\"match\":\"rule = a\",\"ends\":\"2023-11-14T22:13:20Z\",\"author\":\"a\",\"comment\":\"c\"}";
        let window = "{\"name\":\"w\",\"match\":\"rule = a\",\"starts\":\"2026-11-28T22:00:00\",\"duration\":\"4h\",\"repeat\":\"FREQ=WEEKLY\",\"effect\":\"suppress\"}";
        let config = serde_json::to_string(&PipelineConfig::default()).unwrap();
        let alert = serde_json::to_string(&crate::pipeline::tests::alert_with(
            serde_json::json!({"proc.name": "sh"}),
        ))
        .unwrap();
        for json in [
            format!("{{\"alert\":{alert}}}"),
            "{\"tick\":{\"now\":\"2023-11-14T22:13:20Z\"}}".to_owned(),
            format!("{{\"configured\":{{{at},\"config\":{config}}}}}"),
            format!("{{\"silence_added\":{{{at},\"silence\":{silence}}}}}"),
            format!("{{\"window_added\":{{{at},\"window\":{window},\"by\":\"ann\"}}}}"),
            format!("{{\"window_removed\":{{{at},\"name\":\"w\",\"by\":\"ann\"}}}}"),
            format!("{{\"silence_expired\":{{{at},\"id\":\"s\",\"by\":\"ann\"}}}}"),
            format!("{{\"delivered\":{{{at},{letter},\"receipt\":{{}}}}}}"),
            format!("{{\"dead_lettered\":{{{at},{letter},\"reason\":\"r\"}}}}"),
            format!(
                "{{\"replayed\":{{{at},\"notification\":\"0000000000000001\",\"by\":\"ann\"}}}}"
            ),
            format!(
                "{{\"replayed\":{{{at},\"notification\":\"0000000000000001\",\"by\":\"ann\",\"to\":\"log\"}}}}"
            ),
            format!("{{\"purged\":{{{at},\"notification\":\"0000000000000001\",\"by\":\"ann\"}}}}"),
        ] {
            let record: Record = serde_json::from_str(&json).unwrap();
            assert!(!matches!(record, Record::Unknown(_)), "{json}");
            assert!(KINDS.iter().any(|kind| json.starts_with(&format!("{{\"{kind}\""))));
            assert_eq!(serde_json::to_string(&record).unwrap(), json);
        }
    }

    #[test]
    fn a_kind_of_a_later_version_is_kept() {
        check(
            "{\"inhibited\":{\"by\":1},\"more\":[2]}",
            expect![[r#"{"inhibited":{"by":1},"more":[2]}"#]],
        );
    }

    #[test]
    fn a_damaged_record_is_an_error() {
        check("{}", expect!["an empty record at line 1 column 2"]);
        check(
            "[]",
            expect![
                "invalid type: sequence, expected an object with one key, the kind of record at line 1 column 0"
            ],
        );
        check(r#"{"tick":{}}"#, expect!["missing field `now` at line 1 column 10"]);
        check(
            r#"{"tick":{"now":"soon"}}"#,
            expect![
                "failed to parse four digit integer as year: invalid digit, expected 0-9 but got s at line 1 column 21"
            ],
        );
        check(
            r#"{"tick":{"now":"2023-11-14T22:13:20Z"},"alert":1}"#,
            expect!["trailing comma at line 1 column 39"],
        );
    }
}
