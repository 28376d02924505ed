//! Lets watchers see every alert as it is decided; one that cannot keep up misses some and is told.

use std::sync::Arc;

use alert::Alert;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::pipeline::Decision;

/// Alerts a watcher may be behind before it misses the oldest.
const BEHIND_ALERTS_MAX: usize = 1024;

/// An alert and what was decided about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tail {
    pub alert: Alert,
    pub decision: Decision,
}

/// Where watchers come and go.
#[derive(Clone, Debug)]
pub struct Live {
    sender: broadcast::Sender<Arc<Tail>>,
}

impl Default for Live {
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(BEHIND_ALERTS_MAX) }
    }
}

impl Live {
    /// Returns one without watchers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a receiver of what is decided from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Tail>> {
        self.sender.subscribe()
    }

    pub(crate) fn watched(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Shows a decided alert to whoever watches now.
    pub(crate) fn show(&self, tail: Tail) {
        // An error says that the last watcher just left.
        self.sender.send(Arc::new(tail)).ok();
    }
}
