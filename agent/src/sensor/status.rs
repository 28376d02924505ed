//! What a sensor tells of itself: what serves which events, and what was counted.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use alert::EventKind;
use aya::{
    Ebpf,
    maps::{MapData, PerCpuArray},
};
use probe::layout::{Counters, Kind, counter};
use serde::{Deserialize, Serialize};

use super::{
    KindCost, Noisy, ProgramCost, RepeatCounts, SensorOptions, SocketInUse, attach::Plan,
    cost::Costs, limit::Buckets, load::event_kind, told::Told,
};
use crate::runtime::LookupState;

/// What serves which events, and what was counted.
pub struct SensorStatus {
    pub(super) plan: Mutex<Plan>,
    pub(super) counters: PerCpuArray<MapData, Counters>,
    pub(super) received: AtomicU64,
    pub(super) malformed: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) processes: AtomicU64,
    pub(super) lookups: Arc<LookupState>,
    pub(super) containers: AtomicU64,
    pub(super) held: AtomicU64,
    pub(super) hold_ends: [AtomicU64; HoldEnd::ALL.len()],
    pub(super) costs: Costs,
    pub(super) bounds: SensorBounds,
    pub(super) muted: AtomicU64,
    pub(super) muted_processes: AtomicU64,
    pub(super) buckets: Mutex<Buckets>,
    pub(super) told: Told,
    repeats: [AtomicU64; 3],
}

impl SensorStatus {
    pub(super) fn new(
        counters: PerCpuArray<MapData, Counters>,
        lookups: Arc<LookupState>,
        buckets: Buckets,
        options: &SensorOptions,
    ) -> Self {
        Self {
            plan: Mutex::default(),
            counters,
            received: AtomicU64::new(0),
            malformed: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            processes: AtomicU64::new(0),
            lookups,
            containers: AtomicU64::new(0),
            held: AtomicU64::new(0),
            hold_ends: Default::default(),
            costs: Costs::default(),
            bounds: SensorBounds {
                processes: options.processes_max as u64,
                held: options.containers.hold_events_max as u64,
                rings_bytes: u64::from(options.prio_ring_bytes)
                    + u64::from(options.bulk_ring_bytes),
            },
            muted: AtomicU64::new(0),
            muted_processes: AtomicU64::new(0),
            buckets: Mutex::new(buckets),
            told: Told::default(),
            repeats: Default::default(),
        }
    }

    /// Returns the attached programs.
    pub fn hooks(&self) -> Vec<Hook> {
        self.plan().hooks.clone()
    }

    /// Returns what is not watched, and why.
    pub fn unavailable(&self) -> Vec<Unavailable> {
        self.plan().unavailable.clone()
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is attached now.
    pub(super) fn serve(&self, plan: Plan) {
        *self.plan() = plan;
    }

    pub(super) fn kernel_counters(&self) -> &PerCpuArray<MapData, Counters> {
        &self.counters
    }

    /// Asks the kernel what its programs cost.
    pub(super) fn ask_costs(&self, ebpf: &Ebpf) {
        self.costs.ask_kernel(ebpf);
    }

    /// Returns exact counts per kind since the start; reads the kernel's counters. What is told of
    /// containers is counted here.
    pub fn counters(&self) -> Vec<(EventKind, KindCounters)> {
        let events = Kind::ALL.iter().filter_map(|kind| Some((*kind, event_kind(*kind)?)));
        let events = events.map(|(kind, event)| (event, count(&self.counters, kind)));
        events.chain(self.told.counters()).collect()
    }

    /// Returns the cgroups that had the most events too many since it was last asked.
    pub fn noisy(&self) -> Vec<Noisy> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).noisy()
    }

    /// Returns how many starts and ends of processes were lost.
    pub(super) fn lives_lost(&self) -> u64 {
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

    pub(super) fn put_repeats(&self, counts: RepeatCounts) {
        let RepeatCounts { hits, misses, evicted } = counts;
        for (place, count) in self.repeats.iter().zip([hits, misses, evicted]) {
            place.store(count, Ordering::Relaxed);
        }
    }

    /// Returns counts of the user-space side.
    pub fn totals(&self) -> SensorTotals {
        let [hits, misses, evicted] =
            [0, 1, 2].map(|n: usize| self.repeats[n].load(Ordering::Relaxed));
        SensorTotals {
            repeats: RepeatCounts { hits, misses, evicted },
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
pub(super) fn count(counters: &PerCpuArray<MapData, Counters>, kind: Kind) -> KindCounters {
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
            .field("plan", &self.plan())
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
    /// Records that could tell again what came to nothing before.
    pub repeats: RepeatCounts,
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
