//! All processes at one moment, as the kernel's iterator tells them: the start, and the tree anew after
//! records were lost.

use std::sync::Arc;

use alert::{Leader, Process};
use hashbrown::HashMap;
use probe::{Body, Malformed, Record};

use super::{Processes, describe::lead, name, runs};

/// Processes that were told and are not in the tree yet.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    by_pid: HashMap<i32, Told>,
}

#[derive(Debug)]
struct Told {
    process: Process,
    cgroup: u64,
}

impl Processes {
    /// Adds a process to a snapshot.
    pub(crate) fn tell(&mut self, snapshot: &mut Snapshot, bytes: &[u8]) -> Result<(), Malformed> {
        let record = Record::read(bytes)?;
        let Body::Execve(exec) = &record.body else {
            return Err(Malformed::Kind(record.header.kind));
        };
        let process = self.program(&record, exec);
        let told = Told { process, cgroup: record.header.cgroup };
        snapshot.by_pid.insert(told.process.key.pid, told);
        Ok(())
    }

    /// Makes the tree hold the processes of a snapshot and no others. Those that are known keep their
    /// ancestors, even ended ones.
    pub(crate) fn take_in(&mut self, snapshot: Snapshot, time_ns: u64) {
        let Snapshot { mut by_pid } = snapshot;
        let lives = |pid: i32, start_ns: u64| {
            by_pid.get(&pid).is_some_and(|told| told.process.key.start_boot_ns == start_ns)
        };
        let gone: Vec<_> =
            self.tree.keys().filter(|key| !lives(key.pid, key.start_boot_ns)).collect();
        for key in gone {
            self.tree.end(key.pid, key.start_boot_ns, time_ns);
        }
        let leaders = leaders(&by_pid);
        let mut pids: Vec<_> = by_pid.keys().copied().collect();
        pids.sort_unstable();
        for pid in pids {
            // Parents first: a child holds its parent as it is now.
            let mut line = Vec::new();
            let mut next = pid;
            while let Some(told) = by_pid.remove(&next) {
                next = told.process.ppid;
                line.push(told);
            }
            for told in line.into_iter().rev() {
                self.place(told, &leaders);
            }
        }
    }

    fn place(&mut self, told: Told, leaders: &HashMap<i32, Arc<Leader>>) {
        let Told { mut process, cgroup } = told;
        let known = self.tree.get(process.key.pid, process.key.start_boot_ns);
        match known.map(|node| Arc::clone(&node.process)) {
            Some(known) if runs(&known, &process.executable, &process.arguments) => {
                return self.fill_in(&known, process.environment);
            }
            Some(known) => {
                process.parent = known.parent.clone();
                process.ppid = known.ppid;
            }
            // A parent the kernel did not tell of may still be in `/proc`.
            None if process.ppid > 0 => process.parent = self.parent(process.ppid),
            None => {}
        }
        name(&mut self.users, &mut process);
        lead(&mut process, None, &|pid| leaders.get(&pid).cloned());
        self.tree.insert(process, cgroup, true);
    }
}

impl Processes {
    /// Gives a process its environment, if it was not read when it began, and its parent with the
    /// parent's. A snapshot without environments changes nothing.
    fn fill_in(&mut self, known: &Process, environment: Arc<[Box<str>]>) {
        if environment.is_empty() {
            return;
        }
        let parent = known.parent.as_ref().and_then(|before| {
            let node = self.tree.get(before.key.pid, before.key.start_boot_ns)?;
            let same = runs(&node.process, &before.executable, &before.arguments);
            let filled = before.environment.is_empty() && !node.process.environment.is_empty();
            (same && filled).then(|| Arc::clone(&node.process))
        });
        if parent.is_none() && !known.environment.is_empty() {
            return;
        }
        let Some(node) = self.tree.get(known.key.pid, known.key.start_boot_ns) else { return };
        let process = Arc::make_mut(&mut node.process);
        if process.environment.is_empty() {
            process.environment = environment;
        }
        if parent.is_some() {
            process.parent = parent;
        }
    }
}

/// Returns those who lead others.
fn leaders(by_pid: &HashMap<i32, Told>) -> HashMap<i32, Arc<Leader>> {
    let mut leaders = HashMap::new();
    for told in by_pid.values() {
        let group = told.process.extra.as_deref().and_then(|extra| extra.group_id);
        for pid in [Some(told.process.sid), group].into_iter().flatten() {
            if pid != told.process.key.pid
                && let Some(leader) = by_pid.get(&pid)
            {
                leaders.entry(pid).or_insert_with(|| Arc::new(Leader::from(&leader.process)));
            }
        }
    }
    leaders
}

#[cfg(test)]
mod tests {
    use probe::layout::{Execve, Header, Kind, field};

    use super::*;
    use crate::enrich::container::Containers;

    /// A pid nobody has.
    const NOBODY: u32 = 0x7fff_fff0;

