//! A journal seen from outside, while a process uses it and while none does.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use bytes::Bytes;
use journal::{
    Journal, Options,
    inspect::{Inspection, is_journal},
};

fn options() -> Options {
    Options { segment_bytes: 4096, bytes_max: 1 << 20, ..Options::default() }
}

#[test]
fn a_journal_in_use_is_seen_as_it_is_and_left_alone() {
    let dir = tempfile::tempdir().expect("dir");
    assert!(!is_journal(dir.path()).expect("list"));
    let (journal, _) = Journal::open(dir.path(), options()).expect("open");
    let cursor = journal.cursor("reader").expect("cursor");
    for number in 0..40_u8 {
        journal.append_blocking(vec![Bytes::from(vec![number; 200])]).expect("append");
    }
    cursor.commit(3).expect("commit");
    assert!(is_journal(dir.path()).expect("list"));
    let seen = Inspection::of(dir.path()).expect("inspect");
    assert!(seen.in_use && seen.problems.is_empty());
    assert_eq!((seen.records(), seen.torn_bytes), (0..40, 0));
    assert_eq!(seen.cursors, [("reader".to_owned(), 3)]);
    let sealed: Vec<bool> = seen.segments.iter().map(|segment| segment.sealed).collect();
    assert!(sealed.len() > 2 && !sealed[sealed.len() - 1]);
    assert!(sealed[..sealed.len() - 1].iter().all(|sealed| *sealed));
    let read: Vec<_> = seen.read(17..20).map(|record| record.expect("record")).collect();
    assert_eq!(
        read.iter().map(|(at, bytes)| (*at, bytes[0])).collect::<Vec<_>>(),
        [(17, 17), (18, 18), (19, 19)]
    );
    journal.append_blocking(vec![Bytes::from_static(b"after")]).expect("append");
    journal.close();
    let seen = Inspection::of(dir.path()).expect("inspect");
    assert!(!seen.in_use && seen.segments.iter().all(|segment| segment.sealed));
    assert_eq!(seen.records(), 0..41);
}

#[test]
fn what_is_being_written_or_deleted_is_no_damage() {
    let dir = tempfile::tempdir().expect("dir");
    let small = Options { bytes_max: 5 * 4096, ..options() };
    let (journal, _) = Journal::open(dir.path(), small).expect("open");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..600_u32 {
                let record = Bytes::from(vec![number as u8; 100 + number as usize % 500]);
                journal.append_blocking(vec![record]).expect("append");
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            let seen = Inspection::of(dir.path()).expect("inspect");
            assert!(seen.problems.is_empty(), "{:?}", seen.problems);
        }
    });
}

#[test]
fn each_thing_that_is_wrong_is_told() {
    let dir = tempfile::tempdir().expect("dir");
    let (journal, _) = Journal::open(dir.path(), options()).expect("open");
    for _ in 0..40 {
        journal.append_blocking(vec![Bytes::from(vec![7; 300])]).expect("append");
    }
    journal.cursor("reader").expect("cursor");
    journal.close();
    let seen = Inspection::of(dir.path()).expect("inspect");
    assert!(seen.segments.len() >= 4);
    let mut bytes = fs::read(&seen.segments[0].path).expect("read");
    bytes[50] ^= 1;
    fs::write(&seen.segments[0].path, bytes).expect("write");
    fs::remove_file(&seen.segments[2].path).expect("remove");
    fs::write(dir.path().join("reader.cursor"), "x").expect("write");
    let told: Vec<_> = Inspection::of(dir.path())
        .expect("inspect")
        .problems
        .iter()
        .map(ToString::to_string)
        .collect();
    let parts = ["checksum does not match", "records before it are missing", "it is not a cursor"];
    for part in parts {
        assert!(told.iter().any(|problem| problem.contains(part)), "{part}: {told:?}");
    }
}
