//! Against the real Alertmanager; passes over when it is not installed and `CI` is not set.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use alert::{GroupState, Notification};
use jiff::{SignedDuration, Timestamp};
use outputs::{BuildContext, Delivery, DeliveryError, Output, Parts, kind};
use serde_json::{Value, json};
use templates::samples;

struct Alertmanager {
    process: Child,
    url: String,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).unwrap();
    }
}

impl Alertmanager {
    /// Starts one on a free port; `None` when it is not installed.
    async fn start() -> Option<Self> {
        service::tls::install_crypto_provider();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("alertmanager.yml");
        std::fs::write(&config, "route: { receiver: none }\nreceivers: [{ name: none }]\n")
            .unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let spawned = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = match spawned {
            Ok(process) => process,
            Err(error) if std::env::var_os("CI").is_none() => {
                eprintln!("passed over: prometheus-alertmanager: {error}");
                return None;
            }
            Err(error) => panic!("prometheus-alertmanager: {error}"),
        };
        let http =
            reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build().unwrap();
        let started = Self { process, url: format!("http://{address}"), http, _folder: folder };
        let limit = Instant::now() + Duration::from_secs(20);
        while !started.is_ready().await {
            assert!(Instant::now() < limit, "Alertmanager is not ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Some(started)
    }

    async fn is_ready(&self) -> bool {
        let answer = self.http.get(format!("{}/-/ready", self.url)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Returns the active alerts.
    async fn alerts(&self) -> Vec<Value> {
        let url = format!("{}/api/v2/alerts", self.url);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Waits until so many alerts are active.
    async fn left(&self, number: usize) {
        let limit = Instant::now() + Duration::from_secs(20);
        while self.alerts().await.len() != number {
            assert!(Instant::now() < limit, "{:#?}", self.alerts().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn deliver(url: &str, notification: &Notification) -> Result<(), DeliveryError> {
    let kind = kind("alertmanager").unwrap();
    let config = json!({ "urls": [url], "labels": { "cluster": "eu-1" } });
    let mut config = <dyn erased_serde::Deserializer<'_>>::erase(&config);
    let context = BuildContext {
        output: "test".into(),
        directory: PathBuf::from("/"),
        attempt_timeout: Duration::from_secs(10),
    };
    let output: std::sync::Arc<dyn Output> =
        (kind.parse)(&mut config).unwrap().build(&context).unwrap();
    let engine = templates::Engine::builtin(kind.parts).unwrap();
    let parts = Parts::from(engine.render(notification));
    let delivery = Delivery { notification, parts: &parts, previous: None, attempt: 1 };
    output.deliver(&delivery).await.map(|_| ())
}

/// The sample as if it happened now, which Alertmanager would otherwise find long over.
fn now(mut notification: Notification) -> Notification {
    notification.created = Timestamp::now();
    for finding in &mut notification.findings {
        finding.first_seen = notification.created - SignedDuration::from_secs(60);
    }
    notification
}

#[tokio::test]
async fn a_finding_becomes_an_alert_and_is_resolved_when_its_group_closes() {
    let Some(server) = Alertmanager::start().await else { return };
    let mut notification = now(samples::grouped());
    deliver(&server.url, &notification).await.unwrap();
    let alerts = server.alerts().await;
    assert_eq!(alerts.len(), 3);
    let shell = alerts.iter().find(|a| a["labels"]["alertname"] == "Shell in a container").unwrap();
    assert_eq!(shell["labels"]["cluster"], "eu-1");
    assert_eq!(shell["labels"]["k8s_ns_name"], "payments");
    assert_eq!(shell["labels"]["priority"], "Warning");
    assert_eq!(shell["annotations"]["count"], "37");
    assert_eq!(shell["status"]["state"], "active");

    // An update is the same alerts, not more.
    notification.created = Timestamp::now();
    deliver(&server.url, &notification).await.unwrap();
    assert_eq!(server.alerts().await.len(), 3);

    // What has ended is over there too, while the others go on.
    notification.findings[0].ended = Some(Timestamp::now());
    deliver(&server.url, &notification).await.unwrap();
    server.left(2).await;

    notification.created = Timestamp::now();
    notification.state = GroupState::Closed;
    deliver(&server.url, &notification).await.unwrap();
    server.left(0).await;
}

#[tokio::test]
async fn every_sample_is_taken() {
    let Some(server) = Alertmanager::start().await else { return };
    for (name, sample) in samples::all() {
        // As they are, with times of every age, and as if they happened now.
        deliver(&server.url, &sample).await.expect(name);
        let sample = now(sample);
        deliver(&server.url, &sample).await.expect(name);
        if sample.state == GroupState::Open {
            let fingerprints: Vec<String> =
                sample.findings.iter().map(|f| f.fingerprint.to_string()).collect();
            let alerts = server.alerts().await;
            for fingerprint in fingerprints {
                assert!(
                    alerts.iter().any(|a| a["labels"]["fingerprint"] == *fingerprint),
                    "{name}"
                );
            }
        }
    }
}
