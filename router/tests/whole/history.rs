//! What the router remembers of days past.

use std::fs;

use reqwest::Method;
use router::{
    api::types::{ChangesPage, Decision, Explanation, PastPage, Preview, SilenceView, SpanLedger},
    pipeline::DecisionKind,
};
use serde_json::Value;

use crate::{
    full::SmallDisk,
    harness::{Router, Site, alert, eventually, filler, id},
    receiver::{Answer, Receiver},
};

/// A decision log that has room for a few thousand decisions, and alerts that take a part of it.
const SMALL_LOG: &str = "320KiB";
const PART: u64 = 3000;

const FILE: &str = "
outputs: { log: { file: { path: DIR/alerts.jsonl } } }
routes: [{ group_by: [rule], group_wait: 0s, group_interval: 1s }]
";

/// Waits until the history has so many alerts, and returns them.
async fn remembered(router: &Router, query: &str, alerts: usize) -> PastPage {
    eventually("the history has them", async || {
        let page: PastPage = router.get(&format!("/api/v1/alerts?limit=1000{query}")).await;
        (page.items.len() >= alerts).then_some(page)
    })
    .await
}

/// Returns the account of all that is known, once it has so many alerts and nothing is owed.
async fn accounted(router: &Router, accepted: u64, pending: u64) -> SpanLedger {
    eventually(&format!("the account has {accepted}, {pending} pending"), async || {
        let answer = router.request(Method::GET, "/api/v1/ledger/span", &()).await;
        // Before it has begun.
        if answer.status() == 404 {
            return None;
        }
        let ledger: SpanLedger = answer.json().await.unwrap();
        assert_eq!(ledger.check(), Ok(()));
        let owed: u64 = ledger.outputs.values().map(|output| output.pending_after).sum();
        (ledger.accepted == accepted && owed == pending).then_some(ledger)
    })
    .await
}

fn rules(page: &PastPage) -> Vec<&str> {
    page.items.iter().map(|past| past.alert.as_ref().unwrap().rule.as_str()).collect()
}

#[tokio::test]
async fn alerts_of_the_past_are_filtered_and_paged() {
    let site = Site::new(FILE);
    let router = site.start();
    let alerts = [
        alert("A", "Notice", "web"),
        alert("A", "Notice", "web"),
        alert("B", "Critical", "db"),
        alert("C", "Warning", "web"),
    ];
    router.send(&alerts).await;
    let page = remembered(&router, "", 4).await;
    assert_eq!(rules(&page), ["C", "B", "A", "A"]);
    assert_eq!((page.next, page.incomplete), (None, false));
    for (query, expected) in [
        ("&rule=A", vec!["A", "A"]),
        ("&priority_min=warning", vec!["C", "B"]),
        ("&verdict=duplicate", vec!["A"]),
        ("&verdict=routed&hostname=node-1&source=syscall", vec!["C", "B", "A"]),
        ("&hostname=other", vec![]),
        ("&condition=k8s.pod.name%20%3D%20web%20and%20rule%20!%3D%20A", vec!["C"]),
        ("&from=2000-01-01T00:00:00Z&until=2000-01-02T00:00:00Z", vec![]),
        ("&from=2000-01-01T00:00:00Z", vec!["C", "B", "A", "A"]),
    ] {
        let page: PastPage = router.get(&format!("/api/v1/alerts?limit=1000{query}")).await;
        assert_eq!(rules(&page), expected, "{query}");
    }

    let (mut walked, mut before) = (Vec::new(), String::new());
    loop {
        let page: PastPage = router.get(&format!("/api/v1/alerts?limit=1{before}")).await;
        walked.extend(page.items.iter().map(|past| past.decision.sequence));
        let Some(next) = page.next else { break };
        before = format!("&before={next}");
    }
    let sequences: Vec<u64> = page.items.iter().map(|past| past.decision.sequence).collect();
    assert_eq!(walked, sequences);

    for query in [
        "limit=0",
        "limit=1001",
        "verdict=lost",
        "priority_min=urgent",
        "fingerprint=x",
        "condition=rule%20%3D",
        "colour=red",
    ] {
        let path = format!("/api/v1/alerts?{query}");
        let response = router.request(Method::GET, &path, &()).await;
        assert_eq!(response.status(), 400, "{query}");
    }
}

