//! How a sensor is set up.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use alert::EventKind;
use rules::KernelFilter;

use super::{EventLimits, Mute};

/// Where container runtimes have their sockets.
const SOCKETS: [&str; 9] = [
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/docker.sock",
    "/run/podman/podman.sock",
    "/run/docker/containerd/containerd.sock",
    "/var/run/cri-dockerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/k0s/containerd.sock",
    "/var/snap/microk8s/common/run/containerd.sock",
];
/// Where each user has a folder for sockets, by number.
const USERS: &str = "/run/user";
/// Where Podman and CRI-O keep what they know of containers.
const STORAGES: [&str; 1] = ["/var/lib/containers/storage"];

/// How a sensor is set up. The default suits one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SensorOptions {
    /// Ring for starts, forks and exits of processes; a power of two of at least a page.
    pub prio_ring_bytes: u32,
    /// Ring for everything else; a power of two of at least a page.
    pub bulk_ring_bytes: u32,
    /// Leave out what this very process does.
    pub mute_self: bool,
    /// Read the environment of new programs, up to 4 KiB each.
    pub environment: bool,
    /// What the rules leave for the kernel; `None` to be told of every event of the wanted kinds.
    pub filter: Option<Arc<KernelFilter>>,
    /// Full paths of files to be known by whatever name they are reached.
    pub files: BTreeSet<Box<str>>,
    /// Kinds of which only calls that succeed are wanted. What would only see their failures is not
    /// attached; where one place sees both, failures are told of all the same.
    pub successes_only: Vec<EventKind>,
    /// How many processes are remembered; the oldest exited, then the oldest seen, go first.
    pub processes_max: usize,
    /// Where system calls are watched.
    pub backend: BackendChoice,
    pub containers: ContainerOptions,
    pub limits: EventLimits,
    /// Who is left out.
    pub mutes: Vec<Mute>,
}

/// How containers are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerOptions {
    /// Sockets of container runtimes; those that are there are asked, in this order.
    pub sockets: Vec<PathBuf>,
    /// The folder with a folder for each user, in which that user's own runtimes have their sockets;
    /// without it they are not asked.
    pub users: Option<PathBuf>,
    /// Storages of Podman and CRI-O, read where no runtime tells.
    pub storages: Vec<PathBuf>,
    /// The longest an event waits for the word about its container.
    pub hold: Duration,
    /// Events that may wait at once.
    pub hold_events_max: usize,
}

impl Default for ContainerOptions {
    fn default() -> Self {
        Self {
            sockets: SOCKETS.map(PathBuf::from).into(),
            users: Some(USERS.into()),
            storages: STORAGES.map(PathBuf::from).into(),
            hold: Duration::from_millis(500),
            hold_events_max: 4096,
        }
    }
}

impl Default for SensorOptions {
    fn default() -> Self {
        Self {
            prio_ring_bytes: 1 << 20,
            bulk_ring_bytes: 4 << 20,
            mute_self: true,
            environment: false,
            filter: None,
            files: BTreeSet::new(),
            successes_only: Vec::new(),
            processes_max: 65_536,
            backend: BackendChoice::Auto,
            containers: ContainerOptions::default(),
            limits: EventLimits::none(),
            mutes: Vec::new(),
        }
    }
}

/// Which of the back ends may serve.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum BackendChoice {
    /// A trampoline where the kernel grants one, else the system call exit.
    #[default]
    Auto,
    /// The system call exit alone.
    Syscall,
    /// Trampolines alone: what has none is not watched.
    Trampoline,
}
