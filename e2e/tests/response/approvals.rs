//! A person's word: about one plan, once, in time.

use response::{
    book::State,
    entry::{Entry, ResultKind},
};
use serde_json::json;

use crate::stage::{Stage, alert, result, until};

async fn approving() -> Option<Stage> {
    Stage::with(|_| json!({ "mode": "approve" })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_happens_before_a_person_says_so_and_then_once() {
    let Some(stage) = approving().await else { return };
    let pod = stage.pod("web-0").await;
    let waits = stage.respond(alert(&pod)).await;
    assert!(matches!(&waits.state, State::Awaiting { because, .. } if because == "mode"));
    assert_eq!(stage.changes(), [] as [&str; 0]);
    assert_eq!(stage.approve(&waits, "ann").await.0, 200);
    let ended = stage.response(1, |response| !response.state.is_open()).await;
    assert_eq!(result(&ended), ResultKind::NotVerified);
    assert_eq!(stage.kills().len(), 1);

    // The same word again.
    let (status, answer) = stage.approve(&waits, "bob").await;
    assert_eq!(status, 409);
    assert!(answer["detail"].as_str().unwrap().contains("decided by ann"), "{answer}");
    assert_eq!(stage.kills().len(), 1);
    assert_eq!(
        stage.story(1),
        [
            "proposed",
            "awaits mode",
            "approved by ann",
            "goes",
            "intent evict",
            "answer evict: accepted",
            "ended not_verified"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_click_at_once_one_decides_and_the_others_hear_who() {
    let Some(stage) = approving().await else { return };
    let pod = stage.pod("web-0").await;
    let waits = stage.respond(alert(&pod)).await;
    let names = ["ann", "bob", "cem", "dora", "ann", "bob"];
    let clicks: Vec<_> =
        names.iter().map(|name| tokio::spawn(stage.approve(&waits, name))).collect();
    let mut answers = Vec::new();
    for click in clicks {
        answers.push(click.await.unwrap());
    }
    let won = answers.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!(won, 1, "{answers:#?}");
    for (status, answer) in answers.iter().filter(|(status, _)| *status != 200) {
        assert_eq!(*status, 409);
        assert!(answer["detail"].as_str().unwrap().contains("decided by "), "{answer}");
    }
    stage.response(1, |response| !response.state.is_open()).await;
    assert_eq!(stage.kills().len(), 1);
    let decisions = stage.story(1).into_iter().filter(|line| line.starts_with("approved by "));
    assert_eq!(decisions.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_about_another_plan_is_not_taken() {
    let Some(stage) = approving().await else { return };
    let (one, two) = (stage.pod("web-0").await, stage.pod("web-1").await);
    let first = stage.respond(alert(&one)).await;
    let second = stage.respond(alert(&two)).await;
    assert_ne!(first.plan_hash, second.plan_hash);
    for hash in [second.plan_hash.as_str(), "", "0", &"0".repeat(64)] {
        let word = json!({ "plan_hash": hash, "by": "ann" });
        let (status, answer) = stage.say("/api/v1/responses/R-1/approve", &word).await;
        assert_eq!(status, 409, "{answer}");
    }
    assert_eq!(stage.kills().len(), 0);
    assert_eq!(stage.story(1), ["proposed", "awaits mode"], "it waits on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_comes_too_late_is_not_taken() {
    let settings = json!({ "mode": "approve", "approval": { "expires": "1s" } });
    let Some(stage) = Stage::with(|_| settings).await else { return };
    let pod = stage.pod("web-0").await;
    let waits = stage.respond(alert(&pod)).await;
    let over = stage.response(1, |response| response.state == State::Expired).await;
    drop(over);
    assert_eq!(stage.approve(&waits, "ann").await.0, 409);
    assert_eq!(stage.story(1), ["proposed", "awaits mode", "expired"]);
    assert_eq!(stage.changes(), [] as [&str; 0]);
    assert!(stage.is_there(&pod).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_refused_is_not_done_and_not_asked_again_at_once() {
    let Some(stage) = approving().await else { return };
    let pod = stage.pod("web-0").await;
    let waits = stage.respond(alert(&pod)).await;
    let word = json!({ "plan_hash": waits.plan_hash, "by": "ann", "comment": "it is the drill" });
    assert_eq!(stage.say("/api/v1/responses/R-1/deny", &word).await.0, 200);
    assert_eq!(stage.send(&[alert(&pod)]).await, 200);
    assert_eq!(stage.approve(&waits, "bob").await.0, 409);
    let once = until("one response", async || {
        let list = stage.get("/api/v1/responses").await;
        match list["items"].as_array().unwrap().as_slice() {
            [only] => Ok(only["joined"].clone()),
            more => Err(format!("{more:?}")),
        }
    });
    assert_eq!(once.await, json!(1));
    assert_eq!(stage.story(1), ["proposed", "awaits mode", "refused by ann"]);
    assert_eq!(stage.changes(), [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_everything_is_stopped_nothing_is_approved() {
    let Some(stage) = approving().await else { return };
    let pod = stage.pod("web-0").await;
    let waits = stage.respond(alert(&pod)).await;
    let stop = json!({ "by": "ann", "reason": "drill" });
    assert_eq!(stage.say("/api/v1/stop", &stop).await.0, 200);
    assert_eq!(stage.approve(&waits, "bob").await.0, 409);
    assert_eq!(stage.kills().len(), 0);
    assert_eq!(stage.story(1), ["proposed", "awaits mode"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_taken_away_decides_nothing() {
    let tokens = |name: &str| {
        let token = format!("the-token-of-{name}-which-is-long-enough");
        json!({ "auth": { "tokens": [{ "name": name, "token": token, "role": "responder" }] } })
    };
    let Some(stage) = Stage::with(|_| tokens("ann")).await else { return };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let stop = async |name: &str| {
        let url = format!("http://{}/api/v1/stop", stage.responder.api.address());
        let token = format!("the-token-of-{name}-which-is-long-enough");
        let request = client.post(url).bearer_auth(token);
        let body = json!({ "reason": "drill" }).to_string();
        request.body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(stop("ann").await, 200);
    assert_eq!(stop("bob").await, 401);
    let settings = crate::stage::settings(&stage.place, e2e::ApiServer::ADMIN, &tokens("bob"));
    stage.responder.reconfigure(&settings);
    until("another token", async || match stop("bob").await {
        200 => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
    assert_eq!(stop("ann").await, 401);
    let by = stage.audit().into_iter().filter_map(|line| match line.entry {
        Entry::Switched { by, .. } => Some(by),
        _ => None,
    });
    assert_eq!(by.collect::<Vec<_>>(), ["ann", "bob"]);
}
