//! What every HTTP kind must do, tried against a real server.

use std::time::Duration;

use axum::{body::Body, http::Response};
use serde_json::{Value, json};
use templates::samples;
use tokio::{
    io::AsyncReadExt as _,
    net::TcpListener,
    time::{Instant, timeout},
};

use crate::{
    DeliveryError, Receipt,
    peer::{Configured, Peer, Request, answer},
};

/// What no error may show, in every place a configuration can hold it.
const SECRET: &str = "s3cr3t-Value-0123456789";

/// An HTTP kind, configured with secrets for a server.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    kind: &'static str,
    config: fn(&str) -> Value,
    /// What the destination answers when it takes a notification.
    success: fn() -> Response<Body>,
}

const CASES: [Case; 4] = [
    Case {
        name: "slack webhook",
        kind: "slack",
        config: |url| json!({ "webhook_url": format!("{url}/services/T0/B0/{SECRET}") }),
        success: || answer(200, "ok"),
    },
    Case {
        name: "slack bot",
        kind: "slack",
        config: |url| json!({ "api_url": url, "token": SECRET, "channel": "#soc" }),
        success: || answer(200, r#"{"ok": true, "channel": "C1", "ts": "1.2"}"#),
    },
    Case {
        name: "webhook",
        kind: "webhook",
        config: |url| {
            json!({
                "url": format!("{}/hook?key={SECRET}", url.replace("://", &format!("://u:{SECRET}@"))),
                "headers": { "Authorization": format!("Bearer {SECRET}") },
                "signing_secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
            })
        },
        success: || answer(204, ""),
    },
    Case {
        name: "alertmanager",
        kind: "alertmanager",
        config: |url| json!({ "urls": [format!("{url}/{SECRET}")] }),
        success: || answer(200, ""),
    },
];

impl Case {
    fn output(&self, url: &str, attempt_timeout: Duration) -> Configured {
        Configured::with_timeout(self.kind, &(self.config)(url), attempt_timeout)
    }

    async fn attempt(&self, url: &str) -> Result<Receipt, DeliveryError> {
        self.output(url, Duration::from_secs(10)).deliver(&samples::typical(), None).await
    }

    /// Returns the error a peer with this answer leads to; it never holds a secret, although the
    /// peer repeats everything it was sent.
    async fn refused(
        &self,
        status: u16,
        headers: &[(&'static str, &'static str)],
    ) -> DeliveryError {
        let headers = headers.to_vec();
        let peer = Peer::start(move |request| {
            let mut response = answer(status, echo(request));
            for (name, value) in &headers {
                response.headers_mut().insert(*name, value.parse().unwrap());
            }
            response
        })
        .await;
        let error = self.attempt(&peer.url()).await.expect_err(self.name);
        self.no_secret(&error);
        error
    }

    fn no_secret(&self, error: &DeliveryError) {
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains(SECRET), "{}: {text}", self.name);
            assert!(!text.contains("LaLaSw"), "{}: {text}", self.name);
            assert!(text.chars().count() < 600, "{}: {text}", self.name);
        }
    }
}

fn echo(request: &Request) -> String {
    format!("{} {:?} {}", request.path, request.headers, "\u{1b}[31m long ".repeat(200))
}

fn retry_after(error: &DeliveryError) -> Option<Option<Duration>> {
    match error {
        DeliveryError::Unavailable { retry_after, .. } => Some(*retry_after),
        _ => None,
    }
}

#[tokio::test]
async fn a_success_gives_a_receipt() {
    for case in CASES {
        let peer = Peer::start(move |_| (case.success)()).await;
        case.attempt(&peer.url()).await.expect(case.name);
        assert_eq!(peer.take().len(), 1, "{}", case.name);
    }
}

#[tokio::test]
async fn too_many_requests_keeps_what_the_peer_asks_us_to_wait() {
    for case in CASES {
        let error = case.refused(429, &[("retry-after", "7")]).await;
        assert_eq!(retry_after(&error), Some(Some(Duration::from_secs(7))), "{}", case.name);
        let dates = [
            ("date", "Sun, 06 Nov 1994 08:49:07 GMT"),
            ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ];
        let error = case.refused(503, &dates).await;
        assert_eq!(retry_after(&error), Some(Some(Duration::from_secs(30))), "{}", case.name);
    }
}

