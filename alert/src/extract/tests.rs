//! What the details that sensors tell show as parameters and descriptors.

use std::sync::Arc;

use crate::{
    Argument, Call, Connection, Descriptor, Detail, EndNames, Event, EventKind, EventSource, Field,
    FileType, OpenFile, ParameterValue, Process, ProcessKey,
};

fn event(kind: EventKind, result: i64, detail: Detail) -> Event {
    let parent = Process {
        key: ProcessKey { pid: 7, start_boot_ns: 1 },
        name: "bash".into(),
        ..Process::default()
    };
    let process = Process {
        key: ProcessKey { pid: 9, start_boot_ns: 2 },
        ppid: 7,
        name: "cat".into(),
        arguments: ["cat".into(), "-n".into(), "/x".into()].into(),
        cwd: "/srv".into(),
        user: Some("root".into()),
        parent: Some(Arc::new(parent)),
        ..Process::default()
    };
    let (number, time_ns, tid) = (1, 1_500_000_000, 9);
    let (via_io_uring, vtid, cpu) = (false, Some(17), Some(3));
    Event {
        number,
        time_ns,
        kind,
        result,
        tid,
        vtid,
        cpu,
        via_io_uring,
        process: Arc::new(process),
        detail,
    }
}

fn shown(event: &Event, name: &str) -> Option<String> {
    let (name, argument) = match name.trim_end_matches(']').split_once('[') {
        Some((name, argument)) => (name, Some(argument)),
        None => (name, None),
    };
    let (field, argument) = Field::resolve(name, argument).unwrap();
    event.value(field, &argument).map(|value| value.to_string())
}

fn check(event: &Event, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(shown(event, name).as_deref(), Some(*value), "{name}");
    }
}

#[test]
fn an_open_is_shown_with_its_file() {
    let open = |result| {
        let detail = Detail::Open(OpenFile {
            raw: "x".into(),
            path: "/srv/x".into(),
            resolved: None,
            flags: 0o101,
            mode: 0o644,
            file_type: FileType::File,
            inode: 5,
            device: 0xfd00,
        });
        event(EventKind::OpenAt, result, detail)
    };
    check(
        &open(3),
        &[
            (
                "evt.args",
                "fd=3(<f>/srv/x) name=x(/srv/x) flags=65(O_CREAT|O_WRONLY) \
                 mode=0644(S_IROTH|S_IRGRP|S_IWUSR|S_IRUSR) dev=FD00 ino=5",
            ),
            ("evt.arg.fd", "<f>/srv/x"),
            ("evt.rawarg.fd", "3"),
            ("evt.rawarg.name", "x"),
            ("evt.abspath", "/srv/x"),
            ("fs.path.nameraw", "x"),
            ("fd.dev.major", "253"),
            ("fd.dev.minor", "0"),
            ("evt.datetime", "1970-01-01 00:00:01.500000000"),
        ],
    );
    let failed = open(-13);
    check(&failed, &[("evt.arg.fd", "EACCES"), ("evt.count.error.file", "1")]);
    assert_eq!(shown(&failed, "fs.path.name"), None);
    assert_eq!(shown(&failed, "evt.count.error.net"), None);
}

#[test]
fn an_exec_tells_of_its_process() {
    let exec = event(EventKind::Execve, 0, Detail::Exec { filename: "/bin/cat".into() });
    check(
        &exec,
        &[
            ("evt.arg.args", "-n./x."),
            ("evt.arg.ptid", "bash"),
            ("evt.rawarg.ptid", "7"),
            ("evt.arg.uid", "root"),
            ("evt.arg.loginuid", "<NONE>"),
            ("evt.arg[30]", "/bin/cat"),
            ("evt.type.is.execve", "1"),
            ("evt.type.is.open", "0"),
        ],
    );
    assert_eq!(shown(&exec, "evt.arg[31]"), None);
    assert_eq!(shown(&exec, "evt.arg.fdlimit"), None);
}

#[test]
fn a_module_is_shown_by_its_file() {
    let detail = Detail::Module { parameters: "a=1".into(), file: Some("/tmp/x.ko".into()) };
    let load = event(EventKind::FinitModule, 0, detail);
    check(
        &load,
        &[
            ("evt.args", "res=0 fd=<f>/tmp/x.ko uargs=a=1"),
            ("fd.name", "/tmp/x.ko"),
            ("fd.type", "file"),
        ],
    );
}

