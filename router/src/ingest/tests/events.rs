//! CloudEvents, in each of the ways HTTP carries them.

use serde_json::{Value, json};

use super::*;

const STRUCTURED: &str = "application/cloudevents+json; charset=utf-8";
const BATCH: &str = "application/cloudevents-batch+json";

async fn open() -> Door {
    Door::open(IngestConfig::default()).await
}

impl Door {
    async fn event(&self, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> String {
        let url = format!("http://{}/cloudevents", self.address);
        let mut request = self.client.post(url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        told(request.send().await.unwrap()).await
    }
}

fn event(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "//scanner", "type": "org.example.found",
        "time": "2026-01-02T03:04:05Z", "severity": "High", "data": {"file": "/etc/passwd", "n": 7}
    })
}

#[tokio::test]
async fn a_structured_event_is_an_alert_with_its_attributes_and_data() {
    let door = open().await;
    let body = event("1").to_string();
    assert_eq!(door.event(&[("content-type", STRUCTURED)], body).await, "200 accepted 1");
    let alert = &door.alerts()[0];
    assert_eq!((alert.rule.as_str(), alert.source.as_str()), ("org.example.found", "cloudevents"));
    assert_eq!(alert.priority, alert::Priority::Error);
    assert_eq!(alert.time.to_string(), "2026-01-02T03:04:05Z");
    assert_eq!(alert.fields["data.file"], json!("/etc/passwd"));
    assert_eq!(alert.fields["data.n"], json!(7));
    assert_eq!(alert.fields["ce.source"], json!("//scanner"));
    assert_eq!(alert.fields["ce.severity"], json!("High"));
}

