//! What each kind sends or writes for each sample, as reviewed text. `UPDATE_EXPECT=1` accepts.
//!
//! Kafka's and e-mail's golden files are tested beside those kinds.

use std::fmt::Write as _;

use alert::{GroupState, Notification};
use expect_test::expect_file;
use serde_json::{Value, json};
use templates::samples;

use crate::peer::{Configured, Peer, Request, answer};

/// Longest line of a golden file, in characters.
const LINE_CHARS_MAX: usize = 1_000;

fn check(kind: &str, case: &str, text: &str) {
    let mut bounded = String::new();
    for line in text.lines() {
        match line.char_indices().nth(LINE_CHARS_MAX) {
            Some((end, _)) => {
                let more = line[end..].chars().count();
                writeln!(bounded, "{}⟨{more} more characters⟩", &line[..end]).unwrap();
            }
            None => writeln!(bounded, "{line}").unwrap(),
        }
    }
    expect_file![format!("../golden/{kind}/{case}.txt")].assert_eq(&bounded);
}

/// Prints requests as HTTP, with JSON indented and what differs between runs left out.
fn print(requests: &[Request]) -> String {
    let mut text = String::new();
    for request in requests {
        writeln!(text, "{} {}", request.method, request.path).unwrap();
        for (name, value) in &request.headers {
            let value = match name.as_str() {
                "host" | "content-length" | "accept-encoding" | "accept" => continue,
                "webhook-timestamp" | "webhook-signature" | "user-agent" => "…",
                _ => value.to_str().unwrap(),
            };
            writeln!(text, "{name}: {value}").unwrap();
        }
        writeln!(text, "\n{}\n", serde_json::to_string_pretty(&request.json()).unwrap()).unwrap();
    }
    text
}

async fn sent(kind: &str, config: Value, peer: &Peer, sample: &Notification) -> String {
    let output = Configured::new(kind, &config);
    let receipt = output.deliver(sample, None).await.unwrap();
    // What comes later in a group's life follows its first message.
    if sample.sequence > 1 || sample.state == GroupState::Closed {
        output.deliver(sample, Some(&receipt)).await.unwrap();
    }
    print(&peer.take())
}

#[tokio::test]
async fn slack() {
    let taken = r#"{"ok": true, "channel": "C1", "ts": "1700000000.000001"}"#;
    let peer = Peer::start(move |_| answer(200, taken)).await;
    let bot = json!({ "api_url": peer.url(), "token": "xoxb-golden", "channel": "#soc" });
    for (case, sample) in samples::all() {
        check("slack", case, &sent("slack", bot.clone(), &peer, &sample).await);
    }
    let webhook = json!({ "webhook_url": format!("{}/services/T0/B0/x", peer.url()) });
    check("slack", "webhook", &sent("slack", webhook, &peer, &samples::typical()).await);
}

#[tokio::test]
async fn webhook() {
    let peer = Peer::start(|_| answer(204, "")).await;
    let config = json!({
        "url": format!("{}/hook", peer.url()),
        "headers": { "x-team": "soc" },
        "signing_secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "body_bytes_max": "16KiB",
    });
    for (case, sample) in samples::all() {
        check("webhook", case, &sent("webhook", config.clone(), &peer, &sample).await);
    }
}

#[tokio::test]
async fn alertmanager() {
    let peer = Peer::start(|_| answer(200, "")).await;
    let config = json!({ "urls": [peer.url()], "labels": { "cluster": "eu-1" } });
    for (case, mut sample) in samples::all() {
        // One of the huge findings says all that twenty do.
        sample.findings.truncate(3);
        check("alertmanager", case, &sent("alertmanager", config.clone(), &peer, &sample).await);
    }
}

#[tokio::test]
async fn file() {
    let folder = tempfile::tempdir().unwrap();
    for (case, sample) in samples::all() {
        let mut text = String::new();
        for format in ["human", "json"] {
            let path = folder.path().join(format!("{case}.{format}"));
            let config = json!({ "path": path, "format": format, "time_zone": "UTC" });
            Configured::new("file", &config).deliver(&sample, None).await.unwrap();
            text += &std::fs::read_to_string(&path).unwrap();
        }
        check("file", case, &text);
    }
}

#[test]
fn stdout() {
    use crate::{
        Delivery, Format, Parts,
        human::{Date, Line},
        lines::Lines,
    };

    let zone = jiff::tz::TimeZone::UTC;
    for (case, sample) in samples::all() {
        let mut text = String::new();
        for color in [false, true] {
            let line = Line { color, width_max: None, zone: zone.clone(), date: Date::Without };
            let lines = Lines { format: Format::Human, line };
            let parts = Parts::default();
            let delivery =
                Delivery { notification: &sample, parts: &parts, previous: None, attempt: 1 };
            let printed = String::from_utf8(lines.print(&delivery).unwrap()).unwrap();
            // So that a person can review them.
            text += &printed.replace('\u{1b}', "␛");
        }
        check("stdout", case, &text);
    }
}
