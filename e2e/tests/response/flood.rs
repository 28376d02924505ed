//! A flood of alerts an attacker can raise at will: what it leads to is bounded and known beforehand.

use alert::{Alert, AlertId};
use futures_util::future::join_all;
use response::{book::State, cluster::Pod};
use serde_json::json;

use crate::stage::{Stage, alert, until};

/// Pods the flood names, and how many of them there are.
const PODS: usize = 1000;
const REAL: usize = 150;
/// Alerts about each.
const EACH: usize = 100;
/// In one request, at most.
const BATCH: usize = 10_000;
/// Actions an hour the two namespaces share.
const BUDGET: usize = 10;
/// Plans that wait at once.
const PENDING: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_alerts_for_a_thousand_pods_kill_no_more_than_the_budget() {
    let Some(victim) = crate::world::Place::new().await else { return };
    let settings = |place: &crate::world::Place| {
        json!({
            "actions": { "kill_pod": {
                "mode": "auto", "namespaces": [place.namespace, victim.namespace] } },
            "budgets": {
                "namespace": { "actions_max": 100, "per": "1h" },
                "cluster": { "actions_max": BUDGET, "per": "1h" },
            },
            "approval": { "pending_max": PENDING },
            "freshness": { "kill": "10m" },
        })
    };
    let Some(stage) = Stage::with(settings).await else { return };
    let mut pods: Vec<Pod> = Vec::new();
    let names: Vec<String> = (0..REAL).map(|number| format!("decoy-{number}")).collect();
    for names in names.chunks(25) {
        pods.extend(join_all(names.iter().map(|name| stage.pod(name))).await);
    }
    for number in REAL..PODS {
        let mut forged = pods[0].clone();
        forged.reference.name = format!("decoy-{number}");
        forged.reference.uid = format!("00000000-0000-4000-8000-{number:012}");
        pods.push(forged);
    }

    let mut sent = 0;
    let mut batch: Vec<Alert> = Vec::with_capacity(BATCH);
    for _ in 0..EACH {
        for pod in &pods {
            let id = AlertId::random();
            batch.push(Alert { id, ..alert(pod) });
            if batch.len() == BATCH {
                assert_eq!(stage.send(&batch).await, 200);
                sent += batch.len();
                batch.clear();
            }
        }
    }
    assert_eq!(sent, PODS * EACH);
    until("everything is judged", async || {
        let open = stage.get("/api/v1/responses?state=proposed&limit=1").await;
        let approved = stage.get("/api/v1/responses?state=approved&limit=1").await;
        let executing = stage.get("/api/v1/responses?state=executing&limit=1").await;
        let none = [&open, &approved, &executing].iter().all(|it| it["items"] == json!([]));
        none.then_some(()).ok_or_else(|| "not yet".to_owned())
    })
    .await;

    // Two namespaces have an equal share each, and the decoys have theirs.
    assert_eq!(stage.kills().len(), BUDGET / 2);
    let list = stage.get("/api/v1/responses?limit=1000").await;
    let list: Vec<response::book::Response> =
        serde_json::from_value(list["items"].clone()).unwrap();
    let count = |is_it: &dyn Fn(&State) -> bool| list.iter().filter(|it| is_it(&it.state)).count();
    assert_eq!(count(&|state| matches!(state, State::Awaiting { .. })), PENDING / 2);
    assert_eq!(count(&|state| matches!(state, State::Ended { .. })), BUDGET / 2);
    let rest = count(&|state| matches!(state, State::Denied { .. }));
    assert_eq!(rest + PENDING / 2 + BUDGET / 2, list.len());
    assert!(list.len() <= 2 * 120, "so many plans a minute: {}", list.len());

    // Neither disk nor memory is the attacker's.
    let lines = stage.audit();
    assert!(lines.len() < 10 * list.len(), "{} lines", lines.len());
    let memory = stage.own_memory_kib();
    assert!(memory < 128 << 10, "{memory} KiB");
    eprintln!(
        "flood: {sent} alerts, {} plans, {} audit lines, {memory} KiB of its own",
        list.len(),
        lines.len()
    );

    // And the victim's share is there.
    let pod =
        victim.pod_with("web-0", &json!({ "spec": { "terminationGracePeriodSeconds": 0 } })).await;
    let ended = stage.respond(alert(&pod)).await;
    assert_eq!(ended.state.name(), "ended", "{:#?}", ended.verdicts);
    assert_eq!(stage.kills().len(), BUDGET / 2 + 1);
    let told = stage.story(ended.id.0);
    assert_eq!(told.last().unwrap(), "ended not_verified");
}

