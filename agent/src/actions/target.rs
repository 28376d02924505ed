//! One process held by a pidfd, and whether it is the one ordered and may be ended at all.
//!
//! The pidfd is opened first and looked at again last: as long as its process lives, the pid is its
//! own, so that all that `/proc` told in between is about the process behind the pidfd.

use std::{
    fs,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use alert::{
    ProcessKey,
    order::{KillOrder, Refusal},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal, test_kill_process},
};

use super::{
    family,
    known::{Known, same},
};
use crate::enrich::{container::Containers, procfs};

/// Processes looked at for one of another container below the target.
const DESCENDANTS_LOOKED_AT: usize = 4096;
const ANCESTORS_LOOKED_AT: usize = 256;

/// What keeps a node running. Counts only for processes outside containers: inside, anybody may
/// take such a name.
pub(crate) const NODE_PROGRAMS: [&str; 18] = [
    "init",
    "systemd",
    "kubelet",
    "containerd",
    "dockerd",
    "docker-proxy",
    "cri-dockerd",
    "crio",
    "conmon",
    "conmonrs",
    "runc",
    "crun",
    "youki",
    "runsc",
    "k3s",
    "k3s-server",
    "k3s-agent",
    "rke2",
];
const NODE_PROGRAM_STARTS: [&str; 2] = ["containerd-", "saker-"];

/// A process that lived when it was opened.
#[derive(Debug)]
pub(crate) struct Target {
    /// With the exact start where the sensor told it.
    pub(crate) key: ProcessKey,
    pub(crate) ppid: i32,
    pub(crate) name: Box<str>,
    /// Whole id.
    pub(crate) container: Option<Box<str>>,
    kernel_thread: bool,
    pidfd: OwnedFd,
}

/// Why there is nothing to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum No {
    Gone,
    Refused(Refusal, String),
}

