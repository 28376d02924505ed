//! What is written reads back as the same event, whatever a process called itself.

use std::sync::Arc;

use alert::{
    Argument, ArgumentRule, Connection, Container, Detail, Event, EventKind, Executable, Field,
    FileType, Memo, OpenFile, Process, ProcessKey, StandardStream,
};
use expect_test::expect;
use proptest::prelude::*;

use super::{CaseList, redact, write_case, write_head};
use crate::{Source, read_events, sample};

/// When all processes of tests start: what a test keeps of time is how long something took.
const START_NS: u64 = 1_700_000_000_000_000_000;

/// What a test does not keep: numbers that only this machine gave, and texts that hold one.
const NOT_KEPT: &[&str] =
    &["evt.num", "proc.exe_ino", "saker.proc.start_boot_ns", "evt.args", "evt.info"];

fn write_test(rule: &str, list: CaseList, events: &[Event]) -> String {
    write_head(rule, list) + &events.iter().map(write_case).collect::<String>()
}

fn read_back(event: &Event, text: &str) -> Event {
    let source = Source { name: "written.yaml".to_owned(), text: text.to_owned() };
    let mut events = read_events(&source).unwrap_or_else(|faults| panic!("{}\n{text}", faults[0]));
    assert_eq!(events.len(), 1, "{text}");
    let read = events.remove(0).event;
    assert_eq!(read.kind, event.kind);
    read
}

/// Returns every argument a field can be asked with.
fn arguments(field: Field, event: &Event) -> Vec<Argument> {
    let key = |text: &str| Argument::Key(text.into());
    match field.argument() {
        ArgumentRule::None => vec![Argument::None],
        ArgumentRule::Ancestor => {
            [Argument::None].into_iter().chain((0..4).map(Argument::Index)).collect()
        }
        ArgumentRule::Optional => vec![Argument::None, key("HOME"), key("X")],
        ArgumentRule::Required if field == Field::EvtArg => {
            let names = event.kind.parameters().iter().map(|parameter| parameter.name);
            names.filter(|name| !name.starts_with("exe_ino") && *name != "ino").map(key).collect()
        }
        ArgumentRule::Index => (0..3).map(Argument::Index).collect(),
        ArgumentRule::Required => vec![key("app"), Argument::Index(0)],
    }
}

/// Returns the fields whose values differ.
fn differences(before: &Event, after: &Event) -> Vec<String> {
    let mut found = Vec::new();
    for field in Field::ALL.iter().filter(|field| !NOT_KEPT.contains(&field.name())) {
        for argument in arguments(*field, before) {
            let (old, new) = (before.value(*field, &argument), after.value(*field, &argument));
            if old != new {
                found.push(format!("{}{argument}: {old:?} became {new:?}", field.name()));
            }
        }
    }
    found
}

/// Any text a process may have put anywhere, and the texts that YAML reads as something else.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z/._-]{1,12}",
        any::<String>().prop_map(|text| text.replace('\0', " ")),
        prop::sample::select(
            &["", "~", "null", "true", "0644", "- a", "a: b", "#x", "{", "\"", "é\u{85}", " "][..]
        )
        .prop_map(str::to_owned),
    ]
}

prop_compose! {
    fn process()(
        name in "[a-z]{1,15}",
        texts in prop::collection::vec(text(), 8),
        arguments in prop::collection::vec(text(), 1..4),
        environment in prop::collection::vec("(HOME|X|Y)=[a-z =\"]{0,6}", 0..3),
        (uid, gid, tty, pid, vpid, sid) in (0..9_u32, 0..9_u32, 0..9_u32, 2..900, 1..9, 1..900),
        (login_uid, names, flags) in (prop::option::of(0..9_u32), any::<[bool; 4]>(), any::<[bool; 4]>()),
        capabilities in 0..4_u64,
        (stdin, age_ns) in (0..4_usize, 0..2_000_000_000_u64),
        container in prop::option::of(prop::collection::vec("[a-z0-9/:]{1,9}", 8)),
    ) -> Process {
        let named = |index: usize| names[index].then(|| texts[index].clone().into_boxed_str());
        let streams = [None, Some(StandardStream::Terminal), Some(StandardStream::Pipe), Some(StandardStream::Unix)];
        Process {
            key: ProcessKey { pid, start_boot_ns: 1 },
            ppid: 1,
            vpid,
            sid,
            start_ns: START_NS,
            name: name.into(),
            executable: Executable {
                path: format!("/{}", texts[4]).into(),
                ctime_ns: START_NS - age_ns,
                mtime_ns: START_NS - age_ns,
                from_memfd: flags[0],
                upper_layer: flags[1],
                writable: flags[2],
                deleted: flags[3],
                ..Executable::default()
            },
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: environment.into_iter().map(Into::into).collect(),
            cwd: format!("/{}/", texts[5]).into(),
            tty,
            uid,
            gid,
            user: named(0),
            group: named(1),
            login_uid,
            login_user: named(2),
            capabilities,
            stdin: streams[stdin],
            stdout: streams[(stdin + 1) % 4],
            container: container.map(|texts| Arc::new(Container {
                id: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".into(),
                runtime: Some(texts[0].clone().into()),
                name: Some(texts[1].clone().into()),
                image: Some(texts[2].clone().into()),
                image_repository: Some(texts[3].clone().into()),
                image_tag: Some(texts[4].clone().into()),
                privileged: Some(flags[0]),
                pod_name: Some(texts[5].clone().into()),
                pod_namespace: Some(texts[6].clone().into()),
                pod_uid: Some(texts[7].clone().into()),
                ..Container::default()
            })),
            ..Process::default()
        }
    }
}

