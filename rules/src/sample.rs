//! Events for tests.

use std::sync::Arc;

use alert::{Connection, Detail, Event, EventKind, Executable, OpenFile, Process, ProcessKey};

pub(crate) fn process(name: &str, arguments: &[&str]) -> Process {
    let first = std::iter::once(name);
    Process {
        key: ProcessKey { pid: 100, start_boot_ns: 1 },
        ppid: 99,
        vpid: 100,
        sid: 98,
        start_ns: 1_000_000_000,
        name: name.into(),
        executable: Executable { path: format!("/usr/bin/{name}").into(), ..Executable::default() },
        arguments: first.chain(arguments.iter().copied()).map(Into::into).collect(),
        environment: ["HOME=/root".into(), "X=".into()].into(),
        cwd: "/srv/".into(),
        tty: 0,
        uid: 0,
        gid: 0,
        user: None,
        group: None,
        login_uid: None,
        login_user: None,
        capabilities: 1,
        stdin: None,
        stdout: None,
        container: None,
        parent: None,
        ..Process::default()
    }
}

/// A chain of processes, the first the child of the second and so on.
pub(crate) fn family(names: &[&str]) -> Arc<Process> {
    let mut parent = None;
    for name in names.iter().rev() {
        let mut child = process(name, &[]);
        child.parent = parent;
        parent = Some(Arc::new(child));
    }
    parent.unwrap_or_else(|| Arc::new(process("nobody", &[])))
}

pub(crate) fn event(kind: EventKind, process: Arc<Process>, detail: Detail) -> Event {
    let result = if kind.is_open() { 3 } else { 0 };
    let (number, time_ns, tid) = (7, 3_000_000_000, 100);
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

pub(crate) fn exec(name: &str, arguments: &[&str]) -> Event {
    let detail = Detail::Exec { filename: "x".into() };
    event(EventKind::Execve, Arc::new(process(name, arguments)), detail)
}

pub(crate) fn open(path: &str, resolved: Option<&str>, flags: u32) -> Event {
    let detail = Detail::Open(OpenFile {
        raw: path.into(),
        path: path.into(),
        resolved: resolved.map(Into::into),
        flags,
        mode: 0o644,
        file_type: alert::FileType::File,
        inode: 5,
        device: 1,
    });
    event(EventKind::OpenAt, family(&["cat", "bash", "sshd"]), detail)
}

pub(crate) fn connect(local: &str, remote: &str) -> Event {
    let detail = Detail::Connect(Connection {
        descriptor: 4,
        protocol: Some("tcp".into()),
        local: local.parse().ok(),
        remote: remote.parse().ok(),
        ..Connection::default()
    });
    event(EventKind::Connect, family(&["curl"]), detail)
}
