//! The sensor itself: what it attaches, knows at the start, counts and says when it may not start.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use agent::sensor::{Backend, KindCounters, Sensor, SensorOptions, SensorStatus};
use alert::{Detail, Event, EventKind, StandardStream};

use crate::{
    deed::{deed, finish, run},
    watch::{start, watch},
};

fn count(status: &SensorStatus, kind: EventKind) -> KindCounters {
    status.counters().into_iter().find(|(of, _)| *of == kind).unwrap().1
}

#[test]
fn every_kind_has_a_hook_and_says_which() {
    let Some(watch) = watch() else { return };
    let status = watch.status();
    assert_eq!(status.unavailable(), []);
    for kind in EventKind::reported().filter(|kind| !kind.is_frequent()) {
        let hooks = status.hooks();
        let hooks: Vec<_> = hooks
            .iter()
            .filter(|hook| hook.kinds.contains(&kind) && hook.target != "io_uring_submit_req")
            .collect();
        // A start or a fork that fails is seen where other calls end.
        let fails_elsewhere = kind.is_exec() || kind.is_clone();
        assert_eq!(hooks.len(), 1 + usize::from(fails_elsewhere), "{kind:?}");
        // A kind served by the weaker back end although it has a better one says why.
        let opens_or_connects = matches!(
            kind,
            EventKind::Open
                | EventKind::OpenAt
                | EventKind::OpenAt2
                | EventKind::Creat
                | EventKind::Connect
        );
        if opens_or_connects && hooks[0].backend == Backend::Syscall {
            assert!(hooks[0].note.as_deref().unwrap().contains("trampoline"), "{:?}", hooks[0]);
        }
    }
}

#[test]
fn only_what_is_asked_for_is_attached() {
    let Some(sensor) = start(&[EventKind::ProcExit], SensorOptions::default()) else { return };
    let status = sensor.status();
    let programs: Vec<_> = status.hooks().into_iter().map(|hook| hook.program).collect();
    assert_eq!(
        programs,
        ["process_exec", "process_fork", "process_exit", "cgroup_made", "cgroup_removed"]
    );
    drop(sensor);

    let Some(sensor) = start(&[EventKind::Ptrace], SensorOptions::default()) else { return };
    run(deed("creat").arg("/dev/null"));
    assert_eq!(count(&sensor.status(), EventKind::Creat), KindCounters::default());
}

#[test]
fn a_process_older_than_the_sensor_is_known_with_its_ancestors() {
    let mut old = Command::new("sh")
        .args(["-c", "read line; : </etc/hostname; :"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = old.id() as i32;
    let event = first_event(
        &[EventKind::OpenAt],
        |event| event.process.key.pid == pid,
        || {
            old.stdin.take().unwrap().write_all(b"go\n").unwrap();
        },
    );
    finish(old);
    let Some(event) = event else { return };
    assert!(matches!(&event.detail, Detail::Open(file) if &*file.path == "/etc/hostname"));
    let process = &event.process;
    assert_eq!(*process.name, *"sh");
    assert_eq!(*process.arguments[1], *"-c");
    assert_eq!(process.ppid, std::process::id() as i32);
    assert_eq!(process.ancestors().next().unwrap().key.pid, std::process::id() as i32);
    assert_eq!(process.user.as_deref(), Some("root"));
    assert!(process.executable.inode != 0);
    assert_eq!(Path::new(&*process.cwd), std::env::current_dir().unwrap());
    assert_eq!(process.stdin, Some(StandardStream::Pipe));
    let extra = process.extra.as_ref().unwrap();
    assert_eq!(extra.group_id, Some(group_of(std::process::id() as i32)));
    assert!(extra.usage.unwrap().files_max >= 64);
    assert_eq!(extra.permitted, Some(process.capabilities));
}

fn group_of(pid: i32) -> i32 {
    let pid = rustix::process::Pid::from_raw(pid);
    rustix::process::getpgid(pid).unwrap().as_raw_nonzero().get()
}

#[test]
fn a_storm_of_processes_finds_bounded_room_and_evictions_are_counted() {
    let options = SensorOptions { processes_max: 64, ..Default::default() };
    let Some(sensor) = start(&[EventKind::OpenAt], options) else { return };
    let status = sensor.status();
    let storm = "i=0; while [ $i -lt 300 ]; do /bin/true & i=$((i+1)); done; wait";
    run(Command::new("sh").args(["-c", storm]));
    let stop = AtomicBool::new(true);
    sensor.run(&stop, &mut |_| {});
    let totals = status.totals();
    assert!(totals.processes <= 64, "{totals:?}");
    assert!(totals.evicted >= 200, "{totals:?}");
    assert_eq!(totals.malformed, 0);
}

/// Runs a sensor of its own until an event fits; `act` is called once it watches.
fn first_event(
    kinds: &[EventKind],
    fits: impl Fn(&Event) -> bool + Sync,
    act: impl FnOnce(),
) -> Option<Event> {
    let sensor = start(kinds, SensorOptions::default());
    act();
    let sensor = sensor?;
    let stop = AtomicBool::new(false);
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            sensor.run(&stop, &mut |event| {
                if fits(&event) {
                    let _ = send.send(event);
                }
            });
        });
        let event = receive.recv_timeout(Duration::from_secs(20));
        stop.store(true, Ordering::Relaxed);
        Some(event.expect("an event"))
    })
}

