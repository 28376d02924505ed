//! Many alerts, few findings, slow outputs.

use std::time::Duration;

use alert::Finding;
use router::api::types::List;

use crate::{
    harness::{Site, alert, eventually},
    receiver::{Answer, Receiver},
};

const ALERTS: usize = 100_000;
const FINDINGS: usize = 20;
const BATCH: usize = 1000;
/// What a router may take in memory in this test; an unoptimised build without load takes 40 MiB.
const RESIDENT_BYTES_MAX: u64 = 300 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_repeats_is_counted_exactly_and_told_once_per_group() {
    let good = Receiver::start(|_, _| Answer::Take).await;
    let hanging = Receiver::start(|_, _| Answer::Hang).await;
    let site = Site::new(&format!(
        "
outputs:
  good: {{ webhook: {{ url: '{}' }} }}
  hanging: {{ webhook: {{ url: '{}' }}, queue: {{ notifications_max: 4 }} }}
routes: [{{ group_by: [rule], group_wait: 0s, group_interval: 1h }}]
",
        good.url(),
        hanging.url()
    ));
    let router = site.start();
    for batch in 0..ALERTS / BATCH {
        let alerts: Vec<_> = (0..BATCH)
            .map(|n| (batch * BATCH + n) % FINDINGS)
            .map(|n| alert(&format!("rule {n}"), "Warning", "web"))
            .collect();
        assert_eq!(router.send(&alerts).await, 200);
    }
    let ledger = eventually("all are decided upon", async || {
        let ledger = router.ledger().await;
        let good = ledger.outputs["good"];
        (ledger.accepted == ALERTS as u64 && good.delivered == good.routed).then_some(ledger)
    })
    .await;
    assert_eq!(ledger.routed, FINDINGS as u64);
    assert_eq!(good.taken().len(), FINDINGS, "one notification for each group");
    let findings: List<Finding> = router.get("/api/v1/findings?limit=1000").await;
    let counts: Vec<_> = findings.items.iter().map(|finding| finding.count).collect();
    assert_eq!(counts, vec![(ALERTS / FINDINGS) as u64; FINDINGS]);
    let first: List<Finding> = router.get("/api/v1/findings?limit=14").await;
    let cursor = first.next.unwrap();
    let rest: List<Finding> = router.get(&format!("/api/v1/findings?cursor={cursor}")).await;
    assert_eq!((first.items.len(), rest.items.len(), rest.next), (14, 6, None));
    assert_eq!([first.items, rest.items].concat(), findings.items);
    let resident = router.resident_bytes();
    assert!(resident < RESIDENT_BYTES_MAX, "{resident} bytes resident");
    eprintln!("{} MiB resident after the storm", resident >> 20);
}

#[tokio::test]
async fn a_source_that_floods_is_told_of_in_one_summary() {
    let receiver = Receiver::start(|_, _| Answer::Take).await;
    let site = Site::new(&format!(
        "
outputs: {{ hook: {{ webhook: {{ url: '{}' }} }} }}
routes: [{{ group_by: [rule], group_wait: 1s }}]
storm: {{ begin: 5, within: 1h, end: 1, calm: 1h, interval: 1h }}
",
        receiver.url()
    ));
    let router = site.start();
    let flood: Vec<_> =
        (0..40).map(|n| alert(&format!("rule {}", n % 20), "Notice", "web")).collect();
    assert_eq!(router.send(&flood).await, 200, "one batch: no tick comes between");
    let ledger = router.settled().await;
    let told: Vec<_> = receiver.taken().into_iter().map(|taken| taken.body).collect();
    let summaries: Vec<_> = told.iter().filter(|body| !body["storm"].is_null()).collect();
    assert_eq!((told.len(), summaries.len()), (6, 1), "five before it began, and the summary");
    assert_eq!(summaries[0]["alerts_count"], 30, "those of the other fifteen rules, twice");
    assert_eq!(summaries[0]["labels"]["hostname"], "node-1");
    let listed = summaries[0]["storm"]["rules"].as_array().unwrap();
    assert!(listed.iter().all(|rule| rule["count"] == 2), "{listed:?}");
    assert_eq!((listed.len(), &summaries[0]["storm"]["others_count"]), (10, &10.into()));
    let hook = ledger.outputs["hook"];
    assert_eq!((ledger.routed, hook.delivered), (20, 20), "each is routed, and delivered");
}

#[tokio::test]
async fn critical_overtakes_a_backlog() {
    let receiver = Receiver::start(|_, _| Answer::Take).await;
    let site = Site::new(&format!(
        "
outputs:
  hook:
    webhook: {{ url: '{}' }}
    queue: {{ notifications_max: 10 }}
    send: {{ concurrency: 1, rate: {{ per_second: 10 }} }}
routes: [{{ group_by: [rule], group_wait: 0s }}]
",
        receiver.url()
    ));
    let router = site.start();
    let backlog: Vec<_> = (0..30).map(|n| alert(&format!("rule {n}"), "Notice", "web")).collect();
    router.send(&backlog).await;
    eventually("the backlog is being worked off", async || {
        (!receiver.received().is_empty()).then_some(())
    })
    .await;
    router.send(&[alert("Root shell", "Critical", "web")]).await;
    router.settled().await;
    let rules: Vec<String> = receiver
        .taken()
        .iter()
        .map(|taken| taken.body["findings"][0]["sample"]["rule"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(rules.len(), 31, "what the short queue refused came later");
    let place = rules.iter().position(|rule| rule == "Root shell").unwrap();
    assert!(place < 15, "behind {place} others");
}

#[tokio::test]
async fn a_denied_output_keeps_its_queue_until_a_person_acts() {
    let receiver = Receiver::start(|_, _| Answer::Status(401)).await;
    let config = |timeout: &str| {
        format!(
            "
outputs:
  hook: {{ webhook: {{ url: '{}' }}, send: {{ attempt_timeout: {timeout} }}, retry: {{ give_up_after: 0s }} }}
routes: [{{ group_by: [rule], group_wait: 0s }}]
",
            receiver.url()
        )
    };
    let site = Site::new(&config("5s"));
    let router = site.start();
    let alerts: Vec<_> = (0..5).map(|n| alert(&format!("rule {n}"), "Notice", "web")).collect();
    router.send(&alerts).await;
    eventually("the breaker is open", async || {
        let status = router.status().await;
        let output = &status.outputs[0];
        (output.breaker == router::dispatch::BreakerState::Open && output.queued == 5).then_some(())
    })
    .await;
    let denied = receiver.received().len();
    receiver.now(|_, _| Answer::Take);
    // The person acts: a new configuration closes the breaker.
    site.configure(&config("6s"));
    let ledger = router.settled().await;
    assert_eq!((ledger.outputs["hook"].delivered, ledger.outputs["hook"].dead_lettered), (5, 0));
    assert!(denied < 10, "it was asked {denied} times");
    assert!(Duration::ZERO < receiver.received()[denied].at - receiver.received()[0].at);
}