impl Target {
    /// Holds the process with this pid.
    pub(crate) fn open(pid: i32, known: &Known) -> Result<Self, No> {
        let raw = if pid > 0 { Pid::from_raw(pid) } else { None };
        let pidfd = match pidfd_open(raw.ok_or(No::Gone)?, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            // The last two: a thread that is not its process's first.
            Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => return Err(No::Gone),
            Err(error) => {
                return Err(No::Refused(Refusal::NotPermitted, format!("pidfd_open: {error}")));
            }
        };
        let seen = procfs::stat(pid);
        let container = container(pid);
        if is_dead(pidfd.as_fd()) {
            return Err(No::Gone);
        }
        let Some(seen) = seen else {
            let detail = format!("/proc/{pid}/stat cannot be read");
            return Err(No::Refused(Refusal::NotPermitted, detail));
        };
        let start_boot_ns = known.exact(pid, seen.start_ns).unwrap_or(seen.start_ns);
        Ok(Self {
            key: ProcessKey { pid, start_boot_ns },
            ppid: seen.ppid,
            name: seen.name,
            container,
            kernel_thread: seen.kernel_thread,
            pidfd,
        })
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<(), No> {
        match pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.denied(error)),
        }
    }

    /// Asks whether a signal would be allowed.
    pub(crate) fn may_signal(&self) -> Result<(), No> {
        let pid = Pid::from_raw(self.key.pid).ok_or(No::Gone)?;
        test_kill_process(pid).map_err(|error| self.denied(error))
    }

    fn denied(&self, error: Errno) -> No {
        match error {
            Errno::SRCH => No::Gone,
            error => {
                let detail = format!("signal to {}: {error}; it takes CAP_KILL", self.key.pid);
                No::Refused(Refusal::NotPermitted, detail)
            }
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        is_dead(self.pidfd.as_fd())
    }

    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// Returns whether the process behind a pidfd has ended, with all its threads; a zombie has.
fn is_dead(pidfd: BorrowedFd<'_>) -> bool {
    let mut ready = [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut ready, Some(&now)).is_ok_and(|count| count > 0)
}

/// Returns the whole id of the container a process is in.
pub(crate) fn container(pid: i32) -> Option<Box<str>> {
    container_of(&procfs::cgroups(pid))
}

/// Returns the whole id of the container these cgroup paths are of.
pub(crate) fn container_of(paths: &[Box<str>]) -> Option<Box<str>> {
    let paths: Vec<&str> = paths.iter().map(|path| &**path).collect();
    Containers::default().of(&paths).map(|container| container.id.clone())
}

/// Which processes are never ended.
#[derive(Debug)]
pub(crate) struct Guard {
    host_processes: bool,
    own_pid: i32,
    own_container: Option<Box<str>>,
}

impl Guard {
    pub(crate) fn new(host_processes: bool) -> Self {
        let own_pid = std::process::id().cast_signed();
        Self { host_processes, own_pid, own_container: container(own_pid) }
    }

    /// Returns the process of an order after every check.
    pub(crate) fn admit(&self, order: &KillOrder, known: &Known) -> Result<Target, No> {
        let pid = order.process.pid;
        if fs::exists(format!("/proc/self/task/{pid}")).unwrap_or(false) {
            return Err(No::Refused(Refusal::Protected, "it is the agent itself".to_owned()));
        }
        let target = Target::open(pid, known)?;
        if !same(target.key, order.process) {
            let detail = format!(
                "pid {pid} started {} ns after boot, not {}",
                target.key.start_boot_ns, order.process.start_boot_ns
            );
            return Err(No::Refused(Refusal::OtherProcess, detail));
        }
        self.protect(&target)?;
        let refused = |refusal, detail: String| Err(No::Refused(refusal, detail));
        match (&target.container, &order.container) {
            (None, _) if !self.host_processes => {
                refused(Refusal::HostProcess, format!("{pid} is in no container"))
            }
            (is, ordered) if is != ordered => {
                let is = is.as_deref().unwrap_or("none");
                refused(Refusal::OtherContainer, format!("{pid} is in container {is}"))
            }
            _ => Ok(target),
        }
    }

    /// Refuses what must live: init, the kernel, ourselves, and what runs containers.
    pub(crate) fn protect(&self, target: &Target) -> Result<(), No> {
        match self.why_protected(target) {
            Some(detail) => Err(No::Refused(Refusal::Protected, detail)),
            None => Ok(()),
        }
    }

    fn why_protected(&self, target: &Target) -> Option<String> {
        let pid = target.key.pid;
        if pid == 1 {
            return Some("it is init".to_owned());
        }
        if target.kernel_thread || pid == 2 || target.ppid == 2 {
            return Some(format!("{pid} is a thread of the kernel"));
        }
        if pid == self.own_pid {
            return Some("it is the agent itself".to_owned());
        }
        if family::ancestors(self.own_pid, ANCESTORS_LOOKED_AT).contains(&pid) {
            return Some(format!("the agent descends from {pid}"));
        }
        if self.own_container.is_some() && target.container == self.own_container {
            return Some(format!("{pid} is in the agent's own container"));
        }
        if target.container.is_none()
            && let Some(program) = node_program(target)
        {
            return Some(format!("{pid} is {program}"));
        }
        let mut holds = false;
        family::descendants(&[pid], DESCENDANTS_LOOKED_AT, &mut |below| {
            let other = container(below);
            holds |= other.is_some() && other != target.container;
            !holds
        });
        holds.then(|| format!("processes of another container descend from {pid}"))
    }
}

/// Returns which of the programs a node needs a process is, by its executable or its name.
fn node_program(target: &Target) -> Option<String> {
    let executable = procfs::link(target.key.pid, "exe").unwrap_or_default();
    let executable = executable.strip_suffix(" (deleted)").unwrap_or(&executable);
    let file = executable.rsplit('/').next().unwrap_or_default();
    [file, &target.name].into_iter().find(|name| is_node_program(name)).map(ToOwned::to_owned)
}

fn is_node_program(name: &str) -> bool {
    NODE_PROGRAMS.contains(&name) || NODE_PROGRAM_STARTS.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_a_node_running_is_known_by_name() {
        for name in ["kubelet", "containerd", "containerd-shim", "runc", "conmon", "saker-agent"] {
            assert!(is_node_program(name), "{name}");
        }
        // `comm` ends after 15 bytes.
        assert!(is_node_program("containerd-shim-runc-v2") && is_node_program("containerd-shim"));
        for name in ["", "sh", "runcible", "kubelets", "nginx"] {
            assert!(!is_node_program(name), "{name}");
        }
    }

    #[test]
    fn no_pid_below_one_is_a_process() {
        for pid in [0, -1, i32::MIN, i32::MAX] {
            assert_eq!(Target::open(pid, &Known::default()).unwrap_err(), No::Gone);
        }
    }
}
