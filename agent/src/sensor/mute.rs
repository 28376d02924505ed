//! Processes that are left out on request: those of a program, a cgroup or a container, and all that
//! descend from them.
//!
//! Who is muted is decided here, by all that is known of a process; the probe is told, so that the
//! rest of what they do costs next to nothing. Starts, forks and ends still come, for the tree of
//! processes, and are left out here.

use std::{fs, os::unix::fs::MetadataExt};

use alert::{Event, EventKind, Process, ProcessKey};
use aya::{
    Ebpf,
    maps::{HashMap, MapData, MapError},
};
use hashbrown::HashMap as Known;
use probe::{Body, Record, layout::Kind, program::map};

use super::limit::unified_root;
use crate::enrich::procfs::TICK_NS;

/// Processes muted at a time; entries of the probe's table.
const PROCESSES_MAX: usize = 32_768;
const CGROUPS_MAX: usize = 8192;
const FOLDERS_MAX: usize = 20_000;

/// Who is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mute {
    /// Processes outside containers that run this program, by the kernel's path of it.
    Exe(Box<str>),
    /// Processes in cgroups of the unified hierarchy whose path is this or below it, or, with `*` at
    /// its end, begins like it.
    Cgroup(Box<str>),
    /// Processes in the container of this name, or whose id begins like this.
    Container(Box<str>),
}

impl Mute {
    fn takes_cgroup(&self, path: &str) -> bool {
        let Self::Cgroup(wanted) = self else { return false };
        match wanted.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => path
                .strip_prefix(wanted.trim_end_matches('/'))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        }
    }

    fn takes(&self, process: &Process) -> bool {
        match (self, process.container.as_deref()) {
            (Self::Exe(path), None) => process.executable.path == *path,
            (Self::Container(wanted), Some(container)) => {
                container.name.as_deref() == Some(wanted)
                    || (wanted.len() >= 12 && container.id.starts_with(&**wanted))
            }
            _ => false,
        }
    }
}

/// Who is left out now.
#[derive(Debug)]
pub(super) struct Mutes {
    mutes: Vec<Mute>,
    processes: Known<i32, u64>,
    pids: HashMap<MapData, u32, u64>,
    cgroups: HashMap<MapData, u64, u64>,
    cgroup_ids: Known<u64, ()>,
    full: bool,
}

impl Mutes {
    /// Takes the tables out of a loaded probe; `None` if it has none.
    pub(super) fn take(ebpf: &mut Ebpf, mutes: Vec<Mute>) -> Option<Self> {
        Some(Self {
            mutes,
            processes: Known::new(),
            pids: HashMap::try_from(ebpf.take_map(map::MUTED_PIDS)?).ok()?,
            cgroups: HashMap::try_from(ebpf.take_map(map::MUTED_CGROUPS)?).ok()?,
            cgroup_ids: Known::new(),
            full: false,
        })
    }

    /// Returns whether nobody can be muted.
    pub(super) fn is_empty(&self) -> bool {
        self.mutes.is_empty()
    }

