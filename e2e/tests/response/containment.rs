//! What lasts only for a time is taken back, whoever remembers it, and takes nothing of others along.

use std::collections::BTreeMap;

use jiff::Timestamp;
use response::{
    cluster::{Cluster, Trial},
    entry::{Entry, ResultKind},
};
use serde_json::{Value, json};

use crate::{
    stage::{Stage, alert, outcome, result, rule, until},
    world::Place,
};

fn containing(action: &'static str, changes: Value) -> impl FnOnce(&Place) -> Value {
    move |place| {
        json!({
            "actions": { action: { "mode": "auto", "namespaces": [place.namespace] } },
            "responses": [rule(action, &changes)],
        })
    }
}

async fn labels(stage: &Stage) -> Value {
    stage.place.look_at_pod("web-0").await["metadata"]["labels"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_taken_back_in_time_also_after_a_crash() {
    let changes = json!({ "labels": { "saker.dev/suspect": "yes" }, "ttl": "3s" });
    let Some(mut stage) = Stage::with(containing("label_pod", changes)).await else { return };
    let pod = stage.pod("web-0").await;
    let ended = stage.respond(alert(&pod)).await;
    assert_eq!(result(&ended), ResultKind::Done);
    assert_eq!(labels(&stage).await, json!({ "app": "web", "saker.dev/suspect": "yes" }));
    stage.responder.kill();
    stage.responder.restart();
    stage.response(1, |response| response.state.name() == "undone").await;
    assert_eq!(labels(&stage).await, json!({ "app": "web" }));
    assert_eq!(
        stage.story(1),
        [
            "proposed",
            "goes",
            "intent label",
            "answer label: accepted",
            "ended done",
            "undo intended",
            "undone"
        ]
    );
    assert_eq!(stage.changes().len(), 2, "{:?}", stage.changes());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_isolation_is_taken_back_in_time_also_after_a_crash() {
    let Some(mut stage) = Stage::with(containing("isolate_pod", json!({ "ttl": "3s" }))).await
    else {
        return;
    };
    let pod = stage.pod("web-0").await;
    let ended = stage.respond(alert(&pod)).await;
    assert_eq!(result(&ended), ResultKind::NotVerified, "nothing shows that it is enforced");
    let found = stage.place.client.isolations(&stage.place.namespace).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(labels(&stage).await["saker.dev/response"], json!(found[0].response));
    stage.responder.kill();
    stage.responder.restart();
    stage.response(1, |response| response.state.name() == "undone").await;
    assert_eq!(stage.place.client.isolations(&stage.place.namespace).await.unwrap(), []);
    assert_eq!(labels(&stage).await, json!({ "app": "web" }));
    let story = stage.story(1);
    assert_eq!(
        story[2..6],
        ["intent label", "answer label: accepted", "intent isolate", "answer isolate: accepted"]
    );
    assert_eq!(story[story.len() - 2..], ["undo intended", "undone"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_whose_answer_was_lost_does_not_stay() {
    let changes = json!({ "labels": { "saker.dev/suspect": "yes" }, "ttl": "1h" });
    let Some(stage) = Stage::with(containing("label_pod", changes)).await else { return };
    let pod = stage.pod("web-0").await;
    // After the dry run: twice no answer, and then nobody can look.
    stage.place.proxy.next("PATCH", "*/pods/web-0", e2e::Fault::Delay(Default::default()));
    stage.place.proxy.next("PATCH", "*/pods/web-0", e2e::Fault::CloseBefore);
    stage.place.proxy.next("PATCH", "*/pods/web-0", e2e::Fault::CloseBefore);
    assert_eq!(stage.send(&[alert(&pod)]).await, 200);
    let undone = stage.response(1, |response| response.state.name() == "undone").await;
    assert_eq!(result(&undone), ResultKind::Unknown);
    assert_eq!(labels(&stage).await, json!({ "app": "web" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_take_it_back_at_once_do_it_once() {
    let Some(stage) = Stage::with(containing("isolate_pod", json!({ "ttl": "1h" }))).await else {
        return;
    };
    let pod = stage.pod("web-0").await;
    stage.respond(alert(&pod)).await;
    let by = json!({ "by": "ann" });
    let undo = || tokio::spawn(stage.say("/api/v1/responses/R-1/undo", &by));
    for asked in [undo(), undo(), undo()] {
        assert!([200, 409].contains(&asked.await.unwrap().0));
    }
    stage.response(1, |response| response.state.name() == "undone").await;
    let undone = stage.story(1).into_iter().filter(|line| line.starts_with("und"));
    assert_eq!(undone.collect::<Vec<_>>(), ["undo intended", "undone"]);
    assert_eq!(stage.place.proxy.seen("DELETE", "*/networkpolicies/*").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_ours_that_nobody_remembers_is_swept_and_others_are_not() {
    let Some(mut stage) = Stage::with(containing("isolate_pod", json!({ "ttl": "1h" }))).await
    else {
        return;
    };
    let pod = stage.pod("web-0").await;
    let (past, future) =
        (Timestamp::now(), Timestamp::now() + std::time::Duration::from_secs(3600));
    let client = &stage.place.client;
    let label =
        |name: &str| BTreeMap::from([("saker.dev/response".to_owned(), Some(name.to_owned()))]);
    client.label(&pod.reference, &label("r-98-lost"), Trial::ForReal).await.unwrap();
    client.isolate(&pod.reference, "r-98-lost", past, Trial::ForReal).await.unwrap();
    client.isolate(&pod.reference, "r-99-lasts", future, Trial::ForReal).await.unwrap();
    let theirs = json!({
        "metadata": { "name": "theirs", "labels": { "saker.dev/response": "r-98-lost" } },
        "spec": { "podSelector": {}, "policyTypes": ["Ingress"] },
    });
    let path = stage.place.path("/apis/networking.k8s.io/v1", "networkpolicies");
    stage.place.admin("POST", &path, &theirs).await;
    stage.responder.kill();
    stage.responder.restart();
    let found = until("the sweep", async || {
        let found = stage.place.client.isolations(&stage.place.namespace).await.unwrap();
        if found.len() == 1 { Ok(found) } else { Err(format!("{found:?}")) }
    })
    .await;
    assert_eq!(found[0].response, "r-99-lasts");
    let theirs = stage.place.look(&format!("{path}/theirs")).await;
    assert_eq!(theirs["metadata"]["name"], "theirs");
    let swept = stage.audit().into_iter().filter_map(|line| match line.entry {
        Entry::Swept { policy, .. } => Some(policy),
        _ => None,
    });
    assert_eq!(swept.collect::<Vec<_>>(), ["saker-isolate-r-98-lost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn t9_a_policy_of_somebody_else_with_our_name_is_left_as_it_is() {
    let Some(stage) = Stage::with(containing("isolate_pod", json!({ "ttl": "1h" }))).await else {
        return;
    };
    let pod = stage.pod("web-0").await;
    let uid: String = pod.reference.uid.chars().filter(|c| *c != '-').take(8).collect();
    let theirs = json!({
        "metadata": { "name": format!("saker-isolate-r-1-{uid}") },
        "spec": { "podSelector": { "matchLabels": { "app": "theirs" } } },
    });
    let path = stage.place.path("/apis/networking.k8s.io/v1", "networkpolicies");
    let made = stage.place.admin("POST", &path, &theirs).await;
    assert_eq!(stage.send(&[alert(&pod)]).await, 200);
    let ended = stage.response(1, |response| response.state.name() == "undone").await;
    assert_eq!(result(&ended), ResultKind::Failed, "{:?}", outcome(&ended));
    let name = made["metadata"]["name"].as_str().unwrap();
    let left = stage.place.look(&format!("{path}/{name}")).await;
    assert_eq!(
        (&left["spec"], &left["metadata"]["uid"]),
        (&made["spec"], &made["metadata"]["uid"])
    );
    assert_eq!(labels(&stage).await, json!({ "app": "web" }), "our label does not stay");
}
