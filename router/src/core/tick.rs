//! Tells the pipeline the time, by a record, when a timer of its own is due.

use std::{pin::Pin, sync::Arc, time::Duration};

use journal::AppendError;

use super::Appender;
use crate::{machine::Machine, record::Record};

/// Wait before a tick the journal did not take is appended again.
const RETRY: Duration = Duration::from_secs(1);

/// The append of a tick, which happens while records are applied.
pub(super) enum Tick {
    Idle,
    Appending(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl Tick {
    /// Starts to append the time as it is now.
    pub(super) fn append(appender: Appender, machine: Arc<dyn Machine>) -> Self {
        let records = Arc::new([Record::Tick { now: machine.now() }]);
        Self::Appending(Box::pin(async move {
            let appended = appender.append(records, true, None).await;
            if let Err(AppendError::Full | AppendError::Failed | AppendError::TooLarge) = appended {
                // Ingest reports the state of the journal; time stands still until it has room.
                machine.sleep(RETRY).await;
            }
        }))
    }

    /// Returns when the append has ended, whether or not the journal took it.
    pub(super) async fn done(&mut self) {
        match self {
            Self::Idle => std::future::pending().await,
            Self::Appending(append) => append.await,
        }
    }
}