#[tokio::test]
async fn a_binary_event_has_its_attributes_in_headers() {
    let door = open().await;
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "//scanner"),
        ("ce-type", "caf%C3%A9"),
        ("content-type", "application/json"),
    ];
    assert_eq!(door.event(&headers, r#"{"message": "bad"}"#).await, "200 accepted 1");
    let alerts = door.alerts();
    assert_eq!((alerts[0].rule.as_str(), alerts[0].output.as_str()), ("café", "bad"));
    assert_eq!(door.event(&headers, "").await, "200 accepted 1");
    let answer = door.event(&headers, "{").await;
    assert!(answer.starts_with("400 ") && answer.contains("no JSON"), "{answer}");
    let answer = door.event(&headers[..2], "{}").await;
    assert_eq!(answer, r#"400 {"error":"`source` is missing","field":"source"}"#);
}

#[tokio::test]
async fn a_batch_is_taken_whole_or_not_at_all() {
    let door = open().await;
    let kind = [("content-type", BATCH)];
    let body = json!([event("1"), event("2")]).to_string();
    assert_eq!(door.event(&kind, body).await, "200 accepted 2");
    assert_eq!(door.event(&kind, "[]").await, "200 accepted 0");
    let body = json!([event("1"), {"specversion": "1.0"}]).to_string();
    let expected = r#"400 {"error":"`id` is missing","field":"id","index":1}"#;
    assert_eq!(door.event(&kind, body).await, expected);
    assert!(door.event(&kind, event("1").to_string()).await.starts_with("400 "));
    assert_eq!(door.alerts().len(), 2);
}

#[tokio::test]
async fn source_and_id_are_the_alerts_identity_whatever_carries_them() {
    let door = open().await;
    door.event(&[("content-type", STRUCTURED)], event("1").to_string()).await;
    door.event(&[("content-type", BATCH)], json!([event("1"), event("2")]).to_string()).await;
    let other = json!({"specversion": "1.0", "id": "1", "source": "//other", "type": "t"});
    door.event(&[("content-type", STRUCTURED)], other.to_string()).await;
    let ids: Vec<_> = door.alerts().iter().map(|alert| alert.id).collect();
    assert_eq!(ids[0], ids[1]);
    assert!(ids[1] != ids[2] && ids[2] != ids[3] && ids[0] != ids[3]);
}

#[tokio::test]
async fn an_alert_of_falcos_in_an_event_is_that_alert() {
    let door = open().await;
    let mut event = event("1");
    event["data"] = serde_json::from_str(ALERT).unwrap();
    let kind = [("content-type", STRUCTURED)];
    assert_eq!(door.event(&kind, event.to_string()).await, "200 accepted 1");
    let alerts = door.alerts();
    assert_eq!((alerts[0].rule.as_str(), alerts[0].hostname.as_str()), ("Shell", "node-1"));
    assert_eq!(alerts[0].fields["proc.name"], json!("bash"));
    event["data"]["priority"] = json!("urgent");
    let answer = door.event(&kind, event.to_string()).await;
    assert!(answer.contains(r#""field":"data.priority""#), "{answer}");
}

#[tokio::test]
async fn data_may_be_encoded_and_must_be_json() {
    let door = open().await;
    let kind = [("content-type", STRUCTURED)];
    let with = |data: Value| {
        let mut event = event("1");
        event.as_object_mut().unwrap().remove("data");
        event.as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
        event.to_string()
    };
    let encoded = with(json!({"data_base64": "eyJhIjoxfQ=="}));
    assert_eq!(door.event(&kind, encoded).await, "200 accepted 1");
    assert_eq!(door.alerts()[0].fields["data.a"], json!(1));
    let image = json!({"data_base64": "AA==", "datacontenttype": "image/png"});
    assert!(door.event(&kind, with(image)).await.starts_with("415 "));
    let both = json!({"data_base64": "AA==", "data": 1});
    assert!(door.event(&kind, with(both)).await.starts_with("400 "));
    assert_eq!(door.event(&kind, with(json!({"data": [1, "x"]}))).await, "200 accepted 1");
    assert_eq!(door.alerts()[1].fields["data"], json!([1, "x"]));
}

#[tokio::test]
async fn a_mapping_says_how_events_are_read() {
    let mapping = json!({
        "rule": "{/data/kind} found", "hostname": "/data/host",
        "priority": {"otherwise": "critical"}, "fields": {"k8s.ns.name": "/data/ns"}
    });
    let config: IngestConfig = serde_json::from_value(json!({"cloudevents": mapping})).unwrap();
    let door = Door::open(config).await;
    let mut event = event("1");
    event["data"] = json!({"kind": "worm", "host": "h1", "ns": "prod"});
    let kind = [("content-type", STRUCTURED)];
    assert_eq!(door.event(&kind, event.to_string()).await, "200 accepted 1");
    let alert = &door.alerts()[0];
    assert_eq!((alert.rule.as_str(), alert.hostname.as_str()), ("worm found", "h1"));
    assert_eq!(alert.text("k8s.ns.name"), Some("prod"));
    event["data"] = json!(7);
    let answer = door.event(&kind, event.to_string()).await;
    assert!(answer.starts_with("400 ") && answer.contains(r#""field":"rule""#), "{answer}");
}

#[tokio::test]
async fn what_is_no_event_is_refused_in_words() {
    let door = open().await;
    let kind = [("content-type", STRUCTURED)];
    let with = |name: &str, value: Value| {
        let mut event = event("1");
        event[name] = value;
        event.to_string()
    };
    for (body, expected) in [
        (with("specversion", json!("0.3")), "`specversion` is not `1.0`"),
        (with("id", json!("")), "`id` is no text"),
        (with("type", json!(7)), "`type` is no text"),
        (with("Saker", json!(7)), "lower-case"),
        (with("nested", json!({})), "`nested` is no text"),
        (with("time", json!("soon")), "`time`"),
        ("[]".to_owned(), "a batch is an array"),
        ("7".to_owned(), "a JSON object"),
        ("[".repeat(100_000), "array"),
        (format!("{{\"data\":{}", "[".repeat(100_000)), "JSON"),
    ] {
        let answer = door.event(&kind, body.clone()).await;
        assert!(answer.starts_with("400 ") && answer.contains(expected), "{answer}");
    }
    let long = with("data", json!("x".repeat(3 << 20)));
    assert!(door.event(&kind, long).await.starts_with("413 "));
    assert!(door.event(&[], event("1").to_string()).await.starts_with("415 "));
    assert!(door.alerts().is_empty());
}
