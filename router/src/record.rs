//! What the journal holds, and so everything the pipeline may know.
//!
//! The pipeline's state is a function of these records in their order. Whoever wants to change it
//! appends a record and waits until it is durable.

use std::collections::BTreeMap;

use alert::{Alert, GroupId, NotificationId};
use jiff::Timestamp;
use outputs::Receipt;
use serde::{Deserialize, Serialize};

use crate::pipeline::{PipelineConfig, Silence, SilenceId};

/// One journal record. Its journal sequence number is its identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// An alert was accepted; the sender was or will be answered 200.
    Alert(Box<Alert>),
    /// Time passed: timers that are due may fire. Nothing else tells the pipeline the time, save
    /// the `received` and `at` times of other records.
    Tick {
        now: Timestamp,
    },
    /// The router started or reloaded with this configuration.
    Configured {
        at: Timestamp,
        config: Box<PipelineConfig>,
    },
    SilenceAdded {
        at: Timestamp,
        silence: Silence,
    },
    SilenceExpired {
        at: Timestamp,
        id: SilenceId,
        by: String,
    },
    /// The output took the notification.
    Delivered {
        at: Timestamp,
        notification: NotificationId,
        group: GroupId,
        output: String,
        attempts: u32,
        receipt: Receipt,
    },
    /// The output will not take it, or its retries are spent.
    DeadLettered {
        at: Timestamp,
        notification: NotificationId,
        group: GroupId,
        output: String,
        attempts: u32,
        reason: String,
    },
    /// A person asked to deliver a dead letter again.
    Replayed {
        at: Timestamp,
        notification: NotificationId,
        by: String,
    },
    /// Room for what later versions write; kept so that an old journal with it still reads.
    #[serde(untagged)]
    Unknown(BTreeMap<String, serde_json::Value>),
}

impl Record {
    /// Returns the time the record tells, if it tells one.
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Alert(alert) => Some(alert.received),
            Self::Tick { now } => Some(*now),
            Self::Configured { at, .. }
            | Self::SilenceAdded { at, .. }
            | Self::SilenceExpired { at, .. }
            | Self::Delivered { at, .. }
            | Self::DeadLettered { at, .. }
            | Self::Replayed { at, .. } => Some(*at),
            Self::Unknown(_) => None,
        }
    }
}
