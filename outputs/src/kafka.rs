//! Publishes notifications as records of a Kafka topic.
//!
//! The producer is idempotent and waits for all in-sync replicas, so a receipt means that the
//! record is as safe as the topic is. A retry after an unclear end can publish a notification
//! twice; its `saker-notification-id` header tells a consumer.

mod client;
pub mod connection;
mod record;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use rdkafka::{config::ClientConfig, producer::FutureRecord};
use schemars::JsonSchema;
use serde::Deserialize;
use service::config::HumanBytes;

use self::{
    client::{Client, Position},
    connection::{Connection, Sasl, Tls},
    record::Record,
};
use crate::{BuildContext, BuildError, Delivery, DeliveryError, Kind, Output, Part, Receipt};

/// A topic of a Kafka cluster.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// Brokers to ask first, each `host:port`; the others are learned from them.
    brokers: Vec<String>,
    /// The topic. It must exist: it is not created unless `properties` allow it.
    topic: String,
    /// What one record holds.
    #[serde(default)]
    payload: Payload,
    /// What decides the partition, and so the order consumers see.
    #[serde(default)]
    key: Key,
    #[serde(default)]
    compression: Compression,
    /// The greatest size of a record's value before compression; a greater notification loses
    /// findings, then the tails of long texts, until it fits. Keep it under the topic's
    /// `max.message.bytes`.
    #[serde(default = "record_bytes_max")]
    record_bytes_max: HumanBytes,
    /// Present: connect with TLS.
    #[serde(default)]
    tls: Option<Tls>,
    /// Present: log in.
    #[serde(default)]
    sasl: Option<Sasl>,
    /// How this client calls itself in the brokers' logs and quotas; `saker` when absent.
    #[serde(default)]
    client_id: Option<String>,
    /// Further librdkafka settings, of those that cannot weaken delivery or transport security.
    #[serde(default)]
    properties: BTreeMap<String, Scalar>,
}

const fn record_bytes_max() -> HumanBytes {
    HumanBytes(900 * 1024)
}

/// What one record holds.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Payload {
    /// The whole notification as JSON.
    #[default]
    Notification,
    /// One record for each listed finding: its first alert in Falco's JSON.
    Alert,
}

/// What records with the same key have in common.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Key {
    /// Their group.
    #[default]
    Group,
    /// The fingerprint of the first finding, or of the record's own.
    Fingerprint,
    /// The host of the first finding, or of the record's own.
    Hostname,
    /// Nothing: records spread over all partitions.
    None,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Compression {
    None,
    Gzip,
    Snappy,
    Lz4,
    #[default]
    Zstd,
}

/// A YAML scalar, so that numbers need no quotes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Scalar {
    Flag(bool),
    Number(i64),
    Text(String),
}

/// librdkafka settings an operator may change. Not among them is whatever decides how safe a
/// delivery or a connection is, loads a file, or is an own key here.
const PROPERTIES: &[&str] = &[
    "allow.auto.create.topics",
    "batch.num.messages",
    "batch.size",
    "broker.address.family",
    "broker.address.ttl",
    "client.dns.lookup",
    "client.rack",
    "compression.level",
    "connections.max.idle.ms",
    "debug",
    "linger.ms",
    "metadata.max.age.ms",
    "partitioner",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "sticky.partitioning.linger.ms",
    "topic.metadata.refresh.interval.ms",
];

/// Room for key, headers and framing above the value.
const OVERHEAD_BYTES_MAX: u64 = 64 * 1024;

impl Kind for Kafka {
    const NAME: &'static str = "kafka";
    const PARTS: &'static [Part] = &[];
    const EXAMPLE: &'static str = "brokers: [kafka.example.org:9092]\ntopic: alerts\n";

    fn validate(&self) -> Result<(), String> {
        self.connection().check().map_err(|(_, message)| message)?;
        if !is_topic(&self.topic) {
            return Err("`topic` takes 1 to 249 letters, digits, `.`, `_` and `-`".to_owned());
        }
        if !(4 * 1024..=64 * 1024 * 1024).contains(&self.record_bytes_max.0) {
            return Err("`record_bytes_max` is between 4KiB and 64MiB".to_owned());
        }
        if let Some(bad) = self.properties.keys().find(|key| !PROPERTIES.contains(&key.as_str())) {
            return Err(format!(
                "`properties`: `{}` cannot be set here; these can: {}",
                bad.escape_debug(),
                PROPERTIES.join(", ")
            ));
        }
        Ok(())
    }

