//! Two sensors that see the same: one with a filter, one without.

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use agent::sensor::{FilterControl, Sensor, SensorOptions, SensorStatus};
use alert::{Event, EventKind};
use rules::{KernelFilter, RuleSet};

use crate::options;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Twins {
    plain: Twin,
    filtered: Twin,
}

struct Twin {
    seen: Arc<Seen>,
    filter: Arc<FilterControl>,
    status: Arc<SensorStatus>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    events: Mutex<Vec<Event>>,
    more: Condvar,
}

impl Twins {
    /// Starts both; `None` where there are no rights to, which is a failure in CI.
    pub(crate) fn start(kinds: &[EventKind], rules: &RuleSet) -> Option<Self> {
        let plain = Twin::start(kinds, options())?;
        let filter = Some(rules.kernel_filter());
        let filtered = Twin::start(kinds, SensorOptions { filter, ..options() })?;
        Some(Self { plain, filtered })
    }

    pub(crate) fn put(&self, filter: Arc<KernelFilter>) {
        self.filtered.filter.put(Some(filter)).unwrap();
    }

    /// Returns the deeds of a process that has ended, and of its children, as each sensor saw them.
    pub(crate) fn events_of(&self, pid: i32) -> (Vec<Event>, Vec<Event>) {
        (self.plain.events_of(pid), self.filtered.events_of(pid))
    }

    pub(crate) fn lost(&self) -> u64 {
        let counters = [&self.plain, &self.filtered].map(|twin| twin.status.counters());
        counters.iter().flatten().map(|(_, count)| count.lost).sum()
    }
}

impl Twin {
    fn start(kinds: &[EventKind], options: SensorOptions) -> Option<Self> {
        let sensor = match Sensor::start(kinds, options) {
            Ok(sensor) => sensor,
            Err(error) if std::env::var_os("CI").is_some_and(|ci| ci == "true") => {
                panic!("{error}")
            }
            Err(error) => {
                eprintln!("\n*** SKIPPED, nothing was tested: {error}\n");
                return None;
            }
        };
        let (seen, stop) = (Arc::<Seen>::default(), Arc::<AtomicBool>::default());
        let (filter, status) = (sensor.filter(), sensor.status());
        let (into, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let own = std::process::id() as i32;
        let thread = std::thread::spawn(move || {
            sensor.run(&stopped, &mut |event| {
                if event.process.ancestors().any(|process| process.key.pid == own) {
                    into.events.lock().unwrap().push(event);
                    into.more.notify_all();
                }
            });
        });
        Some(Self { seen, filter, status, stop, thread: Some(thread) })
    }

    fn events_of(&self, pid: i32) -> Vec<Event> {
        let deadline = Instant::now() + PATIENCE;
        let mut events = self.seen.events.lock().unwrap();
        let is_end =
            |event: &Event| event.kind == EventKind::ProcExit && event.process.key.pid == pid;
        while !events.iter().any(is_end) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the end of {pid} was not seen: {:?}", self.status);
            events = self.seen.more.wait_timeout(events, left).unwrap().0;
        }
        let mut events = std::mem::take(&mut *events);
        events.retain(|event| {
            let of_it = event.process.key.pid == pid
                || event.process.ancestors().any(|process| process.key.pid == pid);
            of_it && event.kind != EventKind::ProcExit
        });
        events
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
