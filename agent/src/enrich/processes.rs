//! Answers whose event it is: keeps the process tree up to date and fills in names and containers.

mod describe;
mod entered;
mod snapshot;

use std::{
    ptr,
    sync::{Arc, Weak},
};

use alert::{EventKind, Executable, Leader, Missing, Process};
use probe::{
    Record,
    layout::{Execve, Fork, Header, Kind},
};

#[cfg(test)]
pub(crate) use self::describe::unknown;
pub(crate) use self::snapshot::Snapshot;
use self::{
    describe::{lead, login_uid, name, started, told},
    entered::{copies_itself, put},
};
use super::{
    container::{Containers, Notice, Word},
    path::text,
    process_tree::ProcessTree,
    procfs::{self, Seen},
    user::Users,
};
use crate::runtime::Answer;

/// How far up a missing parent is sought in `/proc`.
const FETCH_ANCESTORS_MAX: u32 = 32;

/// All processes, with what is needed to describe a new one.
#[derive(Debug)]
pub(crate) struct Processes {
    tree: ProcessTree,
    users: Users,
    containers: Containers,
    boot_epoch_ns: u64,
}

impl Processes {
    pub(crate) fn new(processes_max: usize, containers: Containers, boot_epoch_ns: u64) -> Self {
        Self {
            tree: ProcessTree::new(processes_max),
            users: Users::new(),
            containers,
            boot_epoch_ns,
        }
    }

    pub(crate) fn tree(&self) -> &ProcessTree {
        &self.tree
    }

    pub(crate) fn containers(&self) -> &Containers {
        &self.containers
    }

    /// Keeps notices of containers that come and go, of these kinds.
    pub(crate) fn want_notices(&mut self, kinds: &[EventKind]) {
        self.containers.want_notices(kinds);
    }

    /// Returns the next container that came or went.
    pub(crate) fn notice(&mut self) -> Option<Notice> {
        self.containers.notice()
    }

    /// Takes in what became of a cgroup.
    pub(crate) fn cgroup(&mut self, record: &Record<'_>) {
        let path = text(record.cgroup.unwrap_or_default());
        match record.kind {
            Kind::CgroupMade => self.containers.made(&path),
            _ => self.containers.removed(&path),
        }
    }

    /// Takes in an answer about a container, for its processes too; returns what holds now.
    pub(crate) fn learn(&mut self, answer: Answer) -> Option<Word> {
        let word = self.containers.learn(answer)?;
        self.tree.replace_container(&word);
        Some(word)
    }

    /// Waits no longer for the word about a container; returns what holds now.
    pub(crate) fn give_up(&mut self, key: &str, reason: Missing) -> Option<Word> {
        let word = self.containers.give_up(key, reason)?;
        self.tree.replace_container(&word);
        Some(word)
    }

    /// Returns nanoseconds since 1970 at boot.
    pub(crate) fn boot_epoch_ns(&self) -> u64 {
        self.boot_epoch_ns
    }

    /// Does what is due from time to time; `boot_epoch_ns` follows a clock that was set.
    pub(crate) fn tick(&mut self, time_ns: u64, boot_epoch_ns: u64) {
        self.boot_epoch_ns = boot_epoch_ns;
        self.tree.expire(time_ns);
        self.containers.tick();
    }

    /// Takes in all processes of `/proc`, parents before children: where the kernel's iterator cannot
    /// be had.
    pub(crate) fn read_all(&mut self) {
        for pid in procfs::pids() {
            self.fetch(pid, FETCH_ANCESTORS_MAX);
        }
    }

    /// Compares all processes with `/proc`, after records of their lives were lost.
    pub(crate) fn resync(&mut self, time_ns: u64) {
        let pids = procfs::pids();
        let gone: Vec<_> = self.tree.keys().filter(|key| !pids.contains(&key.pid)).collect();
        for key in gone {
            self.tree.end(key.pid, key.start_boot_ns, time_ns);
        }
        for pid in pids {
            let Some(known) = self.fetch(pid, FETCH_ANCESTORS_MAX) else { continue };
            let Some(seen) = procfs::read(pid) else { continue };
            if runs(&known, &seen.executable, &seen.arguments) {
                continue;
            }
            let parent = known.parent.clone();
            let process = Process { key: known.key, ..self.process_seen(seen, parent) };
            self.tree.insert(process, 0, true);
        }
    }