    fn build(self, context: &BuildContext) -> Result<Arc<dyn Output>, BuildError> {
        let config = self.client_config(context);
        let client = Client::new(config, context).map_err(|source| BuildError {
            reason: "cannot make the Kafka producer".to_owned(),
            source: Some(source.into()),
        })?;
        Ok(Arc::new(Producer { client, kafka: self }))
    }
}

impl Kafka {
    fn client_config(&self, context: &BuildContext) -> ClientConfig {
        // An attempt that the dispatcher gave up must not be delivered afterwards.
        let attempt_ms = context.attempt_timeout.as_millis().clamp(1_000, 900_000);
        let delivery_ms = attempt_ms * 9 / 10;
        let mut config = ClientConfig::new();
        self.connection().apply(&mut config, &context.directory);
        config
            .set("client.id", self.client_id.as_deref().unwrap_or("saker"))
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("allow.auto.create.topics", "false")
            .set("compression.type", self.compression.name())
            .set("message.max.bytes", (self.record_bytes_max.0 + OVERHEAD_BYTES_MAX).to_string())
            .set("message.timeout.ms", delivery_ms.to_string())
            .set("socket.timeout.ms", attempt_ms.clamp(1_000, 60_000).to_string())
            .set("socket.connection.setup.timeout.ms", attempt_ms.min(30_000).to_string())
            // A missing topic is told from a slow cluster before the delivery times out.
            .set("topic.metadata.propagation.max.ms", (delivery_ms / 2).to_string())
            .set("reconnect.backoff.max.ms", "2000")
            .set("socket.keepalive.enable", "true")
            .set("log.connection.close", "false")
            .set("queue.buffering.max.messages", "10000")
            .set("linger.ms", "5");
        for (name, value) in &self.properties {
            config.set(name, value.text());
        }
        config
    }

    fn connection(&self) -> Connection<'_> {
        Connection { brokers: &self.brokers, tls: self.tls.as_ref(), sasl: self.sasl.as_ref() }
    }
}

impl Compression {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl Scalar {
    fn text(&self) -> String {
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

fn is_topic(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=249).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(allowed)
}

/// The built output.
struct Producer {
    client: Client,
    kafka: Kafka,
}

#[async_trait]
impl Output for Producer {
    fn reads_previous(&self) -> bool {
        false
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let records = record::records(
            self.kafka.payload,
            self.kafka.key,
            usize::try_from(self.kafka.record_bytes_max.0).unwrap_or(usize::MAX),
            delivery.notification,
        )?;
        let records: Vec<_> = records.iter().map(|record| self.future_record(record)).collect();
        let count = records.len();
        let Position { partition, offset } = self.client.send(records).await?;

        let mut receipt = Receipt::remote(format!("{}/{partition}/{offset}", self.kafka.topic));
        if count > 1 {
            receipt.state.insert("records".to_owned(), count.to_string());
        }
        Ok(receipt)
    }

