//! Matches per second of the rule engine on recorded events, with the built-in rules.

use std::{collections::BTreeMap, path::PathBuf, time::Instant};

use alert::Event;
use anyhow::Context;
use rules::RuleSet;

use crate::say;

/// Events recorded for `saker demo`.
const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/demo/events.ndjson.zst");
/// At least this many evaluations for each figure.
const EVALUATIONS: usize = 2_000_000;

pub(crate) fn run() -> anyhow::Result<()> {
    let sources = rules::builtin();
    let started = Instant::now();
    let loaded = RuleSet::load(&sources)
        .map_err(|errors| anyhow::anyhow!("the built-in rules do not load: {errors:?}"))?;
    let rules = loaded.rules;
    say(format_args!(
        "{} rules compiled in {:.1} ms",
        rules.rules().len(),
        started.elapsed().as_secs_f64() * 1e3
    ));
    let mut kinds: BTreeMap<&str, Vec<Event>> = BTreeMap::new();
    for event in
        agent::recorder::Recording::open(&PathBuf::from(RECORDING)).context("no recording")?
    {
        let event = event?;
        kinds.entry(event.kind.name()).or_default().push(event);
    }
    say("event          recorded  events/s/core  ns/event  hits per 1,000");
    for (kind, events) in &kinds {
        let mut matcher = rules.matcher();
        let mut hits = 0_u64;
        let rounds = EVALUATIONS.div_ceil(events.len());
        let started = Instant::now();
        for _ in 0..rounds {
            for event in events {
                matcher.matches(event, &mut |_| hits += 1);
            }
        }
        let count = (rounds * events.len()) as f64;
        let seconds = started.elapsed().as_secs_f64();
        say(format_args!(
            "{kind:<13}  {:>8}  {:>13.0}  {:>8.0}  {:>14.1}",
            events.len(),
            count / seconds,
            seconds * 1e9 / count,
            hits as f64 * 1e3 / count,
        ));
    }
    Ok(())
}
