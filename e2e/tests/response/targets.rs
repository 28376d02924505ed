//! Who is never touched: another pod than the one meant, what is protected, and anybody while it is off.

use response::{
    cluster::Cluster,
    entry::{ObjectSeen, ProcessSeen, ResultKind},
    kubernetes::rights::Need,
};
use serde_json::json;

use crate::{
    stage::{Stage, alert, outcome, result, rule, with},
    world::give,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_pod_that_is_meant_is_evicted_once_and_nobody_says_its_processes_are_dead() {
    let Some(stage) = Stage::new().await else { return };
    let pod = stage.pod("web-0").await;
    let ended = stage.respond(alert(&pod)).await;
    let told = outcome(&ended);
    assert_eq!(told.result, ResultKind::NotVerified);
    assert_eq!((told.object, told.process), (Some(ObjectSeen::Gone), Some(ProcessSeen::NotSeen)));
    let story =
        ["proposed", "goes", "intent evict", "answer evict: accepted", "ended not_verified"];
    assert_eq!(stage.story(1), story);
    assert_eq!(stage.kills().len(), 1);
    assert!(!stage.is_there(&pod).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_with_another_uid_is_left_alone() {
    let Some(stage) = Stage::new().await else { return };
    let pod = stage.pod("web-0").await;
    let stranger = json!("00000000-0000-4000-8000-000000000000");
    let ended = stage.respond(with(alert(&pod), "k8s.pod.uid", stranger)).await;
    stage.denied(&ended, "identity", "replaced");
    assert!(stage.is_there(&pod).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t8_a_pod_replaced_after_it_was_approved_is_left_alone() {
    let Some(stage) = Stage::with(|_| json!({ "mode": "approve" })).await else { return };
    let pod = stage.pod("web-0").await;
    let waits = stage.respond(alert(&pod)).await;
    let path = stage.place.path("/api/v1", "pods/web-0");
    stage.place.admin("DELETE", &path, &json!({ "gracePeriodSeconds": 0 })).await;
    let successor = stage.pod("web-0").await;
    assert_eq!(stage.approve(&waits, "ann").await.0, 200);
    let ended = stage.response(1, |response| !response.state.is_open()).await;
    assert_eq!(ended.state.name(), "denied");
    let story = ["proposed", "awaits mode", "approved by ann", "denied identity/replaced"];
    assert_eq!(stage.story(1), story);
    assert_eq!(stage.kills().len(), 0);
    assert!(stage.is_there(&successor).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t8_a_pod_replaced_while_it_is_acted_on_is_never_killed_for_its_predecessor() {
    let plenty = json!({ "actions_max": 1000, "per": "1h" });
    let settings = json!({
        "budgets": { "workload": plenty, "namespace": plenty, "cluster": plenty },
        "cool_down": { "breaker_actions": 0 },
    });
    let Some(stage) = Stage::with(|_| settings).await else { return };
    let mut evicted = 0;
    for round in 1..=20 {
        let pod = stage.pod("web-0").await;
        let path = stage.place.path("/api/v1", "pods/web-0");
        let replaced = async {
            let options =
                json!({ "gracePeriodSeconds": 0, "preconditions": { "uid": pod.reference.uid } });
            stage.place.try_admin("DELETE", &path, &options).await;
            stage.pod("web-0").await
        };
        let (ended, successor) = tokio::join!(stage.respond(alert(&pod)), replaced);
        assert!(stage.is_there(&successor).await, "round {round}: {ended:#?}");
        evicted += usize::from(ended.state.name() == "ended");
        for seen in stage.kills() {
            assert!(!String::from_utf8_lossy(&seen.body).contains(&successor.reference.uid));
        }
        stage.place.try_admin("DELETE", &path, &json!({ "gracePeriodSeconds": 0 })).await;
    }
    let lines = stage.audit();
    assert!(lines.len() >= 40, "each round left at least two lines, {evicted} acted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_namespace_is_left_alone() {
    let settings =
        |place: &crate::world::Place| json!({ "protected": { "namespaces": [place.namespace] } });
    let Some(stage) = Stage::with(settings).await else { return };
    let pod = stage.pod("web-0").await;
    let ended = stage.respond(alert(&pod)).await;
    stage.denied(&ended, "scope", "protected_namespace");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_pods_are_left_alone() {
    let Some(stage) = Stage::new().await else { return };
    let ours = json!({ "metadata": { "labels": { "app.kubernetes.io/part-of": "saker" } } });
    let pod = stage.pod_with("agent-0", &ours).await;
    let ended = stage.respond(alert(&pod)).await;
    stage.denied(&ended, "scope", "own_component");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_namespace_is_left_alone() {
    let settings = |place: &crate::world::Place| {
        json!({ "kubernetes": {
            "kubeconfig": place.kubeconfig_through_proxy(), "namespace": place.namespace } })
    };
    let Some(stage) = Stage::with(settings).await else { return };
    let pod = stage.pod("web-0").await;
    let ended = stage.respond(alert(&pod)).await;
    stage.denied(&ended, "scope", "own_namespace");
}

#[tokio::test(flavor = "multi_thread")]
async fn off_is_the_default_and_nothing_is_done() {
    let Some(stage) = Stage::with(|_| json!({ "mode": null, "actions": {} })).await else { return };
    let pod = stage.pod("web-0").await;
    let ended = stage.respond(alert(&pod)).await;
    stage.denied(&ended, "mode", "off");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_stopped_stays_stopped_also_after_a_restart() {
    let Some(mut stage) = Stage::new().await else { return };
    let stop = json!({ "by": "ann", "reason": "drill" });
    assert_eq!(stage.say("/api/v1/stop", &stop).await.0, 200);
    let pod = stage.pod("web-0").await;
    let ended = stage.respond(alert(&pod)).await;
    stage.denied(&ended, "mode", "stopped");
    stage.responder.kill();
    stage.responder.restart();
    let again = stage.respond(alert(&pod)).await;
    assert_eq!(stage.story(2), ["proposed", "denied mode/stopped"]);
    assert_eq!(stage.kills().len(), 0);
    drop(again);
    assert_eq!(stage.say("/api/v1/resume", &stop).await.0, 200);
    let ended = stage.respond(alert(&pod)).await;
    assert_eq!(result(&ended), ResultKind::NotVerified);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_the_right_does_not_try() {
    let Some(stage) = Stage::as_user("observe", |_| json!({})).await else { return };
    give(&stage.place, "observe", &[Need::Observe]).await;
    let pod = stage.pod("web-0").await;
    let ended = stage.respond(alert(&pod)).await;
    stage.denied(&ended, "preflight", "no_right");
    assert!(stage.is_there(&pod).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disruption_budget_that_allows_none_is_kept() {
    let Some(stage) = Stage::new().await else { return };
    forbid_disruptions(&stage).await;
    let pod = stage.pod("web-0").await;
    let ended = stage.respond(alert(&pod)).await;
    stage.denied(&ended, "disruption", "disruption_budget");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disruption_budget_that_came_meanwhile_is_told_by_the_api_server_and_kept() {
    let settings = json!({ "responses": [rule("kill_pod", &json!({ "allow_delete": true }))] });
    let Some(stage) = Stage::with(|_| settings).await else { return };
    forbid_disruptions(&stage).await;
    // When the responder looked, there was none.
    let none = json!({ "items": [], "metadata": {} }).to_string();
    let none = e2e::Fault::Answer { status: 200, retry_after: None, body: none };
    stage.place.proxy.always("GET", "*/poddisruptionbudgets", none);
    let pod = stage.pod("web-0").await;
    let ended = stage.respond(alert(&pod)).await;
    assert_eq!(result(&ended), ResultKind::Failed);
    assert!(outcome(&ended).detail.contains("PodDisruptionBudget"), "{ended:#?}");
    assert_eq!(stage.kills().len(), 1, "it was not asked again, and not deleted either");
    assert!(stage.is_there(&pod).await);
    assert_eq!(stage.story(1).last().unwrap(), "ended failed");
}

async fn forbid_disruptions(stage: &Stage) {
    let budget = json!({
        "metadata": { "name": "web" },
        "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "web" } } },
    });
    let path = stage.place.path("/apis/policy/v1", "poddisruptionbudgets");
    stage.place.admin("POST", &path, &budget).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_a_dry_run_asks_what_the_act_asks_and_changes_nothing() {
    let Some(mut stage) = Stage::with(|_| json!({ "mode": "dry_run" })).await else { return };
    let pod = stage.pod("web-0").await;
    let tried = stage.respond(alert(&pod)).await;
    assert_eq!(stage.story(1), ["proposed", "dry run: true"]);
    assert_eq!(stage.changes(), [] as [&str; 0]);
    let asked = stage.place.proxy.seen("POST", "*/eviction");
    assert!(asked.iter().all(|seen| seen.path.contains("dryRun=All")), "{asked:?}");
    assert_eq!(asked.len(), 1);

    let settings =
        crate::stage::settings(&stage.place, e2e::ApiServer::ADMIN, &json!({ "mode": "auto" }));
    stage.responder.kill();
    stage.responder.restart_with(&settings);
    let done = stage.respond(alert(&pod)).await;
    assert_eq!(done.verdicts, tried.verdicts);
    assert_eq!(stage.kills().len(), 1);
    assert!(stage.place.client.pod(&stage.place.namespace, "web-0").await.unwrap().is_none());
}