    async fn check(&self) -> Result<(), DeliveryError> {
        self.client.check(&self.kafka.topic).await
    }
}

impl Producer {
    fn future_record<'a>(&'a self, record: &'a Record) -> FutureRecord<'a, [u8], [u8]> {
        let mut message = FutureRecord::to(&self.kafka.topic)
            .payload(record.value.as_slice())
            .headers(record.headers());
        if let Some(key) = &record.key {
            message = message.key(key.as_bytes());
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::{Expect, expect};

    use super::*;

    const BASE: &str = "brokers: [\"b:9092\"]\ntopic: t\n";

    /// Reads a configuration; prints its librdkafka settings, or what is wrong.
    fn check(yaml: &str, expected: Expect) {
        let printed = match serde_saphyr::from_str::<Kafka>(yaml) {
            Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
            Ok(kafka) => match kafka.validate() {
                Err(error) => error,
                Ok(()) => {
                    let context = BuildContext {
                        output: "test".to_owned(),
                        directory: "/etc/saker".into(),
                        attempt_timeout: Duration::from_secs(10),
                    };
                    let config = kafka.client_config(&context);
                    let mut lines: Vec<_> = config
                        .config_map()
                        .iter()
                        .map(|(key, value)| format!("{key}={value}"))
                        .collect();
                    lines.sort();
                    lines.join("\n")
                }
            },
        };
        expected.assert_eq(&printed);
    }

    #[test]
    fn the_defaults_lose_nothing_and_end_before_the_attempt_does() {
        check(
            Kafka::EXAMPLE,
            expect![[r#"
            acks=all
            allow.auto.create.topics=false
            bootstrap.servers=kafka.example.org:9092
            client.id=saker
            compression.type=zstd
            enable.idempotence=true
            linger.ms=5
            log.connection.close=false
            message.max.bytes=987136
            message.timeout.ms=9000
            queue.buffering.max.messages=10000
            reconnect.backoff.max.ms=2000
            security.protocol=plaintext
            socket.connection.setup.timeout.ms=10000
            socket.keepalive.enable=true
            socket.timeout.ms=10000
            topic.metadata.propagation.max.ms=4500"#]],
        );
    }

    #[test]
    fn tls_login_and_properties_become_librdkafkas() {
        let yaml = "brokers: [\"b:9092\", \"[::1]:9093\"]
topic: t
compression: lz4
client_id: router-1
tls: { ca: ca.pem, certificate: /pki/c.pem, key: c.key, key_password: k }
sasl: { mechanism: scram_sha_512, username: u, password: p }
properties: { linger.ms: 50, socket.nagle.disable: true, client.rack: a }
";
        check(
            yaml,
            expect![[r#"
            acks=all
            allow.auto.create.topics=false
            bootstrap.servers=b:9092,[::1]:9093
            client.id=router-1
            client.rack=a
            compression.type=lz4
            enable.idempotence=true
            linger.ms=50
            log.connection.close=false
            message.max.bytes=987136
            message.timeout.ms=9000
            queue.buffering.max.messages=10000
            reconnect.backoff.max.ms=2000
            sasl.mechanism=SCRAM-SHA-512
            sasl.password=[sanitized for safety]
            sasl.username=u
            security.protocol=sasl_ssl
            socket.connection.setup.timeout.ms=10000
            socket.keepalive.enable=true
            socket.nagle.disable=true
            socket.timeout.ms=10000
            ssl.ca.location=/etc/saker/ca.pem
            ssl.certificate.location=/pki/c.pem
            ssl.key.location=/etc/saker/c.key
            ssl.key.password=[sanitized for safety]
            topic.metadata.propagation.max.ms=4500"#]],
        );
    }

    #[test]
    fn what_cannot_work_or_would_weaken_delivery_is_refused() {
        check("brokers: []\ntopic: t", expect!["`brokers` needs at least one `host:port`"]);
        check("brokers: [b]\ntopic: t", expect!["`brokers`: `b` is not `host:port`"]);
        check(
            "brokers: [\"b:1,c:2\"]\ntopic: t",
            expect!["`brokers`: `b:1,c:2` is not `host:port`"],
        );
        check(
            "brokers: [\"b:9092\"]\ntopic: a/b",
            expect!["`topic` takes 1 to 249 letters, digits, `.`, `_` and `-`"],
        );
        check(
            "brokers: [\"b:9092\"]\ntopic: ..",
            expect!["`topic` takes 1 to 249 letters, digits, `.`, `_` and `-`"],
        );
        check(
            &format!("{BASE}record_bytes_max: 1"),
            expect!["`record_bytes_max` is between 4KiB and 64MiB"],
        );
        check(
            &format!("{BASE}tls: {{ key: k.pem }}"),
            expect!["`tls.certificate` and `tls.key` need each other"],
        );
        check(
            &format!("{BASE}sasl: {{ mechanism: plain, username: u, password: p }}"),
            expect![
                "`sasl.mechanism: plain` would send the password readable: configure `tls`, or use scram_sha_512"
            ],
        );
        check(
            &format!("{BASE}properties: {{ acks: 0 }}"),
            expect![
                "`properties`: `acks` cannot be set here; these can: allow.auto.create.topics, batch.num.messages, batch.size, broker.address.family, broker.address.ttl, client.dns.lookup, client.rack, compression.level, connections.max.idle.ms, debug, linger.ms, metadata.max.age.ms, partitioner, queue.buffering.max.kbytes, queue.buffering.max.messages, reconnect.backoff.max.ms, reconnect.backoff.ms, socket.keepalive.enable, socket.nagle.disable, sticky.partitioning.linger.ms, topic.metadata.refresh.interval.ms"
            ],
        );
        check(
            &format!("{BASE}acks: 1"),
            expect![
                "error: line 3 column 1: unknown field `acks`, expected one of brokers, topic, payload, key, compression, record_bytes_max, tls, sasl, client_id, properties"
            ],
        );
    }
}