    /// Returns the process a record is about.
    pub(crate) fn of(&mut self, header: &Header) -> Arc<Process> {
        let (pid, start_ns) = (header.pid as i32, header.start_ns);
        if self.tree.get(pid, start_ns).is_none() {
            self.fetch(pid, FETCH_ANCESTORS_MAX);
        }
        if self.tree.get(pid, start_ns).is_none() {
            // It is gone: what the record tells is all there is.
            let mut process = told(header, self.boot_epoch_ns);
            name(&mut self.users, &mut process);
            self.tree.insert(process, header.cgroup, true);
        }
        self.follow(header)
    }

    /// Returns whether a record like one of this process before is of it as it still is: then it brings
    /// nothing new.
    pub(crate) fn brings_nothing(&mut self, header: &Header, process: &Weak<Process>) -> bool {
        self.tree.get(header.pid as i32, header.start_ns).is_some_and(|node| {
            node.cgroup == header.cgroup && ptr::eq(Arc::as_ptr(&node.process), process.as_ptr())
        })
    }

    /// Returns the process a record was of, as it is now.
    pub(crate) fn as_it_is(&mut self, header: &Header) -> Option<Weak<Process>> {
        let node = self.tree.get(header.pid as i32, header.start_ns)?;
        Some(Arc::downgrade(&node.process))
    }

    /// Brings what can change between two execs up to date: user, capabilities, cgroup.
    fn follow(&mut self, header: &Header) -> Arc<Process> {
        let Some(node) = self.tree.get(header.pid as i32, header.start_ns) else {
            return Arc::new(told(header, self.boot_epoch_ns));
        };
        if (node.process.uid, node.process.gid) != (header.uid, header.gid) {
            let process = Arc::make_mut(&mut node.process);
            process.uid = header.uid;
            process.gid = header.gid;
            name(&mut self.users, process);
        }
        if !has_capabilities(&node.process, header) {
            let process = Arc::make_mut(&mut node.process);
            process.capabilities = header.capabilities;
            process.extra.get_or_insert_default().permitted = Some(header.permitted);
        }
        if node.process.login_uid != login_uid(header) {
            let process = Arc::make_mut(&mut node.process);
            process.login_uid = login_uid(header);
            name(&mut self.users, process);
        }
        if node.cgroup != header.cgroup {
            node.cgroup = header.cgroup;
            let cgroups = procfs::cgroups(header.pid as i32);
            let paths: Vec<&str> = cgroups.iter().map(|path| &**path).collect();
            // One that is gone tells nothing: it stays where it was.
            if !paths.is_empty() {
                let container = self.containers.of(&paths);
                if container != node.process.container {
                    let process = Arc::make_mut(&mut node.process);
                    put(process, container);
                    name(&mut self.users, process);
                }
            }
        }
        Arc::clone(&node.process)
    }

    /// Notes where a process works, as one of its relative paths told.
    pub(crate) fn works_in(&mut self, header: &Header, cwd: &str) {
        if let Some(node) = self.tree.get(header.pid as i32, header.start_ns)
            && *node.process.cwd != *cwd
        {
            Arc::make_mut(&mut node.process).cwd = cwd.into();
        }
    }

    /// Takes in a new program; returns the process that now runs it.
    pub(crate) fn exec(&mut self, record: &Record<'_>, exec: &Execve) -> Arc<Process> {
        let header = &record.header;
        let before =
            self.tree.get(header.pid as i32, header.start_ns).map(|node| Arc::clone(&node.process));
        let parent = match &before {
            Some(before) => before.parent.clone(),
            None => self.parent(header.ppid as i32),
        };
        let mut process = Process {
            ppid: parent.as_ref().map_or(header.ppid as i32, |parent| parent.key.pid),
            parent,
            ..self.program(record, exec)
        };
        if before.as_deref().is_some_and(|before| copies_itself(before, &process)) {
            process.extra.get_or_insert_default().entered = true;
        }
        let process = self.complete(process, before.as_deref());
        self.tree.insert(process, header.cgroup, true)
    }

    /// Returns what a record tells of a process, but for its parent and names.
    fn program(&mut self, record: &Record<'_>, exec: &Execve) -> Process {
        let cgroups = [record.cgroup, record.cgroup_v1].map(|path| text(path.unwrap_or_default()));
        let container = self.containers.of(&[&cgroups[0], &cgroups[1]]);
        describe::program(record, exec, container, self.boot_epoch_ns)
    }

