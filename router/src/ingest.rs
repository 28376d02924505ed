//! Takes alerts over HTTP, makes them durable, and only then answers 200.
//!
//! A drop-in for falcosidekick: same paths, same tolerance, same counters; besides it takes batches,
//! compressed bodies and tokens. A request is taken whole or not at all.

mod alertmanager;
mod auth;
mod decode;
mod http;
mod input;
mod metrics;
mod stamp;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alert::Alert;
use bytes::Bytes;
use journal::{AppendError, Journal};
use prometheus::Registry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::{HumanBytes, HumanDuration, Secret};
use tokio::sync::Semaphore;

pub use self::{alertmanager::AlertmanagerConfig, http::routes, stamp::Stamp};
use self::{auth::Tokens, metrics::Metrics};
use crate::{core, record::Record};

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
    /// Combinations of labels in `falcosecurity_falcosidekick_falco_events_total`; alerts beyond
    /// them are counted under `other`.
    pub series_max: usize,
    /// Bearer tokens by the sender's name. With none, whoever reaches the port may send.
    pub tokens: BTreeMap<String, Secret>,
    /// Alerts of Prometheus and Alertmanager.
    pub alertmanager: AlertmanagerConfig,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            body_bytes_max: HumanBytes(8 << 20),
            decoded_bytes_max: HumanBytes(16 << 20),
            alerts_max: 10_000,
            body_timeout: HumanDuration(Duration::from_secs(30)),
            bodies_bytes_max: HumanBytes(256 << 20),
            series_max: 10_000,
            tokens: BTreeMap::new(),
            alertmanager: AlertmanagerConfig::default(),
        }
    }
}

/// The door alerts come in by.
#[derive(Debug)]
pub struct Ingest {
    journal: Journal,
    config: IngestConfig,
    tokens: Tokens,
    alertmanager: Arc<AlertmanagerConfig>,
    /// One permit per byte of a body in memory.
    room: Arc<Semaphore>,
    stamp: Stamp,
    metrics: Metrics,
    registry: Registry,
}

impl Ingest {
    /// Fails when another metric has one of its metrics' names.
    pub fn new(
        journal: Journal,
        config: IngestConfig,
        stamp: Stamp,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let room = usize::try_from(config.bodies_bytes_max.0).unwrap_or(usize::MAX);
        Ok(Self {
            journal,
            stamp,
            tokens: Tokens::new(&config.tokens),
            alertmanager: Arc::new(config.alertmanager.clone()),
            room: Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS))),
            metrics: Metrics::new(registry, config.series_max)?,
            registry: registry.clone(),
            config,
        })
    }

    /// Takes alerts of a sender. They are durable when it returns.
    async fn append(
        &self,
        mut alerts: Vec<Alert>,
        sender: Option<&str>,
        input: &'static str,
    ) -> Result<(), AppendError> {
        if alerts.is_empty() {
            return Ok(());
        }
        self.stamp.put(&mut alerts, sender).await;
        let records: Vec<Record> =
            alerts.into_iter().map(|alert| Record::Alert(Box::new(alert))).collect();
        let payloads: Vec<Bytes> = records.iter().map(core::encode).collect();
        self.journal.append(payloads).await?;
        self.metrics.sent(sender, input, records.len());
        for record in &records {
            if let Record::Alert(alert) = record {
                self.metrics.accepted(alert);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
