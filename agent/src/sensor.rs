//! Watches the kernel: loads and attaches the probe, drains its rings in time order, and hands out
//! finished [`Event`]s.

use std::{
    fmt, io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alert::{Event, EventKind};
use aya::{
    BtfError, Ebpf, EbpfError,
    maps::{MapData, MapError, PerCpuArray, ProgramArray},
    programs::ProgramError,
};
use probe::layout::{Counters, Kind, counter};
use rules::KernelFilter;
use serde::{Deserialize, Serialize};
use service::ErrorChain;

mod attach;
mod cost;
mod filter;
mod hooks;
mod intake;
mod limit;
mod load;
mod mute;
mod ring;
mod snapshot;
mod trampoline;

use self::{
    attach::{Plan, attach_cgroups, attach_families, attach_io_uring, attach_process},
    cost::{Costs, Stopwatch},
    intake::Intake,
    limit::Buckets,
    load::{Loaded, load, probe_kind},
    mute::Mutes,
    ring::Rings,
    snapshot::{Iterator, Scope, take_snapshot},
};
pub use self::{
    cost::{KindCost, ProgramCost},
    filter::FilterControl,
    hooks::{HookNeed, hooks},
    limit::{EventLimits, Noisy},
    mute::Mute,
};
pub(crate) use self::{
    load::event_kind,
    ring::{boot_epoch_ns, boot_ns},
};
pub use crate::runtime::SocketInUse;
use crate::{
    decode::Decoder,
    enforce::{Enforcer, Kernel},
    enrich::{container::Containers, hold::Hold, processes::Processes},
    runtime::{LookupState, Lookups, Places},
};

/// How long an idle sensor waits before it looks whether it should stop.
const WAIT: Duration = Duration::from_millis(100);
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
/// How often the ended are forgotten and the counts published.
const TICK: Duration = Duration::from_millis(500);

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
            bulk_ring_bytes: 8 << 20,
            mute_self: true,
            environment: false,
            filter: None,
            processes_max: 65_536,
            backend: BackendChoice::Auto,
            containers: ContainerOptions::default(),
            limits: EventLimits::none(),
            mutes: Vec::new(),
        }
    }
}

/// A probe at work.
pub struct Sensor {
    rings: Rings,
    intake: Intake,
    mutes: Mutes,
    status: Arc<SensorStatus>,
    stopwatch: Stopwatch,
    filter: Arc<FilterControl>,
    /// Tells all processes anew, where the kernel lets it.
    iterator: Option<Iterator>,
    /// Both detach or empty what they hold when dropped.
    ebpf: Ebpf,
    _families: ProgramArray<MapData>,
}

impl Sensor {
    /// Attaches what `kinds` need and takes the start-up snapshot of processes.
    ///
    /// Process starts, forks and exits are always watched, for the process tree; they are only
    /// reported when `kinds` has them. A kind no hook can serve is named in the status instead of
    /// failing the start; one the probe does not know ([`EventKind::is_reported`]) is passed over.
    pub fn start(kinds: &[EventKind], options: SensorOptions) -> Result<Self, SensorError> {
        Self::start_enforcing(kinds, options, None)
    }

