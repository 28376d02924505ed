//! Who did it: a process as it was after its last exec, and its ancestors.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Container, Enforced, is_false};
use crate::Memo;

/// Names one process for ever: a pid alone is reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessKey {
    pub pid: i32,
    /// Start of the process, nanoseconds since boot (`task_struct.start_boottime`).
    pub start_boot_ns: u64,
}

/// A process as it was after its last exec.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Process {
    pub key: ProcessKey,
    pub ppid: i32,
    /// Pid in its own pid namespace.
    pub vpid: i32,
    pub sid: i32,
    /// Nanoseconds since 1970.
    pub start_ns: u64,
    /// `comm`: at most 15 bytes.
    pub name: Box<str>,
    pub executable: Executable,
    /// All arguments; the first is chosen by the caller.
    pub arguments: Arc<[Box<str>]>,
    /// `NAME=value` texts, at most 4 KiB of them.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub environment: Arc<[Box<str>]>,
    pub cwd: Box<str>,
    /// Device number of the controlling terminal, 0 for none.
    pub tty: u32,
    pub uid: u32,
    pub gid: u32,
    /// Absent when the name could not be found.
    pub user: Option<Box<str>>,
    pub group: Option<Box<str>>,
    /// Absent when never logged in.
    pub login_uid: Option<u32>,
    pub login_user: Option<Box<str>>,
    /// Bits as in capabilities(7).
    pub capabilities: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<StandardStream>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<StandardStream>,
    /// `None` for a process of the host.
    pub container: Option<Arc<Container>>,
    /// The parent at the time of the fork, kept alive by its children.
    pub parent: Option<Arc<Process>>,
    /// What only some sensors tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Box<ProcessExtra>>,
    /// What was found out about it; no part of its value.
    #[serde(skip)]
    pub memo: Memo,
}

/// What is not told of every process. Absent parts are not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessExtra {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<i32>,
    /// The process group's id in its own pid namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_group_id: Option<i32>,
    /// Bits as in capabilities(7).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permitted: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inheritable: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Box<str>>,
    /// `SUBSYSTEM=PATH` texts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cgroups: Vec<Box<str>>,
    /// Start of the first process of the pid namespace, nanoseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_start_ns: Option<u64>,
    /// Who leads the session, where it is neither the process nor an ancestor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_leader: Option<Arc<Leader>>,
    /// Who leads the process group, with the same exception.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_leader: Option<Arc<Leader>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<ContainerProbe>,
    /// Whether it was brought into its container while it ran its program: no program of the
    /// container ran in it since.
    #[serde(skip_serializing_if = "is_false")]
    pub entered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What was done to it as it was started, because a rule forbids its program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforced: Option<Enforced>,
}

/// What is told of the leader of a session or of a process group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Leader {
    /// `comm`.
    pub name: Box<str>,
    /// First argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument: Option<Box<str>>,
    /// Path of the executable.
    pub path: Box<str>,
}

impl From<&Process> for Leader {
    fn from(process: &Process) -> Self {
        Self {
            name: process.name.clone(),
            argument: process.arguments.first().cloned(),
            path: process.executable.path.clone(),
        }
    }
}

/// What a process has of memory and files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    pub files_max: u64,
    pub files: u64,
    pub threads: u64,
    pub virtual_kib: u64,
    pub resident_kib: u64,
    pub swapped_kib: u64,
    pub faults_major: u64,
    pub faults_minor: u64,
}

/// For which check of its container a process was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerProbe {
    Health,
    Liveness,
    Readiness,
}

/// What a standard stream was at exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StandardStream {
    File,
    Terminal,
    Pipe,
    Ipv4,
    Ipv6,
    Unix,
    Null,
    Other,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Executable {
    /// Path as the kernel resolved it, `memfd:NAME` for one without a file.
    pub path: Box<str>,
    pub inode: u64,
    pub ctime_ns: u64,
    pub mtime_ns: u64,
    #[serde(default, skip_serializing_if = "is_false")]
    pub from_memfd: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub upper_layer: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub lower_layer: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub writable: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
}

impl Process {
    /// Returns the ancestors, the parent first. A chain is cut at 64: a loop cannot hang it.
    pub fn ancestors(&self) -> impl Iterator<Item = &Process> {
        std::iter::successors(self.parent.as_deref(), |process| process.parent.as_deref()).take(64)
    }
}
