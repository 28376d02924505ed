//! Killed at every state: after the start it looks what became of it, and repeats nothing.

use std::time::Duration;

use e2e::Fault;
use response::{
    cluster::Cluster,
    entry::{ObjectSeen, ResultKind},
};
use serde_json::json;

use crate::stage::{Stage, alert, outcome, result, rule, until};

impl Stage {
    /// Waits until the kill itself has come to the proxy, after its dry run.
    async fn kill_was_sent(&self) {
        until("the eviction", async || match self.kills().len() {
            0 => Err("not yet".to_owned()),
            _ => Ok(()),
        })
        .await;
    }

    fn crash(&mut self) {
        self.responder.kill();
        self.place.proxy.heal();
        self.responder.restart();
    }
}

async fn killed_in(fault: Fault) -> Option<(Stage, response::cluster::Pod)> {
    let mut stage = Stage::new().await?;
    let pod = stage.pod("web-0").await;
    stage.place.proxy.next("POST", "*/eviction", Fault::Delay(Duration::ZERO));
    stage.place.proxy.next("POST", "*/eviction", fault);
    assert_eq!(stage.send(&[alert(&pod)]).await, 200);
    stage.kill_was_sent().await;
    stage.crash();
    Some((stage, pod))
}

#[tokio::test(flavor = "multi_thread")]
async fn between_intent_and_act_the_pod_was_not_evicted_and_that_is_said() {
    let Some((stage, pod)) = killed_in(Fault::HoldBefore).await else { return };
    let ended = stage.settled(1).await;
    let told = outcome(&ended);
    assert_eq!((told.result, told.object), (ResultKind::Failed, Some(ObjectSeen::Running)));
    assert!(told.detail.contains("was not evicted"), "{told:?}");
    assert_eq!(stage.story(1), ["proposed", "goes", "intent evict", "ended failed"]);
    assert_eq!(stage.kills().len(), 1, "only the one before the crash, which never arrived");
    assert!(stage.is_there(&pod).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn between_act_and_answer_the_pod_is_gone_and_nobody_saw_it_die() {
    let Some((stage, pod)) = killed_in(Fault::Hold).await else { return };
    let ended = stage.settled(1).await;
    let told = outcome(&ended);
    assert_eq!((told.result, told.object), (ResultKind::NotVerified, Some(ObjectSeen::Gone)));
    assert_eq!(stage.story(1), ["proposed", "goes", "intent evict", "ended not_verified"]);
    assert_eq!(stage.kills().len(), 1);
    assert!(!stage.is_there(&pod).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_budget_stays_spent_after_a_crash() {
    let Some((stage, _)) = killed_in(Fault::Hold).await else { return };
    stage.settled(1).await;
    // A pod without a controller is its own workload: the same name has spent.
    let successor = stage.pod("web-0").await;
    let waits = stage.respond(alert(&successor)).await;
    assert_eq!(stage.story(2), ["proposed", "awaits workload_budget"]);
    assert_eq!(waits.state.name(), "awaiting");
    assert_eq!(stage.kills().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_being_looked_into_is_looked_into_anew() {
    let Some(mut stage) = Stage::new().await else { return };
    let pod = stage.pod("web-0").await;
    stage.place.proxy.always("GET", "*/pods/web-0", Fault::HoldBefore);
    assert_eq!(stage.send(&[alert(&pod)]).await, 200);
    stage.place.proxy.wait_for("GET", "*/pods/web-0");
    stage.crash();
    let ended = stage.settled(1).await;
    assert_eq!(result(&ended), ResultKind::NotVerified);
    assert_eq!(stage.kills().len(), 1);
    let story =
        ["proposed", "goes", "intent evict", "answer evict: accepted", "ended not_verified"];
    assert_eq!(stage.story(1), story);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_brought_again_after_a_crash_is_the_same_response() {
    let Some(mut stage) = Stage::new().await else { return };
    let pod = stage.pod("web-0").await;
    let alert = alert(&pod);
    stage.respond(alert.clone()).await;
    stage.crash();
    assert_eq!(stage.send(std::slice::from_ref(&alert)).await, 200);
    let list = stage.get("/api/v1/responses").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(stage.kills().len(), 1);
    assert_eq!(stage.story(2), [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_for_a_person_waits_on() {
    let Some(mut stage) = Stage::with(|_| json!({ "mode": "approve" })).await else { return };
    let pod = stage.pod("web-0").await;
    stage.respond(alert(&pod)).await;
    stage.crash();
    let waits = stage.settled(1).await;
    assert_eq!(waits.state.name(), "awaiting");
    assert_eq!(stage.kills().len(), 0);
    assert_eq!(stage.approve(&waits, "ann").await.0, 200);
    stage.response(1, |response| !response.state.is_open()).await;
    assert_eq!(stage.kills().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_let_go_ahead_goes_ahead_once() {
    let Some(mut stage) = Stage::with(|_| json!({ "mode": "approve" })).await else { return };
    let pod = stage.pod("web-0").await;
    let waits = stage.respond(alert(&pod)).await;
    let before = stage.place.proxy.seen("GET", "*/pods/web-0").len();
    stage.place.proxy.always("GET", "*/pods/web-0", Fault::HoldBefore);
    assert_eq!(stage.approve(&waits, "ann").await.0, 200);
    until("the look", async || {
        let more = stage.place.proxy.seen("GET", "*/pods/web-0").len() > before;
        more.then_some(()).ok_or_else(|| "not yet".to_owned())
    })
    .await;
    stage.crash();
    let ended = stage.response(1, |response| !response.state.is_open()).await;
    assert_eq!(result(&ended), ResultKind::NotVerified);
    assert_eq!(stage.kills().len(), 1);
    let story = stage.story(1);
    assert_eq!(story.iter().filter(|line| *line == "intent evict").count(), 1, "{story:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_being_taken_back_is_taken_back() {
    let settings = |place: &crate::world::Place| {
        json!({
            "actions": { "isolate_pod": { "mode": "auto", "namespaces": [place.namespace] } },
            "responses": [rule("isolate_pod", &json!({ "ttl": "1s" }))],
        })
    };
    let Some(mut stage) = Stage::with(settings).await else { return };
    let pod = stage.pod("web-0").await;
    stage.place.proxy.next("DELETE", "*/networkpolicies/*", Fault::HoldBefore);
    assert_eq!(stage.send(&[alert(&pod)]).await, 200);
    stage.place.proxy.wait_for("DELETE", "*/networkpolicies/*");
    stage.crash();
    stage.response(1, |response| response.state.name() == "undone").await;
    let client = &stage.place.client;
    assert_eq!(client.isolations(&stage.place.namespace).await.unwrap(), []);
    let labels = &stage.place.look_at_pod("web-0").await["metadata"]["labels"];
    assert_eq!(*labels, json!({ "app": "web" }));
    let story = stage.story(1);
    assert_eq!(story[story.len() - 3..], ["undo intended", "undo intended", "undone"]);
}
