//! How much a sender may send, and what its numbers say.

use serde_json::{Value, json};

use super::*;
use crate::core::CoreEnd;

fn config(ingest: Value) -> IngestConfig {
    serde_json::from_value(ingest).unwrap()
}

#[tokio::test]
async fn a_sender_over_its_rate_is_asked_to_wait_and_no_other_is() {
    let rate = json!({"alerts_per_second": 1, "burst": "1h"});
    let senders = json!({"busy": {"token": "b", "rate": rate}, "calm": {"token": "c"}});
    let door = Door::open(config(json!({"senders": senders}))).await;
    let send = async |token: &str, alerts: usize| {
        let request = door.client.post(format!("http://{}/", door.address)).bearer_auth(token);
        request.body(format!("{ALERT}\n").repeat(alerts)).send().await.unwrap()
    };
    // Two hours' worth: for the next hour there is nothing left.
    assert_eq!(send("b", 7200).await.status(), StatusCode::OK);
    let refused = send("b", 1).await;
    assert_eq!(refused.headers()["retry-after"], "60");
    let expected = r#"429 {"error":"this sender sends more than its rate allows"}"#;
    assert_eq!(told(refused).await, expected);
    assert_eq!(send("c", 1).await.status(), StatusCode::OK);
    assert_eq!(door.metric(r#"saker_ingest_rejected_total{reason="rate"}"#), 1);
    assert_eq!(door.metric(r#"saker_ingest_sender_limited_total{sender="busy"}"#), 1);
    assert_eq!(door.alerts().len(), 7201);
}

#[tokio::test]
async fn without_names_each_address_has_its_rate_and_what_is_no_alert_counts_too() {
    let rate = json!({"bytes_per_second": "0", "alerts_per_second": 1, "burst": "1h"});
    let proxies = json!(["127.0.0.1"]);
    let door = Door::open(config(json!({"rate": rate, "trusted_proxies": proxies}))).await;
    let send = async |from: &str, body: String| {
        let request = door.client.post(format!("http://{}/", door.address)).body(body);
        request.header("x-forwarded-for", from).send().await.unwrap().status().as_u16()
    };
    assert_eq!(send("2001:db8::1", format!("{ALERT}\n").repeat(7200)).await, 200);
    assert_eq!(send("2001:db8::2", "nonsense".to_owned()).await, 429, "the same network");
    assert_eq!(send("2001:db8:0:1::1", "nonsense".to_owned()).await, 400);
    assert_eq!(send("192.0.2.1", ALERT.to_owned()).await, 200);
}

#[tokio::test]
async fn what_is_missing_among_a_senders_numbers_is_counted_and_shown() {
    let tokens = json!({"agents": "t"});
    let door = Door::open(config(json!({"tokens": tokens}))).await;
    let send = async |numbers: &str, alerts: usize| {
        let request = door.client.post(format!("http://{}/", door.address)).bearer_auth("t");
        let request = request.header("saker-sequence", numbers);
        told(request.body(ALERT.repeat(alerts)).send().await.unwrap()).await
    };
    assert_eq!(send("spool-1 5-6", 2).await, "200 accepted 2");
    assert_eq!(send("spool-1 10-10", 1).await, "200 accepted 1");
    assert_eq!(send("spool-1 10-11", 2).await, "200 accepted 2");
    let wrong = send("spool-1 12-12", 2).await;
    assert!(wrong.starts_with("400 ") && wrong.contains("2 alerts"), "{wrong}");
    assert!(send("spool-1", 1).await.starts_with("400 "));
    let streams = door.ingest.streams();
    let [stream] = &streams[..] else { panic!("{streams:?}") };
    assert_eq!(stream.sender.as_deref(), Some("token:agents"));
    assert_eq!((stream.next, stream.lost, stream.repeated), (12, 3, 1));
    let metric = |name: &str| {
        door.metric(&format!("saker_ingest_sender_{name}_total{{sender=\"token:agents\"}}"))
    };
    assert_eq!((metric("lost"), metric("repeated")), (3, 1));
    assert_eq!(door.alerts().len(), 5);
}

/// A door before a pipeline that applies nothing by itself, and may be four alerts behind.
async fn before_a_slow_pipeline(timeout: &str) -> (Door, CoreEnd) {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(folder.path(), small()).unwrap();
    let (appender, core_end) = Appender::followed(journal, 4);
    let mut door = Door::to(appender, config(json!({"backlog_timeout": timeout})), None).await;
    door.folder = Some(folder);
    (door, core_end)
}

#[tokio::test]
async fn while_the_pipeline_is_behind_requests_are_refused_after_a_while_and_urgent_ones_are_not() {
    let (door, _following) = before_a_slow_pipeline("50ms").await;
    assert_eq!(door.told(format!("{ALERT}\n").repeat(3)).await, "200 accepted 3");
    let refused = door.post(format!("{ALERT}\n").repeat(2)).await;
    assert_eq!(refused.headers()["retry-after"], "1");
    let expected = r#"503 {"error":"the pipeline is behind, and did not come near within 50ms"}"#;
    assert_eq!(told(refused).await, expected);
    let critical = with("priority", Some(r#""Critical""#));
    assert_eq!(door.told(critical).await, "200 accepted 1");
    assert_eq!(door.alerts().len(), 4);
    assert_eq!(door.metric("saker_ingest_backlog_waits_total"), 1);
    assert_eq!(door.metric(r#"saker_ingest_rejected_total{reason="backlog"}"#), 1);
    let refused = r#"saker_ingest_refused_alerts_total{priority="warning",reason="backlog"}"#;
    assert_eq!(door.metric(refused), 2);
}

#[tokio::test]
async fn requests_wait_until_the_pipeline_is_near_enough() {
    let (door, core_end) = before_a_slow_pipeline("1h").await;
    // More alerts than may wait take their turn all the same.
    assert_eq!(door.told(format!("{ALERT}\n").repeat(6)).await, "200 accepted 6");
    let waits = door.told(ALERT);
    let goes_on = async {
        while door.metric("saker_ingest_backlog_waits_total") == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(door.journal.durable(), 6);
        core_end.applied(6);
    };
    assert_eq!(tokio::join!(waits, goes_on).0, "200 accepted 1");
}
