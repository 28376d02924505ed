//! The reserve: what is left for urgent records when the others find no room.

use std::path::Path;

use bytes::Bytes;
use journal::{AppendError, Journal, Options};

const SEGMENT_BYTES: u64 = 4096;

fn options() -> Options {
    Options {
        segment_bytes: SEGMENT_BYTES,
        bytes_max: 8 * SEGMENT_BYTES,
        reserve_bytes: 2 * SEGMENT_BYTES,
        ..Options::default()
    }
}

fn open(dir: &Path, options: Options) -> Journal {
    Journal::open(dir, options).expect("open").0
}

/// Returns a record that fills a third of a segment, and packs to no less.
fn record(number: u64) -> Bytes {
    let mut state = number + 1;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    noise.take(1200).collect()
}

/// Appends until there is no room, and returns how many records were taken.
fn fill(journal: &Journal) -> u64 {
    let before = journal.durable();
    let full = loop {
        if let Err(error) = journal.append_blocking(vec![record(journal.durable())]) {
            break error;
        }
    };
    assert_eq!(full, AppendError::Full);
    journal.durable() - before
}

async fn fill_urgently(journal: &Journal) -> u64 {
    let before = journal.durable();
    let full = loop {
        if let Err(error) = journal.append_urgent(vec![record(journal.durable())]).await {
            break error;
        }
    };
    assert_eq!(full, AppendError::Full);
    journal.durable() - before
}

fn check_records(journal: &Journal) {
    let mut reader = journal.read(journal.first()).expect("reader");
    for number in journal.first()..journal.durable() {
        assert_eq!(reader.next().expect("next"), Some((number, record(number))));
    }
    assert_eq!(reader.next().expect("next"), None);
}

#[tokio::test]
async fn urgent_records_find_room_when_the_others_are_refused() {
    let dir = tempfile::tempdir().expect("dir");
    let journal = open(dir.path(), options());
    let cursor = journal.cursor("reader").expect("cursor");
    assert_eq!(fill(&journal), 6 * 3);
    assert!(journal.stat().full);
    assert_eq!(fill_urgently(&journal).await, 2 * 3);
    assert!(journal.stat().bytes <= options().bytes_max);
    assert_eq!(fill(&journal), 0, "the reserve is for urgent records");

    // Room for one segment is not yet the reserve, room for all is more.
    cursor.commit(3).expect("commit");
    assert_eq!(fill(&journal), 0);
    assert_eq!(fill_urgently(&journal).await, 3);
    cursor.commit(journal.durable()).expect("commit");
    assert!(fill(&journal) > 3);
    assert!(dir.path().join("reserve").exists(), "it is whole again before others are taken");
    check_records(&journal);
    journal.close();
    check_records(&open(dir.path(), options()));
}

#[tokio::test]
async fn calls_of_one_commit_are_told_apart() {
    let dir = tempfile::tempdir().expect("dir");
    let journal = open(dir.path(), options());
    let _cursor = journal.cursor("reader").expect("cursor");
    fill(&journal);
    let calls = (0..20).map(|call| {
        let journal = journal.clone();
        tokio::spawn(async move {
            match call % 2 {
                0 => journal.append_urgent(vec![Bytes::from_static(b"urgent")]).await,
                _ => journal.append(vec![Bytes::from_static(b"common")]).await,
            }
        })
    });
    for (call, task) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        let answer = task.await.expect("task");
        assert_eq!(answer.is_ok(), call % 2 == 0, "{call}: {answer:?}");
    }
}

#[tokio::test]
async fn the_reserve_is_on_the_disk_before_it_is_needed_and_survives_restarts() {
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("reserve");
    for _ in 0..2 {
        let journal = open(dir.path(), options());
        journal.append_blocking(vec![record(journal.durable())]).expect("append");
        assert_eq!(file.metadata().expect("reserve").len(), SEGMENT_BYTES);
        journal.close();
    }
    // It follows the options, and goes with them.
    let smaller = Options { bytes_max: 3 * SEGMENT_BYTES, ..options() }.reserve_percent(50);
    assert_eq!(smaller.reserve_bytes, SEGMENT_BYTES, "two segments are beside it");
    let smaller = Options { reserve_bytes: SEGMENT_BYTES / 2 + 2048, ..smaller };
    let journal = open(dir.path(), Options { reserve_bytes: 4096, ..smaller.clone() });
    journal.close();
    let journal = open(dir.path(), Options { reserve_bytes: 0, ..smaller });
    assert!(!file.exists());
    check_records(&journal);
}

#[test]
fn a_reserve_leaves_room_for_two_segments() {
    let dir = tempfile::tempdir().expect("dir");
    let options = Options { reserve_bytes: 7 * SEGMENT_BYTES, ..options() };
    assert!(Journal::open(dir.path(), options).is_err());
    let two = Options { bytes_max: 2 * SEGMENT_BYTES, ..self::options() };
    assert_eq!(two.reserve_percent(10).reserve_bytes, 0);
    let eight = Options { bytes_max: 80 * SEGMENT_BYTES, ..self::options() }.reserve_percent(10);
    assert_eq!(eight.reserve_bytes / SEGMENT_BYTES, 7, "a tenth, cut to whole bytes of a percent");
}
