//! What the journal promises while nothing goes wrong.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use journal::{AppendError, CursorError, Journal, OpenError, Options, ReadError};

fn small() -> Options {
    Options { segment_bytes: 4096, bytes_max: 1 << 20, ..Options::default() }
}

fn open(dir: &Path) -> Journal {
    Journal::open(dir, small()).expect("open").0
}

fn record(number: u64) -> Bytes {
    format!("record {number} {}", "x".repeat((number % 300) as usize)).into()
}

fn fill(journal: &Journal, records: std::ops::Range<u64>) {
    for number in records {
        assert_eq!(journal.append_blocking(vec![record(number)]), Ok(number..number + 1));
    }
}

/// Reads from `from` until the reader has nothing more.
fn read(journal: &Journal, from: u64) -> Vec<(u64, Bytes)> {
    let mut reader = journal.read(from).expect("reader");
    let mut records = Vec::new();
    while let Some(record) = reader.next().expect("next") {
        records.push(record);
    }
    records
}

#[test]
fn records_come_back_in_order_across_segments_and_restarts() {
    let dir = tempfile::tempdir().expect("dir");
    for life in 0..4 {
        let journal = open(dir.path());
        assert_eq!(journal.durable(), life * 100);
        fill(&journal, life * 100..life * 100 + 100);
        journal.close();
    }
    let journal = open(dir.path());
    assert!(journal.stat().segments > 4);
    for from in [0, 1, 99, 100, 250, 399, 400] {
        let expected: Vec<_> = (from..400).map(|number| (number, record(number))).collect();
        assert_eq!(read(&journal, from), expected, "from {from}");
    }
    assert!(matches!(journal.read(401), Err(ReadError::Ahead { sequence: 401, next: 400 })));
}

#[test]
fn what_comes_before_the_newest_segment_is_all_the_room_there_is() {
    let dir = tempfile::tempdir().expect("dir");
    let journal = open(dir.path());
    let cursor = journal.cursor("one").expect("cursor");
    fill(&journal, 0..400);
    let newest = journal.stat().newest;
    assert!(newest > 0 && journal.stat().segments > 1);
    cursor.commit(newest).expect("commit");
    assert_eq!((journal.first(), journal.stat().segments), (newest, 1));
    cursor.commit(400).expect("commit");
    assert_eq!((journal.first(), journal.stat().newest), (newest, newest));
}

#[test]
fn a_reader_at_the_end_sees_what_comes_later() {
    let dir = tempfile::tempdir().expect("dir");
    let journal = open(dir.path());
    let mut reader = journal.read(0).expect("reader");
    assert_eq!(reader.next().expect("next"), None);
    fill(&journal, 0..50);
    for number in 0..50 {
        assert_eq!(reader.next().expect("next"), Some((number, record(number))));
    }
    assert_eq!(reader.next().expect("next"), None);
    journal.close();

    // The empty last segment of this life is replaced by the one of the next append.
    let journal = open(dir.path());
    journal.clone().close();
    let journal = open(dir.path());
    let mut reader = journal.read(50).expect("reader");
    assert_eq!(reader.next().expect("next"), None);
    fill(&journal, 50..51);
    assert_eq!(reader.next().expect("next"), Some((50, record(50))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_appenders_share_commits_and_each_call_stays_together() {
    let dir = tempfile::tempdir().expect("dir");
    let journal = open(dir.path());
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..32_u64 {
        let journal = journal.clone();
        tasks.spawn(async move {
            let mut ranges = Vec::new();
            for round in 0..50 {
                let records =
                    (0..3).map(|part| Bytes::from(format!("{writer}/{round}/{part}"))).collect();
                ranges.push((round, journal.append(records).await.expect("append")));
            }
            (writer, ranges)
        });
    }
    let mut done = Vec::new();
    while let Some(task) = tasks.join_next().await {
        done.push(task.expect("task"));
    }
    assert_eq!(journal.durable(), 32 * 50 * 3);
    assert_eq!(*journal.watch().borrow(), 32 * 50 * 3);
    let all = read(&journal, 0);
    for (writer, ranges) in done {
        for (round, range) in ranges {
            for (part, sequence) in range.enumerate() {
                assert_eq!(all[sequence as usize].1, format!("{writer}/{round}/{part}"));
            }
        }
    }
    let stat = journal.stat();
    assert!(stat.commits < 32 * 50, "{} commits for {} calls", stat.commits, 32 * 50);
    assert_eq!((stat.queue_records, stat.queue_bytes), (0, 0));
}

#[tokio::test]
async fn who_asks_is_told_the_sequences_in_their_order_before_anybody_can_read() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let told = Arc::new(Mutex::new(Vec::<(std::ops::Range<u64>, u64)>::new()));
    let append = async |records: std::ops::Range<u64>, urgent| {
        let records = records.map(record).collect();
        let (told, durable) = (Arc::clone(&told), journal.watch());
        let note = move |range| told.lock().unwrap().push((range, *durable.borrow()));
        journal.append_told(records, urgent, note).await
    };
    let calls = tokio::join!(append(0..3, false), append(3..4, true), append(4..9, false));
    let ranges = [calls.0.unwrap(), calls.1.unwrap(), calls.2.unwrap()];
    let heard = told.lock().unwrap().clone();
    assert_eq!(heard.iter().map(|(range, _)| range.clone()).collect::<Vec<_>>(), ranges);
    assert!(heard.iter().all(|(range, durable)| *durable <= range.start), "{heard:?}");
    journal.clone().close();
    assert_eq!(append(9..10, false).await, Err(AppendError::Closed));
    assert_eq!(told.lock().unwrap().len(), 3, "what is not taken has no sequence");
}

#[test]
fn readers_follow_a_writer_and_see_every_record_once() {
    let dir = tempfile::tempdir().expect("dir");
    let options = Options { segment_bytes: 16 << 10, ..small() };
    let (journal, _) = Journal::open(dir.path(), options).expect("open");
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let mut reader = journal.read(0).expect("reader");
            std::thread::spawn(move || {
                let mut number = 0;
                while number < 2000 {
                    match reader.next().expect("next") {
                        Some(found) => {
                            assert_eq!(found, (number, record(number)));
                            number += 1;
                        }
                        None => std::thread::yield_now(),
                    }
                }
            })
        })
        .collect();
    for first in (0..2000).step_by(20) {
        journal.append_blocking((first..first + 20).map(record).collect()).expect("append");
    }
    for reader in readers {
        reader.join().expect("reader");
    }
}