fn detail() -> impl Strategy<Value = (EventKind, Detail)> {
    let kinds = prop::sample::select(&[EventKind::Open, EventKind::OpenAt, EventKind::OpenAt2][..]);
    let open = (kinds, text(), text(), prop::option::of(text()), 0..3_u32, any::<bool>());
    let open = open.prop_map(|(kind, raw, path, resolved, access, append)| {
        let resolved = resolved.map(|path| format!("/{path}").into());
        (
            kind,
            Detail::Open(OpenFile {
                raw: raw.into(),
                path: format!("/{path}").into(),
                resolved,
                flags: access | if append { 0o2000 } else { 0 },
                mode: 0,
                file_type: FileType::File,
                inode: 7,
                device: 1,
            }),
        )
    });
    let connect =
        (any::<[u8; 8]>(), 1..u16::MAX, any::<bool>()).prop_map(|(bytes, port, local)| {
            let end = |from: usize| -> std::net::SocketAddr {
                let address: [u8; 4] =
                    [bytes[from], bytes[from + 1], bytes[from + 2], bytes[from + 3]];
                (address, port).into()
            };
            (
                EventKind::Connect,
                Detail::Connect(Connection {
                    descriptor: 3,
                    protocol: Some("udp".into()),
                    local: local.then(|| end(0)),
                    remote: Some(end(4)),
                    unix: None,
                    ..Connection::default()
                }),
            )
        });
    prop_oneof![
        open,
        connect,
        Just((EventKind::Execve, Detail::Exec { filename: "".into() })),
        (16..18_u64, 1..9)
            .prop_map(|(request, pid)| (EventKind::Ptrace, Detail::Ptrace { request, pid })),
        ("/[a-z]{1,9}(/[a-z ]{1,9})?", any::<bool>()).prop_map(|(path, directory)| {
            let path: Box<str> = path.into();
            (EventKind::UnlinkAt, Detail::Unlink { raw: path.clone(), path, directory })
        }),
        text().prop_map(|parameters| {
            let parameters = parameters.into();
            (EventKind::InitModule, Detail::Module { parameters, file: None })
        }),
    ]
}

prop_compose! {
    fn event()(
        processes in prop::collection::vec(process(), 1..4),
        (kind, detail) in detail(),
        result in prop_oneof![Just(0_i64), Just(3), Just(-13)],
        via_io_uring in any::<bool>(),
        after_ns in 0..5_000_000_000_u64,
    ) -> Event {
        let mut parent: Option<Arc<Process>> = None;
        for process in processes.into_iter().rev() {
            let ppid = parent.as_ref().map_or(1, |parent| parent.key.pid);
            parent = Some(Arc::new(Process { parent, ppid, memo: Memo::default(), ..process }));
        }
        let process = parent.unwrap_or_default();
        let detail = match detail {
            Detail::Exec { .. } => Detail::Exec { filename: process.executable.path.clone() },
            other => other,
        };
        Event {
            number: 9,
            time_ns: process.start_ns + after_ns,
            kind,
            result,
            tid: process.key.pid,
            vtid: None,
            cpu: None,
            via_io_uring,
            process,
            detail,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_written_reads_back_with_the_same_values(event in event()) {
        let text = write_test("R", CaseList::Match, std::slice::from_ref(&event));
        let found = differences(&event, &read_back(&event, &text));
        prop_assert!(found.is_empty(), "{}\n{text}", found.join("\n"));
    }
}

#[test]
fn a_case_is_short_where_the_reader_knows_the_rest() {
    let mut event = sample::exec("bash", &["-c", "id; echo \"x\""]);
    event.process = Arc::new(Process { uid: 5, tty: 34816, ..(*event.process).clone() });
    let text = write_test("A rule: it's one", CaseList::Ignore, &[event]);
    expect![[r#"
        - test: "A rule: it's one"
          ignore:
            - name: "seen at 1970-01-01T00:00:03.000000000+0000"
              evt.type: execve
              proc.name: bash
              proc.args: ["-c", "id; echo \"x\""]
              proc.env: [HOME=/root, X=]
              proc.cwd: /srv/
              proc.tty: 34816
              proc.pid: 100
              proc.sid: 98
              proc.duration: 2000000000
              proc.exe_ino.ctime_duration_proc_start: 1000000000
              thread.cap_effective: CAP_CHOWN
              user.uid: 5
              group.gid: 0
              evt.arg.filename: x
    "#]]
    .assert_eq(&text);
}

#[test]
fn nothing_a_program_was_told_is_left_after_redaction() {
    let secret = |name: &str| {
        let mut process = sample::process(name, &["--token=hunter2", "hunter2"]);
        process.environment = ["TOKEN=hunter2".into(), "hunter2".into()].into();
        process
    };
    let mut event = sample::exec("curl", &[]);
    let parent = Some(Arc::new(secret("sh")));
    event.process = Arc::new(Process { parent, ..secret("curl") });
    let text = write_test("R", CaseList::Match, &[redact(&event)]);
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.contains("TOKEN=redacted") && text.contains("sh"), "{text}");
    let count = redact(&event).process.arguments.len();
    assert_eq!(count, event.process.arguments.len());
}

#[test]
fn what_a_test_cannot_say_is_told_in_a_comment() {
    let whole = sample::exec("bash", &["-c"]);
    assert!(!write_case(&whole).contains('#'), "{}", write_case(&whole));
    let mut event = whole;
    let names: Vec<String> = (0..20).map(|number| format!("p{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    event.process = sample::family(&names);
    let text = write_test("R", CaseList::Match, std::slice::from_ref(&event));
    let told = "      # left out, a test cannot say it: 3 of its ancestors\n";
    assert!(text.ends_with(told), "{text}");
    read_back(&event, &text);
}