#[tokio::test]
async fn an_alert_is_explained_when_the_log_has_long_forgotten_it() {
    let site = Site::new(FILE).with("SAKER_ROUTER__DECISIONS_BYTES_MAX", SMALL_LOG);
    let router = site.start();
    let first = alert("First", "Notice", "web");
    router.send(std::slice::from_ref(&first)).await;
    router.settled().await;
    for part in 1..=8 {
        let fillers: Vec<Value> = (0..PART).map(|n| filler(&format!("w{}", n % 500), 10)).collect();
        router.send(&fillers).await;
        // More than the log has room for, but never before the history has it.
        accounted(&router, 1 + PART * part, 0).await;
    }
    let path = format!("/api/v1/explain/{}", id(&first));
    let explained = async |router: &Router| {
        let explanation: Explanation = router.get(&path).await;
        let kinds: Vec<_> = explanation.decisions.iter().map(|it| &it.kind).collect();
        assert!(
            matches!(
                kinds[..],
                [DecisionKind::Alert(_), DecisionKind::Notified(_), DecisionKind::Delivered { .. }]
            ),
            "{kinds:?}"
        );
        assert_eq!(explanation.alert.unwrap().rule, "First");
        assert!(!explanation.pending && !explanation.incomplete);
    };
    explained(&router).await;
    router.kill();
    explained(&site.start()).await;

    // The history told it: without one, nobody knows.
    let router = site.try_start(&[("SAKER_ROUTER__HISTORY__DAYS_MAX", "0")]).ok().unwrap();
    let response = router.request(Method::GET, &path, &()).await;
    assert_eq!(response.status(), 404);
    let response = router.request(Method::GET, "/api/v1/alerts", &()).await;
    assert_eq!(response.status(), 404);
}

#[tokio::test]
async fn the_account_of_all_time_is_the_ledger_however_often_the_router_is_killed() {
    let site = Site::new(FILE);
    let mut accepted = 0;
    for round in 0..6 {
        let router = site.start();
        let alerts: Vec<Value> =
            (0..50).map(|n| alert(&format!("R{}", n % 7), "Notice", &format!("{round}"))).collect();
        assert_eq!(router.send(&alerts).await, 200);
        accepted += 50;
        if round % 2 == 0 {
            remembered(&router, "", 1).await;
        }
        router.kill();
    }
    let router = site.start();
    let ledger = router.settled().await;
    assert_eq!(ledger.accepted, accepted);
    let account = accounted(&router, accepted, 0).await;
    assert_eq!((account.routed, &account.suppressed), (ledger.routed, &ledger.suppressed));
    assert_eq!(account.sources["syscall"].accepted, accepted);
    assert_eq!(account.outputs["log"].delivered, ledger.outputs["log"].delivered);
    assert_eq!(account.outputs["log"].routed, ledger.outputs["log"].routed);
    assert_eq!(remembered(&router, "", 300).await.items.len(), 300);
}

#[tokio::test]
async fn a_damaged_history_is_made_anew_of_what_the_log_still_has() {
    let site = Site::new(FILE);
    let router = site.start();
    router.send(&[alert("A", "Notice", "web"), alert("B", "Notice", "web")]).await;
    router.settled().await;
    remembered(&router, "", 2).await;
    router.kill();
    damage(&site);

    let router = site.start();
    router.send(&[alert("C", "Notice", "web")]).await;
    let page = remembered(&router, "", 3).await;
    assert_eq!(rules(&page), ["C", "B", "A"]);
    router.settled().await;
    assert_eq!(accounted(&router, 3, 0).await.outputs["log"].delivered, 3);
    assert!(names(&site).iter().any(|name| name.ends_with(".damaged")));
}

