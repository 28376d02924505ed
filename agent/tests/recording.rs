//! A recording gives back the events it was given, or says what is wrong with it.

use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use agent::recorder::{Header, Recorded, Recorder, Recording, ReplayError};
use alert::{Detail, Event, EventKind, Executable, FileType, OpenFile, Process, ProcessKey};

fn process(pid: i32, parent: Option<Arc<Process>>) -> Arc<Process> {
    Arc::new(Process {
        key: ProcessKey { pid, start_boot_ns: 7 },
        ppid: 1,
        vpid: pid,
        sid: 1,
        start_ns: 9,
        name: "cat".into(),
        executable: Executable { path: "/bin/cat".into(), ..Executable::default() },
        arguments: Arc::from(["cat".into(), "/etc/\u{1b}shadow".into()]),
        environment: Arc::from([]),
        cwd: "/".into(),
        tty: 0,
        uid: 0,
        gid: 0,
        user: Some("root".into()),
        group: None,
        login_uid: None,
        login_user: None,
        capabilities: u64::MAX,
        stdin: None,
        stdout: None,
        container: None,
        parent,
        ..Process::default()
    })
}

fn event(number: u64) -> Event {
    let mut chain = None;
    for pid in 0..64 {
        chain = Some(process(pid, chain));
    }
    Event {
        number,
        time_ns: 1_700_000_000_000_000_000 + number * 10_000_000,
        kind: EventKind::OpenAt,
        result: 3,
        tid: 4,
        vtid: None,
        cpu: None,
        via_io_uring: false,
        process: process(65, chain),
        detail: Detail::Open(OpenFile {
            raw: "shadow".into(),
            path: "/etc/shadow".into(),
            resolved: None,
            flags: 0,
            mode: 0,
            file_type: FileType::File,
            inode: 1,
            device: 2,
        }),
    }
}

fn header() -> Header {
    Header {
        hostname: "recorder".into(),
        kernel: "6.18.0".into(),
        agent: "0.1.0".into(),
        started_ns: 1_700_000_000_000_000_000,
    }
}

fn record(path: &Path, events: u64) {
    let mut recorder = Recorder::create(path, 64 << 20, &header()).expect("create");
    for number in 0..events {
        assert_eq!(recorder.record(&event(number)).expect("record"), Recorded::Yes);
    }
    assert_eq!(recorder.finish().expect("finish"), events);
}

fn read(path: &Path) -> (Vec<Event>, Option<ReplayError>) {
    let mut events = Vec::new();
    match Recording::open(path) {
        Ok(recording) => {
            for event in recording {
                match event {
                    Ok(event) => events.push(event),
                    Err(error) => return (events, Some(error)),
                }
            }
            (events, None)
        }
        Err(error) => (events, Some(error)),
    }
}

#[test]
fn events_come_back_equal_with_all_their_ancestors() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("events.saker");
    record(&path, 20);
    let (events, error) = read(&path);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(events, (0..20).map(event).collect::<Vec<_>>());
}

#[test]
fn a_recording_ends_at_its_size_and_is_whole() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("events.saker");
    let mut recorder = Recorder::create(&path, 4 << 10, &header()).expect("create");
    let mut events = 0;
    while recorder.record(&event(events)).expect("record") == Recorded::Yes {
        events += 1;
        assert!(events < 100_000, "it never ends");
    }
    assert_eq!(recorder.finish().expect("finish"), events);
    assert!(std::fs::metadata(&path).expect("file").len() < 64 << 10);
    assert_eq!(read(&path).0.len() as u64, events);
}

#[test]
fn a_recording_cut_short_gives_what_it_has_and_says_so() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("events.saker");
    record(&path, 600);
    let whole = std::fs::read(&path).expect("read");
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("write");
    let (events, error) = read(&path);
    let Some(ReplayError::CutShort { events: said, .. }) = error else { panic!("{error:?}") };
    assert!(!events.is_empty());
    assert_eq!(said, events.len() as u64);
}

#[test]
fn only_its_owner_can_read_a_recording() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("events.saker");
    record(&path, 1);
    let mode = std::fs::metadata(&path).expect("file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Written by the first program that knew version 2. `UPDATE_EXPECT=1` makes it again, which only a
/// version that nobody has yet may need.
#[test]
fn a_recording_of_version_2_made_long_ago_is_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/version-2.saker");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        record(&path, 20);
    }
    let recording = Recording::open(&path).expect("open");
    assert_eq!(recording.header(), Some(&header()));
    let events: Vec<Event> = recording.map(|event| event.expect("event")).collect();
    assert_eq!(events, (0..20).map(event).collect::<Vec<_>>());
}

/// A line of JSON for each event, with its whole ancestry: everyday activity, as it was kept once.
#[test]
fn a_recording_of_version_1_made_long_ago_is_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/version-1.zst");
    let recording = Recording::open(&path).expect("open");
    assert_eq!(recording.header(), None);
    let events: Vec<Event> = recording.map(|event| event.expect("event")).collect();
    assert_eq!(events.len(), 715);
    assert!(events.iter().all(|event| event.process.ancestors().last().is_some()));
}

#[test]
fn plain_text_is_read_and_a_bad_line_is_named() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("events.ndjson");
    let line = serde_json::to_string(&event(1)).expect("json");
    let check = |text: &str, expected: &str| {
        std::fs::write(&path, text).expect("write");
        let (_, error) = read(&path);
        let error = error.map_or_else(|| "none".to_owned(), |error| error.to_string());
        assert!(error.ends_with(expected), "{error}");
    };
    check(&format!("{{\"saker_events\":1}}\n{line}\n\n{line}"), "none");
    check(&format!("{{\"saker_events\":1}}\n{line}\n{{\"number\":1}}\n"), "line 3: not an event");
    check("{\"saker_events\":9}\n", "has version 9; this program reads versions 1 and 2");
    check(
        "SAKEREVT\u{9}\0\0\0\0\0\0\0\0\0\0\0",
        "has version 9; this program reads versions 1 and 2",
    );
    let neither = "begins neither with `SAKEREVT` nor with `{\"saker_events\":1}`";
    check("", neither);
    check("\u{0}\u{1}", neither);
    check(
        &format!("{{\"saker_events\":1}}\n{}", " ".repeat(9 << 20)),
        "line 2: longer than any event",
    );
}