#[tokio::test]
async fn a_peer_in_trouble_is_unavailable() {
    for case in CASES {
        for status in [408, 425, 500, 502, 503, 504] {
            let error = case.refused(status, &[]).await;
            assert_eq!(retry_after(&error), Some(None), "{} {status}: {error}", case.name);
        }
    }
}

#[tokio::test]
async fn a_notification_the_peer_refuses_is_rejected() {
    for case in CASES {
        for status in [400, 409, 422, 501] {
            let error = case.refused(status, &[]).await;
            let rejected = matches!(error, DeliveryError::Rejected { .. });
            assert!(rejected, "{} {status}: {error}", case.name);
            assert!(error.to_string().contains(&status.to_string()), "{error}");
        }
    }
}

#[tokio::test]
async fn wrong_credentials_or_a_dead_address_are_denied() {
    for case in CASES {
        for status in [401, 403, 407, 410] {
            let error = case.refused(status, &[]).await;
            let denied = match error {
                DeliveryError::Denied { .. } => status != 410,
                DeliveryError::Gone { .. } => status == 410,
                _ => false,
            };
            assert!(denied, "{} {status}: {error}", case.name);
        }
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    for case in CASES {
        let elsewhere = Peer::start(move |_| (case.success)()).await;
        let location = format!("{}/stolen", elsewhere.url());
        let peer = Peer::start(move |_| {
            let mut response = answer(307, "");
            response.headers_mut().insert("location", location.parse().unwrap());
            response
        })
        .await;
        let error = case.attempt(&peer.url()).await.expect_err(case.name);
        assert!(matches!(error, DeliveryError::Denied { .. }), "{}: {error}", case.name);
        assert_eq!(elsewhere.take().len(), 0, "{}", case.name);
    }
}

#[tokio::test]
async fn a_redirect_on_the_same_host_keeps_the_body() {
    for case in CASES {
        let peer = Peer::start(move |request| {
            if request.path.contains("moved") {
                return (case.success)();
            }
            let mut response = answer(308, "");
            response.headers_mut().insert("location", "/moved".parse().unwrap());
            response
        })
        .await;
        case.attempt(&peer.url()).await.expect(case.name);
        let requests = peer.take();
        assert_eq!(requests[0].body, requests[1].body, "{}", case.name);
    }
}

#[tokio::test]
async fn a_peer_that_never_answers_is_unavailable_in_time() {
    for case in CASES {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let output = case.output(&url, Duration::from_millis(200));
        let start = Instant::now();
        let error = output.deliver(&samples::typical(), None).await.expect_err(case.name);
        assert_eq!(retry_after(&error), Some(None), "{}: {error}", case.name);
        assert!(start.elapsed() < Duration::from_secs(5), "{}", case.name);
        case.no_secret(&error);
    }
}

#[tokio::test]
async fn a_peer_that_resets_or_refuses_the_connection_is_unavailable() {
    for case in CASES {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let resetting = tokio::spawn(async move {
            // Dropped with unread bytes, a socket answers with a reset.
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.read_exact(&mut [0; 8]).await.unwrap();
        });
        let error = case.attempt(&url).await.expect_err(case.name);
        assert_eq!(retry_after(&error), Some(None), "{}: {error}", case.name);
        case.no_secret(&error);
        resetting.await.unwrap();
        let error = case.attempt(&url).await.expect_err(case.name);
        assert!(error.to_string().contains("failed to connect"), "{}: {error}", case.name);
        case.no_secret(&error);
    }
}

#[tokio::test]
async fn an_abandoned_attempt_leaves_nothing_behind() {
    for case in CASES {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let output = case.output(&url, Duration::from_secs(60));
        let notification = samples::typical();
        let attempt = output.deliver(&notification, None);
        let accepted = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.read_exact(&mut [0; 8]).await.unwrap();
            socket
        };
        let mut socket = tokio::select! {
            outcome = attempt => panic!("{}: nobody answered, yet {outcome:?}", case.name),
            socket = accepted => socket,
        };
        // The connection ends, with all that was still to be sent.
        let rest = timeout(Duration::from_secs(10), socket.read_to_end(&mut Vec::new())).await;
        assert!(rest.is_ok(), "{}: the connection is still open", case.name);
    }
}

#[tokio::test]
async fn an_answer_without_end_is_read_to_a_bound() {
    for case in CASES {
        let peer = Peer::start(|_| answer(500, vec![b'x'; 32 << 20])).await;
        let error = case.attempt(&peer.url()).await.expect_err(case.name);
        case.no_secret(&error);
    }
}
