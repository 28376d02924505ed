//! What one output is to do, and within which bounds.

use std::{sync::Arc, time::Duration};

use outputs::Output;
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

impl Settings {
    /// Returns what an output of this kind is to do, without bounds other than the defaults.
    pub fn new(
        kind: &'static str,
        output: Arc<dyn Output>,
        engine: templates::Engine,
        send: Send,
    ) -> Self {
        let target = Target { kind, output, engine, attempt_timeout: send.attempt_timeout.0 };
        Self {
            target: Arc::new(target),
            queue: QueueLimits::default(),
            retry: Retry::default(),
            send,
        }
    }

    /// With these bounds of its queue.
    pub fn queue(self, queue: QueueLimits) -> Self {
        Self { queue, ..self }
    }

    /// With this way to try again.
    pub fn retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }
}
