//! Decides what becomes of every alert. A value without I/O, clock or randomness: its state is a
//! function of the journal's records in their order.

use std::sync::Arc;

use alert::{Finding, GroupId, Notification, NotificationId};
use jiff::Timestamp;
use outputs::Receipt;

use crate::record::Record;

mod config;
mod decision;
mod ledger;
mod shim;
mod silence;
mod view;

pub use config::{
    ConfigProblem, Criticality, FingerprintRule, Limits, PipelineConfig, Route, ScoreConfig,
};
pub use decision::{
    AlertDecision, CloseReason, Decision, DecisionKind, Notified, NotifyReason, Reason, ReasonKind,
    Routing, Verdict,
};
pub use ledger::{Ledger, OutputLedger};
pub use silence::{SILENCE_MAX, Silence, SilenceId, SilencePhase, SilenceView};
pub use view::{Counts, DeadLetterView, FindingsQuery, GroupOutputView, GroupView, Page};

/// What the shell must do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Deliver this; it takes the place of an older undelivered one of the same group and output.
    /// Also emitted for a replayed dead letter, with its old id.
    Notify(Arc<Notification>),
    /// Nothing more is to be done for this notification: its output is gone, or there was no room.
    Withdraw { notification: NotificationId, output: Arc<str> },
    /// Write this down for `explain`; exactly one per alert record is [`DecisionKind::Alert`].
    Decided(Decision),
}

/// The bytes are no snapshot of a pipeline.
#[derive(Debug, thiserror::Error)]
#[error("failed to restore the pipeline from its snapshot")]
pub struct RestoreError {
    #[source]
    source: serde_json::Error,
}

/// Findings, groups, silences, undelivered notifications and the ledger.
#[derive(Debug)]
pub struct Pipeline {}

impl Default for Pipeline {
    fn default() -> Self {
        Self::new()
    }
}

impl Pipeline {
    /// Returns one that has seen nothing and routes nowhere until [`Record::Configured`].
    pub fn new() -> Self {
        Self {}
    }

    /// Applies one record and appends what follows from it to `effects`.
    pub fn apply(&mut self, sequence: u64, record: &Record, effects: &mut Vec<Effect>) {
        let _ = (sequence, record, effects);
        todo!()
    }

    /// Returns when the shell must append [`Record::Tick`], by the wall clock.
    pub fn deadline(&self) -> Option<Timestamp> {
        todo!()
    }

    /// Returns what is to be delivered after a restart, most severe first, with the ids it had.
    pub fn pending(&self) -> Vec<Effect> {
        todo!()
    }

    /// Appends the whole state to `out`. Equal states give equal bytes.
    pub fn snapshot(&self, out: &mut Vec<u8>) {
        let _ = out;
        todo!()
    }

    /// Returns the pipeline a snapshot was made of; it goes on exactly as that one would have.
    pub fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        serde_json::from_slice::<()>(bytes).map_err(|source| RestoreError { source })?;
        todo!()
    }

    /// Returns the configuration in force.
    pub fn config(&self) -> &PipelineConfig {
        todo!()
    }

    /// Returns the account of every alert's end.
    pub fn ledger(&self) -> Ledger {
        todo!()
    }

    pub fn counts(&self) -> Counts {
        todo!()
    }

    /// Returns all silences, also those that ended within the last day.
    pub fn silences(&self) -> Vec<SilenceView> {
        todo!()
    }

    /// Returns open groups, the most recently active first.
    pub fn groups(&self, page: Page) -> Vec<GroupView> {
        let _ = page;
        todo!()
    }

    /// Returns findings, the most recently seen first.
    pub fn findings(&self, query: &FindingsQuery) -> Vec<Finding> {
        let _ = query;
        todo!()
    }

    /// Returns dead letters that can be replayed, the newest first.
    pub fn dead_letters(&self, page: Page) -> Vec<DeadLetterView> {
        let _ = page;
        todo!()
    }

    /// Returns an undelivered or dead-lettered notification.
    pub fn notification(&self, id: NotificationId) -> Option<Arc<Notification>> {
        let _ = id;
        todo!()
    }

    /// Returns the receipt of the group's last delivered notification to the output, for a message
    /// that is to be updated in place.
    pub fn receipt(&self, group: GroupId, output: &str) -> Option<&Receipt> {
        let _ = (group, output);
        todo!()
    }
}
