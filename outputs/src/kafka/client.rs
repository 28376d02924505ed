//! The producer behind the output: sending, waiting, and what librdkafka's errors mean.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientContext,
    config::{ClientConfig, RDKafkaLogLevel},
    error::{KafkaError, RDKafkaErrorCode as Code},
    producer::{FutureProducer, FutureRecord, Producer as _, PurgeConfig},
};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::{BuildContext, DeliveryError};

/// How long a dropped client may still try to get rid of what was sent.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// Where a record landed.
#[derive(Debug)]
pub(super) struct Position {
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// A producer that is made anew when librdkafka declares it dead.
pub(super) struct Client {
    config: ClientConfig,
    context: Context,
    producer: Mutex<FutureProducer<Context>>,
    attempt_timeout: Duration,
}

/// Receives what librdkafka says outside of a delivery.
#[derive(Clone)]
struct Context {
    output: String,
    trouble: Arc<watch::Sender<Option<Trouble>>>,
}

/// The last thing that went wrong between us and a broker.
#[derive(Clone, Debug)]
struct Trouble {
    code: Code,
    reason: String,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let output = self.output.as_str();
        let message = printable(message);
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => warn!(output, facility, message, "librdkafka"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                info!(output, facility, message, "librdkafka");
            }
            RDKafkaLogLevel::Debug => debug!(output, facility, message, "librdkafka"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
        let reason = printable(reason);
        debug!(output = %self.output, ?code, reason, "librdkafka reports trouble");
        self.trouble.send_replace(Some(Trouble { code, reason }));
    }
}

impl Client {
    pub(super) fn new(config: ClientConfig, context: &BuildContext) -> Result<Self, KafkaError> {
        let attempt_timeout = context.attempt_timeout;
        let context =
            Context { output: context.output.clone(), trouble: Arc::new(watch::Sender::new(None)) };
        let producer = config.create_with_context(context.clone())?;
        Ok(Self { config, context, producer: Mutex::new(producer), attempt_timeout })
    }

    /// Sends the records and waits for all of them. Returns where the last one landed.
    ///
    /// Every record carries its own delivery time-out, so none is sent long after this future was
    /// dropped.
    pub(super) async fn send(
        &self,
        records: Vec<FutureRecord<'_, [u8], [u8]>>,
    ) -> Result<Position, DeliveryError> {
        let producer = self.producer();
        let mut troubles = self.context.trouble.subscribe();
        let mut futures = Vec::with_capacity(records.len());
        for record in records {
            let future = producer.send_result(record).map_err(|(error, _)| classify(&error))?;
            futures.push(future);
        }

        let mut position = Position { partition: 0, offset: 0 };
        for mut future in futures {
            let delivered = loop {
                tokio::select! {
                    biased;
                    delivered = &mut future => break delivered,
                    changed = troubles.changed() => {
                        let trouble = troubles.borrow_and_update().clone();
                        let Some(trouble) = trouble.filter(|t| changed.is_ok() && is_denial(t.code))
                        else {
                            continue;
                        };
                        // librdkafka would try the same credentials until the time-out.
                        producer.purge(PurgeConfig::default().queue());
                        return Err(DeliveryError::Denied { reason: trouble.reason });
                    }
                }
            };
            match delivered {
                Ok(Ok(delivery)) => {
                    position = Position { partition: delivery.partition, offset: delivery.offset };
                }
                Ok(Err((error, _))) => return Err(self.failed(&producer, &error)),
                Err(_) => return Err(unavailable("the producer was closed".to_owned())),
            }
        }
        self.context.trouble.send_if_modified(|trouble| trouble.take().is_some());
        Ok(position)
    }

    /// Asks a broker for the topic, without creating it.
    pub(super) async fn check(&self, topic: &str) -> Result<(), DeliveryError> {
        let producer = self.producer();
        let (asked, timeout) = (topic.to_owned(), self.attempt_timeout);
        let metadata = tokio::task::spawn_blocking(move || {
            producer.client().fetch_metadata(Some(&asked), timeout)
        });
        let metadata = match metadata.await {
            Ok(Ok(metadata)) => metadata,
            Ok(Err(error)) => return Err(self.explain(classify(&error))),
            Err(error) => return Err(unavailable(error.to_string())),
        };
        match metadata.topics().iter().find(|found| found.name() == topic) {
            None => Err(rejected(format!("the cluster does not know topic `{topic}`"))),
            Some(found) => match found.error() {
                None => Ok(()),
                Some(error) => Err(classify(&KafkaError::MetadataFetch(error.into()))),
            },
        }
    }

