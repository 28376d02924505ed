//! Bodies made to hurt: slow, huge, cut short, nested, compressed bombs.

use std::io::Write;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

#[tokio::test]
async fn compressed_bodies_are_read() {
    let door = Door::open(IngestConfig::default()).await;
    let lines = format!("{ALERT}\n").repeat(100);
    for (encoding, body) in [
        ("gzip", gzip(lines.as_bytes())),
        ("zstd", zstd(lines.as_bytes())),
        ("identity", lines.clone().into_bytes()),
    ] {
        let answer = door.post_as(Some(encoding), body).await;
        assert_eq!(told(answer).await, "200 accepted 100", "{encoding}");
    }
    assert_eq!(door.alerts().len(), 300);
}

#[tokio::test]
async fn damaged_and_unknown_compression_is_refused() {
    let door = Door::open(IngestConfig::default()).await;
    for encoding in ["gzip", "zstd"] {
        let answer = told(door.post_as(Some(encoding), ALERT).await).await;
        assert!(answer.starts_with("400 {\"error\":\"the body cannot be decompressed"), "{answer}");
    }
    let mut cut = gzip(ALERT.as_bytes());
    cut.truncate(cut.len() / 2);
    assert_eq!(door.post_as(Some("gzip"), cut).await.status(), StatusCode::BAD_REQUEST);
    for encoding in ["br", "gzip, zstd"] {
        let answer = door.post_as(Some(encoding), ALERT).await;
        assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{encoding}");
    }
    assert_eq!(door.journal.durable(), 0);
}

#[tokio::test]
async fn a_bomb_is_stopped_at_the_bound() {
    let config = IngestConfig { decoded_bytes_max: HumanBytes(1 << 20), ..IngestConfig::default() };
    let door = Door::open(config).await;
    let zeros = vec![b' '; 512 << 20];
    for (encoding, body) in [("gzip", gzip(&zeros)), ("zstd", zstd(&zeros))] {
        let answer = told(door.post_as(Some(encoding), body).await).await;
        let expect = r#"413 {"error":"the decompressed body is larger than 1048576 bytes"}"#;
        assert_eq!(answer, expect, "{encoding}");
    }
    assert_eq!(door.told(ALERT).await, "200 accepted 1");
}

#[tokio::test]
async fn a_body_over_the_bound_is_refused_with_and_without_a_length() {
    let config = IngestConfig { body_bytes_max: HumanBytes(4096), ..IngestConfig::default() };
    let door = Door::open(config).await;
    let refused = r#"413 {"error":"the body is larger than 4KiB"}"#;
    assert_eq!(door.told(" ".repeat(5000)).await, refused);
    let mut request = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..5 {
        request.extend_from_slice(format!("400\r\n{}\r\n", " ".repeat(1024)).as_bytes());
    }
    let answer = door.raw(&request).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn too_many_alerts_are_refused() {
    let door = Door::open(IngestConfig { alerts_max: 3, ..IngestConfig::default() }).await;
    let refused = r#"413 {"error":"more than 3 alerts in one request"}"#;
    assert_eq!(door.told(format!("{ALERT}\n").repeat(4)).await, refused);
    assert_eq!(door.told(format!("[{}]", [ALERT; 4].join(","))).await, refused);
    assert_eq!(door.journal.durable(), 0);
}

#[tokio::test]
async fn a_body_that_drips_is_timed_out() {
    let timeout = HumanDuration(Duration::from_millis(300));
    let door = Door::open(IngestConfig { body_timeout: timeout, ..IngestConfig::default() }).await;
    let answer =
        door.raw(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{\"rule\"").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.ends_with("{\"error\":\"the body took longer than 300ms\"}\n"), "{answer}");
}

#[tokio::test]
async fn a_body_cut_off_leaves_nothing() {
    let door = Door::open(IngestConfig::default()).await;
    let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", ALERT.len() + 9);
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    stream.write_all(format!("{head}{ALERT}").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(door.journal.durable(), 0);
}

#[tokio::test]
async fn memory_for_bodies_is_bounded_and_given_back() {
    let config = IngestConfig {
        bodies_bytes_max: HumanBytes(1000),
        decoded_bytes_max: HumanBytes(900),
        ..IngestConfig::default()
    };
    let door = Door::open(config).await;
    let mut waiting = TcpStream::connect(door.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2000\r\n\r\n";
    waiting.write_all(format!("{head}{}", " ".repeat(900)).as_bytes()).await.unwrap();
    let refused = async {
        loop {
            let answer = door.post(ALERT).await;
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(20), refused).await.unwrap();
    assert_eq!(refused.headers()["retry-after"], "1");
    drop(waiting);
    let taken = async { while door.post(ALERT).await.status() != StatusCode::OK {} };
    tokio::time::timeout(Duration::from_secs(20), taken).await.unwrap();
}

#[tokio::test]
async fn bytes_that_are_no_text_are_named() {
    let door = Door::open(IngestConfig::default()).await;
    let expect = r#"400 {"error":"the body is not UTF-8 text, from byte 9 on"}"#;
    assert_eq!(door.told(b"{\"rule\":\"\xff\"}".to_vec()).await, expect);
    let expect = r#"400 {"error":"the body is empty; send an alert as JSON"}"#;
    assert_eq!(door.told("").await, expect);
    assert_eq!(door.told(" \n ").await, expect);
}

#[tokio::test]
async fn nothing_odd_ends_the_connection_without_an_answer() {
    let door = Door::open(IngestConfig::default()).await;
    let abyss = "[".repeat(200_000);
    let closed = format!("{abyss}{}", "]".repeat(200_000));
    let bodies = [
        "null",
        "7",
        "\"x\"",
        "[",
        "{",
        "{\"a\"",
        "[1,2]",
        "[[]]",
        "[null]",
        "{}{",
        "NaN",
        "{\"a\":1e999}",
        "\u{0}",
        "{\"rule\":\"\\ud800\"}",
        &abyss,
        &closed,
        &format!("{{\"output_fields\":{{\"a\":{closed}}}}}"),
        &format!("{{\"{}\":1}}", "k".repeat(100_000)),
    ];
    for body in bodies {
        let status = door.post(body.to_owned()).await.status();
        let shown: String = body.chars().take(40).collect();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{shown}");
    }
    assert_eq!(door.metric(r#"saker_ingest_rejected_total{reason="panic"}"#), 0);
    assert_eq!(door.told(ALERT).await, "200 accepted 1");
}

#[tokio::test]
async fn an_alert_nested_as_deep_as_can_be_is_kept_readable() {
    let door = Door::open(IngestConfig::default()).await;
    for depth in (28..36).chain(110..130) {
        let nested = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let line = ALERT.replace("\"bash\"", &nested);
        let status = door.post(line).await.status();
        assert!([200, 400].contains(&status.as_u16()), "{depth}: {status}");
    }
    // Whatever was acknowledged must be readable again: this panics if a record is not.
    assert!(!door.alerts().is_empty());
}
