//! The processes alive now, each holding its ancestors, in bounded memory.
//!
//! A process that ended is kept for a while: an event of its last moment may arrive after its end.

use std::{collections::VecDeque, sync::Arc};

use alert::{Process, ProcessKey};
use hashbrown::HashMap;

use super::{container::Word, procfs::TICK_NS};

/// How long the ended are kept, in the time of events.
const GRACE_NS: u64 = 2_000_000_000;
/// A chain of ancestors longer than this is cut to [`ANCESTORS_KEPT`]: a program that forks and ends
/// for ever would else grow one without bound.
const ANCESTORS_MAX: u16 = 96;
const ANCESTORS_KEPT: u16 = 64;

/// Entries of `order` that may be of nobody, beside one for each process.
const GONE_MAX: usize = 1024;

/// All known processes by pid.
#[derive(Debug)]
pub(crate) struct ProcessTree {
    by_pid: HashMap<i32, Node>,
    /// Pids with their start, as they came: who is evicted first.
    order: VecDeque<(i32, u64)>,
    /// Time of the end, pid, start.
    ended: VecDeque<(u64, i32, u64)>,
    processes_max: usize,
    evicted: u64,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) process: Arc<Process>,
    /// Cgroup id in the unified hierarchy, 0 when not known.
    pub(crate) cgroup: u64,
    /// Whether the start is the kernel's own, not rounded by `/proc`.
    pub(crate) exact: bool,
    end_told: bool,
    ancestors: u16,
}

impl Node {
    fn is(&self, start_ns: u64) -> bool {
        let own = self.process.key.start_boot_ns;
        own == start_ns || (!self.exact && own <= start_ns && start_ns - own < TICK_NS)
    }
}

impl ProcessTree {
    pub(crate) fn new(processes_max: usize) -> Self {
        Self {
            by_pid: HashMap::new(),
            order: VecDeque::new(),
            ended: VecDeque::new(),
            processes_max: processes_max.max(1),
            evicted: 0,
        }
    }

    /// Returns the process of this pid that started then. One known only from `/proc` learns its
    /// exact start.
    pub(crate) fn get(&mut self, pid: i32, start_ns: u64) -> Option<&mut Node> {
        let node = self.by_pid.get_mut(&pid).filter(|node| node.is(start_ns))?;
        if !node.exact {
            node.exact = true;
            Arc::make_mut(&mut node.process).key.start_boot_ns = start_ns;
            self.order.push_back((pid, start_ns));
        }
        Some(node)
    }

    /// Returns whoever has this pid now.
    pub(crate) fn current(&self, pid: i32) -> Option<&Node> {
        self.by_pid.get(&pid)
    }

    /// Puts a process in the place of whoever had its pid. Cuts a chain of ancestors that is too
    /// long.
    pub(crate) fn insert(
        &mut self,
        mut process: Process,
        cgroup: u64,
        exact: bool,
    ) -> Arc<Process> {
        let mut ancestors = process.parent.as_ref().map_or(0, |parent| self.depth(parent) + 1);
        if ancestors > ANCESTORS_MAX {
            process.parent = process.parent.map(|parent| cut(&parent, ANCESTORS_KEPT - 1));
            ancestors = ANCESTORS_KEPT;
        }
        let (pid, start_ns) = (process.key.pid, process.key.start_boot_ns);
        let process = Arc::new(process);
        let end_told = false;
        let node = Node { process: Arc::clone(&process), cgroup, exact, end_told, ancestors };
        let replaced = self.by_pid.insert(pid, node);
        if replaced.is_none_or(|old| old.process.key != process.key) {
            self.order.push_back((pid, start_ns));
            self.make_room();
        }
        process
    }

    fn depth(&self, process: &Process) -> u16 {
        match self.by_pid.get(&process.key.pid) {
            Some(node) if node.process.key == process.key => node.ancestors,
            // Not in the table any more: count.
            _ => std::iter::successors(process.parent.as_deref(), |above| above.parent.as_deref())
                .take(usize::from(ANCESTORS_MAX))
                .count() as u16,
        }
    }

