//! What falcosidekick takes, we take; what it loses, we refuse by name.

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

async fn check(body: impl Into<reqwest::Body>, expect: Expect) {
    let door = Door::open(IngestConfig::default()).await;
    let before = door.journal.durable();
    let told = door.told(body).await;
    assert_eq!(told.starts_with("200"), door.journal.durable() > before, "{told}");
    expect.assert_eq(&told);
}

#[tokio::test]
async fn an_alert_is_durable_when_it_is_answered() {
    let door = Door::open(IngestConfig::default()).await;
    assert_eq!(door.told(ALERT).await, "200 accepted 1");
    let alerts = door.alerts();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].id.to_string(), "6f2c1c3e-8a8e-4f0e-9d55-0d8f3c1f3a11");
    assert_eq!(alerts[0].fields["proc.name"], json!("bash"));
}

#[tokio::test]
async fn names_in_any_case_unknown_keys_and_nulls_are_taken() {
    check(
        r#"{"PRIORITY":"info","Rule":"R","TIME":"2026-01-02T03:04:05+01:00","message":"x","x":[[{}]],"tags":null,"hostname":null,"output_fields":{"a":null,"b":{"c":[1]}}}"#,
        expect!["200 accepted 1"],
    )
    .await;
}

#[tokio::test]
async fn an_alert_without_fields_is_taken() {
    check(with("output_fields", None), expect!["200 accepted 1"]).await;
    check(with("output_fields", Some("{}")), expect!["200 accepted 1"]).await;
}

#[tokio::test]
async fn odd_kubernetes_fields_do_not_matter() {
    let fields = r#"{"k8s.ns.name":{"a":1},"k8s.pod.name":[7]}"#;
    check(with("output_fields", Some(fields)), expect!["200 accepted 1"]).await;
}

#[tokio::test]
async fn arrays_lines_and_joined_objects_are_batches() {
    check(format!("[{ALERT},\n{ALERT}]"), expect!["200 accepted 2"]).await;
    check(format!("{ALERT}\n{ALERT}\r\n\n{ALERT}\n"), expect!["200 accepted 3"]).await;
    check(format!("{ALERT}{ALERT}"), expect!["200 accepted 2"]).await;
    check(format!("\u{feff}  {ALERT}"), expect!["200 accepted 1"]).await;
    let pretty: serde_json::Value = serde_json::from_str(ALERT).unwrap();
    check(format!("{pretty:#}\n{pretty:#}"), expect!["200 accepted 2"]).await;
}

#[tokio::test]
async fn an_empty_array_is_nothing_done() {
    let door = Door::open(IngestConfig::default()).await;
    assert_eq!(door.told("[]").await, "200 accepted 0");
    assert_eq!(door.journal.durable(), 0);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    check(
        with("priority", Some("3")),
        expect![[
            r#"400 {"error":"field `priority`: expected a text, found a number","field":"priority"}"#
        ]],
    )
    .await;
    check(
        with("time", Some("\"yesterday\"")),
        expect![[
            r#"400 {"error":"field `time`: is no RFC 3339 time such as 2026-11-21T08:00:00Z","field":"time"}"#
        ]],
    )
    .await;
    check(
        with("rule", Some("\"\"")),
        expect![[r#"400 {"error":"field `rule`: is missing","field":"rule"}"#]],
    )
    .await;
    check(
        with("output_fields", Some("[]")),
        expect![[
            r#"400 {"error":"field `output_fields`: expected an object, found an array","field":"output_fields"}"#
        ]],
    )
    .await;
}

#[tokio::test]
async fn one_bad_alert_refuses_the_batch_and_is_counted_from_zero() {
    let bad = with("priority", None);
    check(
        format!("{ALERT}\n{bad}\n{ALERT}"),
        expect![[r#"400 {"error":"field `priority`: is missing","field":"priority","index":1}"#]],
    )
    .await;
    check(
        format!("[{bad}]"),
        expect![[r#"400 {"error":"field `priority`: is missing","field":"priority","index":0}"#]],
    )
    .await;
}

#[tokio::test]
async fn whoever_asks_for_text_gets_text() {
    let door = Door::open(IngestConfig::default()).await;
    let body = format!("[{}]", with("rule", None));
    let request =
        door.client.post(format!("http://{}/x", door.address)).header("accept", "text/plain");
    let answer = request.body(body).send().await.unwrap();
    assert_eq!(told(answer).await, "400 alert 0: field `rule`: is missing");
}

#[tokio::test]
async fn the_paths_are_falcosidekicks() {
    let door = Door::open(IngestConfig::default()).await;
    let url = |path: &str| format!("http://{}{path}", door.address);
    for (path, expect) in [("/ping", "200 pong"), ("/healthz", "200 {\"status\": \"ok\"}")] {
        assert_eq!(told(door.client.get(url(path)).send().await.unwrap()).await, expect);
        assert_eq!(told(door.client.post(url(path)).send().await.unwrap()).await, expect);
    }
    let test = door.client.post(url("/test")).send().await.unwrap();
    assert_eq!(told(test).await, "200 accepted 1");
    assert_eq!(door.alerts()[0].rule, "Test rule");
    let elsewhere = door.client.post(url("/some/path?x=1")).body(ALERT).send().await.unwrap();
    assert_eq!(told(elsewhere).await, "200 accepted 1");
    for path in ["/", "/test", "/elsewhere"] {
        let answer = door.client.get(url(path)).send().await.unwrap();
        assert_eq!(answer.headers()["allow"], "POST");
        assert_eq!(told(answer).await, r#"405 {"error":"send alerts with POST"}"#);
    }
    let metrics = door.client.get(url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("saker_ingest_alerts_total 2"), "{metrics}");
}

#[tokio::test]
async fn falcosidekicks_counters_have_its_labels() {
    let door = Door::open(IngestConfig::default()).await;
    door.told(ALERT).await;
    door.told("nonsense").await;
    assert_eq!(
        door.metric(
            r#"falcosecurity_falcosidekick_falco_events_total{hostname="node-1",k8s_ns_name="prod",k8s_pod_name="",priority="4",priority_raw="warning",rule="Shell",source="syscall"}"#
        ),
        1
    );
    let inputs = |status| {
        door.metric(&format!(
            r#"falcosecurity_falcosidekick_inputs_total{{source="requests",status="{status}"}}"#
        ))
    };
    assert_eq!((inputs("accepted"), inputs("rejected")), (1, 1));
    assert_eq!(door.metric(r#"saker_ingest_rejected_total{reason="malformed"}"#), 1);
}

#[tokio::test]
async fn too_many_combinations_of_labels_are_counted_together() {
    let door = Door::open(IngestConfig { series_max: 2, ..IngestConfig::default() }).await;
    for host in 0..5 {
        door.told(with("hostname", Some(&format!("\"h{host}\"")))).await;
    }
    assert_eq!(
        door.metric(
            r#"falcosecurity_falcosidekick_falco_events_total{hostname="other",k8s_ns_name="other",k8s_pod_name="other",priority="4",priority_raw="warning",rule="other",source="other"}"#
        ),
        3
    );
    assert_eq!(door.metric("saker_ingest_series_overflow_total"), 3);
}
