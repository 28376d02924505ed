//! What events cost: a sample of our own time by kind, and the kernel's account of each program.

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alert::EventKind;
use aya::Ebpf;
use probe::{Record, layout::Kind};

use super::event_kind;

/// One record of so many is timed. A prime: events that come by turns are all met.
const SAMPLE: u64 = 61;
/// Whether the kernel counts what programs cost; it costs some 20 ns a run.
const STATS_ENABLED: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// What was measured so far, readable from any thread.
#[derive(Debug)]
pub(super) struct Costs {
    kinds: [Timed; Kind::ALL.len()],
    programs: Mutex<BTreeMap<String, (Duration, u64)>>,
    kernel_counts: Mutex<bool>,
}

#[derive(Debug, Default)]
struct Timed {
    nanoseconds: AtomicU64,
    records: AtomicU64,
}

/// What records of a kind took on average, from the ring to the end of all rules.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KindCost {
    pub kind: EventKind,
    pub nanoseconds: f64,
    /// Records that were timed.
    pub sampled: u64,
}

/// What a program took in the kernel since it was loaded, while the kernel counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramCost {
    pub program: String,
    pub runs: u64,
    pub time: Duration,
}

impl Default for Costs {
    fn default() -> Self {
        Self {
            kinds: std::array::from_fn(|_| Timed::default()),
            programs: Mutex::default(),
            kernel_counts: Mutex::default(),
        }
    }
}

impl Costs {
    pub(super) fn kinds(&self) -> Vec<KindCost> {
        let timed = Kind::ALL.iter().filter_map(|kind| {
            let Timed { nanoseconds, records } = &self.kinds[*kind as usize];
            let sampled = records.load(Ordering::Relaxed);
            let total = nanoseconds.load(Ordering::Relaxed);
            let kind = event_kind(*kind).filter(|_| sampled > 0)?;
            Some(KindCost { kind, nanoseconds: total as f64 / sampled as f64, sampled })
        });
        timed.collect()
    }

    /// Returns what each program took; nothing while the kernel does not count.
    pub(super) fn programs(&self) -> Option<Vec<ProgramCost>> {
        let counts = *self.kernel_counts.lock().unwrap_or_else(PoisonError::into_inner);
        let programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        let costs = programs.iter().map(|(program, (time, runs))| ProgramCost {
            program: program.clone(),
            runs: *runs,
            time: *time,
        });
        counts.then(|| costs.collect())
    }

    /// Asks the kernel again.
    pub(super) fn ask_kernel(&self, ebpf: &Ebpf) {
        let counts = fs::read_to_string(STATS_ENABLED).is_ok_and(|text| text.trim() == "1");
        *self.kernel_counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
        if !counts {
            return;
        }
        let loaded = ebpf.programs().filter_map(|(name, program)| {
            // One that was not needed is not loaded.
            let info = program.info().ok()?;
            Some((name.to_owned(), (info.run_time(), info.run_count())))
        });
        *self.programs.lock().unwrap_or_else(PoisonError::into_inner) = loaded.collect();
    }

    fn add(&self, kind: Kind, time: Duration) {
        let Timed { nanoseconds, records } = &self.kinds[kind as usize];
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        nanoseconds.fetch_add(time, Ordering::Relaxed);
        records.fetch_add(1, Ordering::Relaxed);
    }
}

/// Times some of the work on records.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    records: u64,
}

impl Stopwatch {
    /// Does the work on a record, and times it when it is its turn.
    pub(super) fn time(&mut self, costs: &Costs, record: &[u8], work: impl FnOnce()) {
        self.records += 1;
        if !self.records.is_multiple_of(SAMPLE) {
            return work();
        }
        let began = Instant::now();
        work();
        if let Some(kind) = Record::kind(record) {
            costs.add(kind, began.elapsed());
        }
    }
}
