//! The threads that have events, and what they do with each.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use alert::{Event, EventKind};
use rules::Requirements;
use service::ErrorChain;
use tracing::{error, info, warn};

use super::{AgentError, Shared, locked};
use crate::{
    AgentConfig, AlertSink, Sinks,
    actions::Actions,
    around::Around,
    detect::Detector,
    recorder::{Recorded, Recorder, Recording},
    sensor::Sensor,
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
    pub(super) fn observe(&mut self, event: &Event) {
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
        });
    }

    pub(super) fn end_recording(&mut self) {
        match self.recorder.take().map(Recorder::finish) {
            Some(Ok(events)) => info!(events, "recording is complete"),
            Some(Err(error)) => warn!(error = %ErrorChain(&error), "recording is not complete"),
            None => {}
        }
    }
}

/// The thread that drains the kernel's rings.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) kinds: Vec<EventKind>,
    /// Those of them whose failures are watched.
    pub(super) failures: Vec<EventKind>,
    pub(super) environment: bool,
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
        let mut needed = shared.rules.current().load().requirements();
        if locked(work).recorder.is_some() {
            // A recording is for rules yet to be written.
            needed.kinds = EventKind::reported().collect();
            (needed.failures, needed.environment) = (needed.kinds.clone(), true);
        }
        let mut options = config.sensor_options(needed.environment);
        options.successes_only = needed.successes_only();
        let Requirements { kinds, failures, environment, address_names, files, .. } = needed;
        shared.resolver.want(address_names);
        options.files = files;
        if config.sensor.filter && locked(work).recorder.is_none() {
            options.filter = Some(shared.rules.current().load().kernel_filter());
        }
        let sensor = Sensor::start_enforcing(&kinds, options, shared.enforcer.clone())?;
        // Rules and the kernel's types were read with much that is not needed any more.
        crate::memory::give_back_free();
        let status = sensor.status();
        for missing in status.unavailable() {
            warn!(what = missing.what, why = missing.why, "not everything can be watched");
        }
        info!(hooks = status.hooks().len(), kinds = kinds.len(), "watching the kernel");
        let mut state = locked(&shared.sensor);
        (state.status, state.filter) = (Some(status), Some(sensor.filter()));
        state.files = Some(sensor.files());
        drop(state);

        let stop = Arc::new(AtomicBool::new(false));
        let (work, shared, stopped) = (Arc::clone(work), Arc::clone(shared), Arc::clone(&stop));
        let run = move || {
            sensor.run(&stopped, &mut |mut event| {
                shared.resolver.fill(&mut event);
                locked(&work).observe(&event);
            });
            if !stopped.load(Ordering::Relaxed) {
                shared.fail(&std::io::Error::other("the sensor ended by itself"));
            }
        };
        let thread = thread::Builder::new()
            .name("sensor".to_owned())
            .spawn(run)
            .map_err(AgentError::Thread)?;
        Ok(Self { kinds, failures, environment, stop, thread })
    }

    pub(super) fn stop(self, shared: &Shared) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.join().is_err() {
            error!("the sensor's thread panicked");
        }
        let (lost, limited) = (shared.lost(), shared.limited());
        let mut sensor = locked(&shared.sensor);
        (sensor.lost_before, sensor.limited_before) = (lost, limited);
        (sensor.status, sensor.filter) = (None, None);
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
                Ok(event) if !shared.finished.is_cancelled() => locked(&work).observe(&event),
                Ok(_) => break,
                Err(error) => shared.fail(&error),
            }
        }
        shared.finished.cancel();
    };
    thread::Builder::new().name("replay".to_owned()).spawn(player).map_err(AgentError::Thread)
}