#[tokio::test]
async fn a_part_that_is_damaged_inside_is_put_aside_too() {
    let site = Site::new(FILE);
    let router = site.start();
    router.send(&[alert("A", "Notice", "web")]).await;
    remembered(&router, "", 1).await;
    router.settled().await;
    assert_eq!(router.stop().await, Some(0));
    let parts = names(&site);
    assert_eq!(parts.len(), 1, "{parts:?}");
    let path = site.path("data/history").join(&parts[0]);
    let mut bytes = fs::read(&path).unwrap();
    // The first page says that all is well, and where the others are.
    bytes[4096..].fill(0xa5);
    fs::write(&path, bytes).unwrap();

    let router = site.start();
    router.send(&[alert("B", "Notice", "web")]).await;
    let page = remembered(&router, "", 2).await;
    assert_eq!(rules(&page), ["B", "A"]);
    assert!(names(&site).contains(&"history.damaged".to_owned()));
}

#[tokio::test]
async fn a_history_that_begins_late_knows_what_is_owed() {
    let receiver = Receiver::start(|_, _| Answer::Status(503)).await;
    let site = Site::new(&format!(
        "
outputs: {{ hook: {{ webhook: {{ url: '{}' }} }} }}
routes: [{{ group_by: [rule], group_wait: 0s }}]
",
        receiver.url()
    ))
    .with("SAKER_ROUTER__DECISIONS_BYTES_MAX", SMALL_LOG);
    let router = site.start();
    router.send(&[alert("A", "Notice", "web"), alert("B", "Notice", "web")]).await;
    for part in 1..=8 {
        let fillers: Vec<Value> = (0..PART).map(|_| filler("w", 10)).collect();
        router.send(&fillers).await;
        // One of each rule is told of; the others are the same finding.
        accounted(&router, 2 + PART * part, 3).await;
    }
    router.kill();
    damage(&site);

    let router = site.start();
    // What came before it began anew is only in what is owed.
    accounted(&router, 0, 3).await;
    router.send(&[alert("C", "Notice", "web")]).await;
    let account = accounted(&router, 1, 4).await;
    assert_eq!(account.outputs["hook"].pending_before, 3);
    receiver.now(|_, _| Answer::Take);
    let account = accounted(&router, 1, 0).await;
    assert_eq!(account.outputs["hook"].delivered, 4);
}

/// Overwrites every file of the history.
fn damage(site: &Site) {
    for name in names(site) {
        fs::write(site.path("data/history").join(name), "this is no database").unwrap();
    }
}

