//! Events in a file, so that rules can be tried again without a kernel.
//!
//! A recording is a header, compressed chunks of events and an index; `docs/recordings.md` has the
//! bytes. Each chunk can be read without the others, so that one cut short is read up to the cut, and
//! what a question does not need is passed over. Recordings of version 1, a line of JSON for each
//! event, are read as well: a person can write one.

mod frame;
mod pack;
mod reader;
mod ring;
mod text;
mod unpack;
mod writer;

use std::{path::Path, sync::Arc};

use alert::{Event, EventKind};
use rules::RuleSet;

use crate::{
    detect::{Detector, Limits},
    sink::AlertSink,
};

pub use frame::{Header, Summary};
pub use reader::{Recording, ReplayError};
pub(crate) use ring::Ring;
pub(crate) use writer::Writer;
pub use writer::{RecordError, Recorded, Recorder};

/// An event with 64 ancestors of 12 KiB of arguments and environment each stays well below.
const EVENT_BYTES_MAX: usize = 8 << 20;
/// Processes in a row from child to parent; a rule sees 64 of them.
const ANCESTORS_MAX: u8 = 128;

/// Which events of a recording are wanted. The default wants all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Not before this, nanoseconds since 1970.
    pub from_ns: Option<u64>,
    /// Before this.
    pub to_ns: Option<u64>,
    /// Of these kinds; of all if empty.
    pub kinds: Vec<EventKind>,
    /// Of this process.
    pub pid: Option<i32>,
}

impl Selection {
    /// Returns whether it wants the event.
    pub fn has(&self, event: &Event) -> bool {
        self.from_ns.is_none_or(|from| event.time_ns >= from)
            && self.to_ns.is_none_or(|to| event.time_ns < to)
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && self.pid.is_none_or(|pid| event.process.key.pid == pid)
    }

    fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether it may want any event of a chunk.
    fn may_have(&self, chunk: &Summary) -> bool {
        let in_time = self.from_ns.is_none_or(|from| chunk.last_ns >= from)
            && self.to_ns.is_none_or(|to| chunk.first_ns < to);
        let of_kind = self.kinds.is_empty()
            || self.kinds.iter().any(|kind| chunk.kinds.contains_key(kind.name()));
        let of_process = match (self.pid, &chunk.pids) {
            (Some(pid), Some(pids)) => pids.contains(&pid),
            _ => true,
        };
        in_time && of_kind && of_process
    }
}

/// What a replay did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    pub events: u64,
    pub alerts: u64,
}

/// Runs a recording through rules. No limit on a rule's rate applies.
pub fn replay(
    file: &Path,
    selection: Selection,
    rules: &Arc<RuleSet>,
    sink: &mut dyn AlertSink,
) -> Result<Replayed, ReplayError> {
    let recording = Recording::open(file)?.only(selection);
    let host = recording.header().map(|header| header.hostname.clone());
    let host = host.unwrap_or_else(crate::hostname);
    let mut detector = Detector::new(Arc::clone(rules), host, Limits::none());
    let mut replayed = Replayed::default();
    for event in recording {
        let event = event?;
        replayed.events += 1;
        detector.observe(&event, &mut |alert: &alert::Alert| {
            replayed.alerts += 1;
            sink.alert(alert);
        });
    }
    Ok(replayed)
}

#[cfg(test)]
mod tests;
