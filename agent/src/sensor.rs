//! Watches the kernel: loads and attaches the probe, drains its rings in time order, and hands out
//! finished [`Event`]s.

use std::{
    fmt,
    panic::resume_unwind,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use alert::{Event, EventKind};
use aya::{
    Ebpf,
    maps::{MapData, ProgramArray},
};
use probe::layout::Kind;
use service::ErrorChain;

mod ahead;
mod attach;
mod cost;
mod error;
mod filter;
mod hooks;
mod intake;
mod known;
mod limit;
mod load;
mod mute;
mod options;
mod ring;
mod snapshot;
mod status;
mod told;
mod trampoline;
mod types;

use self::{
    ahead::load_ahead,
    attach::{Chosen, Plan, attach_cgroups, attach_families, attach_io_uring, attach_process},
    cost::{Costs, Stopwatch},
    intake::Intake,
    limit::Buckets,
    load::{Loaded, called, load, probe_kind},
    mute::Mutes,
    ring::Rings,
    snapshot::{Iterator, Scope, take_snapshot},
    status::count,
    told::Told,
    types::KernelTypes,
};
pub use self::{
    cost::{KindCost, ProgramCost},
    error::SensorError,
    filter::FilterControl,
    hooks::{HookNeed, hooks},
    known::KnownFiles,
    limit::{EventLimits, Noisy},
    mute::Mute,
    options::{BackendChoice, ContainerOptions, SensorOptions},
    status::{
        Backend, ContainerTotals, HoldEnd, Hook, KindCounters, SensorBounds, SensorStatus,
        SensorTotals, Unavailable,
    },
};
pub(crate) use self::{
    known::FileNames,
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
/// How often the ended are forgotten and the counts published.
const TICK: Duration = Duration::from_millis(500);

/// A probe at work.
pub struct Sensor {
    rings: Rings,
    intake: Intake,
    mutes: Mutes,
    status: Arc<SensorStatus>,
    stopwatch: Stopwatch,
    filter: Arc<FilterControl>,
    files: Arc<KnownFiles>,
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
        let types = KernelTypes::read().map_err(|error| SensorError::NoBtf(error.into()))?;
        let btf = types.hooks();
        let called = called(&wanted, &options.successes_only);
        let environment = options.environment;
        let (loaded, iterator) = thread::scope(|scope| {
            let iterator = scope.spawn(|| Iterator::load(&types, environment));
            let loaded = load(&types, &wanted, &options, enforcer.is_some()).map(|mut loaded| {
                load_ahead(&mut loaded.ebpf, btf, &called, options.backend);
                loaded
            });
            (loaded, iterator.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        let Loaded { mut ebpf, prio, bulk, counters, mut families, filter, files } = loaded?;
        filter.put(options.filter.clone())?;
        files.want(options.files).map_err(|source| SensorError::Map {
            map: probe::program::map::KNOWN_FILES,
            source: Box::new(source),
        })?;
        if let Some(enforcer) = &enforcer {
            let kernel = Kernel::take(&mut ebpf);
            enforcer.attach(kernel.ok_or(SensorError::Object(probe::enforce::map::PLAN))?);
        }
        let mutes = Mutes::take(&mut ebpf, options.mutes);
        let mut mutes = mutes.ok_or(SensorError::Object(probe::program::map::MUTED_PIDS))?;
        let buckets = Buckets::take(&mut ebpf);
        let buckets = buckets.ok_or(SensorError::Object(probe::program::map::LIMIT_CGROUPS))?;
        let mut plan = Plan::default();
        attach_process(&mut ebpf, btf, &mut plan)?;
        // From here on the ring holds whatever starts; the snapshot has whatever was there before.
        attach_cgroups(&mut ebpf, btf, &mut plan);
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
        processes.want_notices(kinds);
        let mut iterator = match iterator {
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
        let chosen = Chosen {
            kinds: &called,
            backend: options.backend,
            successes_only: &options.successes_only,
        };
        attach_families(&mut ebpf, btf, &mut families, &counters, chosen, &mut plan);
        attach_io_uring(&mut ebpf, btf, &wanted, &mut plan);
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
            told: Told::default(),
        };
        let status = Arc::new(status);
        Ok(Self {
            rings: Rings::new(prio, bulk),
            intake: Intake {
                decoder: Decoder::new(processes).enforcing(enforcer).knowing(files.names()),
                hold: Hold::new(containers.hold_events_max, containers.hold),
                status: Arc::clone(&status),
                reported,
            },
            mutes,
            status,
            stopwatch: Stopwatch::default(),
            filter: Arc::new(filter),
            files: Arc::new(files),
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

    /// Returns what keeps the files that rules name known while the sensor runs.
    pub fn files(&self) -> Arc<KnownFiles> {
        Arc::clone(&self.files)
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
                intake.take(record, &mut |event| {
                    // What is told of a container is not the deed of whoever is muted.
                    match (muted && !event.kind.is_notice()) || mutes.takes(&event) {
                        true => _ = status.muted.fetch_add(1, Ordering::Relaxed),
                        false => on_event(event),
                    }
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
        self.status.told.set_lost(processes.containers().notices_lost());
    }
}

impl fmt::Debug for Sensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sensor").field("status", &self.status).finish_non_exhaustive()
    }
}