#[test]
fn a_connect_is_connected_when_it_succeeded() {
    let connect = |result| {
        let (local, remote) = ("10.0.0.1:40000".parse().ok(), "10.0.0.2:443".parse().ok());
        let socket = Connection { descriptor: 5, local, remote, ..Connection::default() };
        event(EventKind::Connect, result, Detail::Connect(socket))
    };
    check(
        &connect(0),
        &[
            ("fd.connected", "true"),
            ("evt.arg.tuple", "10.0.0.1:40000->10.0.0.2:443"),
            ("evt.arg.addr", "10.0.0.2:443"),
            ("fd.is_server", "false"),
        ],
    );
    check(&connect(-115), &[("fd.connected", "false"), ("evt.res", "EINPROGRESS")]);
}

#[test]
fn a_recorded_event_of_before_reads_as_it_was() {
    let text = r#"{"number":1,"time_ns":2,"kind":"connect","result":0,"tid":9,"process":{
        "key":{"pid":9,"start_boot_ns":1},"ppid":1,"vpid":9,"sid":9,"start_ns":1,"name":"curl",
        "executable":{"path":"/usr/bin/curl","inode":1,"ctime_ns":1,"mtime_ns":1},"arguments":["curl"],
        "cwd":"/","tty":0,"uid":0,"gid":0,"user":null,"group":null,"login_uid":null,
        "login_user":null,"capabilities":0,"container":null,"parent":null},
        "detail":{"connect":{"descriptor":3,"local":null,"remote":"10.0.0.2:443"}}}"#;
    let event: Event = serde_json::from_str(text).unwrap();
    check(&event, &[("fd.sip", "10.0.0.2"), ("evt.type", "connect")]);
    let again = serde_json::to_string(&event).unwrap();
    assert!(!again.contains("role") && !again.contains("extra"), "{again}");
    assert_eq!(event.value(Field::ProcPgid, &Argument::None), None);
}

/// Two events of a kind that differ in nothing but their moment.
fn alike(kind: EventKind, result: i64, detail: &dyn Fn(&[&str]) -> Detail) -> [Event; 2] {
    let one = event(kind, result, detail(&["one.example"]));
    let other = Event {
        number: 77,
        time_ns: 9_876_543_210,
        tid: 12,
        vtid: Some(3),
        cpu: Some(1),
        detail: detail(&["other.example", "third.example"]),
        ..one.clone()
    };
    [one, other]
}

fn named_socket(names: &[&str]) -> Connection {
    let (local, remote) = ("10.0.0.1:40000".parse().ok(), "10.0.0.2:443".parse().ok());
    let names: Arc<[Box<str>]> = names.iter().map(|name| Box::from(*name)).collect();
    let names = Some(Box::new(EndNames { local: Arc::clone(&names), remote: names }));
    Connection { descriptor: 5, local, remote, names, ..Connection::default() }
}

#[test]
fn events_that_are_alike_differ_in_momentary_fields_alone() {
    let open = |_: &[&str]| {
        let (raw, path) = ("x".into(), "/srv/x".into());
        let (flags, mode, inode, device) = (0o101, 0o644, 5, 0xfd00);
        let (resolved, file_type) = (Some("/y".into()), FileType::File);
        Detail::Open(OpenFile { raw, path, resolved, flags, mode, file_type, inode, device })
    };
    let connect = |names: &[&str]| Detail::Connect(named_socket(names));
    let mut pairs = vec![
        alike(EventKind::OpenAt, 3, &open),
        alike(EventKind::Open, -2, &open),
        alike(EventKind::Connect, 0, &connect),
    ];
    for kind in EventKind::ALL.iter().filter(|kind| !kind.is_notice()) {
        let call = |names: &[&str]| {
            let values = kind.parameters().iter().map(|_| Some(ParameterValue::Number(1)));
            let descriptor = Some(Descriptor::Socket(named_socket(names)));
            Detail::Call(Call { values: values.collect(), descriptor })
        };
        pairs.push(alike(*kind, 0, &call));
    }
    let arguments = (0..32).map(Argument::Index).chain([Argument::None]);
    let arguments: Vec<_> = arguments.chain([Argument::Key("tid".into())]).collect();
    for field in Field::of(EventSource::Syscall) {
        let mut differ = false;
        for ([one, other], argument) in
            pairs.iter().flat_map(|pair| arguments.iter().map(move |argument| (pair, argument)))
        {
            let [one, other] = [one, other].map(|event| event.value(field, argument));
            assert!(field.is_momentary() || one == other, "{}: {one:?} {other:?}", field.name());
            differ |= one != other;
        }
        let has_values = !pairs.iter().all(|[one, _]| one.value(field, &Argument::None).is_none());
        assert_eq!(differ, field.is_momentary() && has_values, "{}", field.name());
    }
}
