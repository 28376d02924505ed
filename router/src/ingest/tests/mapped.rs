//! JSON that the configuration says how to read.

use serde_json::{Value, json};

use super::*;

fn config(json: Value) -> IngestConfig {
    let config: IngestConfig = serde_json::from_value(json!({"json": json})).unwrap();
    assert_eq!(config.problem(false), None);
    config
}

impl Door {
    async fn mapped(&self, name: &str, body: impl Into<reqwest::Body>) -> String {
        let url = format!("http://{}/json/{name}", self.address);
        told(self.client.post(url).body(body).send().await.unwrap()).await
    }
}

#[tokio::test]
async fn the_items_of_a_message_are_alerts() {
    let door = Door::open(config(json!({"scans": {
        "alerts": "/results", "rule": "{/kind}", "id": "{^/scan}-{/n}", "hostname": "^/host",
        "priority": {"from": "/level", "values": {"3": "critical"}}
    }})))
    .await;
    let results = json!([{"kind": "a", "n": 1, "level": 3}, {"kind": "b", "n": 2}]);
    let body = json!({"scan": "s1", "host": "h1", "results": results}).to_string();
    assert_eq!(door.mapped("scans", body.clone()).await, "200 accepted 2");
    assert_eq!(door.mapped("scans", body).await, "200 accepted 2");
    let alerts = door.alerts();
    let shown: Vec<_> = alerts.iter().map(|alert| (alert.rule.as_str(), alert.priority)).collect();
    assert_eq!(shown[..2], [("a", alert::Priority::Critical), ("b", alert::Priority::Warning)]);
    assert!(alerts.iter().all(|alert| alert.hostname == "h1" && alert.source == "scans"));
    assert_eq!((alerts[0].id, alerts[1].id), (alerts[2].id, alerts[3].id));
    assert_ne!(alerts[0].id, alerts[1].id);
}

#[tokio::test]
async fn a_body_may_be_one_message_an_array_or_lines() {
    let door = Door::open(config(json!({"any": {"rule": "/r"}}))).await;
    assert_eq!(door.mapped("any", r#"{"r":"a"}"#).await, "200 accepted 1");
    assert_eq!(door.mapped("any", r#"[{"r":"a"},{"r":"b"}]"#).await, "200 accepted 2");
    assert_eq!(door.mapped("any", "{\"r\":\"a\"}\n{\"r\":\"b\"}\n").await, "200 accepted 2");
    assert_eq!(
        door.mapped("any", r#"[{"r":"a"},{"r":null}]"#).await,
        r#"400 {"error":"`rule`: there is nothing at `/r`","field":"rule","index":1}"#
    );
    assert_eq!(door.alerts().len(), 5);
}

#[tokio::test]
async fn a_name_nobody_configured_is_not_there() {
    let door = Door::open(config(json!({"any": {"rule": "/r"}}))).await;
    let answer = door.mapped("other", ALERT).await;
    assert!(answer.starts_with("404 ") && answer.contains("router.ingest.json"), "{answer}");
    assert_eq!(door.metric(r#"saker_ingest_rejected_total{reason="unknown"}"#), 1);
    assert!(door.alerts().is_empty());
}

#[tokio::test]
async fn a_small_message_cannot_become_large_alerts() {
    let mapping = json!({"rule": "r", "alerts": "/list", "fields": {"all": "^/big"}});
    let config =
        IngestConfig { decoded_bytes_max: HumanBytes(4 << 20), ..config(json!({"any": mapping})) };
    let door = Door::open(config).await;
    let list: Vec<u8> = vec![0; 9000];
    let body = json!({"big": "x".repeat(1 << 20), "list": list}).to_string();
    let answer = door.mapped("any", body).await;
    assert_eq!(answer, r#"413 {"error":"the alerts of the body are larger than 4MiB"}"#);
    let wide = json!({"big": "x".repeat(3 << 20), "list": []}).to_string();
    assert!(door.mapped("any", wide).await.starts_with("413 "));
    let many: Vec<u8> = vec![0; 10_001];
    assert!(door.mapped("any", json!({"list": many}).to_string()).await.starts_with("413 "));
    assert!(door.mapped("any", "[".repeat(100_000)).await.starts_with("400 "));
    assert!(door.alerts().is_empty());
}

#[tokio::test]
async fn a_sender_may_be_bound_to_one_mapping() {
    let senders = json!({
        "scanner": {"token": "s", "inputs": ["json/scans"]}, "all": {"token": "a", "inputs": ["json"]},
    });
    let json = json!({"scans": {"rule": "/r"}, "other": {"rule": "/r"}});
    let config: IngestConfig =
        serde_json::from_value(json!({"json": json, "senders": senders})).unwrap();
    assert_eq!(config.problem(false), None);
    let door = Door::open(config).await;
    let send = async |name: &str, token: &str| {
        let url = format!("http://{}/json/{name}", door.address);
        let request = door.client.post(url).bearer_auth(token).body(r#"{"r":"a"}"#);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!((send("scans", "s").await, send("other", "s").await), (200, 403));
    assert_eq!((send("scans", "a").await, send("other", "a").await), (200, 200));
}