    fn producer(&self) -> FutureProducer<Context> {
        self.producer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Turns a failed delivery into our error, and replaces a producer that cannot go on.
    fn failed(&self, used: &FutureProducer<Context>, error: &KafkaError) -> DeliveryError {
        let Some((_, reason)) = used.client().fatal_error() else {
            return self.explain(classify(error));
        };
        match self.config.create_with_context(self.context.clone()) {
            Ok(fresh) => {
                let mut producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
                let dead = std::mem::replace(&mut *producer, fresh);
                drop(producer);
                bury(dead);
                unavailable(format!("the producer had to be made anew: {}", printable(&reason)))
            }
            Err(error) => unavailable(format!("the producer cannot be made anew: {error}")),
        }
    }

    /// Adds to a mere time-out what librdkafka said before it.
    fn explain(&self, error: DeliveryError) -> DeliveryError {
        let trouble = self.context.trouble.borrow().clone();
        match (error, trouble) {
            (DeliveryError::Unavailable { .. }, Some(trouble)) if is_denial(trouble.code) => {
                DeliveryError::Denied { reason: trouble.reason }
            }
            (DeliveryError::Unavailable { reason, .. }, Some(trouble)) => {
                unavailable(format!("{reason}; before that: {}", trouble.reason))
            }
            (error, _) => error,
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        bury(self.producer());
    }
}

/// Flushes and closes a producer on a thread of its own: both block.
fn bury(producer: FutureProducer<Context>) {
    let thread = std::thread::Builder::new().name("kafka-flush".to_owned());
    let spawned = thread.spawn(move || {
        if let Err(error) = producer.flush(FLUSH_MAX) {
            debug!(%error, "a dropped Kafka producer did not get rid of everything");
        }
    });
    if let Err(error) = spawned {
        warn!(%error, "cannot flush a dropped Kafka producer");
    }
}

/// Tells what an error means for the notification.
fn classify(error: &KafkaError) -> DeliveryError {
    let Some(code) = error.rdkafka_error_code() else {
        return unavailable(printable(&error.to_string()));
    };
    let reason = printable(&code.to_string());
    if is_denial(code) {
        return DeliveryError::Denied { reason };
    }
    match code {
        Code::MessageSizeTooLarge
        | Code::InvalidMessageSize
        | Code::MessageBatchTooLarge
        | Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::UnknownPartition
        | Code::InvalidTopic
        | Code::InvalidMessage
        | Code::InvalidRecord
        | Code::InvalidArgument
        | Code::InvalidTimestamp
        | Code::InvalidRequiredAcks
        | Code::PolicyViolation
        | Code::UnsupportedCompressionType
        | Code::UnsupportedForMessageFormat => rejected(reason),
        _ => unavailable(reason),
    }
}

fn is_denial(code: Code) -> bool {
    matches!(
        code,
        Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::IllegalSASLState
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
    )
}

fn unavailable(reason: String) -> DeliveryError {
    DeliveryError::Unavailable { reason, retry_after: None }
}

fn rejected(reason: String) -> DeliveryError {
    DeliveryError::Rejected { reason }
}

/// Returns a text from outside as one bounded line.
fn printable(text: &str) -> String {
    text.chars().take(400).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_becomes_of_the_notification() {
        for (code, expected) in [
            (Code::QueueFull, "unavailable"),
            (Code::MessageTimedOut, "unavailable"),
            (Code::NotEnoughReplicas, "unavailable"),
            (Code::AllBrokersDown, "unavailable"),
            (Code::SSL, "unavailable"),
            (Code::Authentication, "denied"),
            (Code::TopicAuthorizationFailed, "denied"),
            (Code::MessageSizeTooLarge, "rejected"),
            (Code::UnknownTopic, "rejected"),
            (Code::UnknownTopicOrPartition, "rejected"),
        ] {
            let error = classify(&KafkaError::MessageProduction(code));
            let found = match error {
                DeliveryError::Unavailable { .. } => "unavailable",
                DeliveryError::Rejected { .. } => "rejected",
                DeliveryError::Denied { .. } => "denied",
                DeliveryError::Gone { .. } => "gone",
            };
            assert_eq!(found, expected, "{code:?}");
        }
    }
}
