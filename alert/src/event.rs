//! What a sensor saw, with the process that did it and all its ancestors.
//!
//! An event is a value: it can be recorded, sent and replayed, and a rule gives the same answer on
//! the replayed one. Texts come from processes and are hostile; whoever shows them escapes them.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::Memo;

/// The kinds of event a sensor can report, named after the system call that asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum EventKind {
    Execve,
    Clone,
    #[serde(rename = "procexit")]
    ProcExit,
    Open,
    #[serde(rename = "openat")]
    OpenAt,
    #[serde(rename = "openat2")]
    OpenAt2,
    Creat,
    Connect,
    Ptrace,
    InitModule,
    FinitModule,
    Unlink,
    #[serde(rename = "unlinkat")]
    UnlinkAt,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 13] = [
        Self::Execve,
        Self::Clone,
        Self::ProcExit,
        Self::Open,
        Self::OpenAt,
        Self::OpenAt2,
        Self::Creat,
        Self::Connect,
        Self::Ptrace,
        Self::InitModule,
        Self::FinitModule,
        Self::Unlink,
        Self::UnlinkAt,
    ];

    /// Returns the value of `evt.type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Execve => "execve",
            Self::Clone => "clone",
            Self::ProcExit => "procexit",
            Self::Open => "open",
            Self::OpenAt => "openat",
            Self::OpenAt2 => "openat2",
            Self::Creat => "creat",
            Self::Connect => "connect",
            Self::Ptrace => "ptrace",
            Self::InitModule => "init_module",
            Self::FinitModule => "finit_module",
            Self::Unlink => "unlink",
            Self::UnlinkAt => "unlinkat",
        }
    }

    /// Returns the kind with this `evt.type`, if sensors report it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns whether the event opens a file.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::OpenAt | Self::OpenAt2 | Self::Creat)
    }
}

/// One thing a process did, seen when it was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Number since the agent started, from 1.
    pub number: u64,
    /// Nanoseconds since 1970.
    pub time_ns: u64,
    pub kind: EventKind,
    /// Return value of the call; negative is an errno.
    pub result: i64,
    /// The thread that did it.
    pub tid: i32,
    /// Asked for through io_uring rather than by a system call.
    #[serde(default, skip_serializing_if = "is_false")]
    pub via_io_uring: bool,
    pub process: Arc<Process>,
    pub detail: Detail,
}

/// What an event says beyond its process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// The new program is `Event::process`.
    Exec {
        filename: Box<str>,
    },
    /// The child is `Event::process`.
    Clone {
        flags: u64,
    },
    /// Wait status as in wait(2).
    Exit {
        status: i32,
    },
    Open(OpenFile),
    Connect(Connection),
    Ptrace {
        request: u64,
        pid: i32,
    },
    /// Parameters are the module's; `file` is set for `finit_module`.
    Module {
        parameters: Box<str>,
        file: Option<Box<str>>,
    },
    Unlink {
        path: Box<str>,
        raw: Box<str>,
        directory: bool,
    },
}

/// Which way a file was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    Read,
    Write,
    ReadWrite,
    /// `O_PATH`: neither.
    Path,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenFile {
    /// The path as the program passed it; read from its memory, so it is not evidence.
    pub raw: Box<str>,
    /// Full path: `raw` joined to its directory, `.` and `..` folded, links not followed.
    pub path: Box<str>,
    /// The path of the file the kernel opened; absent when the open failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Box<str>>,
    /// Linux `O_*` flags.
    pub flags: u32,
    /// Permission bits asked for when the file is created.
    pub mode: u32,
    pub file_type: FileType,
    #[serde(default)]
    pub inode: u64,
    #[serde(default)]
    pub device: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileType {
    #[default]
    File,
    Directory,
    Character,
    Block,
    Pipe,
    Socket,
    Link,
    Other,
}

/// A socket asked to connect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    pub descriptor: i32,
    /// `tcp`, `udp`, `icmp`, `raw`, or nothing where it does not apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Box<str>>,
    pub local: Option<SocketAddr>,
    pub remote: Option<SocketAddr>,
    /// Path of a Unix socket; an abstract name starts with `@`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unix: Option<Box<str>>,
}

/// Names one process for ever: a pid alone is reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessKey {
    pub pid: i32,
    /// Start of the process, nanoseconds since boot (`task_struct.start_boottime`).
    pub start_boot_ns: u64,
}

/// A process as it was after its last exec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// What was found out about it; no part of its value.
    #[serde(skip)]
    pub memo: Memo,
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
    pub writable: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
}

/// The container a process runs in. Absent parts were not to be had: [`Container::missing`] tells why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Container {
    /// Whole id, usually 64 hex digits.
    pub id: Box<str>,
    pub runtime: Option<Box<str>>,
    pub name: Option<Box<str>>,
    pub image: Option<Box<str>>,
    pub image_repository: Option<Box<str>>,
    pub image_tag: Option<Box<str>>,
    /// `sha256:…` of the image's manifest in its registry.
    pub image_digest: Option<Box<str>>,
    /// `sha256:…` of the image's configuration.
    pub image_id: Option<Box<str>>,
    pub privileged: Option<bool>,
    /// Labels of the container itself, without those of the runtime.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    pub pod_name: Option<Box<str>>,
    pub pod_namespace: Option<Box<str>>,
    pub pod_uid: Option<Box<str>>,
    pub pod_ip: Option<Box<str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_labels: Labels,
    pub pod_qos: Option<PodQos>,
    /// Reasons by the name of the field that is absent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<Box<str>, Missing>,
}

/// Labels by name.
pub type Labels = BTreeMap<Box<str>, Box<str>>;

/// How Kubernetes treats a pod when the machine runs short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PodQos {
    Guaranteed,
    Burstable,
    #[serde(rename = "besteffort")]
    BestEffort,
}

impl PodQos {
    /// Returns the value of `saker.pod.qos`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guaranteed => "guaranteed",
            Self::Burstable => "burstable",
            Self::BestEffort => "besteffort",
        }
    }
}

/// Why something about a container is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// No container runtime has its socket where we look.
    NoSocket,
    /// There is a socket, and we may not use it.
    SocketDenied,
    /// The runtime does not know it.
    NotFound,
    /// The runtime did not answer in time.
    Timeout,
    /// Too many events were waiting for the runtime's answers.
    HoldFull,
    /// The container belongs to no pod.
    NotKubernetes,
    /// The runtime answered with an error.
    RuntimeError,
}

impl Missing {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::NoSocket,
        Self::SocketDenied,
        Self::NotFound,
        Self::Timeout,
        Self::HoldFull,
        Self::NotKubernetes,
        Self::RuntimeError,
    ];

    /// Returns its code in `saker.container.missing`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSocket => "no_socket",
            Self::SocketDenied => "socket_denied",
            Self::NotFound => "not_found",
            Self::Timeout => "timeout",
            Self::HoldFull => "hold_full",
            Self::NotKubernetes => "not_kubernetes",
            Self::RuntimeError => "runtime_error",
        }
    }
}

impl Process {
    /// Returns the ancestors, the parent first. A chain is cut at 64: a loop cannot hang it.
    pub fn ancestors(&self) -> impl Iterator<Item = &Process> {
        std::iter::successors(self.parent.as_deref(), |process| process.parent.as_deref()).take(64)
    }
}

fn is_false(value: &bool) -> bool {
    !value
}
