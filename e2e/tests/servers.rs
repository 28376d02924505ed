//! The servers themselves start, answer and stop.

use e2e::{Alertmanager, Kafka, Prometheus, Smtp};

#[tokio::test]
async fn a_kafka_broker_starts_takes_a_topic_and_starts_again() {
    let mut kafka = Kafka::start();
    kafka.create_topic("greetings", 3).await;
    kafka.stop();
    kafka.restart();
    kafka.create_topic("more", 1).await;
}

#[test]
fn the_others_start() {
    let smtp = Smtp::start();
    assert!(smtp.mails().is_empty());
    let alertmanager = Alertmanager::start();
    Prometheus::start(&[("alertmanager", alertmanager.port.address())]);
}
