//! What a sensor saw, with the process that did it and all its ancestors.
//!
//! An event is a value: it can be recorded, sent and replayed, and a rule gives the same answer on
//! the replayed one. Texts come from processes and are hostile; whoever shows them escapes them.

mod call;
mod container;
mod descriptor;
mod enforced;
mod kind;
mod names;
mod parameter;
mod process;
pub(crate) mod symbol;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use call::{Call, ParameterValue};
pub use container::{Container, Labels, Missing, Mount, PodQos, container_key};
pub use descriptor::{Connection, Descriptor, DescriptorKind, EndNames, Role};
pub use enforced::{Enforced, EnforcedOutcome};
pub use kind::{Category, DescriptorUse, EventKind};
pub use names::{event_name_is_known, event_names};
pub use parameter::{Parameter, ParameterKind};
pub use process::{
    ContainerProbe, Executable, Leader, Process, ProcessExtra, ProcessKey, StandardStream, Usage,
};

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
    /// The same in its own pid namespace; absent of a process's main thread, whose is the process's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vtid: Option<i32>,
    /// The processor it ran on; absent where that was not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
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
    // The sensor tells of the next three kinds as calls. They stay for recordings made before it did,
    // which replay with the same alerts, and for cases of rules written by hand.
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
    /// The kinds that have no detail of their own. Any kind may be told this way but those that
    /// start, make or end a process, open a file or connect.
    Call(Call),
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

fn is_false(value: &bool) -> bool {
    !value
}
