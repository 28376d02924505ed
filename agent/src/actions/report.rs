//! What is told of a process before it is ended: itself, whom it descends from, who descends from it.
//!
//! All of it was written by the process, which may be an attacker's: every text is bounded, every
//! list is, and so is the report as a whole.

use std::fs;

use alert::{
    ProcessKey,
    order::{ContainerReport, OpenDescriptor, ProcessFacts, ProcessReport},
};
use hashbrown::HashSet;
use jiff::Timestamp;

use super::{
    family,
    known::{Known, same},
    sockets::{self, Sockets},
    target::{No, Target},
    watch::in_containers,
};
use crate::{
    enrich::procfs::{self, Seen},
    sensor::boot_epoch_ns,
};

const ANCESTORS_MAX: usize = 32;
const PROCESSES_MAX: usize = 256;
const DESCRIPTORS_MAX: usize = 256;
const VARIABLES_MAX: usize = 256;
const ARGUMENTS_MAX: usize = 256;
const TEXT_BYTES_MAX: usize = 1024;
/// Of one process's arguments together.
const ARGUMENTS_BYTES_MAX: usize = 16 << 10;
/// Of a report: from there on processes are told of without files, sockets and variables.
const REPORT_BYTES_MAX: usize = 1 << 20;

/// Reads facts until there is no more room for them.
#[derive(Debug)]
pub(super) struct Reporter<'a> {
    known: &'a Known,
    boot_epoch_ns: u64,
    bytes: usize,
    truncated: bool,
}

/// Reports a process and its relatives; `None` when it is gone or another has its pid.
pub(super) fn process(known: &Known, key: ProcessKey, hostname: &str) -> Option<ProcessReport> {
    let target = match Target::open(key.pid, known) {
        Ok(target) if same(target.key, key) => target,
        Ok(_) | Err(No::Gone | No::Refused(..)) => return None,
    };
    let mut reporter = Reporter::new(known);
    let process = reporter.facts(key.pid)?;
    if target.is_dead() {
        return None;
    }
    let mut above = family::ancestors(key.pid, ANCESTORS_MAX + 1);
    reporter.truncated |= above.len() > ANCESTORS_MAX;
    above.truncate(ANCESTORS_MAX);
    let ancestors = above.into_iter().filter_map(|pid| reporter.outline(pid)).collect();
    let below = family::descendants(&[key.pid], PROCESSES_MAX + 1, &mut |_| true);
    let descendants = reporter.all(&below);
    Some(ProcessReport {
        time: service::clock::now(),
        hostname: hostname.to_owned(),
        process,
        ancestors,
        descendants,
        truncated: reporter.truncated,
    })
}

/// Reports the live processes of a container.
pub(super) fn container(known: &Known, id: &str, hostname: &str) -> ContainerReport {
    let inside: Vec<i32> =
        in_containers().filter(|(_, of)| **of == *id).map(|(pid, _)| pid).collect();
    let mut reporter = Reporter::new(known);
    let mut processes = reporter.all(&inside);
    processes.retain(|process| process.container.as_deref() == Some(id));
    ContainerReport {
        time: service::clock::now(),
        hostname: hostname.to_owned(),
        container: id.into(),
        processes,
        truncated: reporter.truncated,
    }
}

impl<'a> Reporter<'a> {
    fn new(known: &'a Known) -> Self {
        Self { known, boot_epoch_ns: boot_epoch_ns(), bytes: 0, truncated: false }
    }

    fn all(&mut self, pids: &[i32]) -> Vec<ProcessFacts> {
        self.truncated |= pids.len() > PROCESSES_MAX;
        pids.iter().take(PROCESSES_MAX).filter_map(|pid| self.facts(*pid)).collect()
    }

    /// Returns all that is told of a process.
    fn facts(&mut self, pid: i32) -> Option<ProcessFacts> {
        let mut facts = self.outline(pid)?;
        if self.bytes >= REPORT_BYTES_MAX {
            self.truncated = true;
            return Some(facts);
        }
        facts.environment_names = self.environment_names(pid);
        facts.open_files = self.open_files(pid);
        facts.sockets = self.sockets(pid, &facts.open_files);
        let files = facts.open_files.iter().map(|file| file.target.len() + 32);
        let texts = facts.environment_names.iter().chain(&facts.sockets).map(|text| text.len() + 4);
        self.bytes += files.chain(texts).sum::<usize>();
        Some(facts)
    }

