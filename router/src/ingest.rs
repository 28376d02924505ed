//! Takes alerts over HTTP, makes them durable, and only then answers 200.
//!
//! A drop-in for falcosidekick: same paths, same tolerance, same counters; besides it takes batches,
//! compressed bodies and tokens. A request is taken whole or not at all.

mod address;
mod alertmanager;
mod certificate;
mod cloudevents;
mod decode;
mod http;
mod identity;
mod input;
mod json;
pub(crate) mod kafka;
mod limits;
mod mapping;
mod metrics;
mod refused;
mod senders;
mod sequences;
mod signature;
mod stamp;
mod take;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alert::Alert;
use arc_swap::ArcSwap;
use journal::AppendError;
use prometheus::Registry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::{HumanBytes, HumanDuration, Secret};
use tokio::sync::Semaphore;

pub(crate) use self::refused::{Counts as RefusedCounts, is_urgent};
pub use self::{
    address::Network,
    alertmanager::AlertmanagerConfig,
    certificate::CertificateName,
    http::routes,
    kafka::{Format as KafkaFormat, KafkaConfig},
    limits::RateConfig,
    mapping::{MappingConfig, PriorityMapping, Source},
    senders::SenderConfig,
    sequences::StreamView,
    stamp::Stamp,
};
use self::{
    limits::Limits, metrics::Metrics, refused::Refused, senders::Senders, sequences::Sequences,
};
use crate::{
    core::{Appender, Place, Stopped},
    record::Record,
};

/// Every input, by the name configurations know it by. One of those of `json` is `json/NAME`.
const INPUTS: [&str; 5] = ["falco", "alertmanager", "webhook", "cloudevents", "json"];
/// A body may have to be held against each.
const SECRETS_MAX: usize = 32;
const NAME_CHARS_MAX: usize = 64;
const BAD_NAME: &str = "such a name is made of 1 to 64 letters, digits, `-`, `_` and `.`";

/// What senders may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IngestConfig {
    /// Size of a request's body as it is sent.
    pub body_bytes_max: HumanBytes,
    /// Size of a body when decompressed.
    pub decoded_bytes_max: HumanBytes,
    /// Alerts in one request.
    pub alerts_max: usize,
    /// Time a body may take to arrive.
    pub body_timeout: HumanDuration,
    /// Memory that the bodies of all requests may take together.
    pub bodies_bytes_max: HumanBytes,
    /// Alerts that may wait for the pipeline, which nobody is told of before: so many that are urgent,
    /// and so many others. Requests wait when there are more.
    pub backlog_alerts_max: usize,
    /// How long a request waits for the pipeline before it is answered with 503.
    pub backlog_timeout: HumanDuration,
    /// Combinations of labels in `falcosecurity_falcosidekick_falco_events_total`; alerts beyond
    /// them are counted under `other`.
    pub series_max: usize,
    /// Bearer tokens by the sender's name, for senders of which nothing else is asked. Without any,
    /// and without `senders`, whoever reaches the port may send.
    pub tokens: BTreeMap<String, Secret>,
    /// Who may send, by the name their alerts then have in `saker.sender`.
    pub senders: BTreeMap<String, SenderConfig>,
    /// How much each sender may send; one that nobody knows is its address.
    pub rate: RateConfig,
    /// Proxies whose header `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// How far the time of a signature may be from the router's.
    pub signature_tolerance: HumanDuration,
    /// Alerts of Prometheus and Alertmanager.
    pub alertmanager: AlertmanagerConfig,
    /// How events that come to `/cloudevents` are read. Absent: those whose data is an alert of
    /// Falco's as that, others by their type.
    pub cloudevents: Option<MappingConfig>,
    /// How JSON that comes to `/json/NAME` is read, by that name.
    pub json: BTreeMap<String, MappingConfig>,
    /// Topics of Kafka that bring alerts, by a name of yours.
    pub kafka: BTreeMap<String, KafkaConfig>,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            body_bytes_max: HumanBytes(8 << 20),
            decoded_bytes_max: HumanBytes(16 << 20),
            alerts_max: 10_000,
            body_timeout: HumanDuration(Duration::from_secs(30)),
            bodies_bytes_max: HumanBytes(256 << 20),
            backlog_alerts_max: 8192,
            backlog_timeout: HumanDuration(Duration::from_secs(10)),
            series_max: 10_000,
            tokens: BTreeMap::new(),
            senders: BTreeMap::new(),
            rate: RateConfig::default(),
            trusted_proxies: Vec::new(),
            signature_tolerance: HumanDuration(Duration::from_secs(5 * 60)),
            alertmanager: AlertmanagerConfig::default(),
            cloudevents: None,
            json: BTreeMap::new(),
            kafka: BTreeMap::new(),
        }
    }
}

