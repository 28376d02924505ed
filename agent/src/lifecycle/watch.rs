//! The threads that have events, and what they do with each.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use alert::{Event, EventKind};
use rules::{Requirements, RuleSet};
use service::ErrorChain;
use tracing::{error, info, warn};

use super::{AgentError, Shared, locked};
use crate::{
    AgentConfig, AlertSink, Sinks,
    actions::Actions,
    around::Around,
    detect::Detector,
    enrich::resolver::Resolver,
    recorder::{Recorded, Recorder, Recording},
    sensor::{NeedControl, Observer, Outcome, Sensor, SensorError, SensorStatus, Standard},
    tap::Tap,
};

/// Field of an alert that names the recording of what was around it.
const RECORDING: &str = "saker.recording";

/// What the thread that has an event does with it.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) detector: Detector,
    pub(super) sinks: Sinks,
    pub(super) recorder: Option<Recorder>,
    pub(super) taps: Vec<Tap>,
    pub(super) around: Option<Around>,
    pub(super) actions: Option<Actions>,
}

impl Work {
    pub(super) fn observe(&mut self, event: &Event) -> Outcome {
        if let Some(actions) = &self.actions {
            actions.saw(&event.process);
        }
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
        let Self { detector, sinks, taps, around, .. } = self;
        if taps.is_empty() && around.is_none() {
            return detector.observe(event, sinks);
        }
        taps.retain_mut(|tap| tap.event(event));
        detector.observe(event, &mut |alert: &alert::Alert| {
            taps.retain_mut(|tap| tap.alert(alert, event));
            match around.as_mut().and_then(|around| around.alert(alert)) {
                Some(name) => {
                    let mut alert = alert.clone();
                    alert.fields.insert(RECORDING.to_owned(), name.into());
                    sinks.alert(&alert);
                }
                None => sinks.alert(alert),
            }
        })
    }

    /// Returns by what events are judged, unless somebody wants all of them.
    fn standard(&self) -> Option<Standard> {
        let memory = self.actions.as_ref().map_or(0, Actions::memory);
        let all_wanted = self.recorder.is_some() || !self.taps.is_empty();
        (!all_wanted).then(|| Standard { rules: self.detector.generation(), memory })
    }

    pub(super) fn end_recording(&mut self) {
        match self.recorder.take().map(Recorder::finish) {
            Some(Ok(events)) => info!(events, "recording is complete"),
            Some(Err(error)) => warn!(error = %ErrorChain(&error), "recording is not complete"),
            None => {}
        }
    }
}

/// Does the work on a sensor's events.
struct Worker<'a> {
    work: &'a Mutex<Work>,
    resolver: &'a Resolver,
}

impl Observer for Worker<'_> {
    fn event(&mut self, mut event: Event) -> Outcome {
        self.resolver.fill(&mut event);
        locked(self.work).observe(&event)
    }

    fn standard(&mut self) -> Option<Standard> {
        locked(self.work).standard()
    }

    fn passed_over(&mut self, events: u64) {
        locked(self.work).detector.passed_over(events);
    }
}

/// The thread that drains the kernel's rings.
#[derive(Debug)]
pub(super) struct Watch {
    needs: Arc<NeedControl>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Watch {
    pub(super) fn start(
        shared: &Arc<Shared>,
        work: &Arc<Mutex<Work>>,
        config: &AgentConfig,
    ) -> Result<Self, AgentError> {
        for missing in crate::privileges::missing(config) {
            warn!(capability = missing.name, lost = missing.lost, "a capability is missing");
        }
        let rules = shared.rules.current().load_full();
        let wanted = wanted(rules.requirements(), &locked(work));
        let mut options = config.sensor_options(wanted.environment);
        options.successes_only = wanted.successes_only();
        let Requirements { kinds, address_names, files, .. } = wanted;
        shared.resolver.want(address_names);
        options.files = files;
        if config.sensor.filter && locked(work).recorder.is_none() {
            options.filter = Some(rules.kernel_filter());
        }
        let sensor = Sensor::start_enforcing(&kinds, options, shared.enforcer.clone())?;
        // Rules and the kernel's types were read with much that is not needed any more.
        crate::memory::give_back_free();
        let (status, needs) = (sensor.status(), sensor.needs());
        tell(&status);
        info!(hooks = status.hooks().len(), kinds = kinds.len(), "watching the kernel");
        let mut state = locked(&shared.sensor);
        (state.status, state.filter) = (Some(status), Some(sensor.filter()));
        state.files = Some(sensor.files());
        drop(state);

        let stop = Arc::new(AtomicBool::new(false));
        let (work, shared, stopped) = (Arc::clone(work), Arc::clone(shared), Arc::clone(&stop));
        let run = move || {
            sensor.watch(&stopped, &mut Worker { work: &work, resolver: &shared.resolver });
            if !stopped.load(Ordering::Relaxed) {
                shared.fail(&std::io::Error::other("the sensor ended by itself"));
            }
        };
        let thread = thread::Builder::new()
            .name("sensor".to_owned())
            .spawn(run)
            .map_err(AgentError::Thread)?;
        Ok(Self { needs, stop, thread })
    }

    /// Watches what these rules need beside what is watched, and waits until what was done before has
    /// been looked at.
    pub(super) fn add(
        &self,
        shared: &Shared,
        rules: &RuleSet,
        work: &Mutex<Work>,
    ) -> Result<(), SensorError> {
        let wanted = wanted(rules.requirements(), &locked(work));
        self.needs.add(&wanted.kinds, &wanted.failures, wanted.environment)?;
        // What was done before is judged by the rules before.
        if !self.needs.catch_up() {
            warn!("the sensor is far behind: what was done is judged by rules that came later");
        }
        if let Some(status) = &locked(&shared.sensor).status {
            tell(status);
        }
        Ok(())
    }

    /// Watches no more than these rules need.
    pub(super) fn keep(&self, rules: &RuleSet, work: &Mutex<Work>) -> Result<(), SensorError> {
        let wanted = wanted(rules.requirements(), &locked(work));
        self.needs.keep(&wanted.kinds, &wanted.failures, wanted.environment)
    }

    pub(super) fn stop(self, shared: &Shared) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.join().is_err() {
            error!("the sensor's thread panicked");
        }
        locked(&shared.sensor).filter = None;
    }
}

/// Returns what is to be watched for what rules need; a recording is for rules yet to be written.
fn wanted(needed: Requirements, work: &Work) -> Requirements {
    if work.recorder.is_none() {
        return needed;
    }
    let kinds: Vec<_> = EventKind::reported().collect();
    Requirements { failures: kinds.clone(), kinds, environment: true, ..needed }
}

fn tell(status: &SensorStatus) {
    for missing in status.unavailable() {
        warn!(what = missing.what, why = missing.why, "not everything can be watched");
    }
}

pub(super) fn play(
    recording: Recording,
    shared: &Arc<Shared>,
    work: &Arc<Mutex<Work>>,
) -> Result<JoinHandle<()>, AgentError> {
    let (work, shared) = (Arc::clone(work), Arc::clone(shared));
    let player = move || {
        for event in recording {
            match event {
                Ok(event) if !shared.finished.is_cancelled() => _ = locked(&work).observe(&event),
                Ok(_) => break,
                Err(error) => shared.fail(&error),
            }
        }
        shared.finished.cancel();
    };
    thread::Builder::new().name("replay".to_owned()).spawn(player).map_err(AgentError::Thread)
}
