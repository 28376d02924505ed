//! Real alerts, from the rule that fires to the person who is told that it is over.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{extract::State, routing::get};
use e2e::{Alertmanager, Folder, Http, Prometheus, Router, Webhook, eventually};
use jiff::Timestamp;
use serde_json::Value;

use super::{router, told};

const RULES: &str = r#"
groups:
- name: test
  rules:
  - alert: TooHot
    expr: temperature > 40
    labels: { severity: page, team: kiln }
    annotations: { summary: "It has {{ $value }} degrees" }
"#;

/// Something to watch.
struct Kiln {
    http: Http,
    temperature: Arc<AtomicU64>,
}

impl Kiln {
    fn start() -> Self {
        let temperature = Arc::new(AtomicU64::new(20));
        let show = async |State(temperature): State<Arc<AtomicU64>>| {
            format!("temperature {}\n", temperature.load(Ordering::Relaxed))
        };
        let routes = axum::Router::new().route("/metrics", get(show));
        let http = Http::serve(routes.with_state(Arc::clone(&temperature)));
        Self { http, temperature }
    }

    fn heat(&self, degrees: u64) {
        self.temperature.store(degrees, Ordering::Relaxed);
    }
}

/// Waits until the webhook was told something, and returns it.
#[track_caller]
fn heard(webhook: &Webhook, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || {
        let all = told(webhook);
        all.iter().find(|it| is_it(it)).cloned().ok_or_else(|| format!("{all:#?}"))
    })
}

fn is_over(notification: &Value) -> bool {
    notification["state"] == "closed" && notification["findings"][0]["ended"].is_string()
}

/// Returns how many alerts were suppressed for this reason since the router started.
fn suppressed(router: &Router, reason: &str) -> u64 {
    let name = format!("saker_pipeline_alerts_suppressed_total{{reason=\"{reason}\"}} ");
    let metrics = router.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.expect("the metric").parse().unwrap()
}

#[test]
fn a_rule_of_prometheus_fires_through_the_router_and_is_over() {
    let (webhook, kiln, folder) = (Webhook::start(), Kiln::start(), Folder::new("rules"));
    let mut router = router(&webhook);
    let rules = folder.write("rules.yml", RULES);
    let targets = [("kiln", kiln.http.address.to_string())];
    let _prometheus = Prometheus::start_paging(&targets, &rules, &router.ingest.address());

    kiln.heat(50);
    let notification = heard(&webhook, "the alert is told", |it| it["state"] == "open");
    let finding = &notification["findings"][0];
    assert_eq!(finding["ended"], Value::Null);
    let sample = &finding["sample"];
    assert_eq!((&sample["rule"], &sample["priority"]), (&"TooHot".into(), &"Critical".into()));
    assert_eq!(sample["output"], "It has 50 degrees");
    assert_eq!(sample["fields"]["label.team"], "kiln");
    assert_eq!(sample["fields"]["label.job"], "kiln");

    // What Prometheus sends again is told no second time, and a power cut changes nothing.
    router.kill();
    router.restart();
    eventually("Prometheus sends it again", || match suppressed(&router, "duplicate") {
        0 => Err("no duplicate yet"),
        _ => Ok(()),
    });
    let open = told(&webhook).iter().filter(|it| it["sequence"] != 1).count();
    assert_eq!(open, 0, "{:#?}", told(&webhook));

    kiln.heat(20);
    let notification = heard(&webhook, "the end is told", is_over);
    assert_eq!(notification["findings_count"], 1);
    let status = ask(&router.api_url("/api/v1/status"));
    assert_eq!(status["ledger_error"], Value::Null);
    assert_eq!(status["counts"]["groups"], 0);
}

#[test]
fn an_alertmanager_hands_on_what_fires_and_what_is_over() {
    let webhook = Webhook::start();
    let router = router(&webhook);
    let alertmanager = Alertmanager::start_telling(&router.ingest_url("/alertmanager"));
    let add = |arguments: &[&str]| {
        let mut amtool = Command::new("amtool");
        amtool.arg(format!("--alertmanager.url={}", alertmanager.url()));
        let output = amtool.args(["alert", "add", "HandedOn"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    add(&["severity=warning"]);
    let notification = heard(&webhook, "it is told", |it| it["state"] == "open");
    assert_eq!(notification["findings"][0]["sample"]["rule"], "HandedOn");
    assert_eq!(notification["priority"], "Warning");
    // At least the second that Alertmanager waits with the first notification has passed.
    add(&["severity=warning", &format!("--end={:.0}", Timestamp::now())]);
    heard(&webhook, "its end is told", is_over);
}

fn ask(url: &str) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        service::tls::install_crypto_provider();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.get(url).send().await.unwrap().json().await.unwrap()
    })
}