    /// Fills in names and leaders.
    fn complete(&mut self, mut process: Process, before: Option<&Process>) -> Process {
        name(&mut self.users, &mut process);
        lead(&mut process, before, &|pid| {
            self.tree.current(pid).map(|node| Arc::new(Leader::from(&*node.process)))
        });
        process
    }

    /// Takes in a child; returns it.
    pub(crate) fn fork(&mut self, header: &Header, fork: &Fork) -> Arc<Process> {
        let parent_pid = fork.parent_pid as i32;
        let parent = match self.tree.get(parent_pid, fork.parent_start_ns) {
            Some(node) => Some(Arc::clone(&node.process)),
            None => self.parent(parent_pid),
        };
        let own = told(header, self.boot_epoch_ns);
        let process = match parent {
            Some(parent) => {
                let child = Process {
                    key: own.key,
                    ppid: parent_pid,
                    vpid: own.vpid,
                    start_ns: own.start_ns,
                    parent: Some(Arc::clone(&parent)),
                    ..Process::clone(&parent)
                };
                self.grouped(child, fork, Some(&parent))
            }
            None => {
                let mut process = Process { ppid: parent_pid, ..own };
                name(&mut self.users, &mut process);
                self.grouped(process, fork, None)
            }
        };
        // The parent's cgroup, not the child's: one that was put elsewhere is found out next.
        let cgroup = self
            .tree
            .get(parent_pid, fork.parent_start_ns)
            .map_or(header.cgroup, |parent| parent.cgroup);
        self.tree.insert(process, cgroup, true);
        self.follow(header)
    }

    /// Fills in what a fork tells of the child's session, group and namespace.
    fn grouped(&self, mut process: Process, fork: &Fork, parent: Option<&Process>) -> Process {
        process.sid = fork.sid as i32;
        let extra = process.extra.get_or_insert_default();
        extra.group_id = Some(fork.group_id as i32);
        extra.virtual_group_id = Some(fork.virtual_group_id as i32);
        extra.namespace_start_ns = started(fork.namespace_start_ns, self.boot_epoch_ns);
        lead(&mut process, parent, &|pid| {
            self.tree.current(pid).map(|node| Arc::new(Leader::from(&*node.process)))
        });
        process
    }

    /// Notes an end; returns the process that ended, unless that was told before: of two threads that
    /// end at once, each may find itself to be the last.
    pub(crate) fn exit(&mut self, header: &Header) -> Option<Arc<Process>> {
        let process = self.of(header);
        let first = self.tree.end_told(header.pid as i32, header.start_ns, header.time_ns);
        first.then_some(process)
    }

    fn parent(&mut self, pid: i32) -> Option<Arc<Process>> {
        if let Some(node) = self.tree.current(pid) {
            return Some(Arc::clone(&node.process));
        }
        self.fetch(pid, FETCH_ANCESTORS_MAX)
    }

    /// Reads a process, and its ancestors if they are missing, from `/proc`.
    fn fetch(&mut self, pid: i32, ancestors: u32) -> Option<Arc<Process>> {
        let seen = procfs::read(pid)?;
        if let Some(node) = self.tree.current(pid)
            && node.process.key.start_boot_ns / procfs::TICK_NS == seen.start_ns / procfs::TICK_NS
        {
            return Some(Arc::clone(&node.process));
        }
        let parent = match self.tree.current(seen.ppid) {
            Some(node) => Some(Arc::clone(&node.process)),
            None if ancestors == 0 || seen.ppid == 0 => None,
            None => self.fetch(seen.ppid, ancestors - 1),
        };
        let process = self.process_seen(seen, parent);
        Some(self.tree.insert(process, 0, false))
    }

    fn process_seen(&mut self, seen: Seen, parent: Option<Arc<Process>>) -> Process {
        let cgroups: Vec<&str> = seen.cgroups.iter().map(|path| &**path).collect();
        let container = self.containers.of(&cgroups);
        let process = Process { container, ..describe::seen(seen, parent, self.boot_epoch_ns) };
        self.complete(process, None)
    }
}

/// Returns whether a process runs this program with these arguments.
fn runs(known: &Process, executable: &Executable, arguments: &[Box<str>]) -> bool {
    known.executable.path == executable.path
        && known.executable.inode == executable.inode
        && known.arguments[..] == *arguments
}

fn has_capabilities(process: &Process, header: &Header) -> bool {
    process.capabilities == header.capabilities
        && process.extra.as_deref().and_then(|extra| extra.permitted) == Some(header.permitted)
}