    /// Does the same for an enforcer, whose guards are in force before the first event.
    pub fn start_enforcing(
        kinds: &[EventKind],
        options: SensorOptions,
        enforcer: Option<Arc<Enforcer>>,
    ) -> Result<Self, SensorError> {
        let wanted: Vec<Kind> = kinds.iter().filter_map(|kind| probe_kind(*kind)).collect();
        let Loaded { mut ebpf, btf, prio, bulk, counters, mut families, filter } =
            load(&wanted, &options, enforcer.is_some())?;
        filter.put(options.filter.clone())?;
        if let Some(enforcer) = &enforcer {
            let kernel = Kernel::take(&mut ebpf);
            enforcer.attach(kernel.ok_or(SensorError::Object(probe::enforce::map::PLAN))?);
        }
        let mutes = Mutes::take(&mut ebpf, options.mutes);
        let mut mutes = mutes.ok_or(SensorError::Object(probe::program::map::MUTED_PIDS))?;
        let buckets = Buckets::take(&mut ebpf);
        let buckets = buckets.ok_or(SensorError::Object(probe::program::map::LIMIT_CGROUPS))?;
        let mut plan = Plan::default();
        attach_process(&mut ebpf, &btf, &mut plan)?;
        // From here on the ring holds whatever starts; the snapshot has whatever was there before.
        attach_cgroups(&mut ebpf, &btf, &mut plan);
        let lookups = Arc::new(LookupState::default());
        let containers = options.containers;
        let places = Places {
            sockets: containers.sockets,
            users: containers.users,
            storages: containers.storages,
        };
        let asked = Lookups::start(places, Arc::clone(&lookups));
        let asked = asked.map_err(SensorError::Lookups)?;
        let mut processes =
            Processes::new(options.processes_max, Containers::asking(asked), boot_epoch_ns());
        let mut iterator = match Iterator::load(&btf, options.environment) {
            Ok(iterator) => Some(iterator),
            Err(error) => {
                plan.unavailable.push(Unavailable {
                    what: "older processes from the kernel (they are read from /proc)".to_owned(),
                    why: ErrorChain(&error).to_string(),
                });
                None
            }
        };
        take_snapshot(&mut iterator, &mut processes, Scope::Start);
        mutes.begin(processes.tree().processes());
        let chosen = (&wanted[..], options.backend);
        attach_families(&mut ebpf, &btf, &mut families, &counters, chosen, &mut plan);
        attach_io_uring(&mut ebpf, &btf, &wanted, &mut plan);
        let mut reported = [false; Kind::ALL.len()];
        for kind in wanted {
            reported[kind as usize] = true;
        }
        let status = SensorStatus {
            hooks: plan.hooks,
            unavailable: plan.unavailable,
            counters,
            received: AtomicU64::new(0),
            malformed: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            processes: AtomicU64::new(processes.tree().len() as u64),
            lookups,
            containers: AtomicU64::new(processes.containers().len() as u64),
            held: AtomicU64::new(0),
            hold_ends: Default::default(),
            costs: Costs::default(),
            bounds: SensorBounds {
                processes: options.processes_max as u64,
                held: containers.hold_events_max as u64,
                rings_bytes: u64::from(options.prio_ring_bytes)
                    + u64::from(options.bulk_ring_bytes),
            },
            muted: AtomicU64::new(0),
            muted_processes: AtomicU64::new(0),
            buckets: Mutex::new(buckets),
        };
        let status = Arc::new(status);
        Ok(Self {
            rings: Rings::new(prio, bulk),
            intake: Intake {
                decoder: Decoder::new(processes).enforcing(enforcer),
                hold: Hold::new(containers.hold_events_max, containers.hold),
                status: Arc::clone(&status),
                reported,
            },
            mutes,
            status,
            stopwatch: Stopwatch::default(),
            filter: Arc::new(filter),
            iterator,
            ebpf,
            _families: families,
        })
    }

    /// Returns what the sensor does and has counted; readable from any thread, at any time.
    pub fn status(&self) -> Arc<SensorStatus> {
        Arc::clone(&self.status)
    }

    /// Returns what puts other rules' filter in force while the sensor runs.
    pub fn filter(&self) -> Arc<FilterControl> {
        Arc::clone(&self.filter)
    }

    /// Reports events, oldest first, until `stop` is set; returns within 200 ms of that.
    pub fn run(mut self, stop: &AtomicBool, on_event: &mut dyn FnMut(Event)) {
        let mut ticked = Instant::now();
        let mut lives_lost = self.status.lives_lost();
        while !stop.load(Ordering::Relaxed) {
            let taken = self.drain(on_event);
            self.release(on_event);
            if taken == 0 {
                self.wait();
            } else {
                self.rings.nap();
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                let processes = self.intake.processes_mut();
                processes.tick(boot_ns(), boot_epoch_ns());
                let lost = self.status.lives_lost();
                if lost > lives_lost {
                    tracing::warn!(
                        lost = lost - lives_lost,
                        "starts or ends of processes were lost"
                    );
                    take_snapshot(&mut self.iterator, processes, Scope::Loss);
                    lives_lost = lost;
                }
                let tree = self.intake.processes().tree();
                self.mutes.keep(&mut |key| tree.contains(key));
                self.publish();
            }
        }
        let stopped = Instant::now();
        while self.drain(on_event) > 0 && stopped.elapsed() < WAIT {}
        self.intake.end(on_event);
        self.publish();
    }

    /// Waits for a record, an answer about a container, or the end of an event's wait.
    fn wait(&self) {
        let left = self.intake.deadline().map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = left.map_or(WAIT, |left| left.min(WAIT));
        let lookups = self.intake.processes().containers().lookups();
        self.rings.wait(timeout, lookups.map(Lookups::readable));
        if let Some(lookups) = lookups {
            lookups.rest();
        }
    }

    /// Reports what is in the rings now; returns how many records it found.
    fn drain(&mut self, on_event: &mut dyn FnMut(Event)) -> usize {
        let Self { rings, intake, mutes, stopwatch, status, .. } = self;
        rings.drain(&mut |record| {
            stopwatch.time(&status.costs, record, || {
                let muted = mutes.takes_record(record);
                intake.take(record, &mut |event| match muted || mutes.takes(&event) {
                    true => _ = status.muted.fetch_add(1, Ordering::Relaxed),
                    false => on_event(event),
                });
            });
        })
    }

