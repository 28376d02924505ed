//! Events to match: those recorded for `saker demo`, and made-up streams of a server at work in
//! which hardly anything matches.

use std::{path::PathBuf, sync::Arc};

use alert::{
    Connection, Detail, Event, EventKind, Executable, FileType, OpenFile, Process, ProcessKey,
};
use anyhow::Context;

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/demo/events.ndjson.zst");
/// Events of a batch: as few as lie in a cache, where an agent's events lie when it matches them.
const EVENTS: usize = 1_000;
const PROCESSES: usize = 500;

/// Whether processes come again or every event has one that was never seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Processes {
    Known,
    New,
}

#[derive(Debug)]
pub(super) struct Trace {
    pub(super) name: String,
    pattern: Vec<Event>,
    processes: Processes,
}

/// Returns all traces, by kind and mixed, each with known and with new processes.
pub(super) fn all() -> anyhow::Result<Vec<Trace>> {
    let mut traces = Vec::new();
    for processes in [Processes::Known, Processes::New] {
        traces.extend(synthetic(processes));
    }
    let mut recorded = Vec::new();
    for event in agent::recorder::Recording::open(&PathBuf::from(RECORDING)).context("recording")? {
        recorded.push(event?);
    }
    let mut kinds: Vec<EventKind> = recorded.iter().map(|event| event.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let pattern = recorded.iter().filter(|event| event.kind == kind).cloned().collect();
        let name = format!("recorded {}", kind.name());
        traces.push(Trace { name, pattern, processes: Processes::Known });
    }
    Ok(traces)
}

/// Returns made-up streams: execve, openat, connect, and the three mixed.
pub(super) fn synthetic(processes: Processes) -> Vec<Trace> {
    let known: Vec<_> = (0..PROCESSES).map(process).collect();
    let of = |kind: EventKind| Trace {
        name: named(kind.name(), processes),
        pattern: (0..PROCESSES * 8).map(|number| event(kind, number, &known)).collect(),
        processes,
    };
    let kinds = [EventKind::Execve, EventKind::OpenAt, EventKind::Connect];
    kinds.into_iter().map(of).chain([Trace::mixed("mixed", processes)]).collect()
}

fn named(name: &str, processes: Processes) -> String {
    match processes {
        Processes::Known => name.to_owned(),
        Processes::New => format!("{name}, a new process each"),
    }
}

impl Trace {
    /// A hundred opens, four connections and an exec, again and again.
    pub(super) fn mixed(name: &str, processes: Processes) -> Self {
        let known: Vec<_> = (0..PROCESSES).map(process).collect();
        let kind = |number: usize| match number % 105 {
            0 => EventKind::Execve,
            1 | 27 | 53 | 79 => EventKind::Connect,
            _ => EventKind::OpenAt,
        };
        let pattern = (0..105 * 40).map(|number| event(kind(number), number, &known)).collect();
        Self { name: named(name, processes), pattern, processes }
    }

    /// Returns the events of one batch.
    pub(super) fn events(&self, batch: usize) -> Vec<Event> {
        let from = batch * EVENTS % self.pattern.len();
        let events = self.pattern.iter().cycle().skip(from).take(EVENTS);
        events
            .map(|event| match self.processes {
                Processes::Known => event.clone(),
                Processes::New => {
                    let process = Arc::new(Process::clone(&event.process));
                    Event { process, ..event.clone() }
                }
            })
            .collect()
    }
}

fn process(number: usize) -> Arc<Process> {
    let names =
        ["nginx", "postgres", "java", "node", "python3", "systemd-journal", "cron", "redis"];
    let mut parent = None;
    let chain = [
        "systemd",
        "containerd-shim",
        names[number / 8 % names.len()],
        names[number % names.len()],
    ];
    for (depth, name) in chain.into_iter().enumerate() {
        let pid = i32::try_from(number * 4 + depth).unwrap_or(0);
        let text = |text: &str| Box::<str>::from(text);
        let unit = format!("--instance={number}");
        parent = Some(Arc::new(Process {
            key: ProcessKey { pid, start_boot_ns: 1 },
            ppid: pid - 1,
            vpid: pid,
            sid: pid,
            start_ns: 1,
            name: name.into(),
            executable: Executable {
                path: format!("/usr/bin/{name}").into(),
                ..Executable::default()
            },
            arguments: [text(name), text("--config"), text("/etc/app/config.yaml"), unit.into()]
                .into(),
            environment: [text("PATH=/usr/bin:/bin"), text("LANG=C.UTF-8")].into(),
            cwd: "/srv/".into(),
            tty: 0,
            uid: 1000,
            gid: 1000,
            user: Some("app".into()),
            group: None,
            login_uid: None,
            login_user: None,
            capabilities: 0,
            stdin: None,
            stdout: None,
            container: None,
            parent,
            extra: None,
            memo: alert::Memo::default(),
        }));
    }
    parent.unwrap_or_else(|| unreachable!("the chain has four processes"))
}

fn event(kind: EventKind, number: usize, processes: &[Arc<Process>]) -> Event {
    const PATHS: [&str; 8] = [
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/proc/self/status",
        "/var/lib/app/data/000123.db",
        "/usr/share/zoneinfo/Etc/UTC",
        "/etc/ld.so.cache",
        "/srv/www/static/images/logo-2x.png",
        "/dev/urandom",
        "/tmp/app-4711.sock.lock",
    ];
    let process = Arc::clone(&processes[number * 7 % processes.len()]);
    let detail = match kind {
        EventKind::Execve => Detail::Exec { filename: "/usr/bin/x".into() },
        EventKind::Connect => Detail::Connect(Connection {
            descriptor: 5,
            protocol: Some("tcp".into()),
            local: "10.0.0.5:40000".parse().ok(),
            remote: "10.0.0.9:5432".parse().ok(),
            ..Connection::default()
        }),
        _ => {
            let path = PATHS[number % PATHS.len()];
            Detail::Open(OpenFile {
                raw: path.into(),
                path: path.into(),
                resolved: Some(path.into()),
                flags: if number % 8 == 2 { 0o101 } else { 0o2_000_000 },
                mode: 0,
                file_type: FileType::File,
                inode: 1,
                device: 1,
            })
        }
    };
    Event {
        number: number as u64 + 1,
        time_ns: 60_000_000_000,
        kind,
        result: if kind == EventKind::OpenAt { 3 } else { 0 },
        tid: process.key.pid,
        vtid: None,
        cpu: None,
        via_io_uring: false,
        process,
        detail,
    }
}
