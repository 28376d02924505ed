//! One run all tests look at: a router with an output that works and one that fails, an agent
//! where there is the right to have one, and a Prometheus that scrapes them and evaluates the rules.

use std::{fs, io::Write, sync::OnceLock};

use e2e::{Agent, Folder, Port, Prometheus, Responder, Router, Webhook, eventually};
use serde_json::json;

use crate::queries;

/// The output whose destination is not there.
pub(crate) const FAILING: &str = "away";

/// The rule that raised one alert only.
pub(crate) const ONCE: &str = "Shell in a container";

/// The output whose destination asks for time.
pub(crate) const THROTTLED: &str = "busy";
/// The time it asks for, in seconds.
pub(crate) const ASKED_S: u32 = 600;

pub(crate) struct Run {
    pub(crate) router: Router,
    pub(crate) agent: Option<Agent>,
    pub(crate) responder: Responder,
    pub(crate) prometheus: Prometheus,
    _webhooks: [Webhook; 2],
    _nobody: Port,
    _rules: Folder,
}

impl Run {
    /// Returns the programs that run, each with what it exposes now. One more is one more line.
    pub(crate) fn targets(&self) -> Vec<(&'static str, String)> {
        let mut targets = vec![
            ("saker-router", self.router.metrics()),
            ("saker-responder", self.responder.metrics()),
        ];
        targets.extend(self.agent.as_ref().map(|agent| ("saker-agent", agent.metrics())));
        targets
    }
}

/// Returns the run, begun by the first test that asks.
pub(crate) fn run() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(start)
}

fn start() -> Run {
    let (webhook, busy, nobody) = (Webhook::start(), Webhook::start(), Port::reserve());
    busy.fail_next(429, Some(ASKED_S));
    let router = Router::start(
        &json!({
            "works": { "webhook": {
                "url": webhook.url(),
                "signing_secrets": [Webhook::SECRET],
            } },
            THROTTLED: { "webhook": {
                "url": busy.url(),
                "signing_secrets": [Webhook::SECRET],
            } },
            FAILING: {
                "webhook": { "url": format!("http://{}/", nobody.address()) },
                "retry": { "delay_min": "100ms", "delay_max": "200ms", "failures_max": 1000 },
            },
        }),
        &json!([{ "group_by": ["rule"], "group_wait": "0s", "group_interval": "1s" }]),
    );
    let root = rustix::process::geteuid().is_root();
    assert!(root || std::env::var_os("CI").is_none(), "CI must have root");
    if !root {
        let notice = "\n*** SKIPPED: the agent's metrics, as watching the kernel needs root ***\n";
        std::io::stderr().write_all(notice.as_bytes()).unwrap();
    }
    let agent = root.then(|| Agent::start(&router, &[]));

    let rules = Folder::new("rules");
    let text = fs::read_to_string(queries::folder().join("prometheus/rules.yaml")).unwrap();
    // A condition that holds for two seconds is enough here.
    let hurried = text.lines().map(|line| match line.split_once("for: ") {
        Some((indent, _)) if indent.trim().is_empty() => format!("{indent}for: 2s\n"),
        _ => format!("{line}\n"),
    });
    let rules_file = rules.write("rules.yaml", hurried.collect::<String>());
    let responder = Responder::start(&json!({}));
    let mut targets =
        vec![("saker-router", router.api.address()), ("saker-responder", responder.api.address())];
    targets.extend(agent.as_ref().map(|agent| ("saker-agent", agent.admin.address())));
    let prometheus = Prometheus::start_with_rules(&targets, &rules_file);
    // What Prometheus sees first is where counting begins.
    eventually("the first scrape", || match prometheus.ask("saker_ingest_alerts_total") {
        Ok(series) if !series.is_empty() => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let pod = ["k8s.ns.name=shop", "k8s.pod.name=web-0"];
    router.send(ONCE, "critical", &pod);
    router.send("Odd download", "warning", &[]);
    router.send("Odd download", "warning", &[]);
    let (_webhooks, _nobody, _rules) = ([webhook, busy], nobody, rules);
    Run { router, agent, responder, prometheus, _webhooks, _nobody, _rules }
}
