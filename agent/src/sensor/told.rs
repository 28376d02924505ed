//! Counts what is told of containers, in the terms of what the kernel counts of other events.

use std::sync::atomic::{AtomicU64, Ordering};

use alert::EventKind;

use super::KindCounters;
use crate::enrich::container::NOTICES;

/// Notices by kind: told, and lost for want of room.
#[derive(Debug, Default)]
pub(super) struct Told([Counts; NOTICES.len()]);

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    lost: AtomicU64,
}

impl Told {
    /// Counts one that was told.
    pub(super) fn count(&self, kind: EventKind) {
        let of_kind = NOTICES.iter().zip(&self.0).filter(|(of, _)| **of == kind);
        of_kind.for_each(|(_, counts)| _ = counts.sent.fetch_add(1, Ordering::Relaxed));
    }

    /// Publishes how many were lost, in the order of [`NOTICES`].
    pub(super) fn set_lost(&self, lost: [u64; NOTICES.len()]) {
        for (counts, lost) in self.0.iter().zip(lost) {
            counts.lost.store(lost, Ordering::Relaxed);
        }
    }

    pub(super) fn counters(&self) -> impl Iterator<Item = (EventKind, KindCounters)> {
        NOTICES.iter().zip(&self.0).map(|(kind, counts)| {
            let sent = counts.sent.load(Ordering::Relaxed);
            let lost = counts.lost.load(Ordering::Relaxed);
            (*kind, KindCounters { seen: sent + lost, sent, lost, ..KindCounters::default() })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_was_told_or_lost() {
        let told = Told::default();
        told.count(EventKind::Container);
        told.count(EventKind::Execve);
        told.set_lost([0, 7]);
        let counters: Vec<_> = told.counters().collect();
        let of = |seen, sent, lost| KindCounters { seen, sent, lost, ..KindCounters::default() };
        assert_eq!(
            counters,
            [(EventKind::Container, of(1, 1, 0)), (EventKind::ContainerRemoved, of(7, 0, 7))]
        );
    }
}
