//! A sensor at work in this process.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime},
};

use agent::sensor::{ContainerOptions, Mute, Sensor, SensorOptions, SensorStatus};
use alert::{Argument, Event, EventKind, Field};
use e2e::eventually;

/// Returns the right to work until it is dropped. Sensors compiled for tests are slow: several at
/// once, beside engines and a cluster, would not keep up with a busy machine.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches until dropped. It keeps what happens in containers, and programs with a mark of ours.
pub(crate) struct Watch {
    told: Arc<Mutex<Vec<Told>>>,
    status: Arc<SensorStatus>,
    stop: Arc<AtomicBool>,
    sensor: Option<JoinHandle<()>>,
}

/// An event, and how long after it the sensor told of it.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) event: Event,
    pub(crate) after: Duration,
}

impl Watch {
    /// Watches programs and containers; asks at these sockets, and reads these storages.
    pub(crate) fn start(sockets: &[PathBuf], storages: &[PathBuf]) -> Self {
        Self::with(options(sockets, storages), &[])
    }

    /// Does the same with other bounds, and leaves some out.
    pub(crate) fn with(containers: ContainerOptions, mutes: &[Mute]) -> Self {
        let mutes = mutes.to_vec();
        let options = SensorOptions { containers, mutes, ..SensorOptions::default() };
        let kinds = [EventKind::Execve, EventKind::Container, EventKind::ContainerRemoved];
        let sensor = Sensor::start(&kinds, options).unwrap();
        let status = sensor.status();
        let (told, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (kept, stopping) = (Arc::clone(&told), Arc::clone(&stop));
        let mut keep = move |event: Event| {
            let kept: &Mutex<Vec<Told>> = &kept;
            if event.process.container.is_some() || has_argument(&event, MARK) {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
                let after = now.saturating_sub(Duration::from_nanos(event.time_ns));
                kept.lock().unwrap().push(Told { event, after });
            }
        };
        let thread = std::thread::spawn(move || sensor.run(&stopping, &mut keep));
        Self { told, status, stop, sensor: Some(thread) }
    }

    pub(crate) fn status(&self) -> &SensorStatus {
        &self.status
    }

    /// Returns the first program in a container whose command line has this text.
    #[track_caller]
    pub(crate) fn program_with(&self, text: &str) -> Event {
        self.told_with(text).event
    }

    /// Returns the same, and how long it took.
    #[track_caller]
    pub(crate) fn told_with(&self, text: &str) -> Told {
        self.first(&format!("a program with {text} in a container"), |event| {
            is_program(event, text) && event.process.container.is_some()
        })
    }

    /// Waits for a program with this text, which must be the host's.
    #[track_caller]
    pub(crate) fn host_program_with(&self, text: &str) -> Event {
        let told = self.first(&format!("a program with {text}"), |event| is_program(event, text));
        assert_eq!(told.event.process.container, None);
        told.event
    }

    /// Returns what is told of this container, by its short id, once it came and went.
    #[track_caller]
    pub(crate) fn notices(&self, id: &str) -> Vec<Event> {
        let of_it = |event: &Event| {
            event.kind.is_notice() && field(event, "container.id").as_deref() == Some(id)
        };
        let went = |event: &Event| event.kind == EventKind::ContainerRemoved && of_it(event);
        self.first(&format!("the end of container {id}"), went);
        let told = self.told.lock().unwrap();
        told.iter().map(|told| &told.event).filter(|event| of_it(event)).cloned().collect()
    }

    /// Returns how many events came before this one.
    pub(crate) fn place_of(&self, event: &Event) -> usize {
        let told = self.told.lock().unwrap();
        told.iter().position(|told| told.event.number == event.number).unwrap()
    }

    /// Returns all that was told so far.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    #[track_caller]
    fn first(&self, what: &str, is_it: impl Fn(&Event) -> bool) -> Told {
        eventually(what, || {
            let told = self.told.lock().unwrap();
            let found = told.iter().find(|told| is_it(&told.event)).cloned();
            found.ok_or_else(|| {
                let line = |it: &Told| {
                    format!("{} {}", it.event.kind.name(), it.event.process.arguments.join(" "))
                };
                let seen: Vec<_> = told.iter().map(line).collect();
                let counters = self.status.counters().into_iter();
                let lost: u64 = counters.map(|(_, counters)| counters.lost).sum();
                format!("{lost} events lost; seen in containers: {seen:#?}")
            })
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(sensor) = self.sensor.take() {
            sensor.join().unwrap();
        }
    }
}

/// How every [`e2e::mark`] begins.
const MARK: &str = "/mark-";

fn is_program(event: &Event, text: &str) -> bool {
    event.kind == EventKind::Execve && has_argument(event, text)
}

fn has_argument(event: &Event, text: &str) -> bool {
    event.process.arguments.iter().any(|argument| argument.contains(text))
}

/// Returns how containers are looked up at these sockets and storages, with time for an answer.
pub(crate) fn options(sockets: &[PathBuf], storages: &[PathBuf]) -> ContainerOptions {
    ContainerOptions {
        sockets: sockets.to_vec(),
        users: None,
        storages: storages.to_vec(),
        // A busy machine starts a container slowly, and Docker tells nothing of it meanwhile.
        hold: Duration::from_secs(10),
        ..ContainerOptions::default()
    }
}

/// Returns the value of a field such as `container.mount.dest[/srv]`.
pub(crate) fn field(event: &Event, name: &str) -> Option<String> {
    let (name, argument) = match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
        Some((name, argument)) => (name, Some(argument)),
        None => (name, None),
    };
    let (field, argument): (Field, Argument) = Field::resolve(name, argument).unwrap();
    event.value(field, &argument).map(|value| value.to_string())
}

/// Holds fields to values; `-` stands for none.
#[track_caller]
pub(crate) fn check(event: &Event, expected: &[(&str, &str)]) {
    let seen: Vec<(&str, String)> = expected
        .iter()
        .map(|(name, _)| (*name, field(event, name).unwrap_or_else(|| "-".to_owned())))
        .collect();
    let seen: Vec<(&str, &str)> = seen.iter().map(|(name, value)| (*name, &**value)).collect();
    let missing = field(event, "saker.container.missing");
    assert_eq!(seen, expected, "missing: {missing:?}");
}