    /// Reports what waited long enough for its container.
    fn release(&mut self, on_event: &mut dyn FnMut(Event)) {
        let Self { intake, mutes, status, .. } = self;
        intake.release(&mut |event| match mutes.takes(&event) {
            true => _ = status.muted.fetch_add(1, Ordering::Relaxed),
            false => on_event(event),
        });
    }

    fn publish(&self) {
        let processes = self.intake.processes();
        let tree = processes.tree();
        self.status.evicted.store(tree.evicted(), Ordering::Relaxed);
        self.status.processes.store(tree.len() as u64, Ordering::Relaxed);
        self.status.containers.store(processes.containers().len() as u64, Ordering::Relaxed);
        self.status.held.store(self.intake.held() as u64, Ordering::Relaxed);
        self.status.costs.ask_kernel(&self.ebpf);
        self.status.muted_processes.store(self.mutes.processes(), Ordering::Relaxed);
    }
}

impl fmt::Debug for Sensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sensor").field("status", &self.status).finish_non_exhaustive()
    }
}

/// What serves which events, and what was counted.
pub struct SensorStatus {
    hooks: Vec<Hook>,
    unavailable: Vec<Unavailable>,
    counters: PerCpuArray<MapData, Counters>,
    received: AtomicU64,
    malformed: AtomicU64,
    evicted: AtomicU64,
    processes: AtomicU64,
    lookups: Arc<LookupState>,
    containers: AtomicU64,
    held: AtomicU64,
    hold_ends: [AtomicU64; HoldEnd::ALL.len()],
    costs: Costs,
    bounds: SensorBounds,
    muted: AtomicU64,
    muted_processes: AtomicU64,
    buckets: Mutex<Buckets>,
}

impl SensorStatus {
    /// Returns the attached programs.
    pub fn hooks(&self) -> &[Hook] {
        &self.hooks
    }

    /// Returns what is not watched, and why.
    pub fn unavailable(&self) -> &[Unavailable] {
        &self.unavailable
    }

    /// Returns exact counts per kind since the start; reads the kernel's counters.
    pub fn counters(&self) -> Vec<(EventKind, KindCounters)> {
        let events = Kind::ALL.iter().filter_map(|kind| Some((*kind, event_kind(*kind)?)));
        events.map(|(kind, event)| (event, count(&self.counters, kind))).collect()
    }

    /// Returns the cgroups that had the most events too many since it was last asked.
    pub fn noisy(&self) -> Vec<Noisy> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).noisy()
    }

    /// Returns how many starts and ends of processes were lost.
    fn lives_lost(&self) -> u64 {
        let life = probe::program::PROCESS.iter().flat_map(|(kinds, _)| *kinds);
        life.map(|kind| count(&self.counters, *kind).lost).sum()
    }

    /// Returns what is known about containers, and what of it is still to come.
    pub fn containers(&self) -> ContainerTotals {
        ContainerTotals {
            sockets: self.lookups.in_use(),
            lookups: self.lookups.results(),
            known: self.containers.load(Ordering::Relaxed),
            held: self.held.load(Ordering::Relaxed),
            hold_ends: HoldEnd::ALL
                .map(|end| (end.name(), self.hold_ends[end as usize].load(Ordering::Relaxed))),
        }
    }

    /// Returns what events of each kind took in user space, of those that were timed.
    pub fn kind_costs(&self) -> Vec<KindCost> {
        self.costs.kinds()
    }

    /// Returns what each program took in the kernel; nothing unless the kernel counts
    /// (`kernel.bpf_stats_enabled`).
    pub fn program_costs(&self) -> Option<Vec<ProgramCost>> {
        self.costs.programs()
    }

    /// Returns how large its tables may grow.
    pub const fn bounds(&self) -> SensorBounds {
        self.bounds
    }

    /// Returns counts of the user-space side.
    pub fn totals(&self) -> SensorTotals {
        SensorTotals {
            received: self.received.load(Ordering::Relaxed),
            malformed: self.malformed.load(Ordering::Relaxed),
            evicted: self.evicted.load(Ordering::Relaxed),
            processes: self.processes.load(Ordering::Relaxed),
            muted: self.muted.load(Ordering::Relaxed),
            muted_processes: self.muted_processes.load(Ordering::Relaxed),
        }
    }
}

/// Adds the counts of all processors.
fn count(counters: &PerCpuArray<MapData, Counters>, kind: Kind) -> KindCounters {
    let mut sum = KindCounters::default();
    let Ok(per_cpu) = counters.get(&(kind as u32), 0) else { return sum };
    for one in per_cpu.iter() {
        sum.seen += one[counter::SEEN];
        sum.muted += one[counter::MUTED];
        sum.filtered += one[counter::FILTERED];
        sum.limited += one[counter::LIMITED];
        sum.sent += one[counter::SENT];
        sum.lost += one[counter::LOST];
        sum.truncated += one[counter::TRUNCATED];
        sum.faulted += one[counter::FAULTED];
    }
    sum
}

