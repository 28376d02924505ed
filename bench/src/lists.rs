//! How long the API takes for a part of a list at 100,000 findings, each in a group of its own.

use std::time::{Duration, Instant};

use crate::{
    load::{Connection, alert},
    percentile,
    processes::{Router, get, wait_until},
    say,
};

const FINDINGS: u64 = 100_000;
/// Distinct alerts the load generator knows.
const DISTINCT: u64 = 26 * 26 * 26;
const BATCH: u64 = 500;
const ASKED: usize = 200;
/// Nobody is told while this measures.
const ROUTES: &str = "  - { outputs: [sink], group_by: [rule, k8s.ns.name], group_wait: 1h, \
                      group_interval: 1h, storm: false }";
const LISTS: [&str; 6] = [
    "/api/v1/findings",
    "/api/v1/findings?limit=1000",
    "/api/v1/findings?rule=none",
    "/api/v1/groups",
    "/api/v1/deadletters",
    "/api/v1/silences",
];

pub(crate) fn run() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let outputs =
        format!("  sink: {{ file: {{ path: {} }} }}", folder.path().join("sink.jsonl").display());
    let router = Router::start(folder.path(), &outputs, ROUTES)?;
    fill(&router)?;
    say("ms of a part of a list                  p50    p99    max");
    for path in LISTS {
        let mut times = Vec::with_capacity(ASKED);
        for _ in 0..ASKED {
            let began = Instant::now();
            get(router.api, path)?;
            times.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        times.sort_by(f64::total_cmp);
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| percentile(&times, share));
        say(format_args!("{path:<36}  {p50:>5.1}  {p99:>5.1}  {max:>5.1}"));
    }
    whole(&router)
}

fn fill(router: &Router) -> anyhow::Result<()> {
    let mut connection = Connection::open(router.input, "/")?;
    for first in (0..FINDINGS).step_by(BATCH as usize) {
        let mut body = String::new();
        for number in first..first + BATCH {
            let namespace = format!(r#""k8s.ns.name":"team-{}","container.id""#, number / DISTINCT);
            body += &alert(number, DISTINCT).replace(r#""container.id""#, &namespace);
            body.push('\n');
        }
        anyhow::ensure!(connection.post(body.as_bytes())? == 200, "the router refused a batch");
    }
    wait_until("all are findings", Duration::from_secs(120), || {
        let status: serde_json::Value = serde_json::from_str(&get(router.api, "/api/v1/status")?)?;
        Ok(status["counts"]["findings"] == FINDINGS && status["counts"]["groups"] == FINDINGS)
    })
}

/// Reads all findings part by part.
fn whole(router: &Router) -> anyhow::Result<()> {
    let (began, mut parts, mut findings) = (Instant::now(), 0, 0);
    let mut path = "/api/v1/findings?limit=1000".to_owned();
    loop {
        let list: serde_json::Value = serde_json::from_str(&get(router.api, &path)?)?;
        parts += 1;
        findings += list["items"].as_array().map_or(0, Vec::len);
        let Some(next) = list["next"].as_str() else { break };
        path = format!("/api/v1/findings?limit=1000&cursor={next}");
    }
    let seconds = began.elapsed().as_secs_f64();
    say(format_args!("all {findings} findings in {parts} parts: {seconds:.1} s"));
    Ok(())
}
