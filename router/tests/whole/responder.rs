//! The feed to the responder: over mutual TLS, in order, at least once, and never in the way.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Extension, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use service::{
    server::{Connections, PeerNames, ServerLimits, serve},
    shutdown::Shutdown,
    tls::{Acceptor, ServerTls},
};
use tokio::net::TcpListener;

use crate::harness::{Router, Site, alert, eventually, filler, id};

/// Decides how a batch is answered.
type Answer = fn(&[Value]) -> Option<StatusCode>;

/// A responder that writes down what it takes, at an address that is kept while it is away.
struct Responder {
    address: SocketAddr,
    shutdown: Option<Shutdown>,
    heard: Arc<Heard>,
}

struct Heard {
    answer: Mutex<Answer>,
    lines: Mutex<Vec<Line>>,
}

#[derive(Clone)]
struct Line {
    line: Value,
    /// Who brought it.
    sender: String,
    after: Duration,
}

fn take(_: &[Value]) -> Option<StatusCode> {
    Some(StatusCode::OK)
}

impl Responder {
    /// Makes the certificates in the site's folder, and an address nobody listens at yet.
    async fn new(site: &Site) -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(parameters, key).unwrap();
        std::fs::write(site.path("ca.pem"), authority.pem()).unwrap();
        let names = [
            ("server", vec!["saker-responder".to_owned(), "127.0.0.1".to_owned()]),
            ("router", vec!["saker-router".to_owned()]),
        ];
        for (file, names) in names {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(names).unwrap();
            let certificate = certificate.signed_by(&key, &authority).unwrap();
            std::fs::write(site.path(&format!("{file}.pem")), certificate.pem()).unwrap();
            std::fs::write(site.path(&format!("{file}.key")), key.serialize_pem()).unwrap();
        }
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let heard = Heard { answer: Mutex::new(take), lines: Mutex::default() };
        Self { address, shutdown: None, heard: Arc::new(heard) }
    }

    /// Listens.
    async fn come(&mut self, site: &Site) {
        let files = ServerTls {
            certificate: site.path("server.pem"),
            key: site.path("server.key"),
            client_ca: Some(site.path("ca.pem")),
        };
        let acceptor = Arc::new(Acceptor::new(files).unwrap());
        let listener = TcpListener::bind(self.address).await.unwrap();
        let routes = axum::Router::new()
            .route("/v1/alerts", post(receive))
            .with_state(Arc::clone(&self.heard));
        let shutdown = Shutdown::new();
        let server = serve(
            listener,
            Some(acceptor),
            routes,
            ServerLimits::default(),
            Connections::default(),
            shutdown.clone(),
        );
        shutdown.spawn("responder", server);
        self.shutdown = Some(shutdown);
    }

    fn answer(&self, answer: Answer) {
        *self.heard.answer.lock().unwrap() = answer;
    }

    /// Returns the router's part of a configuration.
    fn config(&self, more: &str) -> String {
        format!(
            "  responder: {{ url: 'https://{}', ca: DIR/ca.pem, certificate: DIR/router.pem, \
             key: DIR/router.key, timeout: 2s{more} }}\n\
             outputs: {{ log: {{ file: {{ path: DIR/alerts.jsonl }} }} }}\n",
            self.address
        )
    }

    fn lines(&self) -> Vec<Line> {
        self.heard.lines.lock().unwrap().clone()
    }

    fn rules(&self) -> Vec<String> {
        let rule = |line: &Line| line.line["alert"]["rule"].as_str().unwrap().to_owned();
        self.lines().iter().map(rule).collect()
    }

    async fn has(&self, count: usize) -> Vec<Line> {
        eventually("the responder has the alerts", async || {
            let lines = self.lines();
            (lines.len() >= count).then_some(lines)
        })
        .await
    }
}

async fn receive(
    State(heard): State<Arc<Heard>>,
    Extension(names): Extension<PeerNames>,
    body: String,
) -> impl IntoResponse {
    let now = jiff::Timestamp::now();
    let lines: Vec<Value> = body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answer = *heard.answer.lock().unwrap();
    let Some(status) = answer(&lines) else { return std::future::pending().await };
    if status == StatusCode::OK {
        let sender = names.first().unwrap_or("nobody").to_owned();
        heard.lines.lock().unwrap().extend(lines.iter().map(|line| {
            let received: jiff::Timestamp =
                line["alert"]["received"].as_str().unwrap().parse().unwrap();
            let after = Duration::try_from(now.duration_since(received)).unwrap_or_default();
            Line { line: line.clone(), sender: sender.clone(), after }
        }));
    }
    (status, format!("{{\"accepted\":{}}}", lines.len()))
}