    /// Mutes the cgroups that are there, and these processes.
    pub(super) fn begin<'a>(&mut self, processes: impl Iterator<Item = &'a Process>) {
        if self.mutes.is_empty() {
            return;
        }
        for mute in &self.mutes {
            tracing::warn!(?mute, "what these do is left out");
        }
        if self.mutes.iter().any(|mute| matches!(mute, Mute::Cgroup(_))) {
            self.find_cgroups();
        }
        processes.for_each(|process| _ = self.decide(process));
    }

    fn find_cgroups(&mut self) {
        let Some(root) = unified_root() else {
            return tracing::warn!("no unified hierarchy of cgroups: none can be muted");
        };
        let (mut open, mut looked_at) = (vec![String::new()], 0);
        while let Some(path) = open.pop() {
            let Ok(seen) = fs::metadata(format!("{root}{path}")) else { continue };
            self.cgroup(seen.ino(), &path);
            looked_at += 1;
            if looked_at > FOLDERS_MAX {
                return tracing::warn!("not all cgroups were looked at");
            }
            let below = fs::read_dir(format!("{root}{path}")).into_iter().flatten().flatten();
            let folders = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            open.extend(
                folders.map(|entry| format!("{path}/{}", entry.file_name().to_string_lossy())),
            );
        }
    }

    fn cgroup(&mut self, id: u64, path: &str) {
        let path = if path.is_empty() { "/" } else { path };
        if !self.mutes.iter().any(|mute| mute.takes_cgroup(path)) {
            return;
        }
        if self.cgroup_ids.len() >= CGROUPS_MAX {
            return self.is_full();
        }
        match self.cgroups.insert(id, 1, 0) {
            Ok(()) => _ = self.cgroup_ids.insert(id, ()),
            Err(error) => refused(&error),
        }
    }

    /// Takes note of cgroups made and removed; returns whether the record is of one that is muted.
    pub(super) fn takes_record(&mut self, bytes: &[u8]) -> bool {
        if self.mutes.is_empty() {
            return false;
        }
        let Ok(record) = Record::read(bytes) else { return false };
        if let (Body::Cgroup(body), Some(path)) = (&record.body, record.cgroup) {
            let path = String::from_utf8_lossy(path);
            match record.kind {
                Kind::CgroupMade => {
                    // Numbers of other hierarchies are other cgroups.
                    let seen = unified_root().and_then(|root| fs::metadata(root + &path).ok());
                    if seen.is_some_and(|seen| seen.ino() == body.id) {
                        self.cgroup(body.id, &path);
                    }
                }
                _ if self.cgroup_ids.contains_key(&body.id) => {
                    let seen = unified_root().and_then(|root| fs::metadata(root + &path).ok());
                    if seen.is_none() {
                        self.cgroup_ids.remove(&body.id);
                        self.cgroups.remove(&body.id).ok();
                    }
                }
                _ => {}
            }
        }
        self.cgroup_ids.contains_key(&record.header.cgroup)
    }

    /// Returns whether an event is of a muted process, and takes note of what it starts or ends.
    pub(super) fn takes(&mut self, event: &Event) -> bool {
        if self.mutes.is_empty() {
            return false;
        }
        if event.kind.is_notice() {
            // No process did it: there is none to take note of.
            return self.mutes.iter().any(|mute| mute.takes(&event.process));
        }
        let muted = self.decide(&event.process);
        if muted && event.kind == EventKind::ProcExit {
            self.processes.remove(&event.process.key.pid);
            self.pids.remove(&event.process.key.pid.cast_unsigned()).ok();
        }
        muted
    }

    fn holds(&self, key: ProcessKey) -> bool {
        // Of those older than the sensor `/proc` told a rounded start, and later the exact one.
        let ticks = key.start_boot_ns / TICK_NS;
        self.processes.get(&key.pid).is_some_and(|start| *start / TICK_NS == ticks)
    }

    /// Decides about a process; one that is muted stays so, whatever it runs next.
    fn decide(&mut self, process: &Process) -> bool {
        let ProcessKey { pid, start_boot_ns } = process.key;
        if self.holds(process.key) {
            return true;
        }
        let muted = self.mutes.iter().any(|mute| mute.takes(process))
            || process.ancestors().any(|above| {
                self.holds(above.key) || self.mutes.iter().any(|mute| mute.takes(above))
            });
        if !muted {
            return false;
        }
        if self.processes.len() >= PROCESSES_MAX {
            self.is_full();
            return true;
        }
        self.processes.insert(pid, start_boot_ns);
        if let Err(error) = self.pids.insert(pid.cast_unsigned(), start_boot_ns, 0) {
            refused(&error);
        }
        true
    }

    /// Those beyond the bound are left out here, at the cost of their events.
    fn is_full(&mut self) {
        if !std::mem::replace(&mut self.full, true) {
            tracing::warn!("more processes or cgroups are muted than the probe is told of");
        }
    }

    /// Forgets those whose end was lost.
    pub(super) fn keep(&mut self, is_known: &mut dyn FnMut(ProcessKey) -> bool) {
        let gone: Vec<i32> = self
            .processes
            .iter()
            .filter(|(pid, start)| !is_known(ProcessKey { pid: **pid, start_boot_ns: **start }))
            .map(|(pid, _)| *pid)
            .collect();
        for pid in gone {
            self.processes.remove(&pid);
            self.pids.remove(&pid.cast_unsigned()).ok();
        }
    }

    pub(super) fn processes(&self) -> u64 {
        self.processes.len() as u64
    }
}

fn refused(error: &MapError) {
    tracing::warn!(error = %service::ErrorChain(error), "the probe cannot be told whom to leave out");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use alert::{Container, Executable};

    use super::*;

    #[test]
    fn a_cgroup_is_muted_with_all_below_it() {
        for (wanted, path, expected) in [
            ("/a.slice", "/a.slice", true),
            ("/a.slice/", "/a.slice/b.service", true),
            ("/a.slice", "/a.slice2", false),
            ("/a.slice/b*", "/a.slice/build-7.scope", true),
            ("/a.slice/b*", "/a.slice/c", false),
            ("/", "/any", true),
        ] {
            assert_eq!(Mute::Cgroup(wanted.into()).takes_cgroup(path), expected, "{wanted} {path}");
        }
    }

    #[test]
    fn a_path_in_a_container_is_not_the_host_s_program() {
        let exe = Mute::Exe("/usr/bin/backup".into());
        let mut process = Process {
            executable: Executable { path: "/usr/bin/backup".into(), ..Executable::default() },
            ..Process::default()
        };
        assert!(exe.takes(&process));
        let id = "0123456789abcdef".repeat(4);
        let container =
            Container { id: id.into(), name: Some("ci".into()), ..Container::default() };
        process.container = Some(Arc::new(container));
        assert!(!exe.takes(&process));
        for (wanted, expected) in
            [("ci", true), ("0123456789ab", true), ("0123", false), ("other", false)]
        {
            assert_eq!(Mute::Container(wanted.into()).takes(&process), expected, "{wanted}");
        }
    }
}
