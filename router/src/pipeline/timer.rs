//! What is to happen later, in the order it is due.

use std::collections::BTreeSet;

use alert::{Fingerprint, GroupId};
use jiff::Timestamp;

use super::SilenceId;

/// Among timers due at the same moment, the order here is the order they fire in: a group tells
/// what it has before it closes, and closes before its findings are forgotten.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A silence ends, or was kept for long enough after its end.
    Silence(SilenceId),
    /// It is time to tell which silences hid much.
    Report,
    /// A maintenance window opens or closes.
    Window(Box<str>),
    /// A storm may be over; the key of its source.
    Storm(Box<str>),
    /// A hidden finding may no longer be.
    Judge(Fingerprint),
    /// A group has something to tell.
    Flush(GroupId),
    /// A group may have been quiet for long enough.
    CloseGroup(GroupId),
    /// A finding may have been quiet for long enough.
    CloseFinding(Fingerprint),
}

#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Timestamp, Timer)>);

impl Timers {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn set(&mut self, at: Timestamp, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(super) fn clear(&mut self, at: Timestamp, timer: Timer) {
        self.0.remove(&(at, timer));
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Removes and returns the first timer if it is due.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }
}
