//! Alerts that come by a Kafka topic, from a real broker.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use e2e::Kafka;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use router::pipeline::ReasonKind;
use serde_json::{Value, json};

use crate::{
    crash::decided,
    full::small_site,
    harness::{Router, Site, alert, filler},
};

const PARTITIONS: i32 = 3;
/// A group that lost a member waits for it, and machines are busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// One broker for all: starting one is what takes a busy machine long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_of_a_real_broker_bring_alerts() {
    let kafka = Kafka::start();
    every_message_is_one_alert_however_often_the_router_is_killed_or_the_topic_read(&kafka).await;
    routers_of_a_group_share_a_topic_and_one_that_goes_is_stood_in_for(&kafka).await;
    a_message_that_cannot_be_read_is_put_aside_and_the_others_are_taken(&kafka).await;
    events_are_alerts_however_their_messages_are_written(&kafka).await;
    what_the_disk_has_no_room_for_waits_in_the_topic(&kafka).await;
}

struct Topic<'a> {
    kafka: &'a Kafka,
    name: &'static str,
    producer: BaseProducer,
}

impl<'a> Topic<'a> {
    async fn new(kafka: &'a Kafka, name: &'static str) -> Self {
        kafka.create_topic(name, PARTITIONS).await;
        let producer = ClientConfig::new()
            .set("bootstrap.servers", kafka.plaintext.address())
            .create()
            .unwrap();
        Self { kafka, name, producer }
    }

