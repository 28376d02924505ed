//! What a journal finds after a process or its machine ended at the worst moment. Each of these was
//! found by a seed.

use std::{
    path::Path,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use journal::{AppendError, Journal, Options, Writer};
use sim::{
    chance::Chance,
    disk::{Faults, SimDisk},
};

fn open(disk: &SimDisk) -> (Journal, u64, Writer) {
    let options = Options { segment_bytes: 4096, bytes_max: 1 << 20, ..Options::default() };
    let disk = Arc::new(disk.clone());
    let (journal, recovery, writer) =
        Journal::open_on(disk, Path::new("/data/journal"), options).expect("it opens");
    (journal, recovery.records.end, writer)
}

/// Appends a record and commits it.
fn append(journal: &Journal, writer: &mut Writer, text: &'static str) -> Result<(), AppendError> {
    let mut answer = pin!(journal.append(vec![Bytes::from_static(text.as_bytes())]));
    let mut context = Context::from_waker(Waker::noop());
    assert!(answer.as_mut().poll(&mut context).is_pending());
    writer.turn();
    match answer.poll(&mut context) {
        Poll::Ready(answer) => answer.map(drop),
        Poll::Pending => panic!("a commit has no answer"),
    }
}

fn texts(journal: &Journal) -> Vec<Bytes> {
    let mut reader = journal.read(0).expect("a reader");
    std::iter::from_fn(|| reader.next().expect("a record")).map(|(_, bytes)| bytes).collect()
}

#[test]
fn a_new_journal_does_not_vanish_with_its_folder() {
    let disk = SimDisk::new(Chance::new(1));
    let (journal, _, mut writer) = open(&disk);
    append(&journal, &mut writer, "first").expect("taken");
    disk.power_cut_keeping(0);
    let (journal, ..) = open(&disk);
    assert_eq!(texts(&journal), ["first"]);
}

#[test]
fn what_a_failed_sync_left_in_memory_is_written_by_the_next_start() {
    let disk = SimDisk::new(Chance::new(1));
    let (journal, _, mut writer) = open(&disk);
    append(&journal, &mut writer, "first").expect("taken");
    disk.set_faults(Faults { sync: 1000, ..Faults::default() });
    assert_eq!(append(&journal, &mut writer, "second"), Err(AppendError::Failed));
    disk.heal();
    disk.kill();

    let (journal, found, mut writer) = open(&disk);
    append(&journal, &mut writer, "third").expect("taken");
    disk.power_cut_keeping(0);
    let (journal, ..) = open(&disk);
    assert_eq!(
        (found, texts(&journal)),
        (2, vec!["first".into(), "second".into(), "third".into()])
    );
}

#[test]
fn a_seal_that_a_killed_process_had_not_synced_is_there_after_a_power_cut() {
    for operation in 1..12 {
        let disk = SimDisk::new(Chance::new(1));
        let (journal, _, mut writer) = open(&disk);
        append(&journal, &mut writer, "first").expect("taken");
        disk.crash_after(operation);
        journal.close();
        writer.finish();
        disk.kill();

        let (journal, _, mut writer) = open(&disk);
        append(&journal, &mut writer, "second").expect("taken");
        disk.power_cut_keeping(0);
        let (journal, ..) = open(&disk);
        assert_eq!(texts(&journal), ["first", "second"], "killed at operation {operation}");
    }
}

#[test]
fn a_cursor_that_a_killed_process_had_moved_does_not_go_back() {
    for operation in 1..10 {
        let disk = SimDisk::new(Chance::new(1));
        let (journal, _, mut writer) = open(&disk);
        append(&journal, &mut writer, "first").expect("taken");
        let cursor = journal.cursor("reader").expect("a cursor");
        disk.crash_after(operation);
        drop(cursor.commit(1));
        disk.kill();

        let (journal, ..) = open(&disk);
        let moved = journal.cursor("reader").expect("a cursor").position();
        disk.power_cut_keeping(0);
        let (journal, ..) = open(&disk);
        let after = journal.cursor("reader").expect("a cursor").position();
        assert_eq!(after, moved, "killed at operation {operation}");
    }
}
