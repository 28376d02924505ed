//! How far the journal was applied, and who waits for it.

use std::{pin::pin, sync::Arc};

use tokio::sync::{Notify, watch};

use super::Stopped;

/// Tells how far it is. Dropping it tells that it goes no further.
#[derive(Debug)]
pub(super) struct Applied {
    /// `None` only while it is dropped.
    sequence: Option<watch::Sender<u64>>,
    told: Arc<Notify>,
}

/// Follows an [`Applied`].
#[derive(Clone, Debug)]
pub(super) struct Following {
    pub(super) sequence: watch::Receiver<u64>,
    told: Arc<Notify>,
}

impl Applied {
    pub(super) fn new() -> (Self, Following) {
        let (sender, sequence) = watch::channel(0);
        let told = Arc::<Notify>::default();
        (Self { sequence: Some(sender), told: Arc::clone(&told) }, Following { sequence, told })
    }

    /// Tells that everything before `sequence` was applied.
    pub(super) fn advance(&self, sequence: u64) {
        if let Some(sender) = &self.sequence {
            sender.send_replace(sequence);
        }
        self.told.notify_waiters();
    }
}

impl Drop for Applied {
    fn drop(&mut self) {
        self.sequence = None;
        self.told.notify_waiters();
    }
}

impl Following {
    /// Waits until everything before `sequence` was applied. Those who wait go on in the order they
    /// came, which those of a watch do not.
    pub(super) async fn reached(&self, sequence: u64) -> Result<(), Stopped> {
        loop {
            let mut told = pin!(self.told.notified());
            told.as_mut().enable();
            if *self.sequence.borrow() >= sequence {
                return Ok(());
            }
            if self.sequence.has_changed().is_err() {
                return Err(Stopped);
            }
            told.await;
        }
    }
}
