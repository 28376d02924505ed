//! How everything else speaks to the core: append a record and wait until it took effect, or ask
//! about the state.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use journal::{AppendError, Journal};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Appender, DecisionLog, applied::Following, runner::State};
use crate::{machine::Machine, pipeline::Decision, record::Record};

/// A question, run on the core's thread.
pub(super) type Question = Box<dyn FnOnce(&State) + Send>;

/// The core's thread has ended: the router is shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the router is shutting down")]
pub struct Stopped;

/// A record did not take effect, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    #[error("failed to write to the journal")]
    Append(#[from] AppendError),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Speaks to the core. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    appender: Appender,
    questions: mpsc::Sender<Question>,
    applied: Following,
    decisions: DecisionLog,
    machine: Arc<dyn Machine>,
}

impl Handle {
    pub(super) fn new(
        appender: Appender,
        questions: mpsc::Sender<Question>,
        applied: Following,
        decisions: DecisionLog,
        machine: Arc<dyn Machine>,
    ) -> Self {
        Self { appender, questions, applied, decisions, machine }
    }

    /// Appends records and returns their sequences once they are durable and applied. They may use
    /// the journal's reserve: they are what the router and people do, not what senders say.
    pub async fn append(&self, records: &[Record]) -> Result<Range<u64>, SubmitError> {
        let sequences = self.appender.append(records.into(), true, None).await?;
        self.take_effect(sequences).await
    }

    /// As [`Self::append`], but only where a sender's alert would find room as well.
    pub async fn append_common(&self, record: &Record) -> Result<Range<u64>, SubmitError> {
        let sequences = self.appender.append(Arc::new([record.clone()]), false, None).await?;
        self.take_effect(sequences).await
    }

    async fn take_effect(&self, sequences: Range<u64>) -> Result<Range<u64>, SubmitError> {
        let end = sequences.end;
        self.applied.reached(end).await?;
        Ok(sequences)
    }

    /// Appends one record, and returns what was decided because of it.
    ///
    /// The decisions of a record are only kept for a while; an empty list says nothing.
    pub async fn submit(&self, record: &Record) -> Result<Vec<Decision>, SubmitError> {
        let sequences = self.append(std::slice::from_ref(record)).await?;
        Ok(self.ask(move |state| state.answer(sequences.start)).await?)
    }

    /// Returns the question's answer. It runs on the core's thread, so it must be short and its
    /// answer bounded.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        let question = Box::new(move |state: &State| {
            // Who asked may have gone.
            answer.send(question(state)).ok();
        });
        self.questions.send(question).await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }

    /// Returns the sequence after the last applied record.
    pub fn applied(&self) -> u64 {
        *self.applied.sequence.borrow()
    }

    /// Returns a receiver that follows [`Self::applied`].
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.applied.sequence.clone()
    }

    pub fn journal(&self) -> &Journal {
        self.appender.journal()
    }

    /// Returns what appends records without waiting until they take effect.
    pub fn appender(&self) -> &Appender {
        &self.appender
    }

    /// Returns the machine the core runs on.
    pub fn machine(&self) -> &Arc<dyn Machine> {
        &self.machine
    }

    pub fn decisions(&self) -> &DecisionLog {
        &self.decisions
    }
}

/// Returns a record as the journal holds it.
pub(crate) fn encode(record: &Record) -> Bytes {
    // Records are maps with text keys and finite numbers: serde_json cannot refuse them.
    serde_json::to_vec(record).expect("a record serialises").into()
}