    /// Notes the end of a process; it stays for a while.
    pub(crate) fn end(&mut self, pid: i32, start_ns: u64, time_ns: u64) {
        self.ended.push_back((time_ns, pid, start_ns));
    }

    /// Notes the end the kernel tells of a process; returns false if it told that before.
    pub(crate) fn end_told(&mut self, pid: i32, start_ns: u64, time_ns: u64) -> bool {
        if let Some(node) = self.get(pid, start_ns)
            && std::mem::replace(&mut node.end_told, true)
        {
            return false;
        }
        self.end(pid, start_ns, time_ns);
        true
    }

    /// Forgets those that ended long enough before `time_ns`.
    pub(crate) fn expire(&mut self, time_ns: u64) {
        while let Some((_, pid, start_ns)) =
            self.ended.pop_front_if(|(ended_ns, ..)| *ended_ns + GRACE_NS <= time_ns)
        {
            self.remove(pid, start_ns);
        }
    }

    /// Gives all processes of a container what holds for it now.
    pub(crate) fn replace_container(&mut self, word: &Word) {
        for node in self.by_pid.values_mut() {
            let Some(of) = &node.process.container else { continue };
            if word.container.as_ref().is_none_or(|container| !Arc::ptr_eq(of, container))
                && of.key() == *word.key
            {
                Arc::make_mut(&mut node.process).container = word.container.clone();
            }
        }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = ProcessKey> {
        self.by_pid.values().map(|node| node.process.key)
    }

    /// Returns the processes known, alive or ended lately.
    pub(crate) fn processes(&self) -> impl Iterator<Item = &Process> {
        self.by_pid.values().map(|node| &*node.process)
    }

    /// Returns whether this process is known.
    pub(crate) fn contains(&self, key: ProcessKey) -> bool {
        self.current(key.pid)
            .is_some_and(|node| node.is(key.start_boot_ns) || node.process.key == key)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_pid.len()
    }

    /// Returns how many were forgotten because the table was full.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    fn remove(&mut self, pid: i32, start_ns: u64) -> bool {
        let same = self.by_pid.get(&pid).is_some_and(|node| node.is(start_ns));
        same && self.by_pid.remove(&pid).is_some()
    }

    /// The ended go first, then those seen first: `/proc` still has these if they live.
    fn make_room(&mut self) {
        while self.by_pid.len() > self.processes_max {
            let Some((pid, start_ns)) = self
                .ended
                .pop_front()
                .map(|(_, pid, start_ns)| (pid, start_ns))
                .or_else(|| self.order.pop_front())
            else {
                return;
            };
            if self.remove(pid, start_ns) {
                self.evicted += 1;
            }
        }
        if self.order.len() > 2 * self.by_pid.len() + GONE_MAX {
            let by_pid = &self.by_pid;
            self.order.retain(|(pid, start)| by_pid.get(pid).is_some_and(|node| node.is(*start)));
        }
    }
}

/// Copies a process with at most `ancestors` above it.
fn cut(process: &Arc<Process>, ancestors: u16) -> Arc<Process> {
    let mut copy = Process::clone(process);
    copy.parent = match (ancestors, copy.parent) {
        (0, _) => None,
        (_, parent) => parent.map(|parent| cut(&parent, ancestors - 1)),
    };
    Arc::new(copy)
}

#[cfg(test)]
mod tests {
    use alert::Container;

    use super::{super::processes::unknown, *};

    fn process(pid: i32, start_ns: u64, parent: Option<Arc<Process>>) -> Process {
        Process { parent, ..unknown(ProcessKey { pid, start_boot_ns: start_ns }, 0) }
    }

    #[test]
    fn a_reused_pid_is_another_process() {
        let mut tree = ProcessTree::new(10);
        tree.insert(process(7, 100, None), 0, true);
        assert!(tree.get(7, 100).is_some());
        assert!(tree.get(7, 101).is_none());
        tree.insert(process(7, 200, None), 0, true);
        assert!(tree.get(7, 100).is_none());
        assert_eq!(tree.len(), 1);
    }

