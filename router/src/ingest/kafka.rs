//! Takes the messages of Kafka topics as alerts.
//!
//! A message's place is stored for the group's next commit only once its alerts are durable in the
//! journal, so none is lost; one that is read again brings alerts with the same ids, which count
//! once. While the disk takes nothing, neither alerts nor what cannot be read, nothing more is read:
//! what waits is bounded by what the client fetches ahead.

mod config;
mod consumer;
mod message;
mod quarantine;

use std::{path::Path, sync::Arc};

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};
use service::shutdown::Shutdown;

pub use self::config::{Format, KafkaConfig};
use self::{consumer::Consumer, quarantine::Quarantine};
use super::Ingest;

/// An input cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("failed to make the Kafka consumer of `router.ingest.kafka.{input}`")]
pub struct KafkaError {
    input: String,
    #[source]
    source: rdkafka::error::KafkaError,
}

/// What all Kafka inputs count.
#[derive(Clone, Debug)]
struct Metrics {
    messages: IntCounterVec,
    errors: IntCounterVec,
    waiting: IntGaugeVec,
}

impl Metrics {
    fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let messages = Opts::new(
            "saker_ingest_kafka_messages_total",
            "Messages of Kafka that were taken, or put aside because they cannot be read.",
        );
        let errors = Opts::new(
            "saker_ingest_kafka_errors_total",
            "Errors the client of a Kafka input reported.",
        );
        let waiting = Opts::new(
            "saker_ingest_kafka_waiting",
            "1 while a Kafka input reads nothing because the disk takes nothing.",
        );
        let metrics = Self {
            messages: IntCounterVec::new(messages, &["input", "end"])?,
            errors: IntCounterVec::new(errors, &["input"])?,
            waiting: IntGaugeVec::new(waiting, &["input"])?,
        };
        registry.register(Box::new(metrics.messages.clone()))?;
        registry.register(Box::new(metrics.errors.clone()))?;
        registry.register(Box::new(metrics.waiting.clone()))?;
        Ok(metrics)
    }
}

/// Why Kafka inputs do not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error("failed to register metrics of Kafka inputs")]
    Metrics(#[from] prometheus::Error),
}

/// Starts what reads the configured topics. `folder` is where relative paths start, `data` where
/// messages that cannot be read are kept.
pub(crate) fn start(
    ingest: &Arc<Ingest>,
    folder: &Path,
    data: &Path,
    shutdown: &Shutdown,
) -> Result<(), StartError> {
    let terms = ingest.terms.load_full();
    if terms.config.kafka.is_empty() {
        return Ok(());
    }
    let metrics = Metrics::register(&ingest.registry)?;
    for (name, config) in &terms.config.kafka {
        let quarantine = Quarantine::new(data, name);
        let consumer =
            Consumer::new(name, config, folder, Arc::clone(ingest), quarantine, metrics.clone());
        let consumer = consumer.map_err(|source| KafkaError { input: name.clone(), source })?;
        shutdown.spawn(format!("kafka input {name}"), consumer.run(shutdown.token().clone()));
    }
    Ok(())
}
