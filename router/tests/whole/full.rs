//! A full disk stops acceptance, not the router, and loses nothing.

use std::{path::PathBuf, process::Command};

use journal::inspect::Inspection;

use crate::harness::{Site, alert, eventually, filler};

/// A small file system of its own. Unmounted when dropped.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Returns `None` where the tests have no right to mount.
    pub(crate) fn mount(at: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let size = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&at).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

#[tokio::test]
async fn a_journal_smaller_than_the_storm_makes_room_by_itself() {
    let site = Site::new("outputs: { log: { file: { path: DIR/alerts.jsonl } } }")
        .with("SAKER_ROUTER__JOURNAL__SEGMENT_BYTES", "1MiB")
        .with("SAKER_ROUTER__JOURNAL__BYTES_MAX", "4MiB");
    let router = site.start();
    let batches = 30;
    for _ in 0..batches {
        let batch: Vec<_> = (0..200).map(|_| filler("web", 4000)).collect();
        eventually("there is room", async || match router.send(&batch).await.as_u16() {
            200 => Some(()),
            503 => None,
            status => panic!("{status}"),
        })
        .await;
    }
    let ledger = router.settled().await;
    assert_eq!(ledger.accepted, batches * 200);
    router.kill();
    let journal = Inspection::of(&site.path("data/journal")).unwrap();
    assert!(journal.records().start > 0, "the journal had room for all of it");
    assert_eq!(site.start().ledger().await, ledger);
}

#[tokio::test]
async fn a_new_configuration_finds_its_place_in_a_full_journal() {
    let site = Site::new("outputs: { log: { file: { path: DIR/alerts.jsonl } } }")
        .with("SAKER_ROUTER__JOURNAL__SEGMENT_BYTES", "1MiB")
        .with("SAKER_ROUTER__JOURNAL__BYTES_MAX", "2MiB");
    let router = site.start();
    let batch: Vec<_> = (0..100).map(|n| filler(&format!("w{n}"), 4000)).collect();
    while router.send(&batch).await == 200 {}
    router.kill();
    site.configure("outputs: { other: { file: { path: DIR/other.jsonl } } }");
    site.start().kill();
}

#[tokio::test]
async fn a_full_disk_is_answered_with_503_and_recovers() {
    let site = Site::new("outputs: { log: { file: { path: DIR/alerts.jsonl } } }");
    let Some(disk) = SmallDisk::mount(site.path("data"), "40m") else {
        assert!(std::env::var_os("CI").is_none(), "CI must be allowed to mount a small disk");
        eprintln!("SKIPPED: not allowed to mount a small disk, so a full one is not tested");
        return;
    };
    let router = site.start();
    let mut acknowledged = 0;
    assert_eq!(router.send(&[alert("First", "Notice", "web")]).await, 200);
    acknowledged += 1;

    // Somebody else fills the disk.
    let ballast = disk.0.join("ballast");
    let zeros = std::fs::File::open("/dev/zero").unwrap();
    drop(std::io::copy(
        &mut std::io::Read::take(zeros, 64 << 20),
        &mut std::fs::File::create(&ballast).unwrap(),
    ));
    let mut refused = 0;
    // The segments that are preallocated still have room.
    while refused < 3 {
        let batch: Vec<_> = (0..500).map(|n| filler(&format!("w{n}"), 4000)).collect();
        match router.send(&batch).await.as_u16() {
            200 => acknowledged += 500,
            503 => refused += 1,
            status => panic!("{status}"),
        }
    }
    eventually("it is not ready", async || {
        let ready = router.request(reqwest::Method::GET, "/ready", &()).await;
        (ready.status() == 503).then_some(())
    })
    .await;
    assert!(!router.status().await.ready);

    std::fs::remove_file(&ballast).unwrap();
    eventually("it takes alerts again", async || {
        (router.send(&[alert("Last", "Notice", "web")]).await == 200).then_some(())
    })
    .await;
    acknowledged += 1;
    let ledger = eventually("all acknowledged ones are decided upon", async || {
        let ledger = router.ledger().await;
        (ledger.accepted >= acknowledged).then_some(ledger)
    })
    .await;
    assert_eq!(ledger.accepted, acknowledged, "what was refused is not there");
    router.kill();
    let router = site.start();
    assert_eq!(router.ledger().await.accepted, acknowledged);
    router.kill();
}
