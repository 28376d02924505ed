//! Reads messages in batches, makes their alerts durable, and only then stores how far it came.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use alert::Alert;
use futures_util::FutureExt;
use journal::AppendError;
use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    consumer::{Consumer as _, ConsumerContext, StreamConsumer},
    error::KafkaError,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{
    KafkaConfig, Metrics,
    message::{Read, Taken, Worker},
    quarantine::Quarantine,
};
use crate::ingest::Ingest;

/// What is made durable at once.
const BATCH_MESSAGES_MAX: usize = 512;
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Pause before the journal is tried again, or the client after an error.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// One input.
pub(super) struct Consumer {
    client: StreamConsumer<Context>,
    worker: Arc<Worker>,
    metrics: Metrics,
}

impl Consumer {
    pub(super) fn new(
        name: &str,
        config: &KafkaConfig,
        folder: &Path,
        ingest: Arc<Ingest>,
        quarantine: Quarantine,
        metrics: Metrics,
    ) -> Result<Self, KafkaError> {
        let context = Context { input: name.to_owned(), metrics: metrics.clone() };
        let client: StreamConsumer<Context> =
            config.client_config(folder).create_with_context(context)?;
        let topics: Vec<&str> = config.topics.iter().map(String::as_str).collect();
        client.subscribe(&topics)?;
        for end in ["taken", "unreadable"] {
            metrics.messages.with_label_values(&[name, end]);
        }
        metrics.errors.with_label_values(&[name]);
        metrics.waiting.with_label_values(&[name]);
        let worker = Worker {
            input: name.to_owned(),
            sender: format!("kafka:{name}"),
            format: config.format.clone(),
            message_bytes_max: usize::try_from(config.message_bytes_max.0).unwrap_or(usize::MAX),
            ingest,
            quarantine,
        };
        Ok(Self { client, worker: Arc::new(worker), metrics })
    }

