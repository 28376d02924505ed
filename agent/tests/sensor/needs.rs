//! What is needed changes while the sensor runs: nothing is missed, and nothing told twice.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use agent::sensor::{NeedControl, SensorOptions, SensorStatus};
use alert::{Detail, Event, EventKind, ParameterValue};

use crate::{deed::finish, plan::LIFE, watch::start};

const PATIENCE: Duration = Duration::from_secs(30);

/// A sensor at work that sends what it reports.
struct Running {
    needs: Arc<NeedControl>,
    status: Arc<SensorStatus>,
    events: Receiver<Event>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(kinds: &[EventKind], mute_self: bool) -> Option<Self> {
        Self::with(kinds, SensorOptions { mute_self, ..SensorOptions::default() })
    }

    fn with(kinds: &[EventKind], options: SensorOptions) -> Option<Self> {
        let sensor = start(kinds, options)?;
        let (needs, status) = (sensor.needs(), sensor.status());
        let (sender, events) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            sensor.run(&stopped, &mut |event| drop(sender.send(event)));
        });
        Some(Self { needs, status, events, stop, thread: Some(thread) })
    }

    /// Returns where its programs are, in the order of their names.
    fn targets(&self) -> Vec<String> {
        let mut targets: Vec<_> = self.status.hooks().into_iter().map(|hook| hook.target).collect();
        targets.sort_unstable();
        targets
    }

    /// Returns the first event that fits.
    fn find(&self, fits: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.events.recv_timeout(PATIENCE).unwrap();
            if fits(&event) {
                return event;
            }
        }
    }

    /// Ends it; returns what it reported until then.
    fn end(mut self) -> Vec<Event> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        self.events.try_iter().collect()
    }
}

/// Opens numbered files that are not there until it is told to end; returns how many.
fn open_numbered(folder: &Path, stop: &AtomicBool) -> u64 {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        drop(File::open(folder.join(number.to_string())));
        number += 1;
        // Some thousands a second: each is looked at in a build without optimisation.
        std::thread::sleep(Duration::from_micros(200));
    }
    number
}

/// Returns the number in the name of the file this opens or removes, if it is in the folder.
fn number(event: &Event, folder: &Path) -> Option<u64> {
    let path = match &event.detail {
        Detail::Open(open) => &open.path,
        Detail::Call(call) => call.values.iter().flatten().find_map(|value| match value {
            ParameterValue::Path { full, .. } => Some(full),
            _ => None,
        })?,
        _ => return None,
    };
    Path::new(&**path).strip_prefix(folder).ok()?.to_str()?.parse().ok()
}

#[test]
fn each_deed_is_told_once_while_other_kinds_come_and_go() {
    let Some(running) = Running::start(&[EventKind::OpenAt], false) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (opened, removed) = (folder.path().join("opened"), folder.path().join("removed"));
    fs::create_dir(&opened).unwrap();
    fs::create_dir(&removed).unwrap();
    let stop = AtomicBool::new(false);
    let count = std::thread::scope(|scope| {
        let deeds = scope.spawn(|| open_numbered(&opened, &stop));
        for round in 0..20 {
            let (unlink, others) = (
                [EventKind::Unlink, EventKind::UnlinkAt],
                [EventKind::OpenAt, EventKind::Connect, EventKind::Ptrace],
            );
            running.needs.add(&unlink, &[], round % 2 == 0).unwrap();
            // What is asked for is watched at once.
            assert!(fs::remove_file(removed.join(round.to_string())).is_err());
            running.needs.add(&others, &[], false).unwrap();
            running.needs.keep(&others, &[], false).unwrap();
            running.needs.keep(&[EventKind::OpenAt], &[EventKind::OpenAt], false).unwrap();
            assert!(fs::remove_file(removed.join("1000")).is_err());
        }
        stop.store(true, Ordering::Relaxed);
        deeds.join().unwrap()
    });
    let status = Arc::clone(&running.status);
    let mut told = [BTreeMap::new(), BTreeMap::new()];
    for event in running.end() {
        let folder = [(0, &opened), (1, &removed)];
        for (place, folder) in folder {
            if let Some(number) = number(&event, folder) {
                *told[place].entry(number).or_insert(0) += 1;
            }
        }
    }
    let once = |count: u64| (0..count).map(|number| (number, 1)).collect::<BTreeMap<_, _>>();
    assert!(count > 100, "{count}");
    let counters = status.counters().into_iter().find(|(kind, _)| *kind == EventKind::OpenAt);
    assert!(told[0] == once(count), "{count}: {:?}; {counters:?}", odd(&told[0], count));
    assert_eq!(told[1], once(20), "what is needed no more is not told");
}

/// Returns the numbers not told once.
fn odd(told: &BTreeMap<u64, u64>, count: u64) -> Vec<(u64, u64)> {
    let times = |number| told.get(&number).copied().unwrap_or(0);
    (0..count).map(|number| (number, times(number))).filter(|(_, times)| *times != 1).collect()
}