    /// Writes alerts without ids of their own, spread over the partitions.
    fn write_alerts(&self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            let mut alert = alert("From Kafka", "Warning", &format!("w{}", number % 7));
            alert.as_object_mut().unwrap().remove("uuid");
            alert["output_fields"]["number"] = number.into();
            let partition = i32::try_from(number).unwrap() % PARTITIONS;
            self.write(partition, alert.to_string().as_bytes());
        }
        self.producer.flush(PATIENCE).unwrap();
    }

    fn write(&self, partition: i32, payload: &[u8]) {
        let record = BaseRecord::<(), [u8]>::to(self.name).partition(partition).payload(payload);
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
    }

    /// Writes a message with headers to the first partition.
    fn write_with(&self, headers: &[(&str, &str)], payload: &str) {
        let owned = OwnedHeaders::new_with_capacity(headers.len());
        let headers = headers.iter().fold(owned, |headers, (key, value)| {
            headers.insert(Header { key, value: Some(*value) })
        });
        let record = BaseRecord::<(), str>::to(self.name).partition(0);
        let record = record.headers(headers).payload(payload);
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
    }

    /// Returns the part of the router's configuration that reads the topic in this group.
    fn config(&self, group: &str) -> String {
        format!(
            "  ingest: {{ kafka: {{ agents: {{ brokers: ['{}'], topics: [{}], group: {group}, session_timeout: 6s }} }} }}
outputs: {{ log: {{ file: {{ path: DIR/out.jsonl }} }} }}
",
            self.kafka.plaintext.address(),
            self.name,
        )
    }

    /// Waits until a group has taken so many messages for good.
    async fn committed(&self, group: &str, messages: i64) {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.kafka.plaintext.address())
            .set("group.id", group)
            .create()
            .unwrap();
        let begun = Instant::now();
        loop {
            let mut partitions = TopicPartitionList::new();
            partitions.add_partition_range(self.name, 0, PARTITIONS - 1);
            let committed = consumer.committed_offsets(partitions, Duration::from_secs(10));
            let sum: i64 = committed
                .iter()
                .flat_map(TopicPartitionList::elements)
                .map(|element| match element.offset() {
                    Offset::Offset(offset) => offset,
                    _ => 0,
                })
                .sum();
            if sum == messages {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{sum} of {messages} messages are committed");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn every_message_is_one_alert_however_often_the_router_is_killed_or_the_topic_read(
    kafka: &Kafka,
) {
    let topic = Topic::new(kafka, "killed").await;
    let site = Site::new(&topic.config("first"));
    for round in 0..2 {
        topic.write_alerts(round * 100..(round + 1) * 100);
        let router = site.start();
        let before = router.ledger().await.accepted;
        let begun = Instant::now();
        // What is taken now is committed within a second, and mostly not before the end.
        while router.ledger().await.accepted == before {
            assert!(begun.elapsed() < PATIENCE, "nothing is read");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        router.kill();
    }
    let router = site.start();
    topic.write_alerts(200..300);
    topic.committed("first", 300).await;
    assert_eq!(router.stop().await, Some(0));
    assert_eq!(decided(&site).len(), 300);

    // Another group reads all of it again, from the beginning.
    site.configure(&topic.config("second"));
    let router = site.start();
    topic.committed("second", 300).await;
    let ledger = router.settled().await;
    assert!(ledger.accepted >= 600, "{ledger:?}");
    assert_eq!(router.stop().await, Some(0));
    let decided = decided(&site);
    assert_eq!(decided.len(), 300, "the same messages are the same alerts");
    assert_eq!(decided.values().sum::<u64>(), ledger.accepted);
}

async fn routers_of_a_group_share_a_topic_and_one_that_goes_is_stood_in_for(kafka: &Kafka) {
    let topic = Topic::new(kafka, "shared").await;
    let config = topic.config("shared");
    let (one, two) = (Site::new(&config), Site::new(&config));
    topic.write_alerts(0..150);
    let first = one.start();
    let second = two.start();
    topic.write_alerts(150..300);
    topic.committed("shared", 300).await;
    assert_eq!(first.stop().await, Some(0));
    topic.write_alerts(300..450);
    topic.committed("shared", 450).await;
    assert_eq!(second.stop().await, Some(0));
    let (one, two) = (decided(&one), decided(&two));
    let all: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
    assert_eq!(all.len(), 450);
}

async fn a_message_that_cannot_be_read_is_put_aside_and_the_others_are_taken(kafka: &Kafka) {
    let topic = Topic::new(kafka, "odd").await;
    topic.write_alerts(0..3);
    topic.write(0, b"nonsense \xff");
    topic.write(1, br#"{"rule":"no priority"}"#);
    topic.write(2, b"");
    topic.write_alerts(3..6);
    let site = Site::new(&topic.config("g"));
    let router = site.start();
    topic.committed("g", 9).await;
    assert_eq!(router.ledger().await.accepted, 6);
    let metrics = router.metrics().await;
    for (end, count) in [("taken", 7), ("unreadable", 2)] {
        let line = format!(
            "saker_ingest_kafka_messages_total{{end=\"{end}\",input=\"agents\"}} {count}\n"
        );
        assert!(metrics.contains(&line), "{metrics}");
    }
    assert!(metrics.contains("input=\"kafka\",sender=\"kafka:agents\"} 6\n"), "{metrics}");
    assert_eq!(router.stop().await, Some(0));
    let aside = site.lines("data/quarantine/kafka-agents.ndjson");
    let places: BTreeSet<_> = aside
        .iter()
        .map(|line| {
            (
                line["topic"].as_str().unwrap(),
                line["partition"].as_i64().unwrap(),
                line["offset"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(places, BTreeSet::from([("odd", 0, 1), ("odd", 1, 1)]));
    assert!(aside.iter().any(|line| line["reason"].as_str().unwrap().contains("priority")));
}

async fn events_are_alerts_however_their_messages_are_written(kafka: &Kafka) {
    let topic = Topic::new(kafka, "events").await;
    let event = |id: &str, data: Value| {
        json!({"specversion": "1.0", "id": id, "source": "/scans", "type": "org.example.found", "data": data})
            .to_string()
    };
    let attributes = |id: &'static str, kind: &'static str| {
        [("ce_specversion", "1.0"), ("ce_id", id), ("ce_source", "/scans"), ("ce_type", kind)]
    };
    let structured = ("content-type", "application/cloudevents+json; charset=UTF-8");
    let json = ("content-type", "application/json");
    // The first is written in each way, and counts once.
    topic.write_with(&[structured], &event("1", json!({"host": "a"})));
    topic.write_with(&[], &event("1", json!({"host": "a"})));
    topic.write_with(
        &[&attributes("1", "org.example.found")[..], &[json]].concat(),
        r#"{"host":"a"}"#,
    );
    topic.write_with(
        &[&attributes("2", "org.example.gone")[..], &[("ce_subject", "Größe 50%")]].concat(),
        "",
    );
    topic.write_with(&[structured], &event("3", alert("In an event", "Error", "w1")));
    topic.write_with(&[], "");
    topic.write_with(
        &[&attributes("4", "org.example.found")[..], &[("content-type", "text/plain")]].concat(),
        "text",
    );
    topic.write_with(&[], r#"{"rule":"no event"}"#);
    topic.producer.flush(PATIENCE).unwrap();
    let config = topic.config("g").replace("group: g,", "group: g, format: cloudevents,");
    let site = Site::new(&config);
    let router = site.start();
    topic.committed("g", 8).await;
    let ledger = router.settled().await;
    assert_eq!(ledger.accepted, 5, "{ledger:?}");
    assert_eq!(ledger.suppressed.get(&ReasonKind::Redelivered), Some(&2), "{ledger:?}");
    assert_eq!(router.stop().await, Some(0));
    let told = site.lines("out.jsonl");
    let told = serde_json::to_string(&told).unwrap();
    for wanted in ["org.example.found", r#""data.host":"a""#, "Größe 50%", "In an event"] {
        assert!(told.contains(wanted), "no {wanted} in {told}");
    }
    let aside = site.lines("data/quarantine/kafka-agents.ndjson");
    assert_eq!(aside.len(), 2, "{aside:?}");
    assert_eq!(aside[0]["headers"][1], json!(["ce_id", "4"]));
}

/// Waits until the input took so many messages with this end, or reads nothing for want of room;
/// returns whether it is the latter.
async fn waits(router: &Router, end: &str, count: i64) -> bool {
    let took =
        format!("saker_ingest_kafka_messages_total{{end=\"{end}\",input=\"agents\"}} {count}\n");
    let begun = Instant::now();
    loop {
        let metrics = router.metrics().await;
        if metrics.contains("saker_ingest_kafka_waiting{input=\"agents\"} 1\n") {
            return true;
        }
        if metrics.contains(&took) {
            return false;
        }
        assert!(begun.elapsed() < PATIENCE, "neither taken nor waiting: {metrics}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn what_the_disk_has_no_room_for_waits_in_the_topic(kafka: &Kafka) {
    let topic = Topic::new(kafka, "waiting").await;
    let Some((site, disk)) = small_site(&topic.config("g")) else { return };
    let router = site.start();
    // The router gives room back for a while after the disk was filled, so more is written until it
    // waits.
    let mut unreadable = 0;
    loop {
        disk.fill();
        topic.write(0, &[b'?'; 60 << 10]);
        topic.producer.flush(PATIENCE).unwrap();
        unreadable += 1;
        if waits(&router, "unreadable", unreadable).await {
            break;
        }
    }
    disk.make_room();
    topic.committed("g", unreadable).await;
    let aside = site.lines("data/quarantine/kafka-agents.ndjson");
    assert_eq!(i64::try_from(aside.len()), Ok(unreadable), "each is there once");

    let mut alerts = 0;
    loop {
        disk.fill();
        for _ in 0..20 {
            topic.write(1, filler("web", 8000).to_string().as_bytes());
        }
        topic.producer.flush(PATIENCE).unwrap();
        alerts += 20;
        if waits(&router, "taken", alerts).await {
            break;
        }
    }
    disk.make_room();
    topic.committed("g", unreadable + alerts).await;
    let ledger = router.settled().await;
    assert_eq!(i64::try_from(ledger.accepted), Ok(alerts));
    assert_eq!(router.stop().await, Some(0));
}