    /// Takes messages until it is told to stop. What was stored is committed when it ends.
    pub(super) async fn run(self, stop: CancellationToken) {
        let input = self.worker.input.clone();
        info!(input, "reading topics");
        let step = async || self.take(self.gather().await).await;
        loop {
            match stop.run_until_cancelled(step()).await {
                None => break,
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    error!(input, %error, "no topics are read any more");
                    break;
                }
            }
        }
        // It leaves the group, commits, and waits for the brokers.
        tokio::task::spawn_blocking(move || drop(self)).await.ok();
    }

    /// Waits for a message, and takes those along that are here already.
    async fn gather(&self) -> Vec<Taken> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let mut next = self.client.recv().await;
        loop {
            match next {
                Ok(message) => {
                    let taken = Taken::of(&message, &self.worker.format);
                    bytes += taken.bytes();
                    batch.push(taken);
                }
                Err(error) => {
                    self.failed(&error).await;
                    return batch;
                }
            }
            if batch.len() >= BATCH_MESSAGES_MAX || bytes >= BATCH_BYTES_MAX {
                return batch;
            }
            let Some(another) = self.client.recv().now_or_never() else { return batch };
            next = another;
        }
    }

    async fn failed(&self, error: &KafkaError) {
        self.metrics.errors.with_label_values(&[&self.worker.input]).inc();
        warn!(input = self.worker.input, %error, "cannot read topics, will try again");
        self.pause().await;
    }

    async fn pause(&self) {
        self.worker.ingest.stamp.machine().sleep(RETRY_EVERY).await;
    }

    /// Makes the alerts of messages durable, then stores how far that is. An error is for good.
    async fn take(&self, batch: Vec<Taken>) -> Result<(), AppendError> {
        let worker = Arc::clone(&self.worker);
        let batch = Arc::new(batch);
        let read = {
            let batch = Arc::clone(&batch);
            tokio::task::spawn_blocking(move || worker.read(&batch)).await
        };
        // Without what they held, how far these messages are must not be stored.
        let mut read = read.map_err(|_| AppendError::Closed)?;
        let alerts = std::mem::take(&mut read.alerts);
        match self.append(alerts.iter().map(|(_, alert)| alert.clone()).collect()).await {
            Err(AppendError::TooLarge) => self.append_each(alerts, &batch, &mut read).await?,
            other => other?,
        }
        let unreadable = read.unreadable.len();
        if unreadable > 0 {
            self.put_aside(&batch, read.unreadable).await?;
        }
        for (end, count) in [("taken", batch.len() - unreadable), ("unreadable", unreadable)] {
            let labels = [self.worker.input.as_str(), end];
            self.metrics.messages.with_label_values(&labels).inc_by(count as u64);
        }
        self.store(&batch);
        Ok(())
    }

    /// Appends one by one, and puts what no record can hold to what cannot be read.
    async fn append_each(
        &self,
        alerts: Vec<(usize, Alert)>,
        batch: &[Taken],
        read: &mut Read,
    ) -> Result<(), AppendError> {
        for (message, alert) in alerts {
            match self.append(vec![alert]).await {
                Err(AppendError::TooLarge) => {
                    let reason = AppendError::TooLarge.to_string();
                    debug!(offset = batch[message].offset, "an alert is larger than a record");
                    read.unreadable.insert(message, reason);
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Appends alerts, and waits while the journal is full.
    async fn append(&self, mut alerts: Vec<Alert>) -> Result<(), AppendError> {
        let worker = &self.worker;
        let waiting = self.metrics.waiting.with_label_values(&[&worker.input]);
        loop {
            let received = worker.ingest.stamp.now();
            alerts.iter_mut().for_each(|alert| alert.received = received);
            let place = worker.ingest.place(&alerts).await.map_err(|_| AppendError::Closed)?;
            let sender = Some(worker.sender.as_str());
            let appended = worker.ingest.append(alerts.clone(), place, sender, "kafka").await;
            if !matches!(appended, Err(AppendError::Full)) {
                waiting.set(0);
                return appended;
            }
            if waiting.get() == 0 {
                warn!(input = worker.input, "the journal is full: nothing more is read");
            }
            waiting.set(1);
            self.pause().await;
        }
    }

    /// Puts messages aside, and waits while that cannot be done: what is passed over is gone.
    async fn put_aside(
        &self,
        batch: &Arc<Vec<Taken>>,
        unreadable: BTreeMap<usize, String>,
    ) -> Result<(), AppendError> {
        let unreadable = Arc::new(unreadable);
        let waiting = self.metrics.waiting.with_label_values(&[&self.worker.input]);
        loop {
            let worker = Arc::clone(&self.worker);
            let (batch, unreadable) = (Arc::clone(batch), Arc::clone(&unreadable));
            let put = move || worker.put_aside(&batch, &unreadable);
            let put = tokio::task::spawn_blocking(put).await.map_err(|_| AppendError::Closed)?;
            let Err(error) = put else {
                waiting.set(0);
                return Ok(());
            };
            if waiting.get() == 0 {
                let (input, file) = (&self.worker.input, self.worker.quarantine.path().display());
                error!(input, %file, %error, "messages cannot be put aside: nothing more is read");
            }
            waiting.set(1);
            self.pause().await;
        }
    }

    /// Stores how far each partition came. One that went to another meanwhile is read again there:
    /// its alerts have the same ids.
    fn store(&self, batch: &[Taken]) {
        let mut last = BTreeMap::new();
        for taken in batch {
            last.insert((taken.topic.as_str(), taken.partition), taken.offset);
        }
        for ((topic, partition), offset) in last {
            if let Err(error) = self.client.store_offset(topic, partition, offset) {
                debug!(input = self.worker.input, topic, partition, %error, "a place was not stored");
            }
        }
    }
}

/// Receives what librdkafka says by itself.
#[derive(Clone)]
struct Context {
    input: String,
    metrics: Metrics,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let input = self.input.as_str();
        let message = message.escape_debug().to_string();
        match level {
            RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
                debug!(input, facility, message, "librdkafka");
            }
            _ => warn!(input, facility, message, "librdkafka"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.metrics.errors.with_label_values(&[&self.input]).inc();
        let reason = reason.escape_debug().to_string();
        debug!(input = %self.input, %error, reason, "librdkafka reports trouble");
    }
}

impl ConsumerContext for Context {}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer").field("input", &self.worker.input).finish_non_exhaustive()
    }
}
