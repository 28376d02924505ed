//! Every kind of system call, as it succeeds and as it fails: its name, its result and what rules
//! read of its parameters and its descriptor.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use alert::{Argument, Event, EventKind, Field};

use crate::{
    deed::{compiled, run_status},
    watch::{frequent_watch, watch},
};

mod files;
mod processes;
mod rings;
mod sockets;

/// A deed of `calls.c` and the event it must make.
struct Row {
    /// Calls of one process, in a directory with the file `a`, the directory `d` and the link `l`
    /// to `a`.
    calls: &'static str,
    kind: EventKind,
    /// `evt.res`; `E*` where kernels differ in the error.
    result: &'static str,
    /// Fields and their values; `evt.arg` is meant where the name has no dot. `{dir}` is the
    /// directory, `*` at the end any rest.
    shows: &'static [(&'static str, &'static str)],
}

const fn row(
    calls: &'static str,
    kind: EventKind,
    result: &'static str,
    shows: &'static [(&'static str, &'static str)],
) -> Row {
    Row { calls, kind, result, shows }
}

/// Makes the deed of each row and looks at its event.
fn check(rows: &[Row]) {
    for row in rows {
        let watch = if row.kind.is_frequent() { frequent_watch() } else { watch() };
        let Some(watch) = watch else { return };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::write(path.join("a"), "text").unwrap();
        fs::create_dir(path.join("d")).unwrap();
        std::os::unix::fs::symlink("a", path.join("l")).unwrap();
        let mut command = Command::new(program());
        command.args(row.calls.split_whitespace()).current_dir(path);
        let (pid, status) = run_status(&mut command);
        if status.code() == Some(2) {
            eprintln!("\n*** SKIPPED: this kernel has no io_uring\n");
            return;
        }
        watch.find(row.calls, |event| {
            let own = event.process.key.pid == pid || event.process.ppid == pid;
            own && event.kind == row.kind
                && event.via_io_uring == row.calls.contains("ring:")
                && is(&shown(event, "evt.res"), row.result)
                && fits(event, row, path)
        });
    }
}

/// Looks at all values; a mismatch is told on the standard error, and the wait goes on.
fn fits(event: &Event, row: &Row, directory: &Path) -> bool {
    let directory = directory.to_str().unwrap();
    let mut all = true;
    for (name, expected) in row.shows {
        let expected = expected.replace("{dir}", directory);
        let value = shown(event, name);
        if !is(&value, &expected) {
            eprintln!("{}: {name} is `{value}`, not `{expected}`", row.calls);
            all = false;
        }
    }
    all
}

/// Returns whether a value is the expected one, or begins like one that ends with a star.
fn is(value: &str, expected: &str) -> bool {
    match expected.strip_suffix('*') {
        Some(start) => value.starts_with(start),
        None => value == expected,
    }
}

/// Returns the text of a field, `<none>` where the event has no value.
fn shown(event: &Event, name: &str) -> String {
    let value = match Field::ALL.iter().copied().find(|field| field.name() == name) {
        Some(field) => event.value(field, &Argument::None),
        None => event.value(Field::EvtArg, &Argument::Key(name.into())),
    };
    value.map_or_else(|| "<none>".to_owned(), |value| value.to_string())
}

/// Returns the compiled `calls.c`.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| compiled("calls"))
}
