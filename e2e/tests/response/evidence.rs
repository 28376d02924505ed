//! Evidence first, where it is wanted; without secrets, of the right container, and nothing is written
//! into the target.

use std::time::Duration;

use e2e::Fault;
use response::{cluster::Pod, entry::ResultKind};
use serde_json::{Value, json};

use crate::{
    stage::{Stage, alert, outcome, result, rule, with},
    world::Place,
};

fn snapshot(place: &Place) -> Value {
    json!({
        "actions": { "snapshot_evidence": { "mode": "auto", "namespaces": [place.namespace] } },
        "responses": [rule("snapshot_evidence", &json!({}))],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn where_evidence_is_required_and_the_agent_is_away_nothing_is_done() {
    let settings = json!({ "responses": [rule("kill_pod", &json!({ "evidence": "require" }))] });
    let Some(stage) = Stage::with(|_| settings).await else { return };
    let pod = stage.pod("web-0").await;
    logs(&stage);
    let ended = stage.respond(alert(&pod)).await;
    assert_eq!(result(&ended), ResultKind::Failed);
    assert!(outcome(&ended).detail.contains("evidence is required"));
    assert_eq!(stage.story(1), ["proposed", "goes", "evidence, 2 missing", "ended failed"]);
    assert!(ended.evidence_failures[0].starts_with("process: "), "{ended:#?}");
    assert_eq!(stage.changes(), [] as [&str; 0]);
    assert!(stage.is_there(&pod).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_had_is_kept_and_it_goes_on() {
    let settings =
        json!({ "responses": [rule("kill_pod", &json!({ "evidence": "best_effort" }))] });
    let Some(stage) = Stage::with(|_| settings).await else { return };
    let pod = stage.pod("web-0").await;
    logs(&stage);
    let ended = stage.respond(alert(&pod)).await;
    assert_eq!(result(&ended), ResultKind::NotVerified);
    let story = [
        "proposed",
        "goes",
        "evidence, 2 missing",
        "intent evict",
        "answer evict: accepted",
        "ended not_verified",
    ];
    assert_eq!(stage.story(1), story);
    let names: Vec<&str> = ended.documents.iter().map(|document| &*document.name).collect();
    assert!(names.contains(&"pod.json") && names.contains(&"response.json"), "{names:?}");
    assert_eq!(stage.kills().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_holds_no_value_of_the_environment() {
    let Some(stage) = Stage::with(snapshot).await else { return };
    let secret = "hunter2-the-value";
    let env = json!({ "spec": { "containers": [{
        "name": "web", "image": "web:1", "env": [{ "name": "PASSWORD", "value": secret }] }] } });
    let pod = stage.pod_with("web-0", &env).await;
    logs(&stage);
    let ended = stage.respond(alert(&pod)).await;
    let folder = stage.responder.data().join("evidence/R-1");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(secret), "{}", path.display());
        found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    assert!(found.contains(&"pod.json".to_owned()), "{found:?}");
    let manifest = std::fs::read_to_string(stage.responder.data().join("evidence/R-1/pod.json"));
    assert!(manifest.unwrap().contains("PASSWORD"), "its name is evidence");
    drop(ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn t15_logs_are_those_of_the_alerts_own_container() {
    let Some(stage) = Stage::with(snapshot).await else { return };
    let two = json!({ "spec": { "containers": [
        { "name": "proxy", "image": "proxy:1" }, { "name": "web", "image": "web:1" }] } });
    let pod = stage.pod_with("web-0", &two).await;
    let own = pod.containers.iter().find(|container| container.name == "web").unwrap();
    let alert = with(alert(&pod), "container.full_id", json!(own.id.clone().unwrap()));
    logs(&stage);
    let ended = stage.respond(alert).await;
    assert_eq!(ended.resolved.container.as_ref().map(|(name, _)| name.as_str()), Some("web"));
    let asked = stage.place.proxy.seen("GET", "*/pods/web-0/log");
    assert_eq!(asked.len(), 2, "current and previous");
    assert!(asked.iter().all(|seen| seen.path.contains("container=web")), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t16_nothing_is_written_into_the_target() {
    let Some(stage) = Stage::with(snapshot).await else { return };
    let pod = stage.pod("web-0").await;
    logs(&stage);
    let before = stage.place.look_at_pod("web-0").await;
    stage.respond(alert(&pod)).await;
    assert!(stage.place.proxy.writes().is_empty(), "{:?}", stage.place.proxy.writes());
    for way in ["exec", "attach", "portforward", "ephemeralcontainers", "proxy"] {
        for method in ["GET", "POST", "PATCH", "PUT"] {
            assert!(stage.place.proxy.seen(method, &format!("*/{way}")).is_empty());
        }
    }
    assert_eq!(stage.place.look_at_pod("web-0").await, before);
    assert_eq!(stage.story(1)[..2], ["proposed", "goes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_evidence_that_cannot_be_had_is_named() {
    let Some(stage) = Stage::with(snapshot).await else { return };
    let pod = stage.pod("web-0").await;
    // No kubelet is there to tell the logs.
    stage.place.proxy.always("GET", "*/events", Fault::status(500, "InternalError"));
    let ended = stage.respond(alert(&pod)).await;
    assert_ne!(result(&ended), ResultKind::Done);
    for what in ["process: ", "events.json: ", "log-web.txt: "] {
        let told = ended.evidence_failures.iter().any(|failure| failure.starts_with(what));
        assert!(told, "{what}{:?}", ended.evidence_failures);
    }
}

/// Where collecting takes a while: what a person says meanwhile counts.
async fn collecting() -> Option<(Stage, Pod)> {
    let settings =
        json!({ "responses": [rule("kill_pod", &json!({ "evidence": "best_effort" }))] });
    let stage = Stage::with(|_| settings).await?;
    let pod = stage.pod("web-0").await;
    logs(&stage);
    stage.place.proxy.next("GET", "*/events", Fault::Delay(Duration::from_secs(3)));
    assert_eq!(stage.send(&[alert(&pod)]).await, 200);
    stage.place.proxy.wait_for("GET", "*/events");
    Some((stage, pod))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stopped_while_evidence_is_collected_is_not_done() {
    let Some((stage, pod)) = collecting().await else { return };
    let stop = json!({ "by": "ann", "reason": "drill" });
    assert_eq!(stage.say("/api/v1/stop", &stop).await.0, 200);
    let ended = stage.settled(1).await;
    assert_eq!(ended.state.name(), "denied");
    let story = ["proposed", "goes", "evidence, 2 missing", "denied mode/stopped"];
    assert_eq!(stage.story(1), story);
    assert_eq!(stage.changes(), [] as [&str; 0]);
    assert!(stage.is_there(&pod).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mode_that_is_lowered_while_evidence_is_collected_holds() {
    let Some((stage, pod)) = collecting().await else { return };
    let changes = json!({
        "mode": "approve",
        "responses": [rule("kill_pod", &json!({ "evidence": "best_effort" }))],
    });
    let settings = crate::stage::settings(&stage.place, e2e::ApiServer::ADMIN, &changes);
    stage.responder.reconfigure(&settings);
    let waits = stage.settled(1).await;
    assert_eq!(stage.get("/api/v1/status").await["mode"], "approve");
    assert_eq!(waits.state.name(), "awaiting", "{waits:#?}");
    assert_eq!(stage.story(1)[1..], ["goes", "evidence, 2 missing", "awaits mode"]);
    assert_eq!(stage.changes(), [] as [&str; 0]);
    assert!(stage.is_there(&pod).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_evidence_is_collected_it_is_collected_anew_and_acted_on_once() {
    let Some((mut stage, _)) = collecting().await else { return };
    stage.responder.kill();
    stage.responder.restart();
    let ended = stage.settled(1).await;
    assert_eq!(result(&ended), ResultKind::NotVerified);
    let story = stage.story(1);
    assert_eq!(story[..3], ["proposed", "goes", "goes"]);
    assert_eq!(story.iter().filter(|line| *line == "intent evict").count(), 1, "{story:?}");
    assert_eq!(stage.kills().len(), 1);
}

/// Stands for the kubelet, who is not here.
fn logs(stage: &Stage) {
    let log = Fault::Answer { status: 200, retry_after: None, body: "a line\n".to_owned() };
    stage.place.proxy.always("GET", "*/pods/web-0/log", log);
}
