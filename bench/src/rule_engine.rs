//! The rule engine on one core: fast against naive in one run, by kind of event; what loading
//! takes, what is kept in memory, and how all that grows with the number of rules.

mod grown;
mod memory;
#[path = "../../rules/tests/naive/mod.rs"]
mod naive;
mod trace;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use alert::Event;
use anyhow::Context;
use rules::{Matcher, RuleSet, Source};
use rustix::time::{ClockId, clock_gettime};

use self::{memory::live_bytes, naive::Condition, trace::Trace};
use crate::{median, say};

/// Falco's stable rules, if `SAKER_STABLE_RULES` names no other file.
const STABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/rules/falco_rules.yaml");
/// Rounds of each side; the median counts.
const ROUNDS: usize = 5;
const LOADS: usize = 5;
/// Batches of a round; the naive side is given one of them.
const BATCHES: usize = 50;

pub(crate) fn run() -> anyhow::Result<()> {
    let builtin = rules::builtin();
    let mut sets = vec![("built-in rules", builtin.clone())];
    match stable() {
        Ok(stable) => {
            sets.push(("Falco's stable rules", vec![stable.clone()]));
            sets.push(("both", builtin.into_iter().chain([stable]).collect()));
        }
        Err(error) => say(format_args!("SKIPPED, Falco's stable rules: {error:#}")),
    }
    let traces = trace::all()?;
    for (name, sources) in &sets {
        measure(name, sources, &traces)?;
    }
    grow()
}

fn stable() -> anyhow::Result<Source> {
    let path = std::env::var_os("SAKER_STABLE_RULES").map_or_else(|| STABLE.into(), PathBuf::from);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{} (name it in SAKER_STABLE_RULES)", path.display()))?;
    let name = path.file_name().unwrap_or(Path::new("stable").as_os_str());
    Ok(Source { name: name.to_string_lossy().into_owned(), text })
}

fn load(sources: &[Source]) -> anyhow::Result<Arc<RuleSet>> {
    match RuleSet::load(sources) {
        Ok(loaded) => Ok(loaded.rules),
        Err(errors) => anyhow::bail!("the rules do not load: {}", errors[0]),
    }
}

/// Loads rules a few times; returns them, the milliseconds it takes and the bytes they keep.
fn load_measured(sources: &[Source]) -> anyhow::Result<(Arc<RuleSet>, f64, usize)> {
    let mut milliseconds = Vec::new();
    for _ in 0..LOADS {
        let started = processor_seconds();
        drop(load(sources)?);
        milliseconds.push((processor_seconds() - started) * 1e3);
    }
    let before = live_bytes();
    let rules = load(sources)?;
    let bytes = live_bytes().saturating_sub(before);
    Ok((rules, median(&mut milliseconds), bytes))
}

fn measure(name: &str, sources: &[Source], traces: &[Trace]) -> anyhow::Result<()> {
    let (rules, milliseconds, bytes) = load_measured(sources)?;
    let count = rules.rules().len();
    say(format_args!(
        "\n{name}: {count} rules, loaded in {milliseconds:.1} ms, {} bytes a rule",
        bytes / count.max(1)
    ));
    let conditions: Option<Vec<Condition>> = rules
        .rules()
        .iter()
        .map(|rule| rules.expanded(&rule.name).map(|text| Condition::new(&text)))
        .collect();
    let conditions = conditions.context("a condition is too long to be read again")?;
    say(format_args!(
        "{:<28} {:>9} {:>8} {:>10} {:>6} {:>9} {:>10} {:>10}",
        "events", "M/s/core", "ns", "naive ns", "ratio", "rules", "predicates", "hits/1,000"
    ));
    for trace in traces {
        compare(&rules, &conditions, trace)?;
    }
    say(format_args!("{} bytes a process", bytes_a_process(&rules)?));
    Ok(())
}