#[test]
fn what_a_full_ring_loses_is_counted_exactly() {
    let options = SensorOptions { bulk_ring_bytes: 4096, ..Default::default() };
    let Some(sensor) = start(&[EventKind::OpenAt], options) else { return };
    let status = sensor.status();
    // Nobody drains the ring, so it fills at once.
    run(deed("open-many").arg("1000"));
    let counters = count(&status, EventKind::OpenAt);
    assert!(counters.lost >= 900, "{counters:?}");
    let left_out = counters.muted + counters.filtered + counters.limited;
    assert_eq!(counters.seen, left_out + counters.sent + counters.lost, "{counters:?}");

    let stop = AtomicBool::new(true);
    let mut events = 0;
    sensor.run(&stop, &mut |_| events += 1);
    let totals = status.totals();
    assert!(events > 0);
    assert_eq!(totals.malformed, 0);
}

#[test]
fn all_that_was_sent_is_received() {
    const ROUNDS: u64 = 50;
    const OPENS: u64 = 1000;
    let Some(sensor) = start(&[EventKind::OpenAt], SensorOptions::default()) else { return };
    let status = sensor.status();
    let stop = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut events = 0_u64;
            let null = |event: &Event| matches!(&event.detail, Detail::Open(file) if &*file.path == "/dev/null");
            sensor.run(&stop, &mut |event| events += u64::from(*event.process.name == *program_name() && null(&event)));
            events
        });
        // The reader keeps up: how fast it is told of by the machine, and not by this test.
        for _ in 0..ROUNDS {
            run(deed("open-many").arg(OPENS.to_string()));
            let sent = count(&status, EventKind::OpenAt).sent;
            let deadline = Instant::now() + Duration::from_secs(60);
            while status.totals().received < sent && Instant::now() < deadline {
                std::thread::yield_now();
            }
        }
        stop.store(true, Ordering::Relaxed);
        thread.join().unwrap()
    });
    let counters = count(&status, EventKind::OpenAt);
    // The rest of a busy machine may fill the rings for a moment, and is counted then.
    assert!(seen + counters.lost >= ROUNDS * OPENS, "{seen} and {counters:?}");
    assert!(seen > ROUNDS * OPENS / 2, "{seen} and {counters:?}");
    assert_eq!(status.totals().malformed, 0);
}

/// `comm` of the deeds: 15 bytes of the file's name.
fn program_name() -> String {
    let name = crate::deed::program().file_name().unwrap().to_str().unwrap();
    name.chars().take(15).collect()
}

#[test]
fn after_lost_starts_the_processes_are_known_again() {
    let options = SensorOptions { prio_ring_bytes: 4096, ..Default::default() };
    let Some(sensor) = start(&[EventKind::OpenAt], options) else { return };
    let status = sensor.status();
    // The prio ring holds a few records: the start of the last shell is lost.
    for _ in 0..20 {
        run(&mut Command::new("/bin/true"));
    }
    let mut late = Command::new("sh")
        .args(["-c", "while read line; do : </etc/hostname; done", "late"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    assert!(count(&status, EventKind::Execve).lost > 0);
    let pid = late.id() as i32;
    let mut input = late.stdin.take().unwrap();
    let stop = AtomicBool::new(false);
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            sensor.run(&stop, &mut |event| {
                let known = event.process.arguments.last().is_some_and(|last| **last == *"late");
                if event.process.key.pid == pid && known {
                    let _ = send.send(event);
                }
            });
        });
        let event = loop {
            input.write_all(b"go\n").unwrap();
            match receive.recv_timeout(Duration::from_millis(50)) {
                Ok(event) => break event,
                Err(_) => assert!(late.try_wait().unwrap().is_none()),
            }
        };
        stop.store(true, Ordering::Relaxed);
        assert_eq!(event.process.ppid, std::process::id() as i32);
    });
    drop(input);
    finish(late);
}

#[test]
fn without_rights_the_error_names_the_capability() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("\n*** SKIPPED: needs root to give rights up\n");
        return;
    }
    let maps = "the sensor may not create eBPF maps: it needs the capability CAP_BPF";
    let programs = "the sensor may not load tracing programs: it needs the capability CAP_PERFMON";
    for (capabilities, expected) in [
        ("-all", maps),
        ("-all,+perfmon", maps),
        ("-all,+bpf", programs),
        ("-all,+bpf,+perfmon", "started"),
    ] {
        let said = start_with(capabilities);
        assert!(said.contains(expected), "{capabilities}: {said}");
    }
}

/// Returns what a sensor of another user with these capabilities says.
fn start_with(capabilities: &str) -> String {
    let directory = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .unwrap();
    let program = directory.path().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .args(["--inh-caps", capabilities, "--ambient-caps", capabilities])
        .arg(&program)
        .args(["--exact", "lifecycle::tries_to_start", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
#[ignore = "run without rights by the test above"]
fn tries_to_start() {
    match Sensor::start(&EventKind::ALL, SensorOptions::default()) {
        Ok(_) => eprintln!("started"),
        Err(error) => eprintln!("{error}"),
    }
}
