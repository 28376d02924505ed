//! Which topics are read, and how.

use std::{collections::BTreeMap, path::Path, time::Duration};

use outputs::kafka_connection::{Connection, Sasl, Tls};
use rdkafka::ClientConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::{HumanBytes, HumanDuration};

use crate::ingest::mapping::MappingConfig;

/// Largest message that may be configured, and so that ever is in memory.
const MESSAGE_BYTES_MAX: u64 = 64 << 20;

/// Topics of a Kafka cluster that bring alerts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// Brokers to ask first, each `host:port`; the others are learned from them.
    pub brokers: Vec<String>,
    /// Topics to read.
    pub topics: Vec<String>,
    /// Consumer group: routers of one group share the topics.
    #[serde(default = "group")]
    pub group: String,
    /// What a message holds.
    #[serde(default)]
    pub format: Format,
    /// Where a group begins that was nowhere yet.
    #[serde(default)]
    pub start: Start,
    /// Largest message that is read; a larger one is put aside.
    #[serde(default = "message_bytes_max")]
    pub message_bytes_max: HumanBytes,
    /// Time without a sign of life after which the brokers give the partitions of a router to others
    /// of its group, and to itself after it was killed. The brokers allow 6 s at least.
    #[serde(default = "session_timeout")]
    pub session_timeout: HumanDuration,
    /// Present: connect with TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Present: log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl: Option<Sasl>,
}

/// What a message holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Alerts in Falco's JSON: one, an array, or one after the other.
    #[default]
    Falco,
    /// CloudEvents, structured or binary.
    #[serde(rename = "cloudevents")]
    CloudEvents,
    /// JSON that is read as `router.ingest.json` says under this name.
    Json(String),
}

/// Where a group begins that was nowhere yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// With the oldest message there is.
    #[default]
    Earliest,
    /// With the next that comes.
    Latest,
}

const fn session_timeout() -> HumanDuration {
    HumanDuration(Duration::from_secs(10))
}

fn group() -> String {
    "saker".to_owned()
}

const fn message_bytes_max() -> HumanBytes {
    HumanBytes(1 << 20)
}

impl KafkaConfig {
    fn connection(&self) -> Connection<'_> {
        Connection { brokers: &self.brokers, tls: self.tls.as_ref(), sasl: self.sasl.as_ref() }
    }

    /// Says what is wrong: the key within it, and why.
    pub(in crate::ingest) fn problem(
        &self,
        mappings: &BTreeMap<String, MappingConfig>,
    ) -> Option<(&'static str, String)> {
        if let Err((key, message)) = self.connection().check() {
            return Some((key, message));
        }
        if self.topics.is_empty() || !self.topics.iter().all(|topic| is_topic(topic)) {
            let message =
                "it takes names of 1 to 249 letters, digits, `.`, `_` and `-`, at least one";
            return Some(("topics", message.to_owned()));
        }
        if self.group.is_empty() || self.group.len() > 249 || self.group.contains(char::is_control)
        {
            return Some(("group", "it has 1 to 249 characters".to_owned()));
        }
        if !(1024..=MESSAGE_BYTES_MAX).contains(&self.message_bytes_max.0) {
            return Some(("message_bytes_max", "it is between 1KiB and 64MiB".to_owned()));
        }
        if !(6..=300).contains(&self.session_timeout.0.as_secs()) {
            return Some(("session_timeout", "it is between 6s and 5m".to_owned()));
        }
        match &self.format {
            Format::Json(name) if !mappings.contains_key(name) => {
                let message = format!("`router.ingest.json` has no `{}`", name.escape_debug());
                Some(("format", message))
            }
            Format::Falco | Format::CloudEvents | Format::Json(_) => None,
        }
    }

    /// Returns librdkafka's settings.
    pub(super) fn client_config(&self, folder: &Path) -> ClientConfig {
        let mut config = ClientConfig::new();
        self.connection().apply(&mut config, folder);
        let fetched = self.message_bytes_max.0.max(4 << 20);
        config
            .set("client.id", "saker")
            .set("group.id", &self.group)
            .set(
                "auto.offset.reset",
                match self.start {
                    Start::Earliest => "earliest",
                    Start::Latest => "latest",
                },
            )
            // What is committed now and then, and when partitions go, is what we stored.
            .set("enable.auto.commit", "true")
            .set("enable.auto.offset.store", "false")
            .set("auto.commit.interval.ms", "1000")
            .set("session.timeout.ms", self.session_timeout.0.as_millis().to_string())
            .set("enable.partition.eof", "false")
            .set("allow.auto.create.topics", "false")
            .set("partition.assignment.strategy", "cooperative-sticky")
            // What may be read ahead: so much of memory, whatever the topics hold.
            .set("queued.max.messages.kbytes", (fetched * 2 / 1024).to_string())
            .set("fetch.max.bytes", fetched.to_string())
            .set("message.max.bytes", fetched.min(1_000_000_000).to_string())
            .set("max.partition.fetch.bytes", self.message_bytes_max.0.to_string())
            .set("reconnect.backoff.max.ms", "2000")
            .set("socket.keepalive.enable", "true")
            .set("log.connection.close", "false");
        config
    }
}

fn is_topic(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=249).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(allowed)
}