    /// A record of a process: pid, parent, session, group, name.
    fn record(pid: u32, ppid: u32, sid: u32, group: u32, name: &str) -> Vec<u8> {
        let mut bytes = vec![0; size_of::<Header>() + size_of::<Execve>()];
        let mut put = |offset: usize, number: u32| {
            bytes[offset..offset + 4].copy_from_slice(&number.to_ne_bytes());
        };
        put(0, Kind::Execve as u32);
        put(std::mem::offset_of!(Header, pid), pid);
        put(std::mem::offset_of!(Header, tid), pid);
        put(std::mem::offset_of!(Header, vtid), pid);
        put(std::mem::offset_of!(Header, ppid), ppid);
        put(std::mem::offset_of!(Header, start_ns), 1000 + pid);
        let body = size_of::<Header>();
        put(body + std::mem::offset_of!(Execve, inode), 5);
        put(body + std::mem::offset_of!(Execve, sid), sid);
        put(body + std::mem::offset_of!(Execve, group_id), group);
        for (kind, text) in [(field::NAME, name), (field::ARGUMENTS, name), (field::PATH, name)] {
            bytes.extend_from_slice(&kind.to_ne_bytes());
            bytes.extend_from_slice(&(text.len() as u16).to_ne_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        let length = bytes.len() as u32;
        bytes[4..8].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    fn take_in(processes: &mut Processes, records: &[Vec<u8>]) {
        let mut snapshot = Snapshot::default();
        for record in records {
            processes.tell(&mut snapshot, record).unwrap();
        }
        processes.take_in(snapshot, 1);
    }

    fn names(process: &Process) -> Vec<&str> {
        process.ancestors().map(|process| &*process.name).collect()
    }

    fn of(processes: &Processes, pid: i32) -> Arc<Process> {
        Arc::clone(&processes.tree.current(pid).expect("a process").process)
    }

    #[test]
    fn children_find_their_parents_in_any_order_of_pids() {
        let mut processes = Processes::new(16, Containers::default(), 0);
        let records = [
            record(2, 9, 2, 2, "child"),
            record(9, 5, 9, 9, "middle"),
            record(5, 0, 5, 5, "top"),
            record(7, NOBODY, 7, 7, "orphan"),
        ];
        take_in(&mut processes, &records);
        assert_eq!(names(&of(&processes, 2)), ["middle", "top"]);
        assert_eq!(of(&processes, 7).parent, None);
        assert_eq!(processes.tree.len(), 4);
    }

    #[test]
    fn parents_in_a_circle_do_not_hang_it() {
        let mut processes = Processes::new(16, Containers::default(), 0);
        take_in(&mut processes, &[record(2, 3, 2, 2, "a"), record(3, 2, 3, 3, "b")]);
        assert_eq!(processes.tree.len(), 2);
    }

    #[test]
    fn a_leader_that_is_no_ancestor_is_kept_with_who_follows() {
        let mut processes = Processes::new(16, Containers::default(), 0);
        let records = [
            record(5, 0, 5, 5, "shell"),
            record(6, 5, 5, 6, "cat"),
            record(7, 5, 5, 6, "grep"),
            record(8, 0, 5, 6, "lost"),
        ];
        take_in(&mut processes, &records);
        let extra = |pid| of(&processes, pid).extra.clone().expect("more");
        assert_eq!(extra(7).group_leader.as_ref().expect("a leader").name, "cat".into());
        assert_eq!(extra(7).session_leader, None, "it is the parent");
        assert_eq!(extra(6).group_leader, None, "it is itself");
        assert_eq!(extra(8).session_leader.as_ref().expect("a leader").name, "shell".into());
    }

    #[test]
    fn a_later_snapshot_ends_the_gone_and_replaces_programs_but_not_ancestors() {
        let mut processes = Processes::new(16, Containers::default(), 0);
        let records =
            [record(5, 0, 5, 5, "top"), record(6, 5, 6, 6, "parent"), record(7, 6, 7, 7, "old")];
        take_in(&mut processes, &records);
        // The parent ended, and the child, given to another, runs another program.
        take_in(&mut processes, &[record(5, 0, 5, 5, "top"), record(7, 5, 7, 7, "new")]);
        let process = of(&processes, 7);
        assert_eq!(*process.name, *"new");
        assert_eq!(names(&process), ["parent", "top"]);
        processes.tree.expire(u64::MAX);
        assert!(processes.tree.current(6).is_none());
        assert_eq!(processes.tree.len(), 2);
    }

    #[test]
    fn what_is_no_process_is_refused() {
        let mut processes = Processes::new(16, Containers::default(), 0);
        let mut other = record(5, 0, 5, 5, "x");
        other[0] = Kind::ProcExit as u8;
        let told = processes.tell(&mut Snapshot::default(), &other);
        assert_eq!(told, Err(Malformed::Kind(Kind::ProcExit as u16)));
    }
}
