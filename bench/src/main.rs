//! Measures Saker. `make bench` runs everything; `cargo xtask bench NAME …` runs some.
//!
//! Figures are printed as they come; nothing here asserts a time. Machines are noisy: read ratios
//! taken in one run, and medians.

mod alertmanager;
mod delivery;
mod fanout;
mod ingest;
mod journal;
mod latency;
mod lists;
mod load;
mod pipeline;
mod processes;
mod recovery;
mod rule_engine;
mod sensor;

use std::io::Write;

use anyhow::bail;
use clap::Parser;

/// Benchmarks of Saker.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which to run; without any, all but the long ones.
    names: Vec<String>,
}

type Benchmark = (&'static str, &'static str, fn() -> anyhow::Result<()>);

const BENCHMARKS: &[Benchmark] = &[
    (
        "rules",
        "matches per second of the rule engine, against the naive evaluator",
        rule_engine::run,
    ),
    ("pipeline", "alerts per second and bytes per finding of the pipeline alone", pipeline::run),
    (
        "journal",
        "durable records per second of the journal alone, and what packing saves",
        journal::run,
    ),
    ("ingest", "durable alerts per second over HTTP", ingest::run),
    (
        "delivery",
        "deliveries to a webhook that is fast, slow or hangs; loss when stopped",
        delivery::run,
    ),
    ("fanout", "deliveries per second to 1, 10 and 50 webhooks", fanout::run),
    ("latency", "from alert to webhook, at rest and under a flood", latency::run),
    ("recovery", "from a kill until the router answers again", recovery::run),
    ("alertmanager", "the same load to Alertmanager and to the router", alertmanager::run),
    ("lists", "time for a part of a list of the API at 100,000 findings", lists::run),
    (
        "sensor",
        "cost per system call, and time from system call to alert (needs root)",
        sensor::run,
    ),
];

/// Run only when named, for they take long.
const LONG: &[Benchmark] =
    &[("soak", "half an hour of mixed deeds: memory, drift, losses (needs root)", sensor::soak)];

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let all = || BENCHMARKS.iter().chain(LONG);
    if let Some(name) = arguments.names.iter().find(|name| all().all(|(known, ..)| known != name)) {
        let known: Vec<_> = all().map(|(name, ..)| *name).collect();
        bail!("no benchmark is called `{name}`; there are {}", known.join(", "));
    }
    for (name, title, run) in all() {
        let is_named = arguments.names.iter().any(|wanted| wanted == name);
        let is_long = LONG.iter().any(|(long, ..)| long == name);
        if is_named || arguments.names.is_empty() && !is_long {
            say(format_args!("\n== {name}: {title}"));
            run()?;
        }
    }
    Ok(())
}

/// Prints a line of the report.
fn say(text: impl std::fmt::Display) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// Returns the value below which `share` of the sorted values lie.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// Returns the median; the order of `values` is lost.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    percentile(values, 0.5)
}
