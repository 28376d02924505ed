//! What one output is to do, and within which bounds.

use std::{sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::HumanDuration;

use super::{Rate, deliver::Target, queue::QueueLimits, retry::Retry};

/// How fast an output is fed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Send {
    /// Attempts under way at once.
    pub concurrency: usize,
    /// Bound of one attempt. A later answer is ignored.
    pub attempt_timeout: HumanDuration,
    /// Attempts the destination takes in a time; no bound if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

impl Default for Send {
    fn default() -> Self {
        Self { concurrency: 8, attempt_timeout: HumanDuration(Duration::from_secs(30)), rate: None }
    }
}

/// A configured output, ready to use.
#[derive(Debug)]
pub struct Settings {
    pub(crate) target: Arc<Target>,
    pub(crate) queue: QueueLimits,
    pub(crate) retry: Retry,
    pub(crate) send: Send,
}
