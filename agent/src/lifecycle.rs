//! Starts the parts of the agent, watches over them, and stops them without losing an alert.

mod costs;
mod supervisor;
mod tapping;
mod watch;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak, atomic::Ordering},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use alert::EventKind;
use crossbeam_channel::{Sender, bounded};
use jiff::Timestamp;
use prometheus::Registry;
use rules::KernelFilter;
use service::ErrorChain;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub use self::costs::RuleCosts;
use self::{
    supervisor::{Source, Supervisor},
    tapping::Tapping,
    watch::{Watch, Work, play},
};
use crate::{
    actions::{Actions, ActionsError},
    around::AroundCounts,
    config::AgentConfig,
    detect::{Counts, Detector},
    enforce::Enforcer,
    enrich::resolver::Resolver,
    metrics::Metrics,
    recorder::{Header, RecordError, Recorder, Recording, ReplayError},
    rulefiles::{RuleFiles, RulesError},
    sensor::{FilterControl, KindCounters, KnownFiles, Noisy, SensorError, SensorStatus},
    sink::Sinks,
    spool::{Gauge, Spool, SpoolError},
    status::{AgentStatus, KindRates, MemoryStatus, Needs, Rate, SensorReport, UplinkStatus, gaps},
    uplink::{Uplink, UplinkCounts, UplinkError},
};

/// Time the last alerts have to reach the router when the agent stops; the rest stays spooled.
const DRAIN_MAX: Duration = Duration::from_secs(5);
const COMMANDS_MAX: usize = 4;

