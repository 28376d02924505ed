//! Clocks that are set by hours while the real program runs: waits, repeats and silences do as is
//! written in `router::pipeline`'s clock and in `docs/operations.md`, and everything is told once.

use std::{collections::BTreeMap, path::PathBuf};

use reqwest::Method;
use router::api::types::Ledger;

use crate::harness::{Router, Site, alert, eventually};

/// Waits long enough that only a clock that is set ends them, and nothing closes.
const CONFIG: &str = "
  meta: { clock_jump: 1000h }
outputs: { log: { file: { path: DIR/told.jsonl } } }
routes: [{ group_by: [rule], group_wait: 1h, group_interval: 2h, repeat_interval: 4h, quiet: 1000h }]
";

/// The wall clock of a site's routers: the machine's, and so many minutes.
struct WallClock {
    file: PathBuf,
}

impl WallClock {
    /// Returns a site whose routers have a clock of their own, and the clock. The clock that never
    /// goes back stays the machine's.
    #[expect(clippy::print_stderr, reason = "a test that is left out says so")]
    fn of_site(config: &str) -> Option<(Site, Self)> {
        let library = ["x86_64", "aarch64"]
            .map(|machine| format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketimeMT.so.1"))
            .into_iter()
            .find(|path| std::path::Path::new(path).exists());
        let Some(library) = library else {
            assert!(std::env::var_os("CI").is_none(), "CI must have Debian's package libfaketime");
            eprintln!("SKIPPED: without the package libfaketime no clock can be set");
            return None;
        };
        let site = Site::new(config);
        let clock = Self { file: site.path("clock") };
        clock.set(0);
        let file = clock.file.display().to_string();
        let site = site
            .with("LD_PRELOAD", &library)
            .with("FAKETIME_TIMESTAMP_FILE", &file)
            .with("FAKETIME_NO_CACHE", "1")
            .with("FAKETIME_DISABLE_SHM", "1")
            .with("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Some((site, clock))
    }

    fn set(&self, minutes: i32) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{minutes:+}m")).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }
}

async fn send(router: &Router, rule: &str, workload: &str) {
    assert_eq!(router.send(&[alert(rule, "Notice", workload)]).await, 200);
}

/// Returns how many notifications there were of each rule: its findings are one group.
fn told(site: &Site) -> BTreeMap<&'static str, usize> {
    let mut told = BTreeMap::new();
    let text = std::fs::read_to_string(site.path("told.jsonl")).unwrap_or_default();
    // The last line may not be whole yet.
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let rule = ["First", "Second", "Hidden"].into_iter().find(|rule| line.contains(rule));
        *told.entry(rule.unwrap()).or_default() += 1;
    }
    told
}

async fn until_told(site: &Site, router: &Router, what: &str, times: usize) {
    eventually(&format!("{what} is told {times} times"), async || {
        // Who is asked something looks at the clock.
        router.ledger().await;
        (told(site).get(what).copied() >= Some(times)).then_some(())
    })
    .await;
}

/// Waits until everything that came is decided upon.
async fn decided(router: &Router, alerts: u64) -> Ledger {
    eventually("all is decided upon", async || {
        let ledger = router.ledger().await;
        (ledger.accepted >= alerts).then_some(ledger)
    })
    .await
}

#[tokio::test]
async fn whatever_the_clock_is_set_to_each_thing_is_told_once_in_its_time() {
    let Some((site, clock)) = WallClock::of_site(CONFIG) else { return };
    let router = site.start();
    // Ahead: all that was due is due.
    send(&router, "First", "web").await;
    assert_eq!(decided(&router, 1).await.outputs["log"].pending, 1);
    clock.set(2 * 60);
    until_told(&site, &router, "First", 1).await;
    send(&router, "First", "web").await;
    assert_eq!(decided(&router, 2).await.suppressed.values().sum::<u64>(), 1, "within the repeat");
    clock.set(8 * 60);
    send(&router, "First", "web").await;
    until_told(&site, &router, "First", 2).await;

    // Back: time goes on from where it was.
    clock.set(60);
    send(&router, "First", "web").await;
    send(&router, "Second", "web").await;
    assert_eq!(decided(&router, 5).await.suppressed.values().sum::<u64>(), 2, "within the repeat");
    clock.set(3 * 60);
    until_told(&site, &router, "Second", 1).await;

    // A silence ends by the wall clock, however much time went by. What it hid stays active for an
    // hour.
    let silence = serde_json::json!({
        "match": "rule = Hidden", "duration": "30m", "author": "ann", "comment": "c",
    });
    let added = router.request(Method::POST, "/api/v1/silences", &silence).await;
    assert!(added.status().is_success());
    for (minutes, workload) in [(200, "web"), (185, "db"), (205, "mail")] {
        clock.set(minutes);
        send(&router, "Hidden", workload).await;
    }
    let ledger = decided(&router, 8).await;
    assert_eq!(ledger.suppressed.values().sum::<u64>(), 5);
    clock.set(215);
    eventually("what it hid is in a group", async || {
        let groups: serde_json::Value = router.get("/api/v1/groups").await;
        groups.to_string().contains("Hidden").then_some(())
    })
    .await;
    clock.set(9 * 60);
    until_told(&site, &router, "Hidden", 1).await;

    // Set back while it was down, and ahead again: nobody hears of anything twice.
    let ledger = router.settled().await;
    router.kill();
    clock.set(0);
    let router = site.start();
    assert_eq!(router.ledger().await, ledger);
    clock.set(2 * 60);
    send(&router, "Second", "db").await;
    clock.set(6 * 60);
    until_told(&site, &router, "Second", 2).await;
    let ledger = router.settled().await;
    assert_eq!(ledger.accepted, 9);
    assert_eq!(router.stop().await, Some(0));
    assert_eq!(told(&site), BTreeMap::from([("First", 2), ("Second", 2), ("Hidden", 1)]));
}