#[test]
fn segments_behind_every_cursor_are_deleted_and_cursors_survive() {
    let dir = tempfile::tempdir().expect("dir");
    let journal = open(dir.path());
    let (slow, fast) =
        (journal.cursor("slow").expect("slow"), journal.cursor("fast").expect("fast"));
    fill(&journal, 0..300);
    let segments = journal.stat().segments;
    fast.commit(300).expect("commit");
    assert_eq!((journal.first(), journal.stat().segments), (0, segments));
    slow.commit(150).expect("commit");
    assert!(journal.first() > 100 && journal.first() <= 150, "{}", journal.first());
    assert!(matches!(journal.read(10), Err(ReadError::Deleted { sequence: 10, .. })));
    assert!(matches!(slow.commit(149), Err(CursorError::Range { .. })));
    assert!(matches!(slow.commit(301), Err(CursorError::Range { .. })));
    journal.close();
    assert!(matches!(slow.commit(160), Err(CursorError::Closed)));

    let journal = open(dir.path());
    assert_eq!(journal.cursor("slow").expect("slow").position(), 150);
    journal.remove_cursor("slow").expect("remove");
    assert!(journal.first() > 250, "{}", journal.first());
    fill(&journal, 300..301);
    assert!(matches!(journal.cursor("../x"), Err(CursorError::Name(_))));
}

#[test]
fn a_slow_cursor_makes_the_journal_full_until_it_moves() {
    let dir = tempfile::tempdir().expect("dir");
    let options = Options { bytes_max: 16 << 10, ..small() };
    let (journal, _) = Journal::open(dir.path(), options).expect("open");
    let cursor = journal.cursor("slow").expect("cursor");
    let mut end = 0;
    while journal.append_blocking(vec![record(end)]).is_ok() {
        end += 1;
    }
    assert_eq!(journal.append_blocking(vec![record(end)]), Err(AppendError::Full));
    assert!(journal.stat().full && journal.stat().bytes <= 16 << 10);
    assert_eq!(read(&journal, 0).len() as u64, end);
    cursor.commit(end).expect("commit");
    assert_eq!(journal.append_blocking(vec![record(end)]), Ok(end..end + 1));
    assert!(!journal.stat().full);
}

#[test]
fn without_cursors_the_oldest_segments_make_room() {
    let dir = tempfile::tempdir().expect("dir");
    let options = Options { bytes_max: 16 << 10, sync: journal::Sync::None, ..small() };
    let (journal, _) = Journal::open(dir.path(), options).expect("open");
    fill(&journal, 0..1000);
    assert!(journal.first() > 800 && journal.stat().bytes <= 16 << 10);
    let first = journal.first();
    let expected: Vec<_> = (first..1000).map(|number| (number, record(number))).collect();
    assert_eq!(read(&journal, first), expected);
}

#[test]
fn what_does_not_fit_is_refused_whole() {
    let dir = tempfile::tempdir().expect("dir");
    let options = Options { record_bytes_max: 100, queue_records_max: 3, ..small() };
    let (journal, _) = Journal::open(dir.path(), options).expect("open");
    let zeros = |bytes| Bytes::from(vec![0; bytes]);
    let refused = Err(AppendError::TooLarge);
    assert_eq!(journal.append_blocking(vec![zeros(1), zeros(101)]), refused);
    assert_eq!(journal.append_blocking(vec![zeros(1); 4]), refused);
    assert_eq!(journal.append_blocking(vec![]), Ok(0..0));
    assert_eq!(journal.append_blocking(vec![zeros(0), zeros(100)]), Ok(0..2));
    assert_eq!(read(&journal, 0), [(0, zeros(0)), (1, zeros(100))]);
}

#[tokio::test]
async fn a_full_queue_makes_callers_wait() {
    let dir = tempfile::tempdir().expect("dir");
    let options = Options { queue_records_max: 2, ..small() };
    let (journal, _) = Journal::open(dir.path(), options).expect("open");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let journal = journal.clone();
        tasks.spawn(async move { journal.append(vec![Bytes::from_static(b"x"); 2]).await });
    }
    let all = async {
        while let Some(task) = tasks.join_next().await {
            task.expect("task").expect("append");
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("in time");
    assert_eq!(journal.durable(), 200);
}

#[test]
fn one_process_at_a_time_and_none_after_close() {
    let dir = tempfile::tempdir().expect("dir");
    let journal = open(dir.path());
    assert!(matches!(Journal::open(dir.path(), small()), Err(OpenError::Locked(_))));
    let other = journal.clone();
    journal.close();
    assert_eq!(other.append_blocking(vec![record(0)]), Err(AppendError::Closed));
    open(dir.path());
}