/// What is wrong in a configuration: the key below `router.ingest`, why, and what to do.
pub(crate) type Problem = (String, String, Option<String>);

impl IngestConfig {
    /// Returns the first mistake. `certificates_asked` says whether clients must show one.
    pub(crate) fn problem(&self, certificates_asked: bool) -> Option<Problem> {
        for (name, token) in &self.tokens {
            if token.expose().trim().is_empty() {
                return Some((format!("tokens.{name}"), "the token is empty".to_owned(), None));
            }
        }
        if self.backlog_alerts_max == 0 {
            let message = "nothing could ever be accepted: at least 1 is needed".to_owned();
            return Some(("backlog_alerts_max".to_owned(), message, None));
        }
        let named = self.json.keys().map(|name| format!("json/{name}"));
        let inputs: Vec<String> = INPUTS.map(str::to_owned).into_iter().chain(named).collect();
        if let Some(problem) = self.mapping_problem().or_else(|| self.kafka_problem()) {
            return Some(problem);
        }
        for (name, sender) in &self.senders {
            let path = format!("senders.{name}");
            if !is_name(name) {
                return Some((path, BAD_NAME.to_owned(), None));
            }
            if let Some((key, message, hint)) = sender.problem(&inputs, certificates_asked) {
                let path = if key.is_empty() { path } else { format!("{path}.{key}") };
                return Some((path, message, hint));
            }
        }
        let secrets: usize = self.senders.values().map(|sender| sender.secrets.len()).sum();
        (secrets > SECRETS_MAX).then(|| {
            let message = format!("there are {secrets} secrets, more than {SECRETS_MAX}");
            let hint = "a body may have to be held against each: use tokens for some".to_owned();
            ("senders".to_owned(), message, Some(hint))
        })
    }

    fn kafka_problem(&self) -> Option<Problem> {
        if let Some(name) = self.kafka.keys().find(|name| !is_name(name)) {
            return Some((format!("kafka.{name}"), BAD_NAME.to_owned(), None));
        }
        self.kafka.iter().find_map(|(name, kafka)| {
            let (key, message) = kafka.problem(&self.json)?;
            Some((format!("kafka.{name}.{key}"), message, None))
        })
    }

    fn mapping_problem(&self) -> Option<Problem> {
        let named = self.json.iter().map(|(name, mapping)| (format!("json.{name}"), mapping));
        let events = self.cloudevents.iter().map(|mapping| ("cloudevents".to_owned(), mapping));
        if let Some(name) = self.json.keys().find(|name| !is_name(name)) {
            return Some((format!("json.{name}"), BAD_NAME.to_owned(), None));
        }
        if self.cloudevents.as_ref().is_some_and(|mapping| mapping.alerts.is_some()) {
            let message = "an event is one alert".to_owned();
            return Some(("cloudevents.alerts".to_owned(), message, None));
        }
        if self.cloudevents.as_ref().is_some_and(|mapping| mapping.id.is_some()) {
            let message = "its source and id name an event".to_owned();
            return Some(("cloudevents.id".to_owned(), message, None));
        }
        named.chain(events).find_map(|(path, mapping)| {
            let (key, message) = mapping.problem()?;
            Some((format!("{path}.{key}"), message, None))
        })
    }
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(plain)
}

