//! Kafka against a real broker.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use e2e::Kafka;
use outputs::DeliveryError;
use serde_json::{Value, json};

use crate::sample::{self, build, build_impatient, notification};

/// One broker for all tests that do not stop it.
fn kafka() -> &'static Kafka {
    static KAFKA: OnceLock<Kafka> = OnceLock::new();
    KAFKA.get_or_init(Kafka::start)
}

fn plain(kafka: &Kafka, topic: &str) -> Value {
    json!({ "brokers": [kafka.plaintext.address()], "topic": topic })
}

fn with(mut config: Value, key: &str, value: Value) -> Value {
    config[key] = value;
    config
}

fn login(kafka: &Kafka, topic: &str, mechanism: &str, password: &str) -> Value {
    json!({
        "brokers": [kafka.sasl.address()],
        "topic": topic,
        "tls": { "ca": kafka.certificates.authority },
        "sasl": { "mechanism": mechanism, "username": Kafka::USER, "password": password },
    })
}

async fn deliver(config: Value, id: u64) -> Result<outputs::Receipt, DeliveryError> {
    sample::deliver(&build("kafka", config), &notification(id), &[], None).await
}

#[tokio::test]
async fn a_notification_is_one_record_with_its_group_as_key() {
    let kafka = kafka();
    kafka.create_topic("notifications", 3).await;
    let output = build("kafka", plain(kafka, "notifications"));
    output.check().await.unwrap();
    let first = sample::deliver(&output, &notification(1), &[], None).await.unwrap();
    sample::deliver(&output, &notification(2), &[], None).await.unwrap();

    let records = kafka.records("notifications", 2);
    let [one, two] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!(
        first.remote_id.as_deref(),
        Some(format!("notifications/{}/0", one.partition).as_str())
    );
    assert_eq!(one.key.as_deref(), Some("0000000000000abc"));
    assert_eq!((one.partition, two.offset), (two.partition, 1), "one group, one partition");
    for (name, value) in [
        ("content-type", "application/json"),
        ("saker-payload", "notification"),
        ("saker-notification-id", "0000000000000001"),
        ("rule", "Shell in a container"),
        ("priority", "Critical"),
        ("hostname", "node-1"),
    ] {
        assert_eq!(one.header(name), Some(value), "{name}");
    }
    assert_eq!(one.value, serde_json::to_value(notification(1)).unwrap());
}

#[tokio::test]
async fn alerts_are_records_in_falcos_json() {
    let kafka = kafka();
    kafka.create_topic("alerts", 1).await;
    let config = with(plain(kafka, "alerts"), "payload", json!("alert"));
    let receipt = deliver(with(config, "key", json!("hostname")), 1).await.unwrap();
    assert_eq!(receipt.remote_id.as_deref(), Some("alerts/0/1"));
    assert_eq!(receipt.state["records"], "2");

    let records = kafka.records("alerts", 2);
    assert_eq!(records[1].key.as_deref(), Some("node-2"));
    assert_eq!(records[1].header("saker-payload"), Some("alert"));
    assert_eq!(records[1].value["rule"], "Shell in a container");
    assert_eq!(records[1].value["priority"], "Critical");
    assert_eq!(records[1].value["time"], "2026-11-20T10:00:00.123456789Z");
    assert_eq!(records[1].value["output_fields"]["proc.name"], "bash");
}

#[tokio::test]
async fn each_login_over_tls_is_taken() {
    let kafka = kafka();
    kafka.create_topic("logins", 1).await;
    for mechanism in ["plain", "scram_sha_256", "scram_sha_512"] {
        let config = login(kafka, "logins", mechanism, Kafka::PASSWORD);
        deliver(config, 1).await.unwrap_or_else(|error| panic!("{mechanism}: {error}"));
    }
    kafka.records("logins", 3);
}

