//! Files of every version are read, also beside others, and found by the time they were written.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use bytes::Bytes;
use journal::{
    Access, Disk, DiskFile, FileSystem, Journal, Lock, OpenError, Options, inspect::Inspection,
};

/// What the fixtures hold, made by the program that wrote version 1.
const OLD_RECORDS: u64 = 33;

fn options() -> Options {
    Options { segment_bytes: 4096, bytes_max: 1 << 20, ..Options::default() }
}

fn fixture(name: &str) -> tempfile::TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let to = tempfile::tempdir().expect("dir");
    for entry in fs::read_dir(from).expect("list") {
        let path = entry.expect("entry").path();
        fs::copy(&path, to.path().join(path.file_name().expect("name"))).expect("copy");
    }
    to
}

fn record(number: u64) -> Bytes {
    let mut bytes = format!("{{\"number\":{number}}}").into_bytes();
    bytes.resize(bytes.len() + (number * 37 % 400) as usize, b' ');
    bytes.into()
}

fn numbered(end: u64) -> Vec<(u64, Bytes)> {
    (0..end).map(|number| (number, record(number))).collect()
}

fn seen(dir: &Path) -> Vec<(u64, Bytes)> {
    let seen = Inspection::of(dir).expect("inspect");
    assert!(seen.problems.is_empty(), "{:?}", seen.problems);
    seen.read(0..u64::MAX).map(|record| record.expect("record")).collect()
}

fn read(journal: &Journal) -> Vec<(u64, Bytes)> {
    let mut reader = journal.read(journal.first()).expect("reader");
    std::iter::from_fn(|| reader.next().expect("next")).collect()
}

#[test]
fn what_version_1_wrote_is_read_and_goes_on_in_version_2() {
    for name in ["v1", "v1-killed"] {
        let dir = fixture(name);
        assert_eq!(seen(dir.path()), numbered(OLD_RECORDS), "{name}");
        let (journal, recovery) = Journal::open(dir.path(), options()).expect("open");
        assert_eq!((recovery.records, recovery.torn_bytes), (0..OLD_RECORDS, 0));
        assert_eq!(journal.cursor("reader").expect("cursor").position(), 5);
        let end = OLD_RECORDS + 40;
        let records: Vec<Bytes> = (OLD_RECORDS..end).map(record).collect();
        for call in records.chunks(10) {
            journal.append_blocking(call.to_vec()).expect("append");
        }
        assert_eq!(read(&journal), numbered(end), "{name}");
        journal.close();
        assert_eq!(seen(dir.path()), numbered(end), "{name}");
        let versions: Vec<u32> = Inspection::of(dir.path())
            .expect("inspect")
            .segments
            .iter()
            .map(|segment| segment.version)
            .collect();
        assert_eq!(versions[..4], [1, 1, 1, 2]);
        let (journal, _) = Journal::open(dir.path(), options()).expect("open again");
        assert_eq!(read(&journal), numbered(end), "{name}");
    }
}

#[test]
fn a_call_of_version_1_is_there_whole_or_not_at_all() {
    let dir = fixture("v1-killed");
    let last = dir.path().join("00000000000000000031.segment");
    let mut bytes = fs::read(&last).expect("read");
    // In the first of the two records of the last call; the second is whole.
    bytes[50] ^= 1;
    fs::write(&last, bytes).expect("write");
    assert_eq!(seen(dir.path()), numbered(31));
    let (journal, recovery) = Journal::open(dir.path(), options()).expect("open");
    assert_eq!(recovery.records, 0..31);
    assert!(recovery.torn_bytes > 0);
    assert_eq!(read(&journal), numbered(31));
}

#[test]
fn what_version_2_wrote_is_read() {
    let dir = fixture("v2");
    assert_eq!(seen(dir.path()), numbered(OLD_RECORDS));
    let (journal, recovery) = Journal::open(dir.path(), options()).expect("open");
    assert_eq!(recovery.records, 0..OLD_RECORDS);
    assert_eq!(read(&journal), numbered(OLD_RECORDS));
}

#[test]
fn a_later_version_is_refused_by_name() {
    let dir = fixture("v2");
    let first = dir.path().join("00000000000000000000.segment");
    let mut bytes = fs::read(&first).expect("read");
    bytes[8] = 3;
    bytes[12..16].fill(0);
    let sum = crc32fast::hash(&bytes[..32]).to_le_bytes();
    bytes[12..16].copy_from_slice(&sum);
    fs::write(&first, bytes).expect("write");
    let refused = Journal::open(dir.path(), options());
    assert!(matches!(refused, Err(OpenError::Version { version: 3, .. })), "{refused:?}");
}

/// This machine's files, and a clock that is set by hand.
#[derive(Clone, Debug, Default)]
struct Clocked(Arc<AtomicU64>);

impl Disk for Clocked {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        FileSystem.make_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        FileSystem.list(dir)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        FileSystem.open(path, access)
    }

    fn exists(&self, path: &Path) -> bool {
        FileSystem.exists(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        FileSystem.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        FileSystem.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        FileSystem.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        FileSystem.lock(path)
    }

    fn salt(&self) -> u64 {
        FileSystem.salt()
    }

    fn time_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Appends one record at each of these times, and hands on the open journal.
fn written_at<T>(dir: &Path, times_ms: &[u64], check: impl FnOnce(&Journal) -> T) -> T {
    let disk = Clocked::default();
    let (journal, _, mut writer) =
        Journal::open_on(Arc::new(disk.clone()), dir, options()).expect("open");
    let writing = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        while runtime.block_on(writer.wait()) {
            writer.turn();
        }
        writer.finish();
    });
    for time_ms in times_ms {
        disk.0.store(*time_ms, Ordering::Relaxed);
        let number = journal.durable();
        journal.append_blocking(vec![record(number)]).expect("append");
    }
    let checked = check(&journal);
    journal.close();
    writing.join().expect("the writer");
    checked
}

#[test]
fn what_was_written_since_a_moment_begins_with_the_first_that_was() {
    let dir = tempfile::tempdir().expect("dir");
    // Set back once: the record at 700 has later ones before and after it.
    let mut times_ms: Vec<u64> = (0..100).map(|number| 1000 + number * 10).collect();
    times_ms[60] = 700;
    let wanted = [0, 1000, 1001, 1010, 1490, 1595, 1600, 1601, 1990, 1991, u64::MAX];
    let expected = [0, 0, 1, 1, 49, 61, 61, 61, 99, 100, 100];
    let found = written_at(dir.path(), &times_ms, |journal| {
        assert!(journal.stat().segments > 3);
        wanted.map(|time_ms| journal.written_since(time_ms).expect("a place"))
    });
    assert_eq!(found, expected);
    let seen = Inspection::of(dir.path()).expect("inspect");
    assert_eq!(wanted.map(|time_ms| seen.written_since(time_ms).expect("a place")), expected);
    assert_eq!(seen.segments[0].times_ms.map(|(earliest, _)| earliest), Some(1000));
}

#[test]
fn of_version_1_only_what_was_surely_written_before_is_left_out() {
    let dir = fixture("v1");
    let found = written_at(dir.path(), &[5000, 6000], |journal| {
        [0, 4999, 5000, 5001, 6000, 6001].map(|time_ms| journal.written_since(time_ms).unwrap())
    });
    // At 5000 itself the clock may have stood still since the last record before.
    assert_eq!(found, [0, 0, 0, 34, 34, 35]);
}
