//! What was answered with 200 is accounted for, however often the router is killed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use journal::Journal;
use router::{api::types::Decision, pipeline::DecisionKind};

use crate::{
    harness::{Router, Site, alert, eventually, id},
    receiver::{Answer, Receiver},
};

/// How often the router is killed; `SAKER_KILL_ROUNDS` asks for more.
const ROUNDS: u32 = 200;
const SENDERS: usize = 3;

/// A receiver that hangs, fails and takes, by the number of the request.
fn misbehave(request: usize, _: &serde_json::Value) -> Answer {
    match request * 7919 % 10 {
        0 => Answer::Hang,
        1 | 2 => Answer::Status(503),
        _ => Answer::Take,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_killed_under_load() {
    let receiver = Receiver::start(misbehave).await;
    let site = Site::new(&format!(
        "
outputs:
  hook: {{ webhook: {{ url: '{}' }}, send: {{ attempt_timeout: 300ms }}, retry: {{ delay_min: 20ms, delay_max: 100ms }} }}
  log: {{ file: {{ path: DIR/alerts.jsonl }} }}
routes: [{{ group_by: [rule, k8s.pod.name], group_wait: 20ms, group_interval: 1s }}]
",
        receiver.url()
    ));
    // Snapshots must be among what a crash interrupts.
    let site = site.with("SAKER_ROUTER__JOURNAL__SNAPSHOT_RECORDS", "40");
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let rounds = std::env::var("SAKER_KILL_ROUNDS").map(|rounds| rounds.parse().unwrap());
    for round in 0..rounds.unwrap_or(ROUNDS) {
        let router = Arc::new(site.start());
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (router, acknowledged) = (Arc::clone(&router), Arc::clone(&acknowledged));
                tokio::spawn(send_until_killed(router, acknowledged, round, sender))
            })
            .collect();
        let life = Duration::from_millis(u64::from(20 + round * 37 % 130));
        // The moment of death is the test's input, not a wait for something.
        tokio::time::sleep(life).await;
        router.signal(rustix::process::Signal::KILL);
        for sender in senders {
            sender.await.unwrap();
        }
    }

    receiver.now(|_, _| Answer::Take);
    let router = site.start();
    let ledger = router.settled().await;
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(acknowledged.len() > 500, "too few for a test: {}", acknowledged.len());
    assert!(ledger.accepted >= acknowledged.len() as u64);
    assert_eq!(ledger.outputs["hook"].delivered, ledger.outputs["hook"].routed);
    assert_eq!(ledger.outputs["log"].delivered, ledger.outputs["log"].routed);
    assert_eq!(router.stop().await, Some(0));

    let decided = decided(&site);
    let lost: Vec<_> = acknowledged.iter().filter(|id| !decided.contains_key(*id)).collect();
    assert!(lost.is_empty(), "acknowledged and never decided upon: {lost:?}");
    assert_eq!(decided.values().sum::<u64>(), ledger.accepted, "one decision per alert");

    let mut duplicates = 0;
    let mut by_id: BTreeMap<String, serde_json::Value> = BTreeMap::new();
    let mut by_content: BTreeMap<String, String> = BTreeMap::new();
    for taken in receiver.taken() {
        let content = format!("{} {}", taken.body["group"], taken.body["sequence"]);
        let first = by_content.entry(content).or_insert_with(|| taken.id.clone());
        assert_eq!(*first, taken.id, "a duplicate has the same delivery id");
        if let Some(before) = by_id.insert(taken.id, taken.body.clone()) {
            assert_eq!(before, taken.body);
            duplicates += 1;
        }
    }
    eprintln!("{} acknowledged, {duplicates} delivered twice", acknowledged.len());
}

/// What the core took from memory and what the journal holds come to the same state.
#[tokio::test]
async fn a_running_router_holds_its_state_against_its_journal() {
    let site = Site::new("outputs: { log: { file: { path: DIR/out.jsonl } } }\n")
        .with("SAKER_ROUTER__JOURNAL__SNAPSHOT_RECORDS", "30")
        .with("SAKER_ROUTER__JOURNAL__CHECK_INTERVAL", "1ms");
    let router = site.start();
    let mut number = 0;
    let metrics = eventually("the state was checked", async || {
        let alerts: Vec<_> = (0..40)
            .map(|_| {
                number += 1;
                alert(&format!("rule {}", number % 7), "Warning", &format!("w{}", number % 11))
            })
            .collect();
        assert_eq!(router.send(&alerts).await, 200);
        let metrics = router.metrics().await;
        let same = metrics.lines().find_map(|line| {
            line.strip_prefix("saker_core_state_checks_total{outcome=\"same\"} ")?
                .parse::<u64>()
                .ok()
        });
        (same? >= 1).then_some(metrics)
    })
    .await;
    for outcome in ["differs", "failed"] {
        let none = format!("saker_core_state_checks_total{{outcome=\"{outcome}\"}} 0\n");
        assert!(metrics.contains(&none), "{metrics}");
    }
}

async fn send_until_killed(
    router: Arc<Router>,
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
    round: u32,
    sender: usize,
) {
    loop {
        let alerts: Vec<_> = (0..5)
            .map(|n| alert(&format!("rule {n}"), "Warning", &format!("w{round}-{sender}")))
            .collect();
        match router.try_send(&alerts).await {
            Ok(status) if status == 200 => {
                acknowledged.lock().unwrap().extend(alerts.iter().map(|a| id(a).to_owned()));
            }
            Ok(status) => panic!("{status}"),
            Err(_) => return,
        }
    }
}

/// Returns how often each alert was decided upon, by the decision log.
pub(crate) fn decided(site: &Site) -> BTreeMap<String, u64> {
    let options = journal::Options {
        segment_bytes: 16 << 20,
        bytes_max: 64 << 20,
        sync: journal::Sync::None,
        ..journal::Options::default()
    };
    let (log, _) = Journal::open(&site.path("data/decisions"), options).unwrap();
    let mut decided = BTreeMap::new();
    let mut reader = log.read(log.first()).unwrap();
    while let Some((_, bytes)) = reader.next().unwrap() {
        let decision: Decision = serde_json::from_slice(&bytes).unwrap();
        if let DecisionKind::Alert(decision) = decision.kind {
            *decided.entry(decision.alert.to_string()).or_default() += 1;
        }
    }
    decided
}
