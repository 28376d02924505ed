//! A killed writer and a full disk.
#![expect(clippy::print_stderr, reason = "a test that cannot run here says so")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use journal::{AppendError, Journal, Options};

const CHILD_DIR: &str = "JOURNAL_TEST_CHILD_DIR";

fn options() -> Options {
    Options { segment_bytes: 64 << 10, bytes_max: 1 << 30, ..Options::default() }
}

fn record(number: u64) -> Bytes {
    format!("{number}:{}", "y".repeat((number % 400) as usize)).into()
}

/// Not a test of its own: the process the next one kills. It says which records are durable.
#[test]
fn child() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let (journal, recovery) = Journal::open(Path::new(&dir), options()).expect("open");
    println!("acknowledged {}", recovery.records.end);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("runtime");
    runtime.block_on(async {
        let mut next = recovery.records.end;
        loop {
            let calls: Vec<_> = (0..8)
                .map(|_| {
                    let records = (next..next + 5).map(record).collect();
                    next += 5;
                    let journal = journal.clone();
                    // One after the other in the queue, so that the numbers are the sequences.
                    async move { journal.append(records).await.expect("append").end }
                })
                .collect();
            for call in calls {
                println!("acknowledged {}", call.await);
            }
        }
    });
}

#[test]
fn every_acknowledged_record_survives_kill_9() {
    let dir = tempfile::tempdir().expect("dir");
    let mut total = 0;
    for round in 0..25_u64 {
        let mut child = Command::new(std::env::current_exe().expect("self"))
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("spawn");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let mut acknowledged = 0;
        let mut seen = 0;
        for line in lines {
            let line = line.expect("line");
            if let Some((_, number)) = line.split_once("acknowledged ") {
                acknowledged = number.parse().expect("number");
                seen += 1;
                // Killed once, somewhere in the middle of what it does; then the pipe is emptied.
                if seen == 1 + round * 7 {
                    child.kill().expect("kill");
                }
            }
        }
        child.wait().expect("wait");
        let (journal, recovery) = Journal::open(dir.path(), options()).expect("open");
        assert!(recovery.records.end >= acknowledged, "{recovery:?}, {acknowledged} acknowledged");
        assert_eq!(recovery.records.end % 5, 0, "half a call came back");
        let mut reader = journal.read(0).expect("reader");
        while let Some((sequence, found)) = reader.next().expect("next") {
            assert_eq!(found, record(sequence));
        }
        assert_eq!(reader.position(), recovery.records.end);
        total = acknowledged;
    }
    assert!(total > 1000, "only {total} records in all rounds");
}

/// A file system of a few megabytes, unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(bytes: usize) -> Option<Self> {
        let dir = tempfile::tempdir().expect("dir");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(dir.path())
            .status()
            .is_ok_and(|status| status.success());
        if !mounted {
            assert!(std::env::var_os("CI").is_none(), "CI must be able to mount a tmpfs");
            eprintln!("NOT TESTED: a full disk needs the right to mount a tmpfs");
            return None;
        }
        Some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.0.path()).status());
    }
}

#[test]
fn a_full_disk_refuses_appends_until_there_is_space() {
    let Some(disk) = SmallDisk::mount(1 << 20) else { return };
    let dir = disk.0.path().join("journal");
    let options = || Options { segment_bytes: 128 << 10, ..options() };
    let (journal, _) = Journal::open(&dir, options()).expect("open");
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![1; 512 << 10]).expect("ballast");

    let mut next = 0;
    while journal.append_blocking(vec![record(next)]).is_ok() {
        next += 1;
    }
    assert!(next > 500, "{next}");
    for _ in 0..3 {
        assert_eq!(journal.append_blocking(vec![record(next)]), Err(AppendError::Full));
    }
    assert!(journal.stat().full && journal.stat().failure.is_none());

    std::fs::remove_file(&ballast).expect("remove");
    for number in next..next + 100 {
        assert_eq!(journal.append_blocking(vec![record(number)]), Ok(number..number + 1));
    }
    assert!(!journal.stat().full);
    journal.close();

    std::fs::write(&ballast, vec![1; 2 << 20]).expect_err("the disk is full");
    let (journal, recovery) = Journal::open(&dir, options()).expect("open on a full disk");
    assert_eq!(recovery.records, 0..next + 100);
    assert_eq!(journal.append_blocking(vec![record(next)]), Err(AppendError::Full));
    let mut reader = journal.read(0).expect("reader");
    while let Some((sequence, found)) = reader.next().expect("next") {
        assert_eq!(found, record(sequence));
    }
    assert_eq!(reader.position(), next + 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_whose_directory_vanished_answers_failed_and_does_not_hang() {
    let dir = tempfile::tempdir().expect("dir");
    let options = Options { segment_bytes: 4096, ..options() };
    let (journal, _) = Journal::open(dir.path(), options).expect("open");
    journal.append(vec![record(0)]).await.expect("append");
    std::fs::remove_dir_all(dir.path()).expect("remove");
    let all = async {
        loop {
            if let Err(error) = journal.append(vec![record(1)]).await {
                break error;
            }
        }
    };
    let error = tokio::time::timeout(Duration::from_secs(30), all).await.expect("in time");
    assert_eq!(error, AppendError::Failed);
    assert_eq!(journal.append(vec![record(1)]).await, Err(AppendError::Failed));
    assert!(journal.stat().failure.is_some());
}
