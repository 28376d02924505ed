//! Alerts as Prometheus and Alertmanager send them.

use expect_test::{Expect, expect};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::*;

/// What Prometheus 2.42 sends when a rule fires.
const FIRING: &str = r#"[{"annotations":{"summary":"Disk is full","runbook_url":"https://r/1"},
    "endsAt":"2999-01-02T03:08:05.123Z","startsAt":"2026-01-02T03:04:05.123Z",
    "generatorURL":"http://prometheus:9090/graph?g0.expr=up",
    "labels":{"alertname":"DiskFull","instance":"db-1:9100","severity":"page","empty":""}}]"#;

async fn door() -> Door {
    Door::open(IngestConfig::default()).await
}

impl Door {
    /// Posts to one of Alertmanager's paths and says how it was answered.
    async fn told_at(&self, path: &str, body: impl Into<reqwest::Body>) -> String {
        let url = format!("http://{}{path}", self.address);
        told(self.client.post(url).body(body).send().await.unwrap()).await
    }
}

#[tokio::test]
async fn what_prometheus_sends_is_an_alert_with_labels_and_an_end() {
    let door = door().await;
    assert_eq!(door.told_at("/api/v2/alerts", FIRING).await, "200 accepted 1");
    let alert = &door.alerts()[0];
    assert_eq!(
        (&*alert.rule, &*alert.source, &*alert.hostname),
        ("DiskFull", "alertmanager", "db-1:9100")
    );
    assert_eq!((alert.priority, &*alert.output), (alert::Priority::Critical, "Disk is full"));
    assert_eq!(alert.time, "2026-01-02T03:04:05.123Z".parse().unwrap());
    assert_eq!(alert.ends, Some("2999-01-02T03:08:05.123Z".parse().unwrap()));
    let fields = serde_json::to_string(&alert.fields).unwrap();
    expect![[r#"{"annotation.runbook_url":"https://r/1","annotation.summary":"Disk is full","generator_url":"http://prometheus:9090/graph?g0.expr=up","label.alertname":"DiskFull","label.instance":"db-1:9100","label.severity":"page"}"#]].assert_eq(&fields);
    let counted = r#"saker_ingest_sender_alerts_total{input="alertmanager",sender="unknown"}"#;
    assert_eq!(door.metric(counted), 1);
}

#[tokio::test]
async fn what_has_no_end_ends_after_the_timeout_and_what_has_no_start_starts_now() {
    let config = AlertmanagerConfig {
        resolve_timeout: HumanDuration(Duration::from_secs(60)),
        ..AlertmanagerConfig::default()
    };
    let door = Door::open(IngestConfig { alertmanager: config, ..IngestConfig::default() }).await;
    let zero = "0001-01-01T00:00:00Z";
    for alert in [
        json!({"labels": {"a": "b"}}),
        json!({"labels": {"a": "b"}, "startsAt": zero, "endsAt": zero}),
        json!({"labels": {"a": "b"}, "startsAt": null, "endsAt": null, "annotations": null}),
    ] {
        assert_eq!(
            door.told_at("/api/v2/alerts", json!([alert]).to_string()).await,
            "200 accepted 1"
        );
    }
    for alert in door.alerts() {
        assert_eq!(alert.time, alert.received);
        assert_eq!(alert.ends, Some(alert.received + SignedDuration::from_secs(60)));
        assert_eq!(alert.rule, "unnamed");
    }
    let over = json!([{"labels": {"a": "b"}, "endsAt": "2020-01-01T00:00:00Z"}]);
    door.told_at("/api/v2/alerts", over.to_string()).await;
    let over = door.alerts().pop().unwrap();
    assert_eq!(Some(over.time), over.ends);
}

#[tokio::test]
async fn the_valid_alerts_of_a_request_are_taken_and_the_others_told() {
    let door = door().await;
    let body = json!([
        {"labels": {"alertname": "good"}},
        {"labels": {}},
        {"labels": {"alertname": "a"}, "startsAt": "2026-01-02T00:00:00Z", "endsAt": "2026-01-01T00:00:00Z"},
        {"labels": {"alertname": "a"}, "endsAt": "soon"},
        {"labels": {"alertname": 7}},
        {"labels": {"a\u{1b}b": "x"}},
        "no object",
        {"labels": {"alertname": "good too"}},
    ]);
    let told = door.told_at("/api/v2/alerts", body.to_string()).await;
    expect![[r#"400 "alert 1: at least one label pair required; alert 2: start time must be before end time; alert 3: `endsAt` is no RFC 3339 time such as 2026-11-21T08:00:00Z; alert 4: no alert: invalid type: integer `7`, expected a string at line 1 column 24; alert 5: invalid name of a label, `a\\u{1b}b`: 1 to 512 bytes without control characters; alert 6: no alert: invalid type: string \"no object\", expected an object at line 1 column 11""#]].assert_eq(&told);
    let rules: Vec<String> = door.alerts().into_iter().map(|alert| alert.rule).collect();
    assert_eq!(rules, ["good", "good too"]);
}

async fn refused(path: &str, body: impl Into<reqwest::Body>, expected: Expect) {
    let door = door().await;
    expected.assert_eq(&door.told_at(path, body).await);
    assert!(door.alerts().is_empty());
}

#[tokio::test]
async fn a_hostile_body_is_refused_in_words() {
    let api = "/api/v2/alerts";
    refused(api, "", expect![[r#"400 "the body is empty; send an alert as JSON""#]]).await;
    refused(api, "{}", expect![[r#"400 "the body is no JSON array: invalid type: map, expected a sequence at line 1 column 0""#]]).await;
    refused(
        api,
        "[{\"labels\":",
        expect![[
            r#"400 "the body is no JSON array: EOF while parsing a value at line 1 column 11""#
        ]],
    )
    .await;
    refused(
        api,
        b"[{\"labels\":{\"a\":\"\xff\"}}]".to_vec(),
        expect![[r#"400 "the body is not UTF-8 text, from byte 17 on""#]],
    )
    .await;
    let many: std::collections::BTreeMap<String, &str> =
        (0..1000).map(|number| (format!("l{number}"), "x")).collect();
    refused(
        api,
        json!([{"labels": many}]).to_string(),
        expect![[r#"400 "alert 0: more than 256 labels""#]],
    )
    .await;
    refused(
        api,
        json!([{"labels": {"a": "b"}, "annotations": many}]).to_string(),
        expect![[r#"400 "alert 0: more than 256 annotations""#]],
    )
    .await;
    refused(
        api,
        json!([{"labels": {"a": "x".repeat(20_000)}}]).to_string(),
        expect![[r#"400 "alert 0: label `a` is longer than 16384 bytes""#]],
    )
    .await;
    refused(api, json!([{"labels": {"x".repeat(600): "a"}}]).to_string(), expect![[r#"400 "alert 0: invalid name of a label, `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx`: 1 to 512 bytes without control characters""#]]).await;
    let many = json!(vec![json!({"labels": {}}); 12]).to_string();
    refused(api, many, expect![[r#"400 "alert 0: at least one label pair required; alert 1: at least one label pair required; alert 2: at least one label pair required; alert 3: at least one label pair required; alert 4: at least one label pair required; alert 5: at least one label pair required; alert 6: at least one label pair required; alert 7: at least one label pair required; alert 8: at least one label pair required; alert 9: at least one label pair required; and 2 more""#]]).await;
    refused(
        api,
        "[".repeat(100_000),
        expect![[
            r#"400 "the body is no JSON array: EOF while parsing a list at line 1 column 100000""#
        ]],
    )
    .await;
    let door = Door::open(IngestConfig { alerts_max: 2, ..IngestConfig::default() }).await;
    let told = door.told_at(api, json!([{}, {}, {}]).to_string()).await;
    assert_eq!(told, "413 \"more than 2 alerts in one request\"");
}

#[tokio::test]
async fn a_label_cannot_pass_for_a_field_of_ours() {
    let door = door().await;
    let labels = json!({
        "saker.sender": "agent", "rule": "other", "priority": "Emergency", "label.a": "b", "日本": "x",
    });
    let body = json!([{"labels": labels, "annotations": {"saker.sender": "agent"}}]);
    assert_eq!(door.told_at("/api/v2/alerts", body.to_string()).await, "200 accepted 1");
    let alert = &door.alerts()[0];
    let names: Vec<&str> = alert.fields.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "annotation.saker.sender",
            "label.label.a",
            "label.priority",
            "label.rule",
            "label.saker.sender",
            "label.日本"
        ]
    );
    assert_eq!((&*alert.rule, alert.priority), ("unnamed", alert::Priority::Warning));
}

#[tokio::test]
async fn long_annotations_are_cut_and_the_alert_is_taken() {
    let door = door().await;
    let body = json!([{"labels": {"a": "b"}, "annotations": {"summary": "é".repeat(100_000)},
        "generatorURL": "u".repeat(100_000)}]);
    assert_eq!(door.told_at("/api/v2/alerts", body.to_string()).await, "200 accepted 1");
    let alert = &door.alerts()[0];
    assert!(alert.output.len() <= 65_536 && alert.output.ends_with('…'));
    assert!(alert.text("generator_url").unwrap().len() <= 65_536);
}

#[tokio::test]
async fn alertmanagers_webhook_brings_alerts_and_their_ends() {
    let door = door().await;
    let body = json!({
        "version": "4", "groupKey": "{}:{alertname=\"A\"}", "truncatedAlerts": 0, "status": "firing",
        "receiver": "saker", "groupLabels": {"alertname": "A"}, "commonLabels": {"alertname": "A"},
        "commonAnnotations": {}, "externalURL": "http://am:9093",
        "alerts": [
            {"status": "firing", "labels": {"alertname": "A", "n": "1"}, "annotations": {},
             "startsAt": "2026-01-02T03:04:05Z", "endsAt": "0001-01-01T00:00:00Z",
             "generatorURL": "", "fingerprint": "0123456789abcdef"},
            {"status": "resolved", "labels": {"alertname": "A", "n": "2"}, "annotations": {},
             "startsAt": "2026-01-02T03:04:05Z", "endsAt": "2026-01-02T03:05:05Z"},
            {"status": "resolved", "labels": {"alertname": "A", "n": "3"},
             "startsAt": "2998-01-02T03:04:05Z", "endsAt": "2999-01-02T03:05:05Z"},
            {"status": "fired", "labels": {"alertname": "A"}},
        ],
    });
    let told = door.told_at("/alertmanager", body.to_string()).await;
    expect![[r#"400 {"error":"alert 3: `status` is neither `firing` nor `resolved`","index":3}"#]]
        .assert_eq(&told);
    let alerts = door.alerts();
    let ends = |index: usize| alerts[index].ends.unwrap();
    assert_eq!(ends(0), alerts[0].received + SignedDuration::from_hours(6));
    assert_eq!(ends(1), "2026-01-02T03:05:05Z".parse::<Timestamp>().unwrap());
    assert_eq!((ends(2), alerts[2].time), (alerts[2].received, alerts[2].received));
    assert_eq!(alerts.len(), 3);
    let told = door.told_at("/alertmanager", "{}").await;
    expect![[
        r#"400 {"error":"no webhook of Alertmanager: missing field `alerts` at line 1 column 2"}"#
    ]]
    .assert_eq(&told);
}

#[tokio::test]
async fn tokens_are_asked_for_as_at_every_input() {
    let tokens = BTreeMap::from([("prometheus".to_owned(), Secret::new("s3cret"))]);
    let door = Door::open(IngestConfig { tokens, ..IngestConfig::default() }).await;
    let told = door.told_at("/api/v2/alerts", FIRING).await;
    assert_eq!(told, "401 \"a known bearer token is required\"");
    let url = format!("http://{}/api/v2/alerts", door.address);
    let request = door.client.post(url).bearer_auth("s3cret").body(FIRING);
    assert_eq!(told_of(request).await, "200 accepted 1");
    assert_eq!(door.alerts()[0].text("saker.sender"), Some("token:prometheus"));
    let counted =
        r#"saker_ingest_sender_alerts_total{input="alertmanager",sender="token:prometheus"}"#;
    assert_eq!(door.metric(counted), 1);
}

async fn told_of(request: reqwest::RequestBuilder) -> String {
    told(request.send().await.unwrap()).await
}
