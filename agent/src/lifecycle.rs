//! Starts the parts of the agent, watches over them, and stops them without losing an alert.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use alert::{Event, EventKind};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use jiff::Timestamp;
use prometheus::Registry;
use service::ErrorChain;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    config::{AgentConfig, FileError},
    detect::{Counts, Detector},
    metrics::Metrics,
    recorder::{RecordError, Recorded, Recorder, Recording, ReplayError},
    rulefiles::{RuleFiles, RulesError},
    sensor::{Sensor, SensorError, SensorStatus},
    sink::Sinks,
    spool::{Gauge, Spool, SpoolError},
    status::{AgentStatus, Rate, SensorReport, UplinkStatus},
    uplink::{Uplink, UplinkCounts, UplinkError},
};

const TICK: Duration = Duration::from_secs(1);
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
    #[error("failed to prepare the way to the router")]
    File(#[from] FileError),
    #[error("failed to start recording")]
    Record(#[from] RecordError),
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
    counts: Arc<Counts>,
    sensor: Mutex<SensorState>,
    rates: Mutex<Rates>,
    uplink: Option<(Gauge, Arc<UplinkCounts>)>,
    /// The recording was replayed to its end, or the sensor is gone.
    finished: CancellationToken,
    failure: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct SensorState {
    status: Option<Arc<SensorStatus>>,
    /// What sensors before this one lost, by kind.
    lost_before: Vec<(EventKind, u64)>,
    error: Option<SensorReport>,
}

#[derive(Debug)]
struct Rates {
    since: Instant,
    events: Rate,
    alerts: Rate,
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
        let hostname = config.hostname.clone().unwrap_or_else(crate::hostname);
        let rules = RuleFiles::load(config)?;
        let recorder = match &setup.record {
            Some((path, bytes_max)) => Some(Recorder::create(path, *bytes_max)?),
            None => None,
        };
        let metrics = Metrics::new(registry)?;

        let drain = CancellationToken::new();
        let mut sinks = setup.sinks;
        let (mut spool, mut uplink) = (None, None);
        if let Some(router) = &config.router {
            let options = router.options()?;
            let opened = Spool::open(&config.spool.dir(), config.spool.bytes_max.0)?;
            sinks = sinks.with(opened.sink());
            uplink = Some(Uplink::new(opened.outlet(), options)?);
            spool = Some(opened);
        }

        let detector = Detector::following(rules.current(), hostname.clone(), config.limits());
        let shared = Arc::new(Shared {
            hostname,
            started: service::clock::now(),
            rules,
            counts: detector.counts(),
            sensor: Mutex::default(),
            rates: Mutex::new(Rates {
                since: Instant::now(),
                events: Rate::default(),
                alerts: Rate::default(),
            }),
            uplink: spool
                .as_ref()
                .zip(uplink.as_ref())
                .map(|(spool, uplink)| (spool.gauge(), uplink.counts())),
            finished: CancellationToken::new(),
            failure: Mutex::default(),
        });
        let work = Arc::new(Mutex::new(Work { detector, sinks, recorder }));
        let source = match setup.events {
            Events::Kernel => {
                Source::Kernel(Watch::start(&shared, &work, config)?, Box::new(config.clone()))
            }
            Events::Recording(path) => {
                Source::Recording(play(Recording::open(&path)?, &shared, &work)?)
            }
        };

        let (commands, inbox) = bounded(COMMANDS_MAX);
        let supervisor = Supervisor { shared: Arc::clone(&shared), work, source, inbox, metrics };
        let supervisor = thread::Builder::new()
            .name("agent".to_owned())
            .spawn(|| supervisor.run())
            .map_err(AgentError::Thread)?;
        let uplink = uplink.map(|uplink| tokio::spawn(uplink.run(drain.clone())));
        let handle = AgentHandle { shared, commands };
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

    /// Returns the rule files and folders in use.
    pub fn rule_paths(&self) -> Vec<PathBuf> {
        self.shared.rules.paths().to_vec()
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
        let rates = locked(&self.rates);
        AgentStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: self.hostname.clone(),
            started: self.started,
            time: now,
            rules: self.rules.status(),
            sensor: self.sensor(),
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
        }
    }

    fn sensor(&self) -> SensorReport {
        let sensor = locked(&self.sensor);
        match (&sensor.status, &sensor.error) {
            (Some(status), None) => SensorReport::of(status),
            (_, Some(report)) => report.clone(),
            (None, None) => SensorReport::default(),
        }
    }

    /// Returns how many events were lost since the start, by kind.
    fn lost(&self) -> Vec<(EventKind, u64)> {
        let sensor = locked(&self.sensor);
        let mut lost = sensor.lost_before.clone();
        for (kind, counters) in sensor.status.iter().flat_map(|status| status.counters()) {
            match lost.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, count)) => *count += counters.lost,
                None => lost.push((kind, counters.lost)),
            }
        }
        lost
    }
}

/// What the thread that has an event does with it.
#[derive(Debug)]
struct Work {
    detector: Detector,
    sinks: Sinks,
    recorder: Option<Recorder>,
}

impl Work {
    fn observe(&mut self, event: &Event) {
        if let Some(recorder) = &mut self.recorder {
            match recorder.record(event) {
                Ok(Recorded::Yes) => {}
                Ok(Recorded::Full) => {
                    info!("the recording has its full size");
                    self.end_recording();
                }
                Err(error) => {
                    warn!(error = %ErrorChain(&error), "recording ended");
                    self.recorder = None;
                }
            }
        }
        self.detector.observe(event, &mut self.sinks);
    }

