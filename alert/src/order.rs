//! What a responder orders an agent to do, and what the agent reports of it: JSON over mutual TLS.
//!
//! An order names processes by pid and start, never by pid alone, and the container they must be in.
//! A report says what was seen: a process counts as dead only when the agent saw it die.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Executable, ProcessKey};

/// Which processes an order is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The one named.
    Process,
    /// It and all its descendants in the same container, frozen before any is killed.
    Tree,
}

/// Ends processes. The same `id` again within ten minutes returns the first report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KillOrder {
    pub id: String,
    pub process: ProcessKey,
    /// Whole id of the container the process must be in; absent only for a process of the host.
    pub container: Option<Box<str>>,
    pub scope: Scope,
    /// Run every check and kill nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// How long to wait for the deaths.
    pub wait_ms: u64,
}

/// What became of a [`KillOrder`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillReport {
    pub outcome: KillOutcome,
    pub processes: Vec<ProcessEnd>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum KillOutcome {
    /// All were seen to die.
    Dead,
    /// There was no such process when the order came: nothing was done.
    Gone,
    /// A check said no: nothing was done.
    Refused { reason: Refusal, detail: String },
    /// A dry run: this is what would have been signalled.
    WouldKill,
    /// Signals were sent, and not all were seen to die in time.
    Unknown { detail: String },
}

/// Why an agent does not do what it was ordered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The pid belongs to a process that started at another time.
    OtherProcess,
    /// The process is in another container than the order says.
    OtherContainer,
    /// A process of the host, and the agent's configuration does not allow that.
    HostProcess,
    /// Init, the agent itself, the kubelet, a container runtime or a kernel thread.
    Protected,
    /// More descendants than may be killed by one order.
    TooMany,
    /// The kernel said no.
    NotPermitted,
}

/// One process of an order, and whether its end was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessEnd {
    pub process: ProcessKey,
    pub name: Box<str>,
    /// Microseconds from the order to the death that was seen; absent while it was not.
    pub dead_after_us: Option<u64>,
}

/// Watches containers until nothing in them lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchOrder {
    /// Whole ids.
    pub containers: Vec<Box<str>>,
}

/// A watch at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchReport {
    /// Names the watch in later questions.
    pub id: String,
    /// Processes seen in the containers since the watch began, with the ends that were seen.
    pub processes: Vec<ProcessEnd>,
    /// How many of them live.
    pub alive: usize,
    /// Searches begun after the last death found nobody: `alive` may be 0 before that is known.
    pub empty: bool,
}

/// The live processes of one container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerReport {
    pub time: Timestamp,
    pub hostname: String,
    /// Whole id.
    pub container: Box<str>,
    pub processes: Vec<ProcessFacts>,
    /// Something was left out because there was too much.
    pub truncated: bool,
}

/// A process, whom it descends from, and who descends from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessReport {
    pub time: Timestamp,
    pub hostname: String,
    pub process: ProcessFacts,
    /// The parent first.
    pub ancestors: Vec<ProcessFacts>,
    pub descendants: Vec<ProcessFacts>,
    /// Something was left out because there was too much.
    pub truncated: bool,
}

/// What `/proc` and the agent know of one process. Values of environment variables are left out:
/// they hold secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessFacts {
    pub key: ProcessKey,
    pub ppid: i32,
    pub vpid: i32,
    pub name: Box<str>,
    pub executable: Executable,
    pub arguments: Vec<Box<str>>,
    pub cwd: Box<str>,
    pub uid: u32,
    pub gid: u32,
    pub login_uid: Option<u32>,
    pub capabilities: u64,
    pub start: Timestamp,
    pub container: Option<Box<str>>,
    /// Names of environment variables.
    pub environment_names: Vec<Box<str>>,
    pub open_files: Vec<OpenDescriptor>,
    /// Connections of the process's sockets, as `tcp 10.0.0.1:4711 -> 192.0.2.7:443 ESTABLISHED`.
    pub sockets: Vec<Box<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenDescriptor {
    pub descriptor: i32,
    pub target: Box<str>,
}
