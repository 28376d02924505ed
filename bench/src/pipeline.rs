//! The pipeline alone: alerts a second, bytes per live finding, and how long it keeps others waiting.

use std::time::{Duration, Instant};

use alert::{Alert, AlertId, wire};
use jiff::{SignedDuration, Timestamp};
use router::{
    pipeline::{Limits, Pipeline, PipelineConfig, Route},
    record::Record,
};

use crate::{load, say};

const ALERTS: u64 = 300_000;

pub(crate) fn run() -> anyhow::Result<()> {
    // First, while the allocator has no freed memory to hand out.
    bytes_per_finding()?;
    say("findings   alerts   alerts/s  effects");
    for findings in [20, 1_000, 17_000] {
        rate(findings)?;
    }
    waits()
}

/// With a million live findings in 100,000 groups: the longest that questions, and attempts to deliver,
/// wait for records, and for the state to be frozen for a snapshot.
fn waits() -> anyhow::Result<()> {
    const FINDINGS: u64 = 1_000_000;
    const GROUPS: u64 = 100_000;
    /// As `router::core` applies them between questions.
    const TURN: u64 = 512;
    let mut pipeline = Pipeline::new();
    let route = Route { group_by: Some(vec!["hostname".to_owned()]), ..Route::default() };
    let limits = Limits { findings_max: FINDINGS as usize, ..Limits::default() };
    let outputs = vec!["sink".to_owned()];
    let config =
        PipelineConfig { outputs, routes: vec![route], limits, ..PipelineConfig::default() };
    let at = "2026-11-21T08:00:00Z".parse()?;
    let mut effects = Vec::new();
    pipeline.apply(0, &Record::Configured { at, config: Box::new(config) }, &mut effects);
    let (mut longest, mut turn) = (Duration::ZERO, Duration::ZERO);
    for number in 0..FINDINGS * 2 {
        let mut record = record(number, FINDINGS)?;
        if let Record::Alert(alert) = &mut record {
            alert.rule = format!("Rule {}", number % FINDINGS);
            alert.hostname = format!("node-{}", number % GROUPS);
        }
        let started = Instant::now();
        pipeline.apply(number + 1, &record, &mut effects);
        turn += started.elapsed();
        effects.clear();
        if number % TURN == TURN - 1 {
            longest = longest.max(std::mem::take(&mut turn));
        }
    }
    let started = Instant::now();
    let frozen = pipeline.freeze();
    let froze = started.elapsed();
    let counts = pipeline.counts();
    say(format_args!(
        "{} findings in {} groups: {TURN} records take at most {:.1} ms, freezing the state {:.1} ms",
        counts.findings,
        counts.groups,
        longest.as_secs_f64() * 1e3,
        froze.as_secs_f64() * 1e3,
    ));
    drop(frozen);
    Ok(())
}

fn rate(findings: u64) -> anyhow::Result<()> {
    let records = records(ALERTS, findings)?;
    let mut pipeline = configured()?;
    let mut effects = Vec::new();
    let mut count = 0;
    let started = Instant::now();
    for (sequence, record) in records.iter().enumerate() {
        pipeline.apply(sequence as u64 + 1, record, &mut effects);
        count += effects.len();
        effects.clear();
    }
    let rate = ALERTS as f64 / started.elapsed().as_secs_f64();
    say(format_args!("{findings:>8}  {ALERTS:>7}  {rate:>9.0}  {count:>7}"));
    Ok(())
}

/// Resident memory before and after, less what the samples themselves weigh.
fn bytes_per_finding() -> anyhow::Result<()> {
    const FINDINGS: u64 = 17_000;
    let mut pipeline = configured()?;
    let mut effects = Vec::new();
    let samples: usize = load::alert(0, FINDINGS).len();
    let before = resident_bytes()?;
    for number in 0..FINDINGS {
        let record = record(number, FINDINGS)?;
        pipeline.apply(number + 1, &record, &mut effects);
        effects.clear();
    }
    let each = resident_bytes()?.saturating_sub(before) / FINDINGS;
    say(format_args!("{each} B resident per live finding, with its sample of {samples} B as JSON"));
    Ok(())
}

fn configured() -> anyhow::Result<Pipeline> {
    let mut pipeline = Pipeline::new();
    let config = PipelineConfig { outputs: vec!["sink".to_owned()], ..PipelineConfig::default() };
    let at = "2026-11-21T08:00:00Z".parse()?;
    pipeline.apply(0, &Record::Configured { at, config: Box::new(config) }, &mut Vec::new());
    Ok(pipeline)
}

fn records(count: u64, findings: u64) -> anyhow::Result<Vec<Record>> {
    (0..count).map(|number| record(number, findings)).collect()
}

fn record(number: u64, findings: u64) -> anyhow::Result<Record> {
    let start: Timestamp = "2026-11-21T08:00:00Z".parse()?;
    let received = start + SignedDuration::from_micros(number as i64 * 10);
    let mut alert: Alert = wire::read_alert(load::alert(number, findings).as_bytes(), received)?;
    alert.id = AlertId::from_u128(u128::from(number) + 1);
    Ok(Record::Alert(Box::new(alert)))
}

fn resident_bytes() -> anyhow::Result<u64> {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm")?
        .split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .parse()?;
    Ok(pages * rustix::param::page_size() as u64)
}