fn names(site: &Site) -> Vec<String> {
    let entries = fs::read_dir(site.path("data/history")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_history_that_cannot_be_written_holds_nobody_up() {
    let site = Site::new(FILE).with("SAKER_ROUTER__JOURNAL__BYTES_MAX", "16MiB");
    let router = site.start();
    router.send(&[alert("A", "Notice", "web")]).await;
    remembered(&router, "", 1).await;
    assert_eq!(router.stop().await, Some(0));
    fs::remove_dir_all(site.path("data/history")).unwrap();
    fs::write(site.path("data/history"), "in the way").unwrap();

    let router = site.start();
    for part in 0..40 {
        let alerts: Vec<Value> =
            (0..10).map(|n| filler(&format!("w{part}-{n}"), 100_000)).collect();
        eventually("the journal has room", async || {
            let status = router.send(&alerts).await;
            assert!(status == 200 || status == 503, "{status}");
            (status == 200).then_some(())
        })
        .await;
    }
    let metrics = router.metrics().await;
    assert!(!metrics.contains("saker_history_failures_total 0\n"));
    assert_eq!(router.settled().await.accepted, 401);
}

#[tokio::test]
async fn a_history_leaves_room_for_the_journal_on_a_small_disk() {
    let site = Site::new("outputs: { log: { stdout: {} } }")
        .with("SAKER_ROUTER__JOURNAL__SEGMENT_BYTES", "1MiB")
        .with("SAKER_ROUTER__JOURNAL__BYTES_MAX", "8MiB")
        .with("SAKER_ROUTER__DECISIONS_BYTES_MAX", "4MiB");
    let Some(disk) = SmallDisk::mount(site.path("data"), "28m") else {
        assert!(std::env::var_os("CI").is_none(), "CI must be allowed to mount a small disk");
        eprintln!("SKIPPED: not allowed to mount a small disk, so a full one is not tested");
        return;
    };
    let router = site.start();
    let mut accepted = 0;
    for _ in 0..90 {
        // More than the disk has room for, as its text hardly packs.
        let alerts: Vec<Value> = (0..20).map(|n| filler(&format!("w{n}"), 28_000)).collect();
        eventually("the journal has room", async || {
            (router.send(&alerts).await == 200).then_some(())
        })
        .await;
        accepted += 20;
    }
    assert_eq!(router.settled().await.accepted, accepted);
    eventually("the history stops before the disk is full", async || {
        router.metrics().await.contains("saker_history_paused 1\n").then_some(())
    })
    .await;
    router.kill();
    drop(disk);
}

#[tokio::test]
async fn a_silence_is_held_against_the_last_week_before_it_is_added() {
    let site = Site::new(FILE);
    let router = site.start();
    let noise = |workload| alert("Noise", "Notice", workload);
    router.send(&[noise("a"), noise("a"), noise("b"), alert("Signal", "Notice", "a")]).await;
    remembered(&router, "", 4).await;
    let hidden = async |silence: Value| {
        let response = router.request(Method::POST, "/api/v1/silences/preview", &silence).await;
        let preview: Preview = response.json().await.unwrap();
        let past = preview.past.unwrap();
        assert!(!past.incomplete);
        (past.examined, past.alerts, past.told)
    };
    let silence = |condition: &str| {
        serde_json::json!({
            "match": condition, "duration": "1h", "author": "ann", "comment": "c",
        })
    };
    assert_eq!(hidden(silence("rule = Noise")).await, (4, 3, 2));
    assert_eq!(hidden(silence("rule = Other")).await, (4, 0, 0));
    // It would count in no month: nothing is of that time.
    let mut never = silence("rule = Noise");
    never["times"] = serde_json::json!([{ "years": ["2001"] }]);
    assert_eq!(hidden(never).await, (4, 0, 0));
}

#[tokio::test]
async fn what_people_changed_is_on_record_with_who_it_was() {
    let site = Site::new(FILE);
    let router = site.start();
    let silence = serde_json::json!({
        "match": "rule = Noise", "duration": "1h", "author": "ann", "comment": "c",
    });
    let response = router.request(Method::POST, "/api/v1/silences", &silence).await;
    let view: SilenceView = response.json().await.unwrap();
    let path = format!("/api/v1/silences/{}", view.silence.id);
    router.request(Method::DELETE, &path, &serde_json::json!({ "by": "bob" })).await;
    let changes = async |query: &str| {
        let page: ChangesPage = router.get(&format!("/api/v1/changes?{query}")).await;
        let who = |it: &Decision| it.kind.changed_by().unwrap().to_owned();
        (page.items.iter().map(who).collect::<Vec<_>>(), page.next)
    };
    eventually("the history has them", async || {
        (changes("").await.0 == ["bob", "ann", "configuration"]).then_some(())
    })
    .await;
    assert_eq!(changes("by=ann").await, (vec!["ann".to_owned()], None));
    assert_eq!(changes("until=2001-01-01T00:00:00Z").await, (vec![], None));
    let (first, next) = changes("limit=2").await;
    assert_eq!(first, ["bob", "ann"]);
    assert_eq!(changes(&format!("before={}", next.unwrap())).await.0, ["configuration"]);
    let response = router.request(Method::GET, "/api/v1/changes?before=7", &()).await;
    assert_eq!(response.status(), 400);
}
