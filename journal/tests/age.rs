//! Retention by age, under a clock that is set.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use journal::{Access, Disk, DiskFile, FileSystem, Journal, Lock, Options};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const YEAR_MS: u64 = 365 * DAY_MS;
const DAYS_MAX: u64 = 16;

/// The real disk, with a clock that is set by hand.
#[derive(Clone, Debug, Default)]
struct Machine {
    time_ms: Arc<AtomicU64>,
}

impl Machine {
    fn later(&self, by_ms: u64) {
        self.time_ms.fetch_add(by_ms, Ordering::SeqCst);
    }

    fn open(&self, dir: &Path) -> Journal {
        let options = Options {
            segment_bytes: 4096,
            bytes_max: 1 << 20,
            age_max: Some(Duration::from_millis(DAYS_MAX * DAY_MS)),
            ..Options::default()
        };
        let (journal, _, writer) =
            Journal::open_on(Arc::new(self.clone()), dir, options).expect("open");
        tokio::spawn(writer.run());
        journal
    }
}

impl Disk for Machine {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        FileSystem.make_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        FileSystem.list(dir)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        Disk::open(&FileSystem, path, access)
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
        self.time_ms.load(Ordering::SeqCst)
    }
}

async fn append(journal: &Journal) {
    journal.append(vec![b"record".as_slice().into()]).await.expect("append");
}

/// Writes a record a day.
async fn live(machine: &Machine, journal: &Journal, days: u64) {
    for _ in 0..days {
        machine.later(DAY_MS);
        append(journal).await;
    }
}

#[tokio::test]
async fn what_is_too_old_goes_while_little_comes_and_after_an_absence() {
    let (dir, machine) = (tempfile::tempdir().expect("dir"), Machine::default());
    machine.later(YEAR_MS);
    let journal = machine.open(dir.path());
    live(&machine, &journal, 100).await;
    // A segment is ended after an eighth of the age: two days and the record after them.
    let oldest = 100 - DAYS_MAX;
    assert!((oldest - 4..=oldest).contains(&journal.first()), "{}", journal.first());
    machine.later(YEAR_MS);
    live(&machine, &journal, 20).await;
    assert!(journal.first() >= 100, "{}", journal.first());
}

#[tokio::test]
async fn a_clock_set_a_year_ahead_costs_two_segments_and_one_set_back_nothing() {
    let (dir, machine) = (tempfile::tempdir().expect("dir"), Machine::default());
    machine.later(2 * YEAR_MS);
    let journal = machine.open(dir.path());
    live(&machine, &journal, DAYS_MAX).await;
    let (before, first) = (journal.stat().segments, journal.first());
    machine.later(YEAR_MS);
    for _ in 0..20 {
        append(&journal).await;
    }
    assert_eq!(journal.stat().segments, before - 2 + 1, "as one was made");
    assert!(journal.first() > first);
    let first = journal.first();
    machine.time_ms.fetch_sub(YEAR_MS, Ordering::SeqCst);
    live(&machine, &journal, 2).await;
    machine.time_ms.fetch_sub(2 * YEAR_MS, Ordering::SeqCst);
    live(&machine, &journal, 2).await;
    assert_eq!(journal.first(), first);
}

#[tokio::test]
async fn what_a_cursor_needs_is_never_too_old() {
    let (dir, machine) = (tempfile::tempdir().expect("dir"), Machine::default());
    let journal = machine.open(dir.path());
    let cursor = journal.cursor("reader").expect("cursor");
    live(&machine, &journal, 100).await;
    assert_eq!(journal.first(), 0);
    cursor.commit(50).expect("commit");
    assert!(journal.first() > 40);
}
