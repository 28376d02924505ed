//! Watches the kernel: loads and attaches the probe, drains its rings in time order, and hands out
//! finished [`Event`]s.

use std::sync::{Arc, atomic::AtomicBool};

use alert::{Event, EventKind};

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
    /// How many processes are remembered; the oldest exited, then the oldest seen, go first.
    pub processes_max: usize,
}

impl Default for SensorOptions {
    fn default() -> Self {
        Self {
            prio_ring_bytes: 1 << 20,
            bulk_ring_bytes: 8 << 20,
            mute_self: true,
            environment: false,
            processes_max: 65_536,
        }
    }
}

/// A probe at work.
#[derive(Debug)]
pub struct Sensor {
    status: Arc<SensorStatus>,
}

impl Sensor {
    /// Attaches what `kinds` need and takes the start-up snapshot of processes.
    ///
    /// Process starts, forks and exits are always watched, for the process tree; they are only
    /// reported when `kinds` has them. A kind no hook can serve is named in the status instead of
    /// failing the start.
    pub fn start(kinds: &[EventKind], options: SensorOptions) -> Result<Self, SensorError> {
        let (_, _) = (kinds, options);
        Err(SensorError::NotLinux)
    }

    /// Returns what the sensor does and has counted; readable from any thread, at any time.
    pub fn status(&self) -> Arc<SensorStatus> {
        Arc::clone(&self.status)
    }

    /// Reports events, oldest first, until `stop` is set; returns within 200 ms of that.
    pub fn run(self, stop: &AtomicBool, on_event: &mut dyn FnMut(Event)) {
        let (_, _) = (stop, on_event);
    }
}

/// What serves which events, and what was counted.
#[derive(Debug, Default)]
pub struct SensorStatus {
    hooks: Vec<Hook>,
    unavailable: Vec<Unavailable>,
}

impl SensorStatus {
    /// Returns the attached programs.
    pub fn hooks(&self) -> &[Hook] {
        &self.hooks
    }

    /// Returns what is not watched, or only by a weaker hook, and why.
    pub fn unavailable(&self) -> &[Unavailable] {
        &self.unavailable
    }

    /// Returns exact counts per kind since the start; reads the kernel's counters.
    pub fn counters(&self) -> Vec<(EventKind, KindCounters)> {
        Vec::new()
    }

    /// Returns counts of the user-space side.
    pub fn totals(&self) -> SensorTotals {
        SensorTotals::default()
    }
}

/// One attached program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    pub kinds: Vec<EventKind>,
    pub program: String,
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

/// What became of the events of one kind, counted in the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindCounters {
    /// Reached the probe.
    pub seen: u64,
    /// Dropped because nobody wants them.
    pub filtered: u64,
    /// Put into a ring.
    pub sent: u64,
    /// Wanted, but the ring was full.
    pub lost: u64,
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
}

/// Why a sensor could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SensorError {
    #[error("the sensor needs a Linux kernel")]
    NotLinux,
}
