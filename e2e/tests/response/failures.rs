//! When the API server misbehaves: what was seen is told, and nothing is sent twice blindly.

use std::time::Duration;

use e2e::Fault;
use response::{
    book::Response,
    entry::{ObjectSeen, ProcessSeen, ResultKind},
};
use serde_json::json;

use crate::stage::{Stage, alert, outcome, result, rule};

impl Stage {
    /// Breaks the next evictions in this order; the dry run before them goes through.
    fn break_kills(&self, faults: impl IntoIterator<Item = Fault>) {
        self.place.proxy.next("POST", "*/eviction", Fault::Delay(Duration::ZERO));
        for fault in faults {
            self.place.proxy.next("POST", "*/eviction", fault);
        }
    }
}

/// Returns how an alert about a fresh pod ends while the kill is broken so.
async fn broken(faults: &[Fault]) -> Option<(Stage, Response, bool)> {
    let stage = Stage::new().await?;
    let pod = stage.pod("web-0").await;
    stage.break_kills(faults.iter().cloned());
    let ended = stage.respond(alert(&pod)).await;
    let there = stage.is_there(&pod).await;
    Some((stage, ended, there))
}

fn busy(status: u16) -> Fault {
    match Fault::status(status, "Busy") {
        Fault::Answer { status, body, .. } => Fault::Answer { status, retry_after: Some(1), body },
        fault => fault,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_is_found_out_by_looking_and_not_by_asking_again() {
    let Some((stage, ended, there)) = broken(&[Fault::Hold]).await else { return };
    let told = outcome(&ended);
    assert_eq!((told.result, told.object), (ResultKind::NotVerified, Some(ObjectSeen::Gone)));
    assert_eq!(told.process, Some(ProcessSeen::NotSeen));
    assert_eq!(
        stage.story(1),
        [
            "proposed",
            "goes",
            "intent evict",
            "answer evict: the API server gave no answer",
            "ended not_verified"
        ]
    );
    assert_eq!((stage.kills().len(), there), (1, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_found_out_by_looking() {
    let Some((stage, ended, there)) = broken(&[Fault::CloseAfter]).await else { return };
    assert_eq!(result(&ended), ResultKind::NotVerified);
    assert_eq!((stage.kills().len(), there), (1, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_had_no_effect_is_sent_once_more_after_a_look() {
    let Some((stage, ended, there)) = broken(&[Fault::HoldBefore]).await else { return };
    assert_eq!(result(&ended), ResultKind::NotVerified);
    assert_eq!(
        stage.story(1),
        [
            "proposed",
            "goes",
            "intent evict",
            "answer evict: the API server gave no answer",
            "intent evict",
            "answer evict: accepted",
            "ended not_verified"
        ]
    );
    assert_eq!((stage.kills().len(), there), (2, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_two_lost_requests_it_is_unknown_and_not_a_third() {
    let faults = [Fault::CloseBefore, Fault::CloseBefore];
    let Some((stage, ended, there)) = broken(&faults).await else { return };
    assert_eq!(result(&ended), ResultKind::Unknown);
    assert_eq!(stage.story(1).last().unwrap(), "ended unknown");
    assert_eq!((stage.kills().len(), there), (2, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_after_a_lost_request_is_not_told_as_a_failure() {
    let faults = [Fault::CloseBefore, Fault::status(403, "Forbidden")];
    let Some((stage, ended, _)) = broken(&faults).await else { return };
    assert_eq!(result(&ended), ResultKind::Unknown, "{ended:#?}");
    assert_eq!(stage.kills().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overloaded_server_is_asked_three_times_at_most_and_when_it_says() {
    let start = std::time::Instant::now();
    let faults = [busy(503), busy(500), busy(503)];
    let Some((stage, ended, there)) = broken(&faults).await else { return };
    assert_eq!(result(&ended), ResultKind::Failed);
    assert!(start.elapsed() > Duration::from_millis(1600), "twice a second, with jitter");
    assert_eq!((stage.kills().len(), there), (3, true));
    let told = stage.story(1);
    assert_eq!(told.iter().filter(|line| *line == "intent evict").count(), 3);
    assert_eq!(told.last().unwrap(), "ended failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overloaded_server_that_recovers_is_asked_again() {
    let Some((stage, ended, there)) = broken(&[busy(503)]).await else { return };
    assert_eq!(result(&ended), ResultKind::NotVerified);
    assert_eq!((stage.kills().len(), there), (2, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn t6_no_refusal_is_ever_told_as_success() {
    for (status, expected) in [
        (403, ResultKind::Failed),
        (409, ResultKind::Noop),
        (410, ResultKind::Noop),
        (422, ResultKind::Failed),
    ] {
        let fault = Fault::status(status, "Refused");
        let Some((stage, ended, there)) = broken(&[fault]).await else { return };
        assert_eq!(result(&ended), expected, "{status}: {ended:#?}");
        assert_eq!((stage.kills().len(), there), (1, true), "{status} was asked once");
        let end = format!("ended {}", expected.name());
        assert_eq!(stage.story(1).last(), Some(&end));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_admission_policy_forbids_is_not_done_another_way() {
    let settings = json!({ "responses": [rule("kill_pod", &json!({ "allow_delete": true }))] });
    let Some(stage) = Stage::with(|_| settings).await else { return };
    let pod = stage.pod("web-0").await;
    let no =
        json!({ "kind": "Status", "code": 403, "message": "admission webhook \"it\" denied it" });
    stage.break_kills([Fault::Answer { status: 403, retry_after: None, body: no.to_string() }]);
    let ended = stage.respond(alert(&pod)).await;
    assert_eq!(result(&ended), ResultKind::Failed);
    assert_eq!(stage.kills().len(), 1);
    assert!(stage.is_there(&pod).await);
    assert_eq!(stage.story(1).last().unwrap(), "ended failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_cannot_be_reached_is_a_reason_not_to_act() {
    let port = e2e::Port::reserve();
    let settings = |place: &crate::world::Place| {
        let kubeconfig =
            place.kubeconfig_at(e2e::ApiServer::ADMIN, &format!("https://{}", port.address()));
        json!({ "kubernetes": { "kubeconfig": kubeconfig, "namespace": "saker" } })
    };
    let Some(stage) = Stage::with(settings).await else { return };
    let pod = stage.pod("web-0").await;
    let ended = stage.respond(alert(&pod)).await;
    stage.denied(&ended, "identity", "unreadable");
    assert!(stage.is_there(&pod).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_a_look_up_that_fails_is_told_and_is_not_a_pod_that_is_gone() {
    let Some(stage) = Stage::new().await else { return };
    let pod = stage.pod("web-0").await;
    stage.place.proxy.next("GET", "*/pods/web-0", Fault::status(500, "InternalError"));
    let ended = stage.respond(alert(&pod)).await;
    stage.denied(&ended, "identity", "unreadable");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_stops_between_two_tries_is_not_tried_again() {
    let Some(stage) = Stage::new().await else { return };
    let pod = stage.pod("web-0").await;
    let patient = match busy(503) {
        Fault::Answer { status, body, .. } => Fault::Answer { status, retry_after: Some(4), body },
        fault => fault,
    };
    stage.break_kills([patient]);
    assert_eq!(stage.send(&[alert(&pod)]).await, 200);
    stage.response(1, |response| response.steps.iter().any(|step| step.answer.is_some())).await;
    let stop = json!({ "by": "ann", "reason": "drill" });
    assert_eq!(stage.say("/api/v1/stop", &stop).await.0, 200);
    let ended = stage.settled(1).await;
    assert_eq!(result(&ended), ResultKind::Failed);
    assert_eq!(stage.kills().len(), 1);
    assert!(stage.is_there(&pod).await);
    let told = stage.story(1);
    assert_eq!(told.iter().filter(|line| *line == "intent evict").count(), 1, "{told:?}");
}
