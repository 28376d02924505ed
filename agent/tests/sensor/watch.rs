//! One sensor for all tests, and waiting for an event.

use std::{
    sync::{Condvar, Mutex, OnceLock, atomic::AtomicBool},
    time::{Duration, Instant},
};

use agent::sensor::{Sensor, SensorOptions, SensorStatus};
use alert::{Event, EventKind};

const PATIENCE: Duration = Duration::from_secs(20);

/// Events of this process's descendants.
pub(crate) struct Watch {
    events: Mutex<Vec<Event>>,
    more: Condvar,
    status: OnceLock<std::sync::Arc<SensorStatus>>,
    start: OnceLock<bool>,
}

static WATCH: Watch = Watch::new();
static FREQUENT: Watch = Watch::new();

/// Returns the shared sensor, or `None` where there may be none.
pub(crate) fn watch() -> Option<&'static Watch> {
    WATCH.started(|kind| !kind.is_frequent())
}

/// Returns another one for what all programs do all the time, so that this delays nothing else.
/// Mappings are too many even for it.
pub(crate) fn frequent_watch() -> Option<&'static Watch> {
    FREQUENT.started(|kind| kind.is_frequent() && kind != EventKind::Mmap)
}

/// Starts a sensor; without the rights for it, a failure in CI and a loud `None` elsewhere.
pub(crate) fn start(kinds: &[EventKind], options: SensorOptions) -> Option<Sensor> {
    match Sensor::start(kinds, options) {
        Ok(sensor) => Some(sensor),
        Err(error) if std::env::var_os("CI").is_some_and(|ci| ci == "true") => {
            panic!("{error}: {error:?}")
        }
        Err(error) => {
            eprintln!("\n*** SKIPPED, nothing was tested: {error}\n");
            None
        }
    }
}

impl Watch {
    const fn new() -> Self {
        Self {
            events: Mutex::new(Vec::new()),
            more: Condvar::new(),
            status: OnceLock::new(),
            start: OnceLock::new(),
        }
    }

    fn started(&'static self, wanted: fn(EventKind) -> bool) -> Option<&'static Self> {
        let started = self.start.get_or_init(|| {
            let kinds: Vec<_> = EventKind::reported().filter(|kind| wanted(*kind)).collect();
            let options = SensorOptions { environment: true, ..Default::default() };
            let Some(sensor) = start(&kinds, options) else { return false };
            self.status.set(sensor.status()).unwrap_or_else(|_| unreachable!("set once"));
            std::thread::spawn(move || {
                static NEVER: AtomicBool = AtomicBool::new(false);
                let own = std::process::id() as i32;
                sensor.run(&NEVER, &mut |event| {
                    if event.process.ancestors().any(|process| process.key.pid == own) {
                        self.events.lock().unwrap().push(event);
                        self.more.notify_all();
                    }
                });
            });
            true
        });
        started.then_some(self)
    }

    /// Returns the first event that fits, waiting for it.
    pub(crate) fn find(&self, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
        let deadline = Instant::now() + PATIENCE;
        let mut events = self.events.lock().unwrap();
        let mut looked_at = 0;
        loop {
            if let Some(event) = events[looked_at..].iter().find(|event| fits(event)) {
                return event.clone();
            }
            looked_at = events.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // Not while the events are locked: other tests wait for theirs.
                drop(events);
                let counters = self.status().counters().into_iter();
                let lost: Vec<_> = counters.filter(|(_, counters)| counters.lost > 0).collect();
                panic!("no event: {what}; lost: {lost:?}; {:?}", self.status());
            }
            events = self.more.wait_timeout(events, left).unwrap().0;
        }
    }

    /// Returns the event of this kind by this process that fits.
    pub(crate) fn of(&self, pid: i32, kind: EventKind, fits: impl Fn(&Event) -> bool) -> Event {
        self.find(&format!("{kind:?} of {pid}"), |event| {
            event.kind == kind && event.process.key.pid == pid && fits(event)
        })
    }

    pub(crate) fn status(&self) -> &SensorStatus {
        self.status.get().unwrap()
    }
}