/// Matches a trace by both, in turns.
fn compare(rules: &Arc<RuleSet>, conditions: &[Condition], trace: &Trace) -> anyhow::Result<()> {
    let before = Before::new(rules);
    let mut matcher = rules.matcher();
    let (mut fast, mut slow) = (Vec::new(), Vec::new());
    let (mut hits, mut looked_at) = (0_usize, 0_usize);
    for _ in 0..ROUNDS {
        fast.push(round(trace, BATCHES, |event| {
            looked_at += 1;
            matcher.matches(event, &mut |_| hits += 1);
        }));
        slow.push(round(trace, 1, |event| {
            std::hint::black_box(conditions.iter().filter(|wanted| wanted.matches(event)).count());
        }));
    }
    drop(matcher);
    let asked = before.asked(rules);
    let (fast, slow) = (median(&mut fast), median(&mut slow));
    let each = |count: u64| count as f64 / looked_at as f64;
    say(format_args!(
        "{:<28} {:>9.2} {fast:>8.0} {slow:>10.0} {:>6.0} {:>9.2} {:>10.1} {:>10.1}",
        trace.name,
        1e3 / fast,
        slow / fast,
        each(asked.0),
        each(asked.1),
        hits as f64 * 1e3 / looked_at as f64,
    ));
    Ok(())
}

/// Counts of a rule set before a measurement.
struct Before {
    rules: u64,
    predicates: u64,
}

impl Before {
    fn new(rules: &RuleSet) -> Self {
        let (rules, predicates) = counts(rules);
        Self { rules, predicates }
    }

    /// Returns the evaluations of rules and predicates since then.
    fn asked(&self, rules: &RuleSet) -> (u64, u64) {
        let (rules, predicates) = counts(rules);
        (rules - self.rules, predicates - self.predicates)
    }
}

fn counts(rules: &RuleSet) -> (u64, u64) {
    let evaluated = rules.costs().iter().map(|cost| cost.evaluated).sum();
    let asked = rules.predicate_costs().iter().map(|cost| cost.asked).sum();
    (evaluated, asked)
}

/// Returns nanoseconds an event, over some batches; what it takes to make them is left out.
fn round(trace: &Trace, batches: usize, mut matching: impl FnMut(&Event)) -> f64 {
    let each = (0..batches).map(|batch| nanoseconds(&trace.events(batch), &mut matching));
    each.sum::<f64>() / batches as f64
}

fn nanoseconds(events: &[Event], mut matching: impl FnMut(&Event)) -> f64 {
    let started = processor_seconds();
    for event in events {
        matching(event);
    }
    (processor_seconds() - started) * 1e9 / events.len() as f64
}

/// Returns what the rule set keeps in the memory of each process.
fn bytes_a_process(rules: &Arc<RuleSet>) -> anyhow::Result<usize> {
    let trace = Trace::mixed("", trace::Processes::New);
    let events = trace.events(0);
    let mut matcher = rules.matcher();
    let before = live_bytes();
    for event in &events {
        matcher.matches(event, &mut |_| {});
    }
    Ok(live_bytes().saturating_sub(before) / events.len())
}

fn grow() -> anyhow::Result<()> {
    say("\nrules made to look like real ones");
    say(format_args!(
        "{:>7} {:>9} {:>12} {:>13} {:>10} {:>10} {:>10} {:>12}",
        "rules",
        "load ms",
        "bytes a rule",
        "bytes/process",
        "exec ns",
        "open ns",
        "connect ns",
        "mixed M/s"
    ));
    for count in [100, 1_000, 10_000] {
        let source = Source { name: "grown.yaml".to_owned(), text: grown::rules(count) };
        let (rules, milliseconds, bytes) = load_measured(&[source])?;
        let mut times = Vec::new();
        for trace in trace::synthetic(trace::Processes::Known) {
            let mut matcher = rules.matcher();
            let mut rounds: Vec<f64> = (0..ROUNDS)
                .map(|_| round(&trace, BATCHES, |event| matched(&mut matcher, event)))
                .collect();
            times.push(median(&mut rounds));
        }
        say(format_args!(
            "{count:>7} {milliseconds:>9.1} {:>12} {:>13} {:>10.0} {:>10.0} {:>10.0} {:>12.2}",
            bytes / count,
            bytes_a_process(&rules)?,
            times[0],
            times[1],
            times[2],
            1e3 / times[3],
        ));
    }
    Ok(())
}

fn matched(matcher: &mut Matcher, event: &Event) {
    matcher.matches(event, &mut |_| {});
}

/// Returns the processor time of this thread: other programs do not disturb it.
fn processor_seconds() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