    #[test]
    fn what_is_learnt_of_a_container_reaches_its_processes_and_no_others() {
        let of = |id: &str, name: Option<&str>| {
            Arc::new(Container { id: id.into(), name: name.map(Into::into), ..Default::default() })
        };
        let mut tree = ProcessTree::new(10);
        for (pid, id) in [(1, "a"), (2, "b"), (3, "a")] {
            let container = Some(of(id, None));
            tree.insert(Process { container, ..process(pid, 1, None) }, 0, true);
        }
        let learnt = of("a", Some("web"));
        tree.replace_container(&Word { key: "a".into(), container: Some(Arc::clone(&learnt)) });
        let container = |pid| tree.current(pid).unwrap().process.container.clone().unwrap();
        assert!(Arc::ptr_eq(&container(1), &learnt) && Arc::ptr_eq(&container(3), &learnt));
        assert_eq!(container(2).name, None);
        tree.replace_container(&Word { key: "a".into(), container: None });
        assert_eq!(tree.current(1).unwrap().process.container, None);
    }

    #[test]
    fn a_process_from_proc_learns_its_exact_start() {
        let mut tree = ProcessTree::new(10);
        tree.insert(process(7, 50 * TICK_NS, None), 0, false);
        assert!(tree.get(7, 51 * TICK_NS).is_none());
        assert!(tree.get(7, 50 * TICK_NS + 123).is_some());
        assert_eq!(
            tree.get(7, 50 * TICK_NS + 123).unwrap().process.key.start_boot_ns,
            50 * TICK_NS + 123
        );
        assert!(tree.get(7, 50 * TICK_NS + 124).is_none());
    }

    #[test]
    fn the_ended_stay_for_the_grace_time_and_ancestors_outlive_them() {
        let mut tree = ProcessTree::new(10);
        let parent = tree.insert(process(1, 1, None), 0, true);
        let child = tree.insert(process(2, 2, Some(parent)), 0, true);
        tree.end(1, 1, 1000);
        tree.expire(1000 + GRACE_NS - 1);
        assert_eq!(tree.len(), 2);
        tree.expire(1000 + GRACE_NS);
        assert_eq!(tree.len(), 1);
        assert_eq!(child.ancestors().count(), 1);
    }

    #[test]
    fn a_full_table_forgets_the_ended_first_then_the_oldest() {
        let mut tree = ProcessTree::new(2);
        tree.insert(process(1, 1, None), 0, true);
        tree.insert(process(2, 2, None), 0, true);
        tree.end(2, 2, 10);
        tree.insert(process(3, 3, None), 0, true);
        assert!(tree.current(2).is_none());
        tree.insert(process(4, 4, None), 0, true);
        assert!(tree.current(1).is_none());
        assert_eq!((tree.len(), tree.evicted()), (2, 2));
    }

    #[test]
    fn those_long_gone_take_no_memory() {
        let mut tree = ProcessTree::new(65_536);
        for number in 1..50_000 {
            tree.insert(process(number, number as u64, None), 0, true);
            tree.end(number, number as u64, 0);
            tree.expire(GRACE_NS);
            assert!(tree.order.len() <= GONE_MAX + 3, "{number}: {}", tree.order.len());
        }
        assert_eq!((tree.len(), tree.ended.len()), (0, 0));
    }

    #[test]
    fn an_endless_chain_of_forks_is_cut() {
        let mut tree = ProcessTree::new(4);
        let mut last = tree.insert(process(1, 1, None), 0, true);
        for pid in 2..10_000 {
            last = tree.insert(process(pid, pid as u64, Some(last)), 0, true);
            let mut length = 0;
            let mut above = last.parent.as_deref();
            while let Some(process) = above {
                length += 1;
                above = process.parent.as_deref();
            }
            assert!(length <= usize::from(ANCESTORS_MAX), "{pid}: {length}");
        }
    }
}