impl fmt::Debug for SensorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SensorStatus")
            .field("hooks", &self.hooks)
            .field("unavailable", &self.unavailable)
            .field("totals", &self.totals())
            .finish_non_exhaustive()
    }
}

/// One attached program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    pub kinds: Vec<EventKind>,
    pub program: String,
    /// Tracepoint or kernel function it is attached to.
    pub target: String,
    pub backend: Backend,
    pub note: Option<String>,
}

/// Where in the kernel events are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// System call exit and scheduler tracepoints.
    Syscall,
    /// Trampolines on kernel functions: nothing is paid by other system calls.
    Trampoline,
}

impl Backend {
    /// Returns the letter used in the documents: `S` or `T`.
    pub const fn letter(self) -> char {
        match self {
            Self::Syscall => 'S',
            Self::Trampoline => 'T',
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

/// Something wanted that this kernel does not give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    pub what: String,
    pub why: String,
}

/// What became of the events of one kind, counted in the kernel:
/// `seen = muted + filtered + limited + sent + lost`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KindCounters {
    /// Reached the probe.
    pub seen: u64,
    /// Dropped because its process is left out.
    pub muted: u64,
    /// Dropped because nobody wants them.
    pub filtered: u64,
    /// Dropped because there were too many.
    pub limited: u64,
    /// Put into a ring.
    pub sent: u64,
    /// Wanted, but the ring was full.
    pub lost: u64,
    /// Of those sent: with a text that was cut.
    pub truncated: u64,
    /// Of those sent: with memory of the process that could not be read.
    pub faulted: u64,
}

impl KindCounters {
    /// Returns the counts with their names in metrics.
    pub const fn named(&self) -> [(&'static str, u64); 8] {
        [
            ("seen", self.seen),
            ("muted", self.muted),
            ("filtered", self.filtered),
            ("limited", self.limited),
            ("sent", self.sent),
            ("lost", self.lost),
            ("truncated", self.truncated),
            ("faulted", self.faulted),
        ]
    }
}

/// What the user-space side counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SensorTotals {
    /// Records taken out of the rings.
    pub received: u64,
    /// Records that could not be read.
    pub malformed: u64,
    /// Processes forgotten because the table was full.
    pub evicted: u64,
    /// Processes known now.
    pub processes: u64,
    /// Events of muted processes that came all the same: starts, forks, ends, and what was on its way.
    pub muted: u64,
    /// Processes muted now.
    pub muted_processes: u64,
}

/// How large a sensor's tables may grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SensorBounds {
    /// Processes remembered.
    pub processes: u64,
    /// Events that wait for their container.
    pub held: u64,
    /// Of both rings.
    pub rings_bytes: u64,
}

/// What is known about containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerTotals {
    /// Where container runtimes answer.
    pub sockets: Vec<SocketInUse>,
    /// Look-ups by their end: `found`, or the reason code.
    pub lookups: Vec<(&'static str, u64)>,
    /// Containers remembered now.
    pub known: u64,
    /// Events that wait now.
    pub held: u64,
    /// Events that waited, by the end of their wait.
    pub hold_ends: [(&'static str, u64); HoldEnd::ALL.len()],
}

/// Why an event waits no longer for its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldEnd {
    Enriched,
    /// The word did not come in time, or was that there is none.
    Timeout,
    /// Too many events were waiting.
    Full,
}

impl HoldEnd {
    /// All ends.
    pub const ALL: [Self; 3] = [Self::Enriched, Self::Timeout, Self::Full];

    /// Returns its label in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enriched => "enriched",
            Self::Timeout => "timeout",
            Self::Full => "full",
        }
    }
}

/// Why a sensor could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SensorError {
    #[error(
        "the sensor may not {what}: it needs the capability {capability} (run it as root, or grant CAP_BPF and CAP_PERFMON)"
    )]
    MissingCapability { capability: &'static str, what: &'static str },
    #[error(
        "the sensor needs a kernel with BTF (CONFIG_DEBUG_INFO_BTF), and /sys/kernel/btf/vmlinux cannot be read"
    )]
    NoBtf(#[source] Box<BtfError>),
    #[error("failed to start asking container runtimes")]
    Lookups(#[source] io::Error),
    #[error("failed to load the probe")]
    Load(#[source] Box<EbpfError>),
    #[error("failed to open the probe's map `{map}`")]
    Map {
        map: &'static str,
        #[source]
        source: Box<MapError>,
    },
    #[error("the probe has no map `{0}`")]
    Object(&'static str),
    #[error("the kernel refused the probe's program `{program}`")]
    Program {
        program: &'static str,
        #[source]
        source: Box<ProgramError>,
    },
}
