//! A sensor at work in this process.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use agent::sensor::{ContainerOptions, Sensor, SensorOptions};
use alert::{Argument, Event, EventKind, Field};
use e2e::eventually;

/// Watches until dropped.
pub(crate) struct Watch {
    events: Arc<Mutex<Vec<Event>>>,
    stop: Arc<AtomicBool>,
    sensor: Option<JoinHandle<()>>,
}

impl Watch {
    /// Watches programs and containers; asks at these sockets, and reads these storages.
    pub(crate) fn start(sockets: &[PathBuf], storages: &[PathBuf]) -> Self {
        let containers = ContainerOptions {
            sockets: sockets.to_vec(),
            users: None,
            storages: storages.to_vec(),
            // A busy machine starts a container slowly, and Docker tells nothing of it meanwhile.
            hold: Duration::from_secs(10),
            ..ContainerOptions::default()
        };
        let options = SensorOptions { containers, ..SensorOptions::default() };
        let kinds = [EventKind::Execve];
        let sensor = Sensor::start(&kinds, options).unwrap();
        let (events, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (kept, stopping) = (Arc::clone(&events), Arc::clone(&stop));
        let mut keep = move |event: Event| {
            let kept: &Mutex<Vec<Event>> = &kept;
            if event.process.container.is_some() {
                kept.lock().unwrap().push(event);
            }
        };
        let thread = std::thread::spawn(move || sensor.run(&stopping, &mut keep));
        Self { events, stop, sensor: Some(thread) }
    }

    /// Returns the first program whose command line has this text.
    #[track_caller]
    pub(crate) fn program_with(&self, text: &str) -> Event {
        self.event(&format!("a program with {text}"), |event| {
            event.kind == EventKind::Execve
                && event.process.arguments.iter().any(|argument| argument.contains(text))
        })
    }

    #[track_caller]
    pub(crate) fn event(&self, what: &str, is_it: impl Fn(&Event) -> bool) -> Event {
        eventually(what, || {
            let events = self.events.lock().unwrap();
            let found = events.iter().find(|event| is_it(event)).cloned();
            found.ok_or_else(|| {
                let seen: Vec<_> = events.iter().map(|it| it.process.arguments.join(" ")).collect();
                format!("seen in containers: {seen:#?}")
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