/// Why the agent could not start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error("failed to load rules")]
    Rules(#[from] RulesError),
    #[error("failed to watch the kernel")]
    Sensor(#[from] SensorError),
    #[error("failed to prepare the spool")]
    Spool(#[from] SpoolError),
    #[error("failed to prepare the way to the router")]
    Uplink(#[from] UplinkError),
    #[error("failed to prepare for orders")]
    Actions(#[from] ActionsError),
    #[error("failed to start recording")]
    Record(#[from] RecordError),
    #[error("failed to prepare recording around alerts: {0}")]
    Around(String),
    #[error("failed to replay")]
    Replay(#[from] ReplayError),
    #[error("failed to register metrics")]
    Metrics(#[from] prometheus::Error),
    #[error("failed to start a thread")]
    Thread(#[source] std::io::Error),
}

/// Where events come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Events {
    #[default]
    Kernel,
    /// A recording, once.
    Recording(PathBuf),
}

/// What a start needs beside the configuration.
#[derive(Debug, Default)]
pub struct Setup {
    /// Gets every alert, besides the router the configuration may name.
    pub sinks: Sinks,
    pub events: Events,
    /// Also write the events to this file, up to so many bytes.
    pub record: Option<(PathBuf, u64)>,
}

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    handle: AgentHandle,
    supervisor: JoinHandle<()>,
    spool: Option<Spool>,
    uplink: Option<tokio::task::JoinHandle<()>>,
    drain: CancellationToken,
}

/// Asks a running agent, from anywhere.
#[derive(Clone, Debug)]
pub struct AgentHandle {
    shared: Arc<Shared>,
    commands: Sender<Command>,
    /// Weak: who only asks keeps nothing running.
    work: Weak<Mutex<Work>>,
}

#[derive(Debug)]
enum Command {
    Reload,
    Stop,
}

#[derive(Debug)]
struct Shared {
    hostname: String,
    started: Timestamp,
    rules: RuleFiles,
    /// Names of addresses, for events of the kernel.
    resolver: Resolver,
    counts: Arc<Counts>,
    sensor: Mutex<SensorState>,
    rates: Mutex<Rates>,
    needs: Mutex<Option<Arc<Needs>>>,
    uplink: Option<(Gauge, Arc<UplinkCounts>)>,
    actions: Option<Actions>,
    tapping: Tapping,
    around: OnceLock<Arc<AroundCounts>>,
    enforcer: Option<Arc<Enforcer>>,
    /// The recording was replayed to its end, or the sensor is gone.
    finished: CancellationToken,
    failure: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct SensorState {
    status: Option<Arc<SensorStatus>>,
    filter: Option<Arc<FilterControl>>,
    files: Option<Arc<KnownFiles>>,
}

#[derive(Debug)]
struct Rates {
    since: Instant,
    events: Rate,
    alerts: Rate,
    kinds: Vec<(EventKind, KindCounters, KindRates)>,
}

/// Returns what this process has in memory, 0 where that cannot be read.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}

impl Shared {
    /// Puts a filter in force in the kernel, or none.
    fn put_filter(&self, filter: Option<Arc<KernelFilter>>) {
        let Some(control) = locked(&self.sensor).filter.clone() else { return };
        if let Err(error) = control.put(filter) {
            warn!(error = %ErrorChain(&error), "the kernel filters nothing");
        }
    }

    /// Looks for the files that rules name, for others than before if there are any.
    fn look_for_files(&self, wanted: Option<BTreeSet<Box<str>>>) {
        let Some(files) = locked(&self.sensor).files.clone() else { return };
        let looked = match wanted {
            Some(wanted) => files.want(wanted),
            None => files.refresh(),
        };
        if let Err(error) = looked {
            warn!(error = %ErrorChain(&error), "files are known by their paths alone");
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Agent {
    /// Starts everything. Must be called inside a runtime; blocks while the probe is loaded.
    pub fn start(
        config: &AgentConfig,
        setup: Setup,
        registry: &Registry,
    ) -> Result<Self, AgentError> {
        crate::memory::give_back();
        let hostname = config.hostname.clone().unwrap_or_else(crate::hostname);
        let rules = RuleFiles::load(config)?;
        let recorder = match &setup.record {
            Some((path, bytes_max)) => {
                Some(Recorder::create(path, *bytes_max, &Header::here(hostname.clone()))?)
            }
            None => None,
        };
        let metrics = Metrics::new(registry)?;
        let orders = crate::actions::metrics(registry)?;
        let actions = match (&config.actions, &setup.events) {
            // A recording is of another time, maybe of another machine.
            (Some(config), Events::Kernel) => Some(Actions::new(config, hostname.clone(), orders)?),
            _ => None,
        };

        let drain = CancellationToken::new();
        let mut sinks = setup.sinks;
        let (mut spool, mut uplink) = (None, None);
        if let Some(router) = &config.router {
            let options = router.options();
            let opened = Spool::open(&config.spool.dir(), config.spool.bytes_max.0)?;
            sinks = sinks.with(opened.sink());
            uplink = Some(Uplink::new(opened.outlet(), options)?);
            spool = Some(opened);
        }

        let enforcer = match setup.events {
            Events::Kernel => Enforcer::new(&config.enforce),
            Events::Recording(_) => None,
        };
        if let Some(enforcer) = &enforcer {
            enforcer.replan(&rules.current().load());
        }
        let detector = Detector::following(rules.current(), hostname.clone(), config.limits())
            .enforcing(enforcer.clone());
        let shared = Arc::new(Shared {
            hostname,
            started: service::clock::now(),
            rules,
            resolver: Resolver::new(config.names.options()),
            counts: detector.counts(),
            sensor: Mutex::default(),
            rates: Mutex::new(Rates {
                since: Instant::now(),
                events: Rate::default(),
                alerts: Rate::default(),
                kinds: Vec::new(),
            }),
            needs: Mutex::default(),
            uplink: spool
                .as_ref()
                .zip(uplink.as_ref())
                .map(|(spool, uplink)| (spool.gauge(), uplink.counts())),
            actions: actions.clone(),
            tapping: Tapping::new((setup.events == Events::Kernel).then(|| config.clone())),
            around: OnceLock::new(),
            enforcer,
            finished: CancellationToken::new(),
            failure: Mutex::default(),
        });
        let work = Arc::new(Mutex::new(Work {
            detector,
            sinks,
            recorder,
            taps: Vec::new(),
            around: None,
            actions,
        }));
        let source = match setup.events {
            Events::Kernel => {
                let watch = Watch::start(&shared, &work, config)?;
                match tapping::around(config, &shared) {
                    Ok(around) => locked(&work).around = around,
                    Err(error) => {
                        watch.stop(&shared);
                        return Err(error);
                    }
                }
                Source::Kernel(watch, Box::new(config.clone()))
            }
            Events::Recording(path) => {
                Source::Recording(play(Recording::open(&path)?, &shared, &work)?)
            }
        };

        let (commands, inbox) = bounded(COMMANDS_MAX);
        let handle =
            AgentHandle { shared: Arc::clone(&shared), commands, work: Arc::downgrade(&work) };
        let supervisor =
            Supervisor { shared, work, source, inbox, metrics, counted: None, compiled: None };
        let supervisor = thread::Builder::new()
            .name("agent".to_owned())
            .spawn(|| supervisor.run())
            .map_err(AgentError::Thread)?;
        let uplink = uplink.map(|uplink| tokio::spawn(uplink.run(drain.clone())));
        Ok(Self { handle, supervisor, spool, uplink, drain })
    }

    pub fn handle(&self) -> AgentHandle {
        self.handle.clone()
    }

    /// Stops watching, gives the last alerts a moment to reach the router, and closes the spool.
    pub async fn stop(self) {
        let Self { handle, supervisor, spool, uplink, drain } = self;
        let stopped = tokio::task::spawn_blocking(move || {
            // A supervisor that is gone has stopped already.
            drop(handle.commands.send(Command::Stop));
            let stopped = supervisor.join();
            let spool = spool.map(|mut spool| {
                spool.finish_writing();
                spool
            });
            stopped.map(|()| spool)
        });
        let Ok(Ok(spool)) = stopped.await else {
            return error!("the agent's supervisor panicked");
        };
        let Some(spool) = spool else { return };
        if let Some(mut uplink) = uplink {
            drain.cancel();
            match tokio::time::timeout(DRAIN_MAX, &mut uplink).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => error!("the uplink panicked"),
                Err(_) => uplink.abort(),
            }
            let alerts = spool.outlet().pending();
            if alerts > 0 {
                info!(alerts, "alerts stay in the spool for the next start");
            }
        }
        if tokio::task::spawn_blocking(|| spool.close()).await.is_err() {
            error!("the spool could not be closed");
        }
    }
}

impl AgentHandle {
    /// Loads the rule files again; bad ones change nothing.
    pub fn reload(&self) {
        // A full queue holds a reload that comes after this call.
        drop(self.commands.try_send(Command::Reload));
    }

    /// Waits until there is nothing more to observe: the recording ended or the sensor did.
    pub async fn finished(&self) {
        self.shared.finished.cancelled().await;
    }

    /// Returns whether alerts can be kept, and why not.
    pub fn ready(&self) -> Result<(), String> {
        let now = service::clock::now();
        let failure = self.shared.uplink.as_ref().and_then(|(gauge, _)| gauge.state(now).failure);
        match failure {
            Some(failure) => Err(format!("the spool failed: {failure}")),
            None => Ok(()),
        }
    }

    pub fn status(&self) -> AgentStatus {
        self.shared.status()
    }

    /// Returns what takes orders, if the configuration allows any.
    pub fn actions(&self) -> Option<Actions> {
        self.shared.actions.clone()
    }

    /// Returns why the agent ended by itself, if it did for a bad reason.
    pub fn failure(&self) -> Option<String> {
        locked(&self.shared.failure).clone()
    }
}

impl Shared {
    /// Ends the agent: without a source of events it would only look alive.
    fn fail(&self, why: &dyn std::error::Error) {
        let why = ErrorChain(why).to_string();
        error!("{why}");
        *locked(&self.failure) = Some(why);
        self.finished.cancel();
    }

    fn status(&self) -> AgentStatus {
        let now = service::clock::now();
        let needs = self.needs();
        let mut sensor = self.sensor();
        sensor.explain(&needs);
        let rates = locked(&self.rates);
        for (kind, _, rates) in &rates.kinds {
            if let Some(report) = sensor.kinds.iter_mut().find(|report| report.kind == kind.name())
            {
                report.per_second = *rates;
            }
        }
        AgentStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: self.hostname.clone(),
            started: self.started,
            time: now,
            rules: self.rules.status(),
            rule_gaps: if sensor.running { gaps(&needs, &sensor) } else { Vec::new() },
            memory: MemoryStatus {
                resident_bytes: resident_bytes(),
                rings_bytes: sensor.rings_bytes,
            },
            sensor,
            events: Rate {
                total: self.counts.events.load(Ordering::Relaxed),
                per_second: rates.events.per_second,
            },
            alerts: Rate { total: self.counts.alerts_total(), per_second: rates.alerts.per_second },
            alerts_held_back: self.counts.held_back.load(Ordering::Relaxed),
            uplink: self.uplink.as_ref().map(|(gauge, counts)| {
                let spool = gauge.state(now);
                UplinkStatus {
                    pending: spool.pending,
                    lag_seconds: spool.lag_seconds,
                    delivered: counts.delivered.load(Ordering::Relaxed),
                    failures: counts.failures.load(Ordering::Relaxed),
                    dead_letters: counts.dead_letters.load(Ordering::Relaxed),
                    refused: spool.refused,
                    spool_bytes: spool.bytes,
                    spool_bytes_max: spool.bytes_max,
                    trouble: spool.failure.or_else(|| {
                        counts.trouble.load().as_ref().map(|trouble| trouble.to_string())
                    }),
                }
            }),
            actions: self.actions.as_ref().map(Actions::status),
            around: self.around.get().map(|counts| counts.status()),
            enforce: self.enforcer.as_ref().map(|enforcer| enforcer.status()),
        }
    }

    /// Returns what the rules in force need.
    fn needs(&self) -> Arc<Needs> {
        let rules = self.rules.current().load_full();
        let mut needs = locked(&self.needs);
        match &*needs {
            Some(needs) if needs.is_of(&rules) => Arc::clone(needs),
            _ => Arc::clone(needs.insert(Arc::new(Needs::of(&rules)))),
        }
    }

    fn sensor(&self) -> SensorReport {
        let status = locked(&self.sensor).status.clone();
        status.map(|status| SensorReport::of(&status)).unwrap_or_default()
    }

    /// Returns how many events of each kind have a count since the start.
    fn counted(&self, what: impl Fn(KindCounters) -> u64) -> Vec<(EventKind, u64)> {
        let status = locked(&self.sensor).status.clone();
        let counters = status.iter().flat_map(|status| status.counters());
        counters.map(|(kind, counters)| (kind, what(counters))).collect()
    }

    /// Returns the cgroups that had the most events too many since it was last asked.
    fn noisy(&self) -> Vec<Noisy> {
        let status = locked(&self.sensor).status.clone();
        status.map(|status| status.noisy()).unwrap_or_default()
    }
}
