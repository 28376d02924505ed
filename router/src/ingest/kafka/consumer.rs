//! Reads messages in batches, makes their alerts durable, and only then stores how far it came.

use std::{
    collections::BTreeMap,
    io,
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::Arc,
    time::Duration,
};

use alert::Alert;
use bytes::Bytes;
use futures_util::FutureExt;
use journal::AppendError;
use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    consumer::{Consumer as _, ConsumerContext, StreamConsumer},
    error::KafkaError,
    message::{BorrowedMessage, Headers},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{
    Format, KafkaConfig, Metrics,
    quarantine::{Quarantine, Unread},
};
use crate::ingest::{
    Ingest, cloudevents, identity,
    input::{self, Bounds},
    json::JSON,
};

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

/// What a batch is worked on with.
struct Worker {
    input: String,
    sender: String,
    format: Format,
    message_bytes_max: usize,
    ingest: Arc<Ingest>,
    quarantine: Quarantine,
}

/// A message, and what names it for ever.
struct Taken {
    topic: String,
    partition: i32,
    offset: i64,
    millis: i64,
    /// Empty unless the format has a use for them.
    headers: Vec<(String, Vec<u8>)>,
    payload: Bytes,
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

/// What messages held.
#[derive(Debug, Default)]
struct Read {
    /// Each with the number of its message.
    alerts: Vec<(usize, Alert)>,
    /// Why a message cannot be read, by its number.
    unreadable: BTreeMap<usize, String>,
}

impl Worker {
    fn read(&self, batch: &[Taken]) -> Read {
        let mut read = Read::default();
        for (number, taken) in batch.iter().enumerate() {
            // Nothing a message holds may end the reading of the others. What is read with is only
            // looked at, so a panic leaves none of it half done.
            let alerts = panic::catch_unwind(AssertUnwindSafe(|| self.alerts(taken)));
            match alerts.unwrap_or_else(|_| Err("an error of the router".to_owned())) {
                Ok(alerts) => read.alerts.extend(alerts.into_iter().map(|alert| (number, alert))),
                Err(reason) => {
                    read.unreadable.insert(number, reason);
                }
            }
        }
        read
    }

    fn alerts(&self, taken: &Taken) -> Result<Vec<Alert>, String> {
        // A record without a value says that its key is gone.
        if taken.payload.is_empty() && !cloudevents::is_binary_message(&taken.headers) {
            return Ok(Vec::new());
        }
        if taken.bytes() > self.message_bytes_max {
            return Err(format!("it is larger than {} bytes", self.message_bytes_max));
        }
        let name = match &self.format {
            Format::Json(name) => Some(name.clone()),
            Format::Falco | Format::CloudEvents => None,
        };
        let terms = self.ingest.terms.load_full();
        let bounds = Bounds {
            name,
            sender: Some(self.sender.clone()),
            origin: Some(taken.identity()),
            ..Bounds::new(&terms, self.ingest.stamp.now())
        };
        let decoded = match &self.format {
            Format::Falco => (input::FALCO.decode)(&taken.payload, &bounds),
            Format::Json(_) => (JSON.decode)(&taken.payload, &bounds),
            Format::CloudEvents => {
                cloudevents::read_message(&taken.headers, &taken.payload, &bounds)
            }
        };
        decoded.map(|decoded| decoded.alerts).map_err(|refusal| refusal.error)
    }

    fn put_aside(&self, batch: &[Taken], unreadable: &BTreeMap<usize, String>) -> io::Result<()> {
        let messages: Vec<Unread<'_>> =
            unreadable.iter().map(|(number, reason)| batch[*number].unread(reason)).collect();
        self.quarantine.put(self.ingest.stamp.now(), &messages)?;
        let file = self.quarantine.path().display();
        if let Some(first) = messages.first() {
            let (topic, partition, offset) = (first.topic, first.partition, first.offset);
            let (count, reason) = (messages.len(), first.reason);
            let input = self.input.as_str();
            warn!(input, topic, partition, offset, count, reason, %file, "messages were put aside");
        }
        Ok(())
    }
}

impl Taken {
    fn of(message: &BorrowedMessage<'_>, format: &Format) -> Self {
        let headers = match (format, message.headers()) {
            (Format::CloudEvents, Some(headers)) => headers
                .iter()
                .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
                .collect(),
            _ => Vec::new(),
        };
        Self {
            headers,
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            millis: message.timestamp().to_millis().unwrap_or_default(),
            payload: Bytes::copy_from_slice(message.payload().unwrap_or_default()),
        }
    }

    fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        self.payload.len() + headers.sum::<usize>()
    }

    /// Returns what names this message for ever. Time and content are in it since a topic may be
    /// deleted and made anew, and then count from 0 again.
    fn identity(&self) -> u128 {
        let parts: [&[u8]; 6] = [
            b"kafka",
            self.topic.as_bytes(),
            &self.partition.to_be_bytes(),
            &self.offset.to_be_bytes(),
            &self.millis.to_be_bytes(),
            &self.payload,
        ];
        identity::derived(&parts).as_u128()
    }

    fn unread<'a>(&'a self, reason: &'a str) -> Unread<'a> {
        Unread {
            topic: &self.topic,
            partition: self.partition,
            offset: self.offset,
            reason,
            headers: &self.headers,
            payload: &self.payload,
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
