//! Measures how many events a second one thread matches against rules, on a made-up stream in
//! which hardly anything matches: `cargo run --release -p rules --example matching [FILE…]`.
//! Without files the built-in rules are used.
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::{sync::Arc, time::Instant};

use alert::{
    Connection, Detail, Event, EventKind, Executable, FileType, OpenFile, Process, ProcessKey,
};
use rules::{RuleSet, Source, builtin};

const ROUNDS: usize = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut sources = Vec::new();
    for path in std::env::args().skip(1) {
        sources.push(Source { text: std::fs::read_to_string(&path)?, name: path });
    }
    if sources.is_empty() {
        sources = builtin();
    }
    let started = Instant::now();
    let rules = RuleSet::load(&sources).map_err(|errors| errors[0].to_string())?.rules;
    println!("{} rules loaded in {:?}", rules.rules().len(), started.elapsed());

    let processes: Vec<_> = (0..500).map(process).collect();
    for (name, shared) in [("processes seen before", true), ("every event a new process", false)] {
        for kind in [EventKind::Execve, EventKind::OpenAt, EventKind::Connect] {
            let events: Vec<_> = (0..20_000)
                .map(|number| {
                    let process = &processes[number * 7 % processes.len()];
                    let process = match shared {
                        true => Arc::clone(process),
                        false => Arc::new(Process::clone(process)),
                    };
                    event(kind, number, process)
                })
                .collect();
            let mut matcher = rules.matcher();
            let mut hits = 0;
            let started = processor_seconds();
            for _ in 0..ROUNDS {
                for event in &events {
                    matcher.matches(event, &mut |_| hits += 1);
                }
            }
            let count = events.len() * ROUNDS;
            let seconds = processor_seconds() - started;
            let (nanoseconds, millions) =
                (seconds * 1e9 / count as f64, count as f64 / seconds / 1e6);
            println!(
                "{:10} {name}: {millions:.2} M/s, {nanoseconds:.0} ns, {hits} hits",
                kind.name()
            );
        }
    }
    Ok(())
}

/// Processor time of this program, which has one thread; other programs do not disturb it.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let first = text.split_ascii_whitespace().next().and_then(|text| text.parse::<f64>().ok());
    first.unwrap_or(0.0) / 1e9
}

fn process(number: usize) -> Arc<Process> {
    let names = ["nginx", "postgres", "java", "node", "python3", "systemd-journal", "cron", "sh"];
    let mut parent = None;
    for (depth, name) in ["systemd", "containerd-shim", names[number / 8 % names.len()]]
        .into_iter()
        .chain([names[number % names.len()]])
        .enumerate()
    {
        let pid = i32::try_from(number * 4 + depth).unwrap_or(0);
        let argument = |text: &str| Box::<str>::from(text);
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
            arguments: [argument(name), argument("--config"), argument("/etc/app/config.yaml")]
                .into(),
            environment: [].into(),
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
            ..Process::default()
        }));
    }
    parent.unwrap_or_else(|| unreachable!("the chain has four processes"))
}

fn event(kind: EventKind, number: usize, process: Arc<Process>) -> Event {
    let paths = [
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/proc/self/status",
        "/var/lib/app/data/000123.db",
        "/etc/ssl/certs/ca-certificates.crt",
    ];
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
            let path = paths[number % paths.len()];
            Detail::Open(OpenFile {
                raw: path.into(),
                path: path.into(),
                resolved: Some(path.into()),
                flags: u32::from(number % 4 == 2),
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
        result: 3,
        tid: process.key.pid,
        via_io_uring: false,
        process,
        detail,
    }
}