    /// Returns who a process is, without what it holds.
    fn outline(&mut self, pid: i32) -> Option<ProcessFacts> {
        let seen = procfs::read(pid).filter(|seen| !matches!(seen.state, 'Z' | 'X'))?;
        let start_boot_ns = self.known.exact(pid, seen.start_ns).unwrap_or(seen.start_ns);
        let start = i128::from(self.boot_epoch_ns) + i128::from(start_boot_ns);
        let container = super::target::container_of(&seen.cgroups);
        let Seen { ppid, vpid, name, mut executable, arguments, cwd, .. } = seen;
        executable.path = self.bounded(&executable.path);
        let facts = ProcessFacts {
            key: ProcessKey { pid, start_boot_ns },
            ppid,
            vpid,
            name: self.bounded(&name),
            executable,
            arguments: self.arguments(&arguments),
            cwd: self.bounded(&cwd),
            uid: seen.uid,
            gid: seen.gid,
            login_uid: seen.login_uid,
            capabilities: seen.capabilities,
            start: Timestamp::from_nanosecond(start).unwrap_or_default(),
            container,
            environment_names: Vec::new(),
            open_files: Vec::new(),
            sockets: Vec::new(),
        };
        self.bytes += 256 + facts.arguments.iter().map(|argument| argument.len()).sum::<usize>();
        Some(facts)
    }

    fn arguments(&mut self, arguments: &[Box<str>]) -> Vec<Box<str>> {
        let mut left = ARGUMENTS_BYTES_MAX;
        let mut told = Vec::new();
        for argument in arguments {
            if told.len() >= ARGUMENTS_MAX || left == 0 {
                self.truncated = true;
                break;
            }
            let argument = self.bounded(argument);
            left = left.saturating_sub(argument.len());
            told.push(argument);
        }
        told
    }

    /// Returns the names only, and only what can be one: a process may write anything there.
    fn environment_names(&mut self, pid: i32) -> Vec<Box<str>> {
        let environment = procfs::read_file(pid, "environ").unwrap_or_default();
        let mut names = Vec::new();
        for variable in environment.split(|byte| *byte == 0) {
            let Some(end) = variable.iter().position(|byte| *byte == b'=') else { continue };
            let Ok(name) = std::str::from_utf8(&variable[..end]) else { continue };
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || name.len() > TEXT_BYTES_MAX || !name.bytes().all(plain) {
                continue;
            }
            if names.len() >= VARIABLES_MAX {
                self.truncated = true;
                break;
            }
            names.push(name.into());
        }
        names
    }

    fn open_files(&mut self, pid: i32) -> Vec<OpenDescriptor> {
        let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
        let mut descriptors: Vec<i32> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .take(DESCRIPTORS_MAX + 1)
            .collect();
        descriptors.sort_unstable();
        self.truncated |= descriptors.len() > DESCRIPTORS_MAX;
        descriptors.truncate(DESCRIPTORS_MAX);
        let mut open = Vec::new();
        for descriptor in descriptors {
            if let Some(target) = procfs::link(pid, &format!("fd/{descriptor}")) {
                open.push(OpenDescriptor { descriptor, target: self.bounded(&target) });
            }
        }
        open
    }

    fn sockets(&mut self, pid: i32, open: &[OpenDescriptor]) -> Vec<Box<str>> {
        let inodes: Vec<u64> =
            open.iter().filter_map(|open| sockets::inode(&open.target)).collect();
        let wanted: HashSet<u64> = inodes.iter().copied().collect();
        let mut found = Sockets::of(pid, &wanted);
        self.truncated |= found.truncated;
        inodes.into_iter().filter_map(|inode| found.by_inode.remove(&inode)).collect()
    }

    fn bounded(&mut self, text: &str) -> Box<str> {
        if text.len() <= TEXT_BYTES_MAX {
            return text.into();
        }
        self.truncated = true;
        let end = text.floor_char_boundary(TEXT_BYTES_MAX - '…'.len_utf8());
        format!("{}…", &text[..end]).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_this_process_has_its_parts_and_no_values() {
        let pid = std::process::id() as i32;
        let known = Known::default();
        let start_boot_ns = procfs::stat(pid).unwrap().start_ns;
        let report = process(&known, ProcessKey { pid, start_boot_ns }, "host").unwrap();
        assert_eq!(report.process.key.pid, pid);
        assert!(report.process.environment_names.iter().any(|name| &**name == "PATH"));
        assert!(report.process.environment_names.iter().all(|name| !name.contains('=')));
        assert!(report.process.open_files.iter().any(|open| open.descriptor == 0));
        assert_eq!(report.ancestors[0].key.pid, report.process.ppid);
        let age = report.time.duration_since(report.process.start);
        assert!(age.as_secs() < 3600 && !age.is_negative(), "{age:?}");
        let other = ProcessKey { pid, start_boot_ns: start_boot_ns + procfs::TICK_NS };
        assert_eq!(process(&known, other, "host"), None);
    }

    #[test]
    fn long_texts_are_cut_between_letters() {
        let known = Known::default();
        let mut reporter = Reporter::new(&known);
        let cut = reporter.bounded(&"é".repeat(2000));
        assert!(cut.len() <= TEXT_BYTES_MAX && cut.ends_with("é…"));
        assert!(reporter.truncated);
        let many = vec![Box::from("x".repeat(1000)); 100];
        assert!(reporter.arguments(&many).len() <= 17);
    }
}
