//! What the router itself says of an alert before it is written down: who sent it, and which
//! workload it is about. What a sender wrote in the router's own fields is removed.
//!
//! It happens here and not in the pipeline, so that the journal holds what was known when the alert
//! came, and a replay decides the same.

use std::sync::Arc;

use alert::Alert;
use jiff::Timestamp;

use crate::{
    kubernetes::{OWNER_MISSING, Owners},
    machine::{Local, Machine},
    meta::META,
    pipeline::ABOUT_OUTPUT,
};

/// Who sent the alert: the first DNS name of its certificate, `token:NAME`, or `local:NAME` for a
/// part of this process.
const SENDER: &str = "saker.sender";
/// Fields that mean something only because nobody but the router writes them.
const RESERVED: [&str; 4] = [SENDER, OWNER_MISSING, META, ABOUT_OUTPUT];

/// Completes alerts as they come in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stamp {
    owners: Option<Arc<Owners>>,
    machine: Arc<dyn Machine>,
}

impl Default for Stamp {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Stamp {
    pub(crate) fn new(owners: Option<Arc<Owners>>) -> Self {
        Self { owners, machine: Arc::new(Local) }
    }

    /// Returns one that takes the time from this machine.
    pub fn on(machine: Arc<dyn Machine>) -> Self {
        Self { owners: None, machine }
    }

    pub(crate) fn machine(&self) -> &Arc<dyn Machine> {
        &self.machine
    }

    /// Returns the time an alert that comes now is received at.
    pub(crate) fn now(&self) -> Timestamp {
        self.machine.now()
    }

    /// Completes the alerts of one sender. Waits, within bounds, for pods Kubernetes has not told of
    /// yet.
    pub(crate) async fn put(&self, alerts: &mut [Alert], sender: Option<&str>) {
        for alert in &mut *alerts {
            for field in RESERVED {
                alert.fields.remove(field);
            }
            if let Some(sender) = sender {
                alert.fields.insert(SENDER.to_owned(), sender.into());
            }
        }
        if let Some(owners) = &self.owners {
            owners.complete(alerts).await;
        }
    }
}