    fn end_recording(&mut self) {
        match self.recorder.take().map(Recorder::finish) {
            Some(Ok(events)) => info!(events, "recording is complete"),
            Some(Err(error)) => warn!(error = %ErrorChain(&error), "recording is not complete"),
            None => {}
        }
    }
}

/// The thread that drains the kernel's rings.
#[derive(Debug)]
struct Watch {
    kinds: Vec<EventKind>,
    environment: bool,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Watch {
    fn start(
        shared: &Arc<Shared>,
        work: &Arc<Mutex<Work>>,
        config: &AgentConfig,
    ) -> Result<Self, AgentError> {
        let needed = shared.rules.current().load().requirements();
        let (mut kinds, mut environment) =
            (needed.kinds.into_iter().collect::<Vec<_>>(), needed.environment);
        if locked(work).recorder.is_some() {
            // A recording is for rules yet to be written.
            (kinds, environment) = (EventKind::ALL.to_vec(), true);
        }
        let sensor = Sensor::start(&kinds, config.sensor.options(environment))?;
        let status = sensor.status();
        for missing in status.unavailable() {
            warn!(what = missing.what, why = missing.why, "not everything can be watched");
        }
        info!(hooks = status.hooks().len(), kinds = kinds.len(), "watching the kernel");
        locked(&shared.sensor).status = Some(status);

        let stop = Arc::new(AtomicBool::new(false));
        let (work, shared, stopped) = (Arc::clone(work), Arc::clone(shared), Arc::clone(&stop));
        let run = move || {
            sensor.run(&stopped, &mut |event| locked(&work).observe(&event));
            if !stopped.load(Ordering::Relaxed) {
                shared.fail(&std::io::Error::other("the sensor ended by itself"));
            }
        };
        let thread = thread::Builder::new()
            .name("sensor".to_owned())
            .spawn(run)
            .map_err(AgentError::Thread)?;
        Ok(Self { kinds, environment, stop, thread })
    }

    fn stop(self, shared: &Shared) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.join().is_err() {
            error!("the sensor's thread panicked");
        }
        let lost = shared.lost();
        let mut sensor = locked(&shared.sensor);
        sensor.lost_before = lost;
        sensor.status = None;
    }
}

fn play(
    recording: Recording,
    shared: &Arc<Shared>,
    work: &Arc<Mutex<Work>>,
) -> Result<JoinHandle<()>, AgentError> {
    let (work, shared) = (Arc::clone(work), Arc::clone(shared));
    let player = move || {
        for event in recording {
            match event {
                Ok(event) if !shared.finished.is_cancelled() => locked(&work).observe(&event),
                Ok(_) => break,
                Err(error) => shared.fail(&error),
            }
        }
        shared.finished.cancel();
    };
    thread::Builder::new().name("replay".to_owned()).spawn(player).map_err(AgentError::Thread)
}

#[derive(Debug)]
enum Source {
    Kernel(Watch, Box<AgentConfig>),
    Recording(JoinHandle<()>),
    Gone,
}

/// The thread that looks after the others, once a second and when told to.
struct Supervisor {
    shared: Arc<Shared>,
    work: Arc<Mutex<Work>>,
    source: Source,
    inbox: Receiver<Command>,
    metrics: Metrics,
}

impl Supervisor {
    fn run(mut self) {
        loop {
            match self.inbox.recv_timeout(TICK) {
                Ok(Command::Reload) => self.reload(),
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.tick();
        }
        self.shared.finished.cancel();
        match std::mem::replace(&mut self.source, Source::Gone) {
            Source::Kernel(watch, _) => watch.stop(&self.shared),
            Source::Recording(thread) => drop(thread.join()),
            Source::Gone => {}
        }
        self.tick();
        locked(&self.work).end_recording();
    }

    fn tick(&mut self) {
        let now = service::clock::now();
        let lost = self.shared.lost();
        let refused = self.shared.uplink.as_ref().map_or(0, |(gauge, _)| gauge.refused());
        {
            let mut work = locked(&self.work);
            let Work { detector, sinks, .. } = &mut *work;
            detector.tick(now, &lost, refused, sinks);
        }
        self.measure();
        self.metrics.update(&self.shared.status(), &self.shared.counts);
    }

    fn measure(&self) {
        let mut rates = locked(&self.shared.rates);
        let seconds = rates.since.elapsed().as_secs_f64();
        if seconds < TICK.as_secs_f64() / 2.0 {
            return;
        }
        let next = |rate: Rate, total: u64| Rate {
            total,
            per_second: total.saturating_sub(rate.total) as f64 / seconds,
        };
        rates.events = next(rates.events, self.shared.counts.events.load(Ordering::Relaxed));
        rates.alerts = next(rates.alerts, self.shared.counts.alerts_total());
        rates.since = Instant::now();
    }

    /// Puts changed rules in force. The sensor is only started anew when they need more of it.
    fn reload(&mut self) {
        if !self.shared.rules.reload() {
            return;
        }
        let needed = self.shared.rules.current().load().requirements();
        let Source::Kernel(watch, _) = &self.source else { return };
        let covered = needed.kinds.iter().all(|kind| watch.kinds.contains(kind))
            && (watch.environment || !needed.environment);
        if covered {
            return;
        }
        let Source::Kernel(watch, config) = std::mem::replace(&mut self.source, Source::Gone)
        else {
            return;
        };
        info!("the new rules need events not watched so far, starting the sensor anew");
        watch.stop(&self.shared);
        match Watch::start(&self.shared, &self.work, &config) {
            Ok(watch) => self.source = Source::Kernel(watch, config),
            Err(error) => {
                if let AgentError::Sensor(error) = &error {
                    locked(&self.shared.sensor).error = Some(SensorReport::failed(error));
                }
                self.shared.fail(&error);
            }
        }
    }
}
