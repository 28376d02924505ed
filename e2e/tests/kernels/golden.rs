//! What is told of each deed: the same by both back ends, on every kernel.

use std::{fmt::Write, fs, path::PathBuf};

use e2e::Kernel;
use serde_json::Value;

use crate::{
    guests::{Backend, reports},
    hooks::unwatched,
};

/// Returns what the agent told, by process, without what differs from run to run.
fn told(output: &str) -> String {
    let (_, alerts) = output.split_once("#alerts\n").expect("alerts");
    let mut processes: Vec<(String, Vec<String>)> = Vec::new();
    for line in alerts.lines().filter(|line| !line.is_empty()) {
        let alert: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        let (pid, event) = alert["output"].as_str().unwrap().split_once(' ').unwrap();
        let event = steady(&event.escape_debug().to_string());
        // What several processes do at once has no order of its own.
        match processes.iter_mut().find(|(of, _)| of == pid) {
            Some((_, events)) => events.push(event),
            None => processes.push((pid.to_owned(), vec![event])),
        }
    }
    let blocks = processes.into_iter().map(|(_, events)| events.join("\n"));
    blocks.collect::<Vec<_>>().join("\n\n") + "\n"
}

/// What differs from run to run or from kernel to kernel: inodes and devices, ids of processes, their
/// memory, and what io_uring can do.
const UNSTEADY: [&str; 15] = [
    "ino",
    "dev",
    "tid",
    "pid",
    "ptid",
    "vpid",
    "vtid",
    "pgid",
    "vpgid",
    "pgft_maj",
    "pgft_min",
    "vm_size",
    "vm_rss",
    "pidns_init_start_ts",
    "features",
];

/// Replaces what is not the same every time.
fn steady(told: &str) -> String {
    let words = told.split(' ').map(|word| match word.split_once('=') {
        Some((name, _)) if UNSTEADY.contains(&name) => format!("{name}=*"),
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Leaves out what is told of these kinds of event.
fn without(golden: &str, kinds: &[String]) -> String {
    let kept = golden.split_inclusive('\n').filter(|line| {
        let kind = line.split(' ').next().unwrap_or_default();
        !kinds.iter().any(|unwatched| unwatched == kind)
    });
    kept.collect()
}

fn golden_file() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernels/golden.txt"))
}

/// Returns the first lines that differ, for people.
fn difference(expected: &str, found: &str) -> String {
    let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let mut text = String::new();
    for line in expected.iter().filter(|line| !found.contains(line)).take(40) {
        writeln!(text, "- {line}").unwrap();
    }
    for line in found.iter().filter(|line| !expected.contains(line)).take(40) {
        writeln!(text, "+ {line}").unwrap();
    }
    if text.is_empty() {
        let at = expected.iter().zip(&found).position(|(expected, found)| expected != found);
        let at = at.unwrap_or(expected.len().min(found.len()));
        let around =
            |lines: &[&str]| lines[at.saturating_sub(3)..(at + 4).min(lines.len())].join("\n");
        write!(text, "in another order:\n{}\n---\n{}", around(&expected), around(&found)).unwrap();
    }
    text
}

#[test]
fn both_back_ends_tell_the_same_of_every_deed_on_every_kernel() {
    let Some(reports) = reports() else { return };
    let told_by =
        |kernel: Kernel, backend: Backend| told(reports[&kernel].step(backend.name()).succeeded());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(golden_file(), told_by(Kernel::ALL[0], Backend::Syscall)).unwrap();
    }
    let golden = fs::read_to_string(golden_file()).unwrap();
    let mut wrong = String::new();
    for kernel in Kernel::ALL {
        for backend in Backend::ALL {
            let found = told_by(kernel, backend);
            let golden = without(&golden, &unwatched(&reports[&kernel], backend));
            if found != golden {
                let difference = difference(&golden, &found);
                writeln!(wrong, "{} on {}:\n{difference}", backend.name(), kernel.name).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "not as in {}:\n{wrong}", golden_file().display());
}