/// A configuration in force, and what is made of it.
#[derive(Debug)]
struct Terms {
    config: IngestConfig,
    senders: Senders,
}

impl Terms {
    fn new(config: IngestConfig) -> Self {
        Self { senders: Senders::new(&config.senders, &config.tokens), config }
    }

    fn rate(&self, sender: &str) -> RateConfig {
        let own = self.config.senders.get(sender).and_then(|sender| sender.rate);
        own.unwrap_or(self.config.rate)
    }

    fn decoded_bytes_max(&self) -> usize {
        usize::try_from(self.config.decoded_bytes_max.0).unwrap_or(usize::MAX)
    }
}

/// The door alerts come in by.
#[derive(Debug)]
pub struct Ingest {
    appender: Appender,
    terms: ArcSwap<Terms>,
    /// One permit per byte of a body in memory.
    room: Arc<Semaphore>,
    limits: Limits,
    sequences: Sequences,
    stamp: Stamp,
    metrics: Metrics,
    refused: Refused,
    registry: Registry,
}

impl Ingest {
    /// Fails when another metric has one of its metrics' names.
    pub fn new(
        appender: Appender,
        config: IngestConfig,
        stamp: Stamp,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let room = usize::try_from(config.bodies_bytes_max.0).unwrap_or(usize::MAX);
        let metrics = Metrics::new(registry, config.series_max)?;
        let overflow = metrics.limits_overflow.clone();
        Ok(Self {
            appender,
            limits: Limits::new(Arc::clone(stamp.machine()), overflow),
            sequences: Sequences::default(),
            stamp,
            room: Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS))),
            metrics,
            refused: Refused::new(registry)?,
            registry: registry.clone(),
            terms: ArcSwap::from_pointee(Terms::new(config)),
        })
    }

    /// Takes requests on other terms from now on. `bodies_bytes_max`, `backlog_alerts_max` and
    /// `series_max` stay as they were at the start.
    pub fn configure(&self, config: IngestConfig) {
        self.terms.store(Arc::new(Terms::new(config)));
    }

    /// Returns the streams of senders that number their alerts, as far as they came since the start.
    pub fn streams(&self) -> Vec<StreamView> {
        self.sequences.views()
    }

    /// Returns how many alerts were refused since the start because there was no room for them.
    pub(crate) fn refused_for_room(&self) -> RefusedCounts {
        self.refused.for_room()
    }

    /// Waits until the pipeline is near enough for more alerts.
    async fn place(&self, alerts: &[Alert]) -> Result<Place, Stopped> {
        let is_urgent = is_urgent(alerts);
        if let Some(place) = self.appender.try_place(alerts.len(), is_urgent) {
            return Ok(place);
        }
        self.metrics.backlog_waits.inc();
        self.appender.place(alerts.len(), is_urgent).await
    }

    /// Takes alerts of a sender, all or none. They are durable when it returns.
    async fn append(
        &self,
        mut alerts: Vec<Alert>,
        place: Place,
        sender: Option<&str>,
        input: &'static str,
    ) -> Result<(), AppendError> {
        if alerts.is_empty() {
            return Ok(());
        }
        self.stamp.put(&mut alerts, sender).await;
        let is_urgent = is_urgent(&alerts);
        let records: Arc<[Record]> =
            alerts.into_iter().map(|alert| Record::Alert(Box::new(alert))).collect();
        self.appender.append(Arc::clone(&records), is_urgent, Some(place)).await?;
        self.metrics.sent(sender, input, records.len());
        for record in &*records {
            if let Record::Alert(alert) = record {
                self.metrics.accepted(alert);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
