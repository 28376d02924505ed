//! Starts and ancestors of processes as the sensor told them: exact, where `/proc` rounds a start
//! and forgets who started a process whose parent is gone.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use alert::{Process, ProcessKey};
use hashbrown::HashMap;

use crate::enrich::procfs::TICK_NS;

/// Processes remembered; when there are more, it begins anew.
const PROCESSES_MAX: usize = 8192;
/// Ancestors remembered of each.
const ANCESTORS_MAX: usize = 16;

/// What the sensor told of processes that did something lately.
#[derive(Debug, Default)]
pub(crate) struct Known {
    processes: Mutex<HashMap<i32, Lineage>>,
    begun: AtomicU64,
}

#[derive(Debug)]
struct Lineage {
    start_boot_ns: u64,
    ancestors: Box<[ProcessKey]>,
}

impl Known {
    /// Takes note of a process the sensor saw.
    pub(crate) fn saw(&self, process: &Process) {
        let ProcessKey { pid, start_boot_ns } = process.key;
        let mut known = self.lock();
        if known.get(&pid).is_some_and(|lineage| lineage.start_boot_ns == start_boot_ns) {
            return;
        }
        if known.len() >= PROCESSES_MAX {
            known.clear();
            self.begun.fetch_add(1, Ordering::Relaxed);
        }
        let ancestors = process.ancestors().take(ANCESTORS_MAX).map(|above| above.key).collect();
        known.insert(pid, Lineage { start_boot_ns, ancestors });
    }

    /// Returns how often it began anew.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Returns the exact start of the process with this pid whose start `/proc` rounds to
    /// `rounded_ns`, if the sensor told.
    pub(super) fn exact(&self, pid: i32, rounded_ns: u64) -> Option<u64> {
        let start_boot_ns = self.lock().get(&pid)?.start_boot_ns;
        (start_boot_ns / TICK_NS == rounded_ns / TICK_NS).then_some(start_boot_ns)
    }

    /// Returns the processes known to descend from this one, alive or not.
    pub(super) fn descendants(&self, of: ProcessKey) -> Vec<ProcessKey> {
        let known = self.lock();
        let below = known
            .iter()
            .filter(|(_, lineage)| lineage.ancestors.iter().any(|above| same(*above, of)));
        below
            .map(|(pid, lineage)| ProcessKey { pid: *pid, start_boot_ns: lineage.start_boot_ns })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Lineage>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether two keys name one process, where either start may be rounded by `/proc`.
pub(crate) fn same(one: ProcessKey, other: ProcessKey) -> bool {
    let (start, start_other) = (one.start_boot_ns, other.start_boot_ns);
    let rounded = start % TICK_NS == 0 || start_other % TICK_NS == 0;
    one.pid == other.pid
        && (start == start_other || (rounded && start / TICK_NS == start_other / TICK_NS))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::enrich::processes::unknown;

    const TICK: u64 = TICK_NS;

    fn key(pid: i32, start_boot_ns: u64) -> ProcessKey {
        ProcessKey { pid, start_boot_ns }
    }

    #[test]
    fn a_rounded_start_finds_the_exact_one_of_the_same_tick_only() {
        let known = Known::default();
        known.saw(&unknown(key(7, 5 * TICK + 3), 0));
        assert_eq!(known.exact(7, 5 * TICK), Some(5 * TICK + 3));
        assert_eq!(known.exact(7, 6 * TICK), None);
        assert_eq!(known.exact(8, 5 * TICK), None);
    }

    #[test]
    fn a_grandchild_is_known_after_its_parent_is_gone() {
        let known = Known::default();
        let top = Arc::new(unknown(key(1, TICK), 0));
        let middle = Arc::new(Process { parent: Some(top), ..unknown(key(2, 2 * TICK), 0) });
        known.saw(&Process { parent: Some(middle), ..unknown(key(3, 3 * TICK + 1), 0) });
        assert_eq!(known.descendants(key(1, TICK)), [key(3, 3 * TICK + 1)]);
        assert_eq!(known.descendants(key(1, 9 * TICK)), []);
    }

    #[test]
    fn two_exact_starts_of_one_tick_are_two_processes() {
        assert!(!same(key(7, TICK + 1), key(7, TICK + 2)));
        assert!(same(key(7, TICK + 1), key(7, TICK)));
        assert!(!same(key(7, TICK), key(7, 2 * TICK)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let known = Known::default();
        for pid in 1..20_000 {
            known.saw(&unknown(key(pid, TICK), 0));
        }
        assert!(known.lock().len() <= PROCESSES_MAX);
    }
}
