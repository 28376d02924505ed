//! More events than can be let through: who is limited, who is left out, and who never is.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use agent::{
    detect::{Detector, EVENTS_LIMITED, Limits},
    sensor::{EventLimits, KindCounters, Mute, Sensor, SensorOptions, SensorStatus},
};
use alert::{Alert, Event, EventKind};
use rules::{RuleSet, Source};

use crate::{
    deed::{deed, program, run},
    watch::start,
};

const FLOOD: u64 = 50_000;
const KINDS: [EventKind; 4] =
    [EventKind::OpenAt, EventKind::Execve, EventKind::Clone, EventKind::ProcExit];

/// A cgroup of the unified hierarchy, without processes when it is dropped.
struct Cgroup(PathBuf);

impl Cgroup {
    /// Makes one; without the rights for it, a failure in CI and a loud `None` elsewhere.
    fn new(name: &str) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let root = mounts.lines().find_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (path, kind) = (words.next()?, words.next()?);
            (kind == "cgroup2").then(|| PathBuf::from(path))
        });
        let folder = root.map(|root| root.join(format!("saker-{name}-{}", std::process::id())));
        let made = folder.filter(|folder| fs::create_dir(folder).is_ok());
        if made.is_none() {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "no cgroup");
            eprintln!("\n*** SKIPPED, nothing was tested: no cgroup can be made\n");
        }
        made.map(Self)
    }

    fn path(&self) -> String {
        format!("/{}", self.0.file_name().unwrap().to_str().unwrap())
    }

    /// Returns a shell that does this in the cgroup.
    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        let script = format!("echo $$ > {}/cgroup.procs || exit 1; {script}", self.0.display());
        command.args(["-c", &script]);
        command
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while fs::remove_dir(&self.0).is_err() && Instant::now() < deadline {
            std::thread::yield_now();
        }
    }
}

/// Returns the counts of a kind, after a look whether they are exact.
fn count(status: &SensorStatus, kind: EventKind) -> KindCounters {
    let counters = status.counters().into_iter().find(|(of, _)| *of == kind).unwrap().1;
    let KindCounters { seen, muted, filtered, limited, sent, lost, .. } = counters;
    assert_eq!(seen, muted + filtered + limited + sent + lost, "{kind:?} {counters:?}");
    counters
}

/// Runs a sensor while `act` does something, until an event fits; returns all events until then.
fn events(sensor: Sensor, act: impl FnOnce(), last: impl Fn(&Event) -> bool + Sync) -> Vec<Event> {
    let stop = AtomicBool::new(false);
    let deadline = Instant::now() + Duration::from_secs(60);
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut events = Vec::new();
            sensor.run(&stop, &mut |event| {
                if last(&event) {
                    stop.store(true, Ordering::Relaxed);
                }
                events.push(event);
            });
            events
        });
        act();
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert!(stop.swap(true, Ordering::Relaxed), "the last event did not come");
        thread.join().unwrap()
    })
}

fn opens(event: &Event, path: &str) -> bool {
    matches!(&event.detail, alert::Detail::Open(file) if *file.path == *path)
}

/// Returns a detector with one rule: the test's own look at password hashes.
fn detector() -> Detector {
    let condition =
        "evt.type = openat and fd.name = /etc/shadow and proc.args contains saker-overload";
    let text = format!(
        "- rule: Shadow\n  desc: d\n  priority: INFO\n  output: o\n  condition: {condition}\n"
    );
    let rules = RuleSet::load(&[Source { name: "t.yaml".to_owned(), text }]).unwrap().rules;
    Detector::new(rules, "test".to_owned(), Limits::none())
}

