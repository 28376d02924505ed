//! What is written around an alert, and what is removed for it.

use std::{sync::Arc, time::Instant};

use alert::{AlertId, Detail, Event, EventKind, Priority, Process, ProcessKey};

use super::*;
use crate::{
    recorder::Recording,
    tap::{Choice, Form, Request, Tap, tap},
};

fn config(folder: &Path) -> AroundConfig {
    AroundConfig {
        rules: vec!["Chosen*".to_owned()],
        seconds: 1,
        folder: Some(folder.to_owned()),
        files_max: 2,
        ..AroundConfig::default()
    }
}

fn event(pid: i32, time_ns: u64) -> Event {
    let key = ProcessKey { pid, start_boot_ns: 1 };
    Event {
        number: 1,
        time_ns,
        kind: EventKind::Execve,
        result: 0,
        tid: pid,
        vtid: None,
        cpu: None,
        via_io_uring: false,
        process: Arc::new(Process { key, ..Process::default() }),
        detail: Detail::Exec { filename: "/bin/x".into() },
    }
}

fn alert(rule: &str, time_ns: u64) -> Alert {
    let time = jiff::Timestamp::from_nanosecond(time_ns.into()).unwrap();
    Alert {
        id: AlertId::random(),
        time,
        received: time,
        rule: rule.to_owned(),
        priority: Priority::Notice,
        source: "syscall".to_owned(),
        hostname: "h".to_owned(),
        output: String::new(),
        tags: Vec::new(),
        fields: alert::Fields::new(),
        ends: None,
    }
}

fn ends() -> (Tap, Tapped) {
    let request = Request {
        choice: Choice::Condition("evt.type exists".to_owned()),
        form: Form::Recording,
        events_max: u64::MAX,
        seconds_max: 1,
        rate_max: None,
        bytes_max: None,
        around: None,
    };
    let rules = rules::RuleSet::of_condition("evt.type = execve").unwrap();
    tap(&request, &rules).unwrap()
}

fn until(what: &str, is: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is() {
        assert!(Instant::now() < end, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn an_alert_of_a_chosen_rule_names_a_file_with_what_came_before_and_after() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("recordings");
    let (mut tap, tapped) = ends();
    let mut around = Around::start(&config(&folder), "h".to_owned(), tapped).unwrap();
    let counts = around.counts();

    let start = now_ns();
    tap.event(&event(1, start - seconds_ns(60)));
    tap.event(&event(2, start));
    // The ring has taken both in when the first of them, which ends a chunk, can be seen there.
    until("events in the ring", || counts.status().ring_bytes > 0);
    assert_eq!(around.alert(&alert("Other", start)), None);
    let first = alert("Chosen rule", start);
    let name = around.alert(&first).unwrap();
    assert_eq!(name, format!("{}.saker", first.id));
    assert_eq!(around.alert(&alert("Chosen as well", start + 1)), Some(name.clone()));
    tap.event(&event(3, start + 2));
    until("a recording", || counts.status().recordings == 1);

    let pids = |name: &str| -> Vec<i32> {
        let recording = Recording::open(&folder.join(name)).unwrap();
        recording.map(|event| event.unwrap().process.key.pid).collect()
    };
    assert_eq!(pids(&name), [2, 3], "what is long ago is left out");

    let later = around.alert(&alert("Chosen rule", start + seconds_ns(1) + 1)).unwrap();
    assert_ne!(later, name);
    around.stop();
    // Whether it begins with the chunk of 2 depends on which of 3 and the first alert came before.
    assert_eq!(pids(&later).last(), Some(&3), "what is open at the end is completed");
    assert_eq!(counts.status().failed, 0);
}

#[test]
fn the_oldest_files_go_and_what_is_not_ours_stays() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("notes.saker"), "mine").unwrap();
    let names: Vec<String> = (0..4).map(|_| format!("{}.saker", AlertId::random())).collect();
    for (age, name) in names.iter().rev().enumerate() {
        let file = folder::create(&folder.join(name)).unwrap();
        file.set_len(100).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(age as u64)).unwrap();
    }
    let left = || {
        let here = |name: &&String| folder.join(name).exists();
        names.iter().filter(here).count()
    };
    assert_eq!((folder::tidy(folder, 3, 1000).unwrap(), left()), (1, 3));
    assert!(!folder.join(&names[0]).exists());
    assert_eq!((folder::tidy(folder, 3, 250).unwrap(), left()), (1, 2));
    assert_eq!((folder::tidy(folder, 3, 1).unwrap(), left()), (1, 1), "the newest stays");
    assert!(folder.join("notes.saker").exists());
}
