//! A message: what names it, and the alerts in it.

use std::{
    collections::BTreeMap,
    io,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use alert::Alert;
use bytes::Bytes;
use rdkafka::{
    Message,
    message::{BorrowedMessage, Headers},
};
use tracing::warn;

use super::{
    Format,
    quarantine::{Quarantine, Unread},
};
use crate::ingest::{
    Ingest, cloudevents, identity,
    input::{self, Bounds},
    json::JSON,
};

/// What a batch is worked on with.
pub(super) struct Worker {
    pub(super) input: String,
    pub(super) sender: String,
    pub(super) format: Format,
    pub(super) message_bytes_max: usize,
    pub(super) ingest: Arc<Ingest>,
    pub(super) quarantine: Quarantine,
}

/// A message, and what names it for ever.
pub(super) struct Taken {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) millis: i64,
    /// Empty unless the format has a use for them.
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) payload: Bytes,
}

/// What messages held.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Each with the number of its message.
    pub(super) alerts: Vec<(usize, Alert)>,
    /// Why a message cannot be read, by its number.
    pub(super) unreadable: BTreeMap<usize, String>,
}

impl Worker {
    pub(super) fn read(&self, batch: &[Taken]) -> Read {
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

    pub(super) fn put_aside(
        &self,
        batch: &[Taken],
        unreadable: &BTreeMap<usize, String>,
    ) -> io::Result<()> {
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
    pub(super) fn of(message: &BorrowedMessage<'_>, format: &Format) -> Self {
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

    pub(super) fn bytes(&self) -> usize {
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