#[tokio::test]
async fn a_wrong_password_is_denied_without_waiting_for_the_time_out() {
    let kafka = kafka();
    kafka.create_topic("guarded", 1).await;
    for mechanism in ["plain", "scram_sha_512"] {
        let start = Instant::now();
        let error = deliver(login(kafka, "guarded", mechanism, "guess"), 1).await.unwrap_err();
        assert!(
            matches!(&error, DeliveryError::Denied { reason } if !reason.contains("guess")),
            "{mechanism}: {error:?}"
        );
        assert!(start.elapsed() < Duration::from_secs(8), "{mechanism}: {:?}", start.elapsed());
    }
    let output = build("kafka", login(kafka, "guarded", "plain", "guess"));
    let error = output.check().await.unwrap_err();
    assert!(matches!(error, DeliveryError::Denied { .. }), "{error:?}");
}

#[tokio::test]
async fn mutual_tls_needs_our_certificate_and_a_broker_we_trust() {
    let kafka = kafka();
    kafka.create_topic("mutual", 1).await;
    let certificates = &kafka.certificates;
    let config = |ca: &std::path::Path| {
        json!({
            "brokers": [kafka.tls.address()],
            "topic": "mutual",
            "tls": {
                "ca": ca,
                "certificate": certificates.client.certificate,
                "key": certificates.client.key,
            },
        })
    };
    deliver(config(&certificates.authority), 1).await.unwrap();
    let output = build_impatient("kafka", config(&certificates.stranger));
    let error = sample::deliver(&output, &notification(2), &[], None).await.unwrap_err();
    assert!(
        matches!(&error, DeliveryError::Unavailable { reason, .. } if reason.contains("certificate")),
        "{error:?}"
    );
    assert_eq!(kafka.records("mutual", 1).len(), 1);
}

#[tokio::test]
async fn a_topic_that_is_missing_is_rejected_and_not_made() {
    let kafka = kafka();
    let output = build_impatient("kafka", plain(kafka, "nowhere"));
    let checked = output.check().await.unwrap_err();
    let delivered = sample::deliver(&output, &notification(1), &[], None).await.unwrap_err();
    for error in [checked, delivered] {
        assert!(matches!(error, DeliveryError::Rejected { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_large_notification_is_cut_until_it_fits() {
    let kafka = kafka();
    kafka.create_topic("large", 1).await;
    let config = with(plain(kafka, "large"), "record_bytes_max", json!("5KiB"));
    let output = build("kafka", config);
    let mut large = notification(1);
    large.findings[0].sample.output = "🦅".repeat(20_000);
    sample::deliver(&output, &large, &[], None).await.unwrap();

    let record = kafka.records("large", 1).remove(0);
    assert_eq!(record.header("saker-truncated"), Some("true"));
    assert_eq!(record.value["findings"].as_array().unwrap().len(), 1);
    assert_eq!(record.value["findings_count"], 2);
    let output = record.value["findings"][0]["sample"]["output"].as_str().unwrap();
    assert!(output.ends_with('…'), "{output}");
}

#[tokio::test]
async fn a_stopped_broker_is_unavailable_until_it_is_back() {
    let mut kafka = Kafka::start();
    kafka.create_topic("pauses", 1).await;
    let output = build("kafka", plain(&kafka, "pauses"));
    sample::deliver(&output, &notification(1), &[], None).await.unwrap();

    let impatient = build_impatient("kafka", plain(&kafka, "pauses"));
    sample::deliver(&impatient, &notification(2), &[], None).await.unwrap();
    kafka.stop();
    let error = sample::deliver(&impatient, &notification(3), &[], None).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Unavailable { .. }), "{error:?}");

    kafka.restart();
    sample::deliver(&output, &notification(4), &[], None).await.unwrap();
    let records = kafka.records("pauses", 3);
    let ids: Vec<_> = records.iter().map(|record| record.value["id"].as_str().unwrap()).collect();
    assert_eq!(
        ids,
        ["0000000000000001", "0000000000000002", "0000000000000004"],
        "the attempt given up left nothing"
    );
}