async fn skipped(router: &Router) -> u64 {
    router.status().await.responder.unwrap().skipped
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_reach_the_responder_in_order_at_once_and_with_their_silence() {
    let site = Site::new("");
    let mut responder = Responder::new(&site).await;
    responder.come(&site).await;
    site.configure(&responder.config(", match: 'priority >= Warning and score >= 0'"));
    let router = site.start();
    let silence = serde_json::json!({
        "match": "rule = Quiet", "duration": "1h", "author": "ann", "comment": "known",
    });
    let added = router.request(reqwest::Method::POST, "/api/v1/silences", &silence).await;
    assert_eq!(added.status(), 201);
    let rules = ["Loud", "Quiet", "Loud", "Small", "Loud"];
    let mut sent = Vec::new();
    for round in 0..20 {
        let alerts: Vec<_> = rules
            .iter()
            .map(|rule| {
                let priority = if *rule == "Small" { "Notice" } else { "Critical" };
                alert(rule, priority, &format!("w{round}"))
            })
            .collect();
        assert_eq!(router.send(&alerts).await, 200);
        let wanted = alerts.iter().filter(|alert| alert["rule"] != "Small");
        sent.extend(wanted.map(|alert| id(alert).to_owned()));
        // One after the other: what is measured is the way, not the queue.
        responder.has(sent.len()).await;
    }
    let lines = responder.lines();
    let ids: Vec<_> = lines.iter().map(|line| line.line["alert"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids, sent);
    let sequences: Vec<_> =
        lines.iter().map(|line| line.line["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    for line in &lines {
        assert_eq!(line.sender, "saker-router");
        let is_quiet = line.line["alert"]["rule"] == "Quiet";
        assert_eq!(line.line["silenced"].is_string(), is_quiet, "{}", line.line);
    }
    let mut after: Vec<_> = lines.iter().map(|line| line.after).collect();
    after.sort();
    eprintln!("accepted to responder: p50 {:?}, max {:?}", after[after.len() / 2], after.last());
    let explained: Value = router.get(&format!("/api/v1/explain/{}", sent[0])).await;
    assert!(explained["responder_took"].is_string(), "{explained}");
    let status = router.status().await.responder.unwrap();
    assert_eq!((status.sent, status.skipped, status.last_error), (sent.len() as u64, 0, None));
    assert_eq!(router.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_reaches_the_responder_however_often_the_router_is_killed() {
    let site = Site::new("");
    let mut responder = Responder::new(&site).await;
    responder.come(&site).await;
    site.configure(&responder.config(", batch_alerts_max: 7"));
    responder.answer(|lines| match lines[0]["sequence"].as_u64().unwrap() % 5 {
        0 => Some(StatusCode::SERVICE_UNAVAILABLE),
        _ => Some(StatusCode::OK),
    });
    let mut acknowledged = Vec::new();
    for round in 0_u64..15 {
        let router = site.start();
        let end = Instant::now() + Duration::from_millis(20 + round * 37 % 130);
        while Instant::now() < end {
            let alerts: Vec<_> =
                (0..5).map(|n| alert(&format!("r{n}"), "Warning", "web")).collect();
            assert_eq!(router.send(&alerts).await, 200);
            acknowledged.extend(alerts.iter().map(|alert| id(alert).to_owned()));
        }
        router.kill();
    }
    responder.answer(take);
    let router = site.start();
    let found = |lines: &[Line]| {
        let mut found = Vec::new();
        let mut last = None;
        for line in lines {
            let sequence = line.line["sequence"].as_u64();
            // What comes again is an older one; new ones are in order.
            if sequence > last {
                last = sequence;
                found.push(line.line["alert"]["id"].as_str().unwrap().to_owned());
            }
        }
        found
    };
    eventually("all have come", async || {
        (found(&responder.lines()).len() >= acknowledged.len()).then_some(())
    })
    .await;
    assert_eq!(found(&responder.lines()), acknowledged);
    let again = responder.lines().len() - acknowledged.len();
    eprintln!("{} acknowledged, {again} brought twice", acknowledged.len());
    assert_eq!(router.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_old_while_the_responder_was_away_is_passed_over() {
    let site = Site::new("");
    let mut responder = Responder::new(&site).await;
    site.configure(&responder.config(", age_max: 5s"));
    let router = site.start();
    assert_eq!(
        router.send(&[alert("Old", "Warning", "a"), alert("Old", "Warning", "b")]).await,
        200
    );
    eventually("the old ones are passed over", async || {
        (skipped(&router).await == 2).then_some(())
    })
    .await;
    responder.come(&site).await;
    assert_eq!(router.send(&[alert("New", "Warning", "a")]).await, 200);
    responder.has(1).await;
    assert_eq!(responder.rules(), ["New"]);
    // The responder has it before the router hears that it does.
    eventually("the metrics tell of both", async || {
        let metrics = router.metrics().await;
        let told = [("sent", 1), ("skipped", 2)].iter().all(|(end, count)| {
            let line = format!("saker_router_responder_alerts_total{{end=\"{end}\"}} {count}\n");
            metrics.contains(&line)
        });
        told.then_some(())
    })
    .await;
    assert_eq!(router.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_responder_that_is_away_or_hangs_does_not_hold_the_journal() {
    for hangs in [false, true] {
        let site = Site::new("")
            .with("SAKER_ROUTER__JOURNAL__SEGMENT_BYTES", "1MiB")
            .with("SAKER_ROUTER__JOURNAL__BYTES_MAX", "4MiB");
        let mut responder = Responder::new(&site).await;
        if hangs {
            responder.answer(|_| None);
            responder.come(&site).await;
        }
        site.configure(&responder.config(", age_max: 1h"));
        let router = site.start();
        for _ in 0..30 {
            let batch: Vec<_> = (0..200).map(|_| filler("web", 2000)).collect();
            eventually("there is room again", async || {
                (router.send(&batch).await == 200).then_some(())
            })
            .await;
        }
        assert_eq!(router.settled().await.accepted, 6000);
        assert!(skipped(&router).await > 0);
        responder.answer(take);
        if !hangs {
            responder.come(&site).await;
        }
        assert_eq!(router.send(&[alert("Last", "Notice", "web")]).await, 200);
        eventually("the responder is told again", async || {
            responder.rules().last().is_some_and(|rule| rule == "Last").then_some(())
        })
        .await;
        let status = router.status().await.responder.unwrap();
        assert_eq!(status.sent + status.skipped, 6001, "{status:?}");
        assert_eq!(router.stop().await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_the_responder_refuses_does_not_stand_in_the_way_of_others() {
    let site = Site::new("");
    let mut responder = Responder::new(&site).await;
    responder.answer(|lines| {
        let poisoned = lines.iter().any(|line| line["alert"]["rule"] == "Poison");
        Some(if poisoned { StatusCode::BAD_REQUEST } else { StatusCode::OK })
    });
    responder.come(&site).await;
    site.configure(&responder.config(""));
    let router = site.start();
    let rules = ["A", "B", "Poison", "C", "D"];
    let alerts: Vec<_> = rules.iter().map(|rule| alert(rule, "Warning", "web")).collect();
    assert_eq!(router.send(&alerts).await, 200);
    responder.has(4).await;
    assert_eq!(responder.rules(), ["A", "B", "C", "D"]);
    assert_eq!(skipped(&router).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_changes_what_the_responder_hears_of_and_it_goes_on_where_it_was() {
    let site = Site::new("");
    let mut responder = Responder::new(&site).await;
    responder.come(&site).await;
    site.configure(&responder.config(", match: 'rule = A'"));
    let router = site.start();
    assert_eq!(router.send(&[alert("A", "Warning", "1"), alert("B", "Warning", "1")]).await, 200);
    responder.has(1).await;
    let loaded = router.status().await.config.loaded;
    let reloaded = async |config: &str| {
        site.configure(config);
        router.signal(rustix::process::Signal::HUP);
        eventually("the configuration is in force", async || {
            (router.status().await.config.loaded > loaded).then_some(())
        })
        .await;
    };
    reloaded(&responder.config(", match: 'rule = B'")).await;
    assert_eq!(router.send(&[alert("A", "Warning", "2"), alert("B", "Warning", "2")]).await, 200);
    responder.has(2).await;
    assert_eq!(responder.rules(), ["A", "B"]);
    assert_eq!(responder.lines()[1].line["alert"]["fields"]["k8s.pod.name"], "2");
    // A hanging attempt ends with the router.
    responder.answer(|_| None);
    assert_eq!(router.send(&[alert("B", "Warning", "3")]).await, 200);
    let stopping = Instant::now();
    assert_eq!(router.stop().await, Some(0));
    assert!(stopping.elapsed() < Duration::from_secs(10));
}
