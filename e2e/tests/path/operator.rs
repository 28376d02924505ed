//! What the router tells the people who run it, and what they can do.

use e2e::{Router, Webhook, eventually};
use serde_json::{Value, json};

use crate::{
    ingest::{falco, send},
    world::{
        http::{get, post},
        world,
    },
};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// Looks at an API answer until `is_it` holds.
#[track_caller]
fn api_until(router: &Router, path: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    eventually(path, || {
        let answer = get(&router.api_url(path));
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        if is_it(&answer) { Ok(answer) } else { Err(format!("{answer:#}")) }
    })
}

#[test]
fn every_alert_is_accounted_for() {
    for _ in 0..3 {
        send("Is accounted for");
    }
    let ledger = api_until(&world().router, "/api/v1/ledger", |ledger| {
        let accepted = ledger["accepted"].as_u64().unwrap();
        let suppressed = ledger["suppressed"].as_object().unwrap().values();
        let suppressed: u64 = suppressed.map(|count| count.as_u64().unwrap()).sum();
        accepted >= 3 && accepted == suppressed + ledger["routed"].as_u64().unwrap()
    });
    for (name, output) in ledger["outputs"].as_object().unwrap() {
        let count = |key: &str| output[key].as_u64().unwrap();
        let ends = ["pending", "delivered", "dead_lettered", "suppressed"];
        let ends: u64 = ends.into_iter().map(count).sum();
        assert_eq!(count("routed"), ends, "{name}: {output:#}");
    }
    let status = get(&world().router.api_url("/api/v1/status")).json();
    assert_eq!(status.get("ledger_error"), None, "{status:#}");
    assert_eq!(status["ready"], true);
}

#[test]
fn an_alerts_way_is_explained() {
    let id = "0198c0de-0000-7000-8000-0000000000e1";
    let mut alert = falco("Is explained");
    alert["uuid"] = json!(id);
    assert_eq!(post(&world().router.ingest_url("/"), JSON, alert.to_string()).status, 200);
    let path = format!("/api/v1/explain/{id}");
    let explanation = api_until(&world().router, &path, |explanation| {
        explanation["pending"] == false
            && ["stream", "mail", "soc", "hook", "manager"]
                .iter()
                .all(|output| explanation["decisions"].to_string().contains(output))
    });
    assert_eq!(explanation["alert"]["rule"], "Is explained");
}

#[test]
fn a_silence_hides_what_it_says_and_says_so() {
    let silence = json!({
        "match": "rule = \"Is silenced\"",
        "duration": "1h",
        "author": "e2e",
        "comment": "a test",
    });
    let answer = post(&world().router.api_url("/api/v1/silences"), JSON, silence.to_string());
    assert!((200..300).contains(&answer.status), "{answer:?}");

    let mut alert = falco("Is silenced");
    let id = "0198c0de-0000-7000-8000-0000000000e2";
    alert["uuid"] = json!(id);
    assert_eq!(post(&world().router.ingest_url("/"), JSON, alert.to_string()).status, 200);
    let path = format!("/api/v1/explain/{id}");
    let explanation = api_until(&world().router, &path, |explanation| {
        explanation["decisions"].to_string().contains("silence")
    });
    assert_eq!(explanation["pending"], false, "{explanation:#}");
    send("After the silence");
    world().alert_where("After the silence", |alert| alert["rule"] == "After the silence");
    assert!(!format!("{:?}", world().webhook.calls()).contains("Is silenced"));
}

#[test]
fn a_dead_letter_is_kept_and_delivered_when_a_person_asks() {
    let webhook = Webhook::start();
    let router = Router::start(
        &json!({ "hook": { "webhook": {
            "url": webhook.url(),
            "signing_secrets": [Webhook::SECRET],
        } } }),
        &json!([{ "group_by": ["rule"], "group_wait": "0s" }]),
    );
    webhook.fail_next(422, None);
    assert_eq!(post(&router.ingest_url("/"), JSON, falco("Dead letter").to_string()).status, 200);
    let letters = api_until(&router, "/api/v1/deadletters", |letters| {
        letters["items"].as_array().is_some_and(|items| items.len() == 1)
    });
    assert!(letters["items"][0]["reason"].to_string().contains("422"), "{letters:#}");
    assert!(webhook.calls().is_empty());

    let body = json!({ "by": "e2e" }).to_string();
    let answer = post(&router.api_url("/api/v1/deadletters/replay"), JSON, body);
    assert!((200..300).contains(&answer.status), "{answer:?}");
    eventually("the dead letter's delivery", || {
        if webhook.calls().len() == 1 { Ok(()) } else { Err("not yet") }
    });
    api_until(&router, "/api/v1/ledger", |ledger| {
        let hook = &ledger["outputs"]["hook"];
        hook["delivered"] == 1 && hook["dead_lettered"] == 0
    });
}