#[test]
fn what_nothing_needs_any_more_is_detached() {
    let Some(running) = Running::start(&[EventKind::OpenAt], true) else { return };
    let at_first = running.targets();
    let exits = |targets: &[String]| targets.iter().any(|target| target == "sys_exit");
    running.needs.keep(&[EventKind::ProcExit], &[], false).unwrap();
    assert_eq!(running.targets(), LIFE);
    running.needs.add(&[EventKind::ProcExit, EventKind::Unlink], &[], false).unwrap();
    assert!(running.targets().len() > LIFE.len());
    running.needs.keep(&[], &[], false).unwrap();
    running.needs.add(&[EventKind::OpenAt], &[EventKind::OpenAt], false).unwrap();
    assert_eq!(running.targets(), at_first);
    if exits(&at_first) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("7");
        let mut child = Command::new("cat");
        finish(child.arg(&path).stderr(Stdio::null()).spawn().unwrap());
        running.find(|event| number(event, folder.path()) == Some(7));
    }
    assert_eq!(running.end().iter().filter(|event| event.kind == EventKind::ProcExit).count(), 0);
}

/// Returns whether the event is a start of this program.
fn starts(event: &Event, program: &Path) -> bool {
    matches!(&event.detail, Detail::Exec { filename } if Path::new(&**filename) == program)
}

#[test]
fn starts_that_fail_are_watched_from_when_they_are_needed_until_they_are_no_more() {
    let kinds = [EventKind::Execve];
    let successes_only = kinds.to_vec();
    let options = SensorOptions { successes_only, mute_self: false, ..SensorOptions::default() };
    let Some(running) = Running::with(&kinds, options) else { return };
    assert_eq!(running.targets(), LIFE);
    let folder = tempfile::tempdir().unwrap();
    let missing = |name: &str| {
        let program = folder.path().join(name);
        assert!(Command::new(&program).spawn().is_err());
        program
    };
    missing("before");
    running.needs.add(&kinds, &kinds, false).unwrap();
    let targets = running.targets();
    let others: Vec<_> = targets.iter().filter(|target| !LIFE.contains(&&***target)).collect();
    assert!(matches!(&others[..], [one] if one.contains("sys_")), "{others:?}");
    let needed = missing("needed");
    running.find(|event| event.result < 0 && starts(event, &needed));
    running.needs.keep(&kinds, &[], false).unwrap();
    assert_eq!(running.targets(), LIFE);
    let after = missing("after");
    assert!(!running.end().iter().any(|event| starts(event, &after)));
}

#[test]
fn opens_that_fail_are_told_once_they_are_needed() {
    let kinds = [EventKind::OpenAt];
    let successes_only = kinds.to_vec();
    let options = SensorOptions { successes_only, mute_self: false, ..SensorOptions::default() };
    let Some(running) = Running::with(&kinds, options) else { return };
    let folder = tempfile::tempdir().unwrap();
    for wanted in 1..=2 {
        running.needs.add(&kinds, &kinds, false).unwrap();
        assert!(File::open(folder.path().join(wanted.to_string())).is_err());
        running.find(|event| number(event, folder.path()) == Some(wanted));
        running.needs.keep(&kinds, &[], false).unwrap();
    }
    // Those that succeed are told on.
    fs::write(folder.path().join("3"), "").unwrap();
    running.find(|event| number(event, folder.path()) == Some(3));
    running.end();
}

/// Starts a shell below a shell that opens a file once its input ends; returns the outer one when the
/// inner one runs.
fn shells(folder: &Path, name: &str) -> Child {
    let inner = format!("echo; read line; : <{}", folder.join(name).display());
    let mut command = Command::new("sh");
    command.args(["-c", &format!("sh -c '{inner}'; :")]).env("SAKER_NEEDS", name);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    child
}

#[test]
fn the_environment_of_what_runs_already_is_known_when_it_is_asked_for() {
    let Some(running) = Running::start(&[EventKind::OpenAt], true) else { return };
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["1", "2"].map(|name| shells(folder.path(), name));
    let opened = |shell: Child, number_wanted: u64| -> Vec<Option<String>> {
        // Its input ends as it is waited for.
        assert!(shell.wait_with_output().is_ok());
        let event = running.find(|event| number(event, folder.path()) == Some(number_wanted));
        let both = std::iter::once(&*event.process).chain(event.process.ancestors()).take(2);
        let variable = |text: &str| text.strip_prefix("SAKER_NEEDS=").map(str::to_owned);
        both.map(|process| process.environment.iter().find_map(|text| variable(text))).collect()
    };
    assert_eq!(opened(first, 1), [None, None]);
    running.needs.add(&[], &[], true).unwrap();
    assert_eq!(opened(second, 2), [Some("2".to_owned()), Some("2".to_owned())]);
    running.end();
}
