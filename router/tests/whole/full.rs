//! A full disk stops acceptance, not the router, and loses nothing.

use std::{fs::File, path::PathBuf, process::Command};

use journal::inspect::Inspection;

use crate::harness::{Router, Site, alert, eventually, filler};

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

/// A disk that somebody else fills: small segments, as everything on it is small.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
pub(crate) fn small_site(config: &str) -> Option<(Site, SmallDisk)> {
    let site = Site::new(config)
        .with("SAKER_ROUTER__JOURNAL__SEGMENT_BYTES", "1MiB")
        .with("SAKER_ROUTER__JOURNAL__BYTES_MAX", "6MiB")
        .with("SAKER_ROUTER__DECISIONS_BYTES_MAX", "1MiB");
    let disk = SmallDisk::mount(site.path("data"), "8m");
    if disk.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI must be allowed to mount a small disk");
        eprintln!("SKIPPED: not allowed to mount a small disk, so a full one is not tested");
    }
    Some((site, disk?))
}

impl SmallDisk {
    /// Takes all that is free.
    pub(crate) fn fill(&self) {
        let zeros = File::open("/dev/zero").unwrap();
        let ballast = self.0.join("ballast");
        let mut ballast = File::options().create(true).append(true).open(ballast).unwrap();
        let filled = std::io::copy(&mut std::io::Read::take(zeros, 64 << 20), &mut ballast);
        assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    }

    pub(crate) fn make_room(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

/// Sends alerts of no urgency until so many requests were refused; returns how many were accepted.
/// The router gives room back now and then, so the disk is filled again and again.
async fn send_until_refused(router: &Router, disk: &SmallDisk, times: usize) -> u64 {
    let (mut accepted, mut refused) = (0, 0);
    while refused < times {
        disk.fill();
        let batch: Vec<_> = (0..50).map(|n| filler(&format!("w{n}"), 4000)).collect();
        match router.send(&batch).await.as_u16() {
            200 => accepted += 50,
            503 => refused += 1,
            status => panic!("{status}"),
        }
    }
    accepted
}

#[tokio::test]
async fn a_full_disk_is_answered_with_503_but_takes_critical_alerts_and_recovers() {
    let config = "outputs: { log: { file: { path: DIR/alerts.jsonl } } }";
    let Some((site, disk)) = small_site(config) else { return };
    let router = site.start();
    assert_eq!(router.send(&[alert("First", "Notice", "web")]).await, 200);
    let mut acknowledged = 1 + send_until_refused(&router, &disk, 3).await;

    // What is urgent comes in, and takes along what comes with it.
    assert_eq!(router.send(&[alert("Urgent", "Critical", "web")]).await, 200);
    let mixed = [alert("With it", "Debug", "web"), alert("Urgent", "Emergency", "web")];
    assert_eq!(router.send(&mixed).await, 200);
    assert!(router.status().await.ready, "for what is urgent");
    acknowledged += 3;
    let metrics = router.metrics().await;
    for refused in [
        "saker_ingest_refused_alerts_total{priority=\"notice\",reason=\"full\"} 150\n",
        "saker_ingest_refused_alerts_total{priority=\"critical\",reason=\"full\"} 0\n",
    ] {
        assert!(metrics.contains(refused), "{metrics}");
    }

    // What is left for it has an end too.
    eventually("it is not ready", async || {
        let mut urgent = filler("web", 8000);
        urgent["priority"] = "Critical".into();
        disk.fill();
        while router.send(std::slice::from_ref(&urgent)).await == 200 {
            acknowledged += 1;
        }
        let ready = router.request(reqwest::Method::GET, "/ready", &()).await;
        (ready.status() == 503).then_some(())
    })
    .await;

    // A crash changes nothing of it.
    router.kill();
    let router = site.start();
    disk.make_room();
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
