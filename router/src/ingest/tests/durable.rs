//! What was answered with 200 is in the journal; what cannot be kept is not answered with 200.

use std::collections::BTreeSet;

use super::*;

fn numbered(number: usize) -> (String, String) {
    let id = uuid::Uuid::from_u128(number as u128 + 1).to_string();
    let alert = with("uuid", Some(&format!("\"{id}\"")));
    (id, alert)
}

fn ids(door: &Door) -> BTreeSet<String> {
    door.alerts().iter().map(|alert| alert.id.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_senders_at_once_are_all_served() {
    let door = Arc::new(Door::open(IngestConfig::default()).await);
    let senders = (0..50).map(|sender| {
        let door = door.clone();
        tokio::spawn(async move {
            for request in 0..20 {
                let (_, alert) = numbered(sender * 20 + request);
                assert_eq!(door.told(alert).await, "200 accepted 1");
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    assert_eq!(ids(&door).len(), 1000);
    assert_eq!(door.metric("saker_ingest_alerts_total"), 1000);
}

#[tokio::test]
async fn a_full_journal_is_said_and_nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: 256 << 10,
        record_bytes_max: 64 << 10,
        bytes_max: 512 << 10,
        ..Options::default()
    };
    let door = Door::at(folder.path(), IngestConfig::default(), options.clone(), None).await;
    // A reader that has not got anywhere keeps the journal from deleting what it holds.
    let cursor = door.journal.cursor("reader").unwrap();
    let mut acknowledged = BTreeSet::new();
    let refused = loop {
        let (id, alert) = numbered(acknowledged.len());
        let answer = door.post(alert).await;
        if answer.status() != StatusCode::OK {
            break answer;
        }
        acknowledged.insert(id);
        assert!(acknowledged.len() < 100_000, "the journal never fills");
    };
    assert_eq!(refused.headers()["retry-after"], "5");
    assert_eq!(told(refused).await, r#"503 {"error":"journal is full"}"#);
    assert_eq!(door.metric(r#"saker_ingest_rejected_total{reason="full"}"#), 1);
    assert_eq!(ids(&door), acknowledged);

    cursor.commit(door.journal.durable()).unwrap();
    assert_eq!(door.told(ALERT).await, "200 accepted 1");
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::at(folder.path(), IngestConfig::default(), small(), None).await;
    let mut acknowledged = BTreeSet::new();
    for number in 0..50 {
        let (id, alert) = numbered(number);
        assert_eq!(door.told(alert).await, "200 accepted 1");
        acknowledged.insert(id);
    }
    door.shutdown.cancel();
    let rest = door.shutdown.drain(Duration::from_secs(20)).await;
    assert!(rest.is_empty(), "{rest:?}");
    door.journal.clone().close();
    drop(door);
    let door = Door::at(folder.path(), IngestConfig::default(), small(), None).await;
    assert_eq!(ids(&door), acknowledged);
}

#[tokio::test]
async fn a_closed_journal_is_said() {
    let door = Door::open(IngestConfig::default()).await;
    door.journal.clone().close();
    let answer = door.post(ALERT).await;
    assert_eq!(answer.headers()["retry-after"], "30");
    assert_eq!(told(answer).await, r#"503 {"error":"journal is closed"}"#);
}

#[tokio::test]
async fn an_alert_larger_than_a_record_is_refused() {
    let door = Door::open(IngestConfig::default()).await;
    let long = "x".repeat(60_000);
    let fields: Vec<String> = (0..30).map(|n| format!("\"f{n}\":\"{long}\"")).collect();
    let alert = with("output_fields", Some(&format!("{{{}}}", fields.join(","))));
    let expect = r#"413 {"error":"records are larger than the journal takes at once"}"#;
    assert_eq!(door.told(alert).await, expect);
}

/// How many alerts a second are taken, durably. Run it by name, in release.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn rate() {
    for batch in [1, 100] {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let options = Options { bytes_max: 64 << 30, ..Options::default() };
        let config = IngestConfig::default();
        let door = Door::at(folder.path(), config, options, None).await;
        let alert = ALERT.replace("a shell", &"o".repeat(700));
        let body = format!("{alert}\n").repeat(batch);
        let request =
            format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let request: Arc<[u8]> = request.into_bytes().into();
        let until = std::time::Instant::now() + Duration::from_secs(5);
        let senders: Vec<_> = (0..128)
            .map(|_| {
                let (address, request) = (door.address, request.clone());
                tokio::spawn(async move {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    let mut answer = [0; 1024];
                    let mut answers = 0_u64;
                    while std::time::Instant::now() < until {
                        stream.write_all(&request).await.unwrap();
                        let count = stream.read(&mut answer).await.unwrap();
                        assert!(answer[..count].starts_with(b"HTTP/1.1 200"));
                        answers += 1;
                    }
                    answers
                })
            })
            .collect();
        let mut answers = 0;
        for sender in senders {
            answers += sender.await.unwrap();
        }
        println!(
            "batches of {batch}: {} requests/s, {} alerts/s",
            answers / 5,
            answers / 5 * batch as u64
        );
    }
}
