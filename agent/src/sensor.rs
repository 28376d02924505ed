//! Watches the kernel: loads and attaches the probe, drains its rings in time order, and hands out
//! finished [`Event`]s.

use std::{
    fmt,
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use alert::{Event, EventKind};
use service::ErrorChain;

mod ahead;
mod attach;
mod cost;
mod error;
mod families;
mod filter;
mod hooks;
mod intake;
mod known;
mod limit;
mod load;
mod mute;
mod needs;
mod observer;
mod options;
mod repeats;
mod ring;
mod snapshot;
mod status;
mod told;
mod trampoline;
mod types;

use self::{
    ahead::load_ahead,
    attach::{Plan, attach_cgroups, attach_process},
    cost::Stopwatch,
    families::Programs,
    intake::Intake,
    limit::Buckets,
    load::{Loaded, called, load, probe_kind, probe_kinds},
    mute::Mutes,
    observer::Each,
    repeats::{Look, Repeats},
    ring::{Drained, Rings},
    snapshot::{Iterator, Scope, SnapshotError, take_snapshot},
    status::count,
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
    needs::NeedControl,
    observer::{Observer, Outcome, Standard},
    options::{BackendChoice, ContainerOptions, SensorOptions},
    repeats::RepeatCounts,
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
/// The longest it takes to look at what had happened before the end.
const FINISH_MAX: Duration = Duration::from_secs(2);
/// How often the ended are forgotten and the counts published.
const TICK: Duration = Duration::from_millis(500);

/// A probe at work.
pub struct Sensor {
    rings: Rings,
    intake: Intake,
    mutes: Mutes,
    status: Arc<SensorStatus>,
    stopwatch: Stopwatch,
    repeats: Repeats,
    filter: Arc<FilterControl>,
    files: Arc<KnownFiles>,
    /// Tells all processes anew, where the kernel lets it.
    iterator: Option<Iterator>,
    /// Detaches all programs when the last of its holders is gone.
    needs: Arc<NeedControl>,
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
        let fails = |kind: &EventKind| !options.successes_only.contains(kind);
        let failures: Vec<_> = kinds.iter().copied().filter(fails).collect();
        let called = called(&probe_kinds(kinds), &probe_kinds(&failures));
        let types = KernelTypes::read().map_err(|error| SensorError::NoBtf(error.into()))?;
        let btf = types.hooks();
        let environment = options.environment;
        let (loaded, iterator) = thread::scope(|scope| {
            let iterator = scope.spawn(|| Iterator::load(&types, environment));
            let loaded = load(&types, &options, enforcer.is_some()).map(|mut loaded| {
                load_ahead(&mut loaded.ebpf, btf, &called, options.backend);
                loaded
            });
            (loaded, iterator.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        let Loaded { mut ebpf, prio, bulk, counters, families, filter, files, needs } = loaded?;
        filter.put(options.filter.clone())?;
        files.want(options.files.clone()).map_err(|source| SensorError::Map {
            map: probe::program::map::KNOWN_FILES,
            source: Box::new(source),
        })?;
        if let Some(enforcer) = &enforcer {
            let kernel = Kernel::take(&mut ebpf);
            enforcer.attach(kernel.ok_or(SensorError::Object(probe::enforce::map::PLAN))?);
        }
        let mutes = Mutes::take(&mut ebpf, options.mutes.clone());
        let mut mutes = mutes.ok_or(SensorError::Object(probe::program::map::MUTED_PIDS))?;
        let buckets = Buckets::take(&mut ebpf);
        let buckets = buckets.ok_or(SensorError::Object(probe::program::map::LIMIT_CGROUPS))?;
        let mut plan = Plan::default();
        attach_process(&mut ebpf, btf, &mut plan)?;
        // From here on the ring holds whatever starts; the snapshot has whatever was there before.
        attach_cgroups(&mut ebpf, btf, &mut plan);
        let lookups = Arc::new(LookupState::default());
        let mut iterator = told_by(iterator, &mut plan);
        let processes = processes(kinds, &options, &lookups, &mut iterator)?;
        mutes.begin(processes.tree().processes());
        let status = SensorStatus::new(counters, lookups, buckets, &options);
        let status = Arc::new(status);
        let programs = Programs::new(ebpf, families, options.backend, plan);
        let needs = NeedControl::new(programs, needs, options.environment, Arc::clone(&status));
        needs.start(btf, kinds, &failures)?;
        let containers = options.containers;
        let sensor = Self {
            rings: Rings::new(prio, bulk),
            intake: Intake {
                decoder: Decoder::new(processes).enforcing(enforcer).knowing(files.names()),
                hold: Hold::new(containers.hold_events_max, containers.hold),
                status: Arc::clone(&status),
                needs: needs.shared(),
            },
            mutes,
            status,
            stopwatch: Stopwatch::default(),
            repeats: Repeats::new(),
            filter: Arc::new(filter),
            files: Arc::new(files),
            iterator,
            needs: Arc::new(needs),
        };
        sensor.publish();
        Ok(sensor)
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

    /// Returns what makes the sensor watch other kinds while it runs.
    pub fn needs(&self) -> Arc<NeedControl> {
        Arc::clone(&self.needs)
    }

    /// Reports events, oldest first, until `stop` is set, and then those that had happened by then;
    /// takes at most two seconds for it.
    pub fn run(self, stop: &AtomicBool, on_event: &mut dyn FnMut(Event)) {
        self.watch(stop, &mut Each(on_event));
    }

    /// Does the same for an observer that may pass over events that come to nothing.
    pub fn watch(mut self, stop: &AtomicBool, observer: &mut dyn Observer) {
        let mut ticked = Instant::now();
        let mut lives_lost = self.status.lives_lost();
        while !stop.load(Ordering::Relaxed) {
            if let Some(kinds) = self.intake.needs.changed_notices() {
                self.intake.processes_mut().want_notices(&kinds);
            }
            let drained = self.drain(observer);
            self.release(observer);
            self.intake.needs.has_reported(drained.until_ns);
            if drained.records == 0 {
                self.wait();
            } else {
                self.rings.nap();
            }
            if self.intake.needs.asks_for_environment() {
                self.read_environment();
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.tick(&mut lives_lost);
            }
        }
        self.finish(observer);
        self.intake.end(&mut |event| _ = observer.event(event));
        self.publish();
    }

    /// Reports what had happened until now.
    fn finish(&mut self, observer: &mut dyn Observer) {
        let (stopped, stopped_ns) = (Instant::now(), boot_ns());
        while self.drain(observer).until_ns < stopped_ns {
            if stopped.elapsed() > FINISH_MAX {
                return tracing::warn!("not all that had happened was looked at before the end");
            }
        }
    }

    /// Does what is due from time to time; `lives_lost` are the starts and ends of processes that were
    /// lost before.
    fn tick(&mut self, lives_lost: &mut u64) {
        let processes = self.intake.processes_mut();
        processes.tick(boot_ns(), boot_epoch_ns());
        let lost = self.status.lives_lost();
        if lost > *lives_lost {
            tracing::warn!(lost = lost - *lives_lost, "starts or ends of processes were lost");
            take_snapshot(&mut self.iterator, processes, Scope::Loss);
            *lives_lost = lost;
        }
        let tree = self.intake.processes().tree();
        self.mutes.keep(&mut |key| tree.contains(key));
        self.publish();
    }

    /// Reads the environment of all processes, which rules ask for from now on.
    fn read_environment(&mut self) {
        let told = self.iterator.as_mut().map(Iterator::read_environment);
        if let Some(Err(error)) = told {
            tracing::warn!(error = %ErrorChain(&error), "environments are known from each exec on");
        }
        take_snapshot(&mut self.iterator, self.intake.processes_mut(), Scope::Environment);
        self.intake.needs.has_environment();
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

    /// Reports what is in the rings now.
    fn drain(&mut self, observer: &mut dyn Observer) -> Drained {
        let Self { rings, intake, mutes, stopwatch, repeats, status, .. } = self;
        let taken = rings.take();
        // Asked now, since all that was taken has happened by now. Muted processes are told apart later.
        let standard = observer.standard().filter(|_| mutes.is_empty());
        repeats.judge_by(standard, &intake.file_names());
        let (hits, mut received) = (repeats.counts().hits, 0);
        let drained = rings.hand_out(&taken, &mut |record| {
            received += 1;
            stopwatch.time(&status.costs, record, || {
                let hash = match repeats.look(record, intake.processes_mut()) {
                    Look::Repeated => return intake.pass_over(),
                    Look::New(hash) => Some(hash),
                    Look::Unfit => None,
                };
                let muted = mutes.takes_record(record);
                let outcome = intake.take(record, &mut |event| {
                    // What is told of a container is not the deed of whoever is muted.
                    match (muted && !event.kind.is_notice()) || mutes.takes(&event) {
                        true => {
                            status.muted.fetch_add(1, Ordering::Relaxed);
                            Outcome::Open
                        }
                        false => observer.event(event),
                    }
                });
                if let Some(hash) = hash.filter(|_| outcome == Outcome::Settled) {
                    repeats.learn(hash, record, intake.processes_mut());
                }
            });
        });
        status.received.fetch_add(received, Ordering::Relaxed);
        observer.passed_over(repeats.counts().hits - hits);
        drained
    }

    /// Reports what waited long enough for its container.
    fn release(&mut self, observer: &mut dyn Observer) {
        let Self { intake, mutes, status, .. } = self;
        intake.release(&mut |event| match mutes.takes(&event) {
            true => _ = status.muted.fetch_add(1, Ordering::Relaxed),
            false => _ = observer.event(event),
        });
    }

    fn publish(&self) {
        let processes = self.intake.processes();
        let tree = processes.tree();
        self.status.evicted.store(tree.evicted(), Ordering::Relaxed);
        self.status.processes.store(tree.len() as u64, Ordering::Relaxed);
        self.status.containers.store(processes.containers().len() as u64, Ordering::Relaxed);
        self.status.held.store(self.intake.held() as u64, Ordering::Relaxed);
        self.status.put_repeats(self.repeats.counts());
        self.needs.ask_costs();
        self.status.muted_processes.store(self.mutes.processes(), Ordering::Relaxed);
        self.status.told.set_lost(processes.containers().notices_lost());
    }
}

impl fmt::Debug for Sensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sensor").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Returns what tells all processes, if the kernel has it.
fn told_by(loaded: Result<Iterator, SnapshotError>, plan: &mut Plan) -> Option<Iterator> {
    let error = match loaded {
        Ok(iterator) => return Some(iterator),
        Err(error) => error,
    };
    plan.unavailable.push(Unavailable {
        what: "older processes from the kernel (they are read from /proc)".to_owned(),
        why: ErrorChain(&error).to_string(),
    });
    None
}

/// Returns the processes there are.
fn processes(
    kinds: &[EventKind],
    options: &SensorOptions,
    lookups: &Arc<LookupState>,
    iterator: &mut Option<Iterator>,
) -> Result<Processes, SensorError> {
    let containers = options.containers.clone();
    let places = Places {
        sockets: containers.sockets,
        users: containers.users,
        storages: containers.storages,
    };
    let asked = Lookups::start(places, Arc::clone(lookups)).map_err(SensorError::Lookups)?;
    let mut processes =
        Processes::new(options.processes_max, Containers::asking(asked), boot_epoch_ns());
    processes.want_notices(kinds);
    take_snapshot(iterator, &mut processes, Scope::Start);
    Ok(processes)
}
