//! Processes and events for tests.
#![allow(dead_code, reason = "each test binary uses some of them")]

use std::sync::Arc;

use alert::{Detail, Event, EventKind, FileType, OpenFile, Process};

/// Returns a plain process of this name.
pub(crate) fn process(name: &str, parent: Option<Arc<Process>>) -> Process {
    let json = serde_json::json!({
        "key": {"pid": 100, "start_boot_ns": 1}, "ppid": 1, "vpid": 100, "sid": 100,
        "start_ns": 1_000_000_000, "name": name,
        "executable": {"path": format!("/usr/bin/{name}"), "inode": 1, "ctime_ns": 0, "mtime_ns": 0},
        "arguments": [name], "cwd": "/srv", "tty": 0, "uid": 0, "gid": 0, "user": null,
        "group": null, "login_uid": null, "login_user": null, "capabilities": 0,
        "container": null, "parent": null
    });
    let process: Process = serde_json::from_value(json).expect("a process");
    Process { parent, ..process }
}

pub(crate) fn event(kind: EventKind, process: Arc<Process>, detail: Detail) -> Event {
    let (number, time_ns, result, tid) = (7, 3_000_000_000, 3, 100);
    Event {
        number,
        time_ns,
        kind,
        result,
        tid,
        vtid: None,
        cpu: None,
        via_io_uring: false,
        process,
        detail,
    }
}

pub(crate) fn open(path: &str, resolved: Option<&str>, flags: u32) -> Detail {
    Detail::Open(OpenFile {
        raw: path.into(),
        path: path.into(),
        resolved: resolved.map(Into::into),
        flags,
        mode: 0o644,
        file_type: FileType::File,
        inode: 5,
        device: 1,
    })
}