#[test]
fn a_flood_from_one_cgroup_is_limited_and_nobody_else_is() {
    let (Some(noisy), Some(quiet)) = (Cgroup::new("noisy"), Cgroup::new("quiet")) else { return };
    let limits = EventLimits {
        kind_per_second_max: 0,
        cgroup_per_second_max: 500,
        burst: Duration::from_secs(1),
    };
    let options = SensorOptions { limits, ..SensorOptions::default() };
    let Some(sensor) = start(&KINDS, options) else { return };
    let status = sensor.status();
    let flood = format!(
        "{} open-many {FLOOD} & \
         i=0; while [ $i -lt 50 ]; do /bin/true saker-overload; i=$((i+1)); done; wait",
        program().display()
    );
    let seen = events(
        sensor,
        || {
            run(&mut noisy.shell(&flood));
            run(&mut quiet.shell("exec cat /etc/shadow /dev/null -- saker-overload"));
        },
        |event| {
            let last = event.process.arguments.last();
            event.kind == EventKind::ProcExit
                && *event.process.name == *"cat"
                && last.is_some_and(|last| **last == *"saker-overload")
        },
    );

    let starts = seen.iter().filter(|event| {
        let words = event.process.arguments.iter().map(|word| &**word);
        event.kind == EventKind::Execve && words.eq(["/bin/true", "saker-overload"])
    });
    assert_eq!(starts.count(), 50, "process life is never limited");
    for kind in [EventKind::Execve, EventKind::Clone, EventKind::ProcExit] {
        assert_eq!(count(&status, kind).limited, 0);
    }
    let limited = count(&status, EventKind::OpenAt).limited;
    assert!(limited > FLOOD / 2, "{limited}");
    let told = status.noisy();
    assert_eq!((told[0].kind, &told[0].cgroup), (EventKind::OpenAt, &noisy.path()), "{told:?}");
    assert!((FLOOD / 2..=limited).contains(&told[0].limited), "{told:?}");

    let (mut detector, mut alerts) = (detector(), Vec::new());
    for event in &seen {
        detector.observe(event, &mut |alert: &Alert| alerts.push(alert.clone()));
    }
    let now = jiff::Timestamp::now();
    let counts = [(EventKind::OpenAt, limited)];
    detector.limited(now, &counts, || told, &mut |alert: &Alert| alerts.push(alert.clone()));
    let raised: Vec<_> = alerts.iter().map(|alert| &*alert.rule).collect();
    assert_eq!(raised, ["Shadow", EVENTS_LIMITED]);
    assert!(alerts[1].fields["cgroups"].as_str().unwrap().contains(&noisy.path()));
}

#[test]
fn a_kind_has_a_limit_of_its_own() {
    let limits = EventLimits {
        kind_per_second_max: 1000,
        cgroup_per_second_max: 0,
        burst: Duration::from_secs(1),
    };
    let options = SensorOptions { limits, ..SensorOptions::default() };
    let Some(sensor) = start(&[EventKind::OpenAt], options) else { return };
    let began = Instant::now();
    run(deed("open-many").arg(FLOOD.to_string()));
    let counters = count(&sensor.status(), EventKind::OpenAt);
    // A full bucket and what came back since.
    let allowed = 1000 * (began.elapsed().as_secs() + 3);
    assert!(counters.sent + counters.lost <= allowed, "{counters:?}");
    assert!(counters.limited > FLOOD / 2, "{counters:?}");
    assert_eq!(sensor.status().noisy(), []);
}

#[test]
fn a_program_a_cgroup_and_their_children_are_muted() {
    let Some(cgroup) = Cgroup::new("muted") else { return };
    let folder = tempfile::tempdir().unwrap();
    let muted = folder.path().join("muted");
    fs::copy("/bin/sh", &muted).unwrap();
    let mutes = vec![Mute::Exe(muted.to_str().unwrap().into()), Mute::Cgroup(cgroup.path().into())];
    let options = SensorOptions { mutes, ..SensorOptions::default() };
    let Some(sensor) = start(&KINDS, options) else { return };
    let status = sensor.status();
    let mark = |what: &str| folder.path().join(what).to_str().unwrap().to_owned();
    let last = mark("last");
    let seen = events(
        sensor,
        || {
            let script = format!("cat {}; sh -c 'cat {}; :'; :", mark("a"), mark("b"));
            run(Command::new(&muted).args(["-c", &script]));
            run(&mut cgroup.shell(&format!("cat {}; :", mark("c"))));
            run(Command::new("cat").arg(&last));
        },
        |event| opens(event, &last),
    );
    for name in ["a", "b", "c"] {
        let path = mark(name);
        let about = |event: &&Event| {
            opens(event, &path) || event.process.arguments.iter().any(|word| **word == *path)
        };
        assert_eq!(seen.iter().find(about).map(|event| event.kind), None, "{name}");
    }
    assert!(count(&status, EventKind::OpenAt).muted > 0);
    assert!(status.totals().muted > 0, "starts and ends are left out by the agent");
}