impl Stage {
    /// Returns what the responder has in memory that is no file's: a build without optimisation maps much of itself.
    fn own_memory_kib(&self) -> u64 {
        let status = format!("/proc/{}/status", self.responder.id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_takes_time_lets_nobody_beyond_the_budget() {
    let settings = |place: &crate::world::Place| {
        json!({
            "actions": { "kill_pod": { "mode": "auto", "namespaces": [place.namespace] } },
            "responses": [crate::stage::rule("kill_pod", &json!({ "evidence": "best_effort" }))],
            "budgets": { "namespace": { "actions_max": 2, "per": "1h" } },
            "concurrency": 8,
        })
    };
    let Some(stage) = Stage::with(settings).await else { return };
    let names: Vec<String> = (0..8).map(|number| format!("web-{number}")).collect();
    let pods = join_all(names.iter().map(|name| stage.pod(name))).await;
    let alerts: Vec<Alert> = pods.iter().map(alert).collect();
    assert_eq!(stage.send(&alerts).await, 200);
    let ended = join_all((1..=8).map(|number| stage.settled(number))).await;
    let waits = ended.iter().filter(|response| response.state.name() == "awaiting");
    assert_eq!(waits.count(), 6);
    assert_eq!(stage.kills().len(), 2);
    let intents = stage
        .audit()
        .iter()
        .filter(|line| {
            matches!(&line.entry, response::entry::Entry::Intent { account: Some(_), .. })
        })
        .count();
    assert_eq!(intents, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_that_come_together_leave_the_workload_its_floor() {
    let settings = |place: &crate::world::Place| {
        let plenty = json!({ "actions_max": 100, "per": "1h" });
        let kept = json!({ "min_healthy": "2", "evidence": "best_effort" });
        json!({
            "actions": { "kill_pod": { "mode": "auto", "namespaces": [place.namespace] } },
            "responses": [crate::stage::rule("kill_pod", &kept)],
            "budgets": { "workload": plenty, "namespace": plenty, "cluster": plenty },
            "concurrency": 8,
        })
    };
    let Some(stage) = Stage::with(settings).await else { return };
    let path = stage.place.path("/apis/apps/v1", "replicasets");
    let template = json!({
        "metadata": { "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "web", "image": "web:1" }] },
    });
    let set = json!({
        "metadata": { "name": "web" },
        "spec": {
            "replicas": 3,
            "selector": { "matchLabels": { "app": "web" } },
            "template": template,
        },
    });
    let set = stage.place.admin("POST", &path, &set).await;
    let ready = json!({ "status": { "replicas": 3, "readyReplicas": 3 } });
    stage.place.admin("PATCH", &format!("{path}/web/status"), &ready).await;
    let owned = json!({ "metadata": { "ownerReferences": [{
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "controller": true,
        "uid": set["metadata"]["uid"],
    }] } });
    let names: Vec<String> = (0..3).map(|number| format!("web-{number}")).collect();
    let pods = join_all(names.iter().map(|name| stage.pod_with(name, &owned))).await;
    let alerts: Vec<Alert> = pods.iter().map(alert).collect();
    assert_eq!(stage.send(&alerts).await, 200);
    let ended = join_all((1..=3).map(|number| stage.settled(number))).await;
    let mut states: Vec<&str> = ended.iter().map(|response| response.state.name()).collect();
    states.sort_unstable();
    assert_eq!(states, ["denied", "denied", "ended"]);
    assert_eq!(stage.kills().len(), 1);
    let told = (1..=3).filter(|number| {
        stage.story(*number).last().is_some_and(|line| line == "denied health/too_few_left")
    });
    assert_eq!(told.count(), 2);
}
