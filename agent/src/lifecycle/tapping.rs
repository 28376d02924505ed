//! Puts taps on the running agent's events.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    thread,
};

use alert::EventKind;
use service::ErrorChain;
use tokio::sync::Semaphore;
use tracing::warn;

use super::{AgentError, AgentHandle, Shared, locked};
use crate::{
    AgentConfig,
    around::Around,
    sensor::{Sensor, SensorOptions},
    tap::{Choice, Form, Refusal, Request, TAPS_MAX, Tap, Tapped, notice, tap},
};

/// Rings of a tap's own sensor: what is lost to a full one is told to who asked.
const PRIO_RING_BYTES: u32 = 1 << 20;
const BULK_RING_BYTES: u32 = 4 << 20;

/// What taps need of the agent.
#[derive(Debug)]
pub(super) struct Tapping {
    places: Arc<Semaphore>,
    /// How sensors are set up; nothing where events come from a recording.
    config: Option<AgentConfig>,
}

impl Tapping {
    pub(super) fn new(config: Option<AgentConfig>) -> Self {
        Self { places: Arc::new(Semaphore::new(TAPS_MAX)), config }
    }
}

/// Both ends of a tap, and the kinds of event that cannot be had.
type Started = (Tapped, Vec<String>);

impl AgentHandle {
    /// Hands events of this choice to the other end of a tap, from the next one on. Blocks while the
    /// tap's own sensor starts.
    pub(crate) fn tap(&self, request: &Request) -> Result<Started, (Refusal, String)> {
        let wrong = |message: String| (Refusal::Wrong, message);
        let rules = self.shared.rules.current().load_full();
        let (tap, mut tapped) = tap(request, &rules).map_err(wrong)?;
        if tapped.kinds.is_empty() {
            let message = "no event that the sensor reports can satisfy this condition";
            return Err(wrong(message.to_owned()));
        }
        let notice = request.around.as_ref().map(|around| notice(around, &rules, &mut tapped));
        let notice = notice.transpose().map_err(wrong)?;
        let place = Arc::clone(&self.shared.tapping.places).try_acquire_owned();
        let busy = || format!("{TAPS_MAX} others ask for events already, no more can at a time");
        tapped.place = Some(place.map_err(|_| (Refusal::Busy, busy()))?);
        let config = self.shared.tapping.config.as_ref();
        let of_rules = |tap: &Tap| config.is_none() || tap.is_of_rules();
        let (of_rules, own): (Vec<_>, Vec<_>) =
            std::iter::once(tap).chain(notice).partition(of_rules);
        let mut unwatched = match (own.is_empty(), config) {
            (false, Some(config)) => {
                watch(config, own, &mut tapped).map_err(|why| wrong(why.to_string()))?
            }
            _ => Vec::new(),
        };
        if !of_rules.is_empty() {
            let work = self.work.upgrade().ok_or_else(|| wrong("the agent stops".into()))?;
            locked(&work).taps.extend(of_rules);
        }
        if let Choice::Rule(_) = &request.choice {
            let watched = rules.requirements().kinds;
            unwatched = missing(&tapped.kinds, |kind| watched.contains(kind));
        }
        Ok((tapped, unwatched))
    }

    pub(crate) fn hostname(&self) -> String {
        self.shared.hostname.clone()
    }
}

/// Starts what records around alerts, with a sensor of its own, if the configuration asks for it.
pub(super) fn around(config: &AgentConfig, shared: &Shared) -> Result<Option<Around>, AgentError> {
    let Some(around) = &config.record.around else { return Ok(None) };
    let request = Request {
        choice: Choice::Condition(around.condition.clone()),
        form: Form::Recording,
        events_max: u64::MAX,
        seconds_max: Request::SECONDS_MAX,
        rate_max: None,
        bytes_max: None,
        around: None,
    };
    let rules = shared.rules.current().load_full();
    let (tap, mut tapped) = tap(&request, &rules).map_err(AgentError::Around)?;
    let unwatched = watch(config, vec![tap], &mut tapped)
        .map_err(|error| AgentError::Around(error.to_string()))?;
    if !unwatched.is_empty() {
        warn!(kinds = unwatched.join(" "), "not everything around alerts can be watched");
    }
    let around = Around::start(around, shared.hostname.clone(), tapped)
        .map_err(|error| AgentError::Around(error.to_string()))?;
    shared.around.get_or_init(|| around.counts());
    Ok(Some(around))
}

/// Starts a sensor for one who asks. It ends when nobody listens any more.
fn watch(
    config: &AgentConfig,
    mut taps: Vec<Tap>,
    tapped: &mut Tapped,
) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let options = SensorOptions {
        prio_ring_bytes: PRIO_RING_BYTES,
        bulk_ring_bytes: BULK_RING_BYTES,
        ..config.sensor_options(tapped.environment)
    };
    let sensor = Sensor::start(&tapped.kinds, options).map_err(|error| chain(&error))?;
    let status = sensor.status();
    let hooked: BTreeSet<EventKind> =
        status.hooks().iter().flat_map(|hook| hook.kinds.iter().copied()).collect();
    let unwatched = missing(&tapped.kinds, |kind| hooked.contains(kind));
    let closed = tapped.closed();
    tapped.sensor = Some(status);
    let run = move || {
        let mut looks = true;
        // After the end it reports what had happened by then.
        sensor.run(&closed, &mut |event| {
            looks = looks && taps.iter_mut().all(|tap| tap.last(&event));
            if !looks {
                closed.store(true, Ordering::Relaxed);
            }
        });
    };
    thread::Builder::new().name("events".to_owned()).spawn(run).map_err(|error| chain(&error))?;
    Ok(unwatched)
}

fn chain(error: &dyn std::error::Error) -> String {
    ErrorChain(error).to_string()
}

fn missing(kinds: &[EventKind], has: impl Fn(&EventKind) -> bool) -> Vec<String> {
    kinds.iter().filter(|kind| !has(kind)).map(|kind| kind.name().to_owned()).collect()
}
