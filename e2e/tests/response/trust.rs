//! Whose word moves something: known senders, about their own node, just now.

use std::time::Duration;

use alert::Alert;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::stage::{Stage, alert, with};

async fn refused(change: fn(Alert) -> Alert, gate: &str, reason: &str) {
    let Some(stage) = Stage::new().await else { return };
    let pod = stage.pod("web-0").await;
    let ended = stage.respond(change(alert(&pod))).await;
    stage.denied(&ended, gate, reason);
    assert!(stage.is_there(&pod).await);
    // It stands in nobody's way either.
    let genuine = stage.respond(alert(&pod)).await;
    assert_eq!(genuine.state.name(), "ended");
    assert_eq!(stage.kills().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn t12_an_alert_of_nobody_known_moves_nothing() {
    refused(|it| with(it, "saker.sender", Value::Null), "source", "unauthenticated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t12_an_alert_of_a_sender_that_is_not_trusted_moves_nothing() {
    refused(|it| with(it, "saker.sender", json!("token:ci")), "source", "untrusted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_reports_another_nodes_pod_moves_nothing() {
    let elsewhere = |it| Alert { hostname: "another-node".into(), ..it };
    refused(elsewhere, "source", "other_node").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t8_a_stale_alert_moves_nothing() {
    let stale = |it| Alert { time: Timestamp::now() - Duration::from_secs(61), ..it };
    refused(stale, "freshness", "stale").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_from_the_future_moves_nothing() {
    let early = |it| Alert { time: Timestamp::now() + Duration::from_secs(60), ..it };
    refused(early, "freshness", "future").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silenced_alert_moves_nothing() {
    let Some(stage) = Stage::new().await else { return };
    let pod = stage.pod("web-0").await;
    let line = json!({ "sequence": 1, "alert": alert(&pod), "silenced": "s-1" });
    assert_eq!(stage.send_lines(line.to_string()).await, 200);
    let ended = stage.settled(1).await;
    stage.denied(&ended, "silence", "silenced");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_alert_in_front_of_the_genuine_one_shields_nobody() {
    let Some(stage) = Stage::new().await else { return };
    let pod = stage.pod("web-0").await;
    let forged = with(alert(&pod), "saker.sender", json!("token:ci"));
    let stale = Alert { time: Timestamp::now() - Duration::from_secs(100), ..alert(&pod) };
    assert_eq!(stage.send(&[forged, stale, alert(&pod)]).await, 200);
    let genuine = stage.response(3, |response| !response.state.is_open()).await;
    assert_eq!(genuine.state.name(), "ended", "{genuine:#?}");
    assert_eq!(stage.kills().len(), 1);
    for number in [1, 2] {
        assert_eq!(stage.settled(number).await.state.name(), "denied");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_of_another_component_brings_no_alerts() {
    let certificates = crate::orders::Certificates::new();
    certificates.write_server("saker-responder");
    let tls = certificates.tls();
    let settings = json!({ "tls": {
        "certificate": tls.certificate, "key": tls.key, "client_ca": tls.client_ca } });
    let Some(stage) = Stage::with(|_| settings).await else { return };
    let pod = stage.pod("web-0").await;
    let line = json!({ "sequence": 1, "alert": alert(&pod), "silenced": null }).to_string();
    let address: std::net::SocketAddr = stage.responder.intake.address().parse().unwrap();
    let authority = std::fs::read(certificates.path("ca.pem")).unwrap();
    let strangers = crate::orders::Certificates::new();
    for (issuer, name, expected) in [
        (&certificates, "saker-agent", Some(403)),
        (&strangers, "saker-router", None),
        (&certificates, "saker-router", Some(200)),
    ] {
        let (certificate, key) = issuer.issue(name);
        let identity = format!("{certificate}{key}");
        let client = reqwest::Client::builder()
            .resolve("saker-responder", address)
            .no_proxy()
            .tls_certs_only([reqwest::Certificate::from_pem(&authority).unwrap()])
            .identity(reqwest::Identity::from_pem(identity.as_bytes()).unwrap())
            .build()
            .unwrap();
        let url = format!("https://saker-responder:{}/v1/alerts", stage.responder.intake.number());
        let answer = client.post(url).body(line.clone()).send().await;
        assert_eq!(answer.ok().map(|answer| answer.status().as_u16()), expected, "{name}");
        if expected != Some(200) {
            assert_eq!(stage.audit().len(), 1, "only that it started");
        }
    }
    stage.settled(1).await;
    assert_eq!(stage.kills().len(), 1);
}
