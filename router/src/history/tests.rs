//! Files that come and go.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{
    account::Owed,
    folder::{File, day_of},
    indexer::carry,
    part::{Part, PartError, Place},
    reader::PartReader,
};
use crate::pipeline::{Decision, DecisionKind};

fn file(folder: &tempfile::TempDir, number: u64) -> File {
    File::new(folder.path(), number, day_of(Timestamp::UNIX_EPOCH))
}

fn open(file: &File) -> Result<PartReader, PartError> {
    PartReader::open(&file.path, Instant::now() + Duration::from_secs(60))
}

fn owed(alerts: u64) -> Owed {
    Owed { by_output: [("soc".to_owned(), alerts)].into() }
}

#[test]
fn what_was_owed_outlives_the_file_that_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (file(&folder, 1), file(&folder, 2));
    let mut part = Part::open(&old.path).unwrap();
    let mut batch = part.batch().unwrap();
    batch.anchor(Timestamp::UNIX_EPOCH, &owed(5)).unwrap();
    let delivered = Decision {
        sequence: 2,
        time: Timestamp::from_second(90).unwrap(),
        kind: DecisionKind::Delivered {
            notification: alert::NotificationId(1),
            group: alert::GroupId(1),
            output: "soc".into(),
            attempts: 1,
            alerts: 3,
            was_dead: false,
            remote_id: None,
        },
    };
    batch.add(&delivered, Place { sequence: 2, count: 1 }, None, "").unwrap();
    batch.commit().unwrap();
    drop(Part::open(&new.path).unwrap());

    carry(&old, &new).unwrap();
    let carried = Some((Timestamp::from_second(90).unwrap(), owed(2)));
    assert_eq!(open(&new).unwrap().anchor().unwrap(), carried);
    assert_eq!(open(&new).unwrap().place().unwrap(), None, "no decision was taken up by this");
    // What a crash interrupted is done once more, and nothing changes.
    carry(&old, &new).unwrap();
    assert_eq!(open(&new).unwrap().anchor().unwrap(), carried);
}

#[test]
fn a_history_that_began_anew_does_not_take_over_what_was_owed_before() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (file(&folder, 1), file(&folder, 2));
    for (file, alerts) in [(&old, 5), (&new, 1)] {
        let mut part = Part::open(&file.path).unwrap();
        let mut batch = part.batch().unwrap();
        batch.anchor(Timestamp::UNIX_EPOCH, &owed(alerts)).unwrap();
        batch.commit().unwrap();
    }
    carry(&old, &new).unwrap();
    assert_eq!(open(&new).unwrap().anchor().unwrap(), Some((Timestamp::UNIX_EPOCH, owed(1))));
}

#[test]
fn another_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let other = file(&folder, 1);
    let connection = rusqlite::Connection::open(&other.path).unwrap();
    connection.execute_batch("CREATE TABLE t (a); PRAGMA user_version = 1").unwrap();
    drop(connection);
    assert!(matches!(Part::open(&other.path), Err(PartError::Foreign(_))));
    assert!(matches!(open(&other), Err(PartError::Foreign(_))));
}

#[test]
fn a_question_ends_at_its_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder, 1);
    drop(Part::open(&file.path).unwrap());
    let connection = rusqlite::Connection::open(&file.path).unwrap();
    let rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) \
                INSERT INTO account SELECT i, 1, 'syscall', '', 1 FROM n";
    connection.execute(rows, []).unwrap();
    let late = PartReader::open(&file.path, Instant::now());
    let asked = late.and_then(|late| late.account(i64::MIN..i64::MAX, |_, _| {}));
    assert!(matches!(asked, Err(PartError::Deadline)), "{asked:?}");
}
