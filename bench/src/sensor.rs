//! What the agent costs the machine it watches, and how soon an alert follows the deed.
//!
//! Costs are operations per CPU second of the workload itself, children included, with the agent on
//! and off in alternating pairs, as the reference measured Falco. Needs root.

mod flood;
mod soak;
mod target;
mod workload;

use std::{
    thread,
    time::{Duration, Instant},
};

use self::{
    target::{Filter, Rules, Target, deed},
    workload::WORKLOADS,
};
use crate::{median, percentile, say};

const PAIRS: usize = 7;

pub(crate) fn run() -> anyhow::Result<()> {
    if !may_load() {
        return Ok(());
    }
    latency()?;
    for rules in Rules::available() {
        overhead(rules)?;
        flood::crossing(rules)?;
    }
    Ok(())
}

/// As [`run`], for half an hour.
pub(crate) fn soak() -> anyhow::Result<()> {
    if !may_load() {
        return Ok(());
    }
    soak::run()
}

fn may_load() -> bool {
    let may = rustix::process::geteuid().is_root();
    if !may {
        say("skipped: loading the probe needs root");
    }
    may
}

/// From the system call to the alert on the agent's output, quiet and under a load no rule wants.
fn latency() -> anyhow::Result<()> {
    let target = Target::start(Rules::BuiltIn, Filter::On)?;
    say(format_args!("start to first detection: {:.2} s", target.first_alert.as_secs_f64()));
    say(format_args!("system call to alert, quiet: {}", latencies(&target)?));
    let load = flood::Paced::start(200_000);
    let under_load = latencies(&target)?;
    say(format_args!("the same under {:.0} open+close/s: {under_load}", load.stop()));
    say(format_args!("agent resident: {:.1} MiB", target.resident_bytes()? as f64 / 1_048_576.0));
    Ok(())
}

fn latencies(target: &Target) -> anyhow::Result<String> {
    let (mut milliseconds, mut missed) = (Vec::new(), 0);
    for number in 0..100_u64 {
        // Uneven gaps, so that no timer of the agent keeps step with the deeds.
        thread::sleep(Duration::from_millis(5 + number * 7 % 60));
        let started = Instant::now();
        deed()?;
        match target.alerts.recv_timeout(Duration::from_secs(2)) {
            Ok(seen) => milliseconds.push((seen - started).as_secs_f64() * 1e3),
            Err(_) => missed += 1,
        }
    }
    milliseconds.sort_by(f64::total_cmp);
    Ok(format!(
        "p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms, missed {missed} of 100",
        percentile(&milliseconds, 0.5),
        percentile(&milliseconds, 0.9),
        percentile(&milliseconds, 0.99),
        milliseconds.last().copied().unwrap_or(f64::NAN),
    ))
}

/// CPU time of each workload for one operation, with the agent and without, in alternating order.
fn overhead(rules: Rules) -> anyhow::Result<()> {
    let places = workload::Places::make()?;
    let mut taken = vec![[Vec::new(), Vec::new()]; WORKLOADS.len()];
    for pair in 0..PAIRS {
        for on in [pair % 2 == 0, pair % 2 != 0] {
            let target = on.then(|| Target::start(rules, Filter::On)).transpose()?;
            for (workload, taken) in WORKLOADS.iter().zip(&mut taken) {
                taken[usize::from(on)].push(workload.microseconds_each(&places)?);
            }
            drop(target);
        }
    }
    say(format_args!("\n{rules}, {PAIRS} pairs, CPU of the workload"));
    say("workload                us off    us on    added  on/off  Falco  empty hook  aim");
    for (workload, [off, on]) in WORKLOADS.iter().zip(&mut taken) {
        let (off, on) = (median(off), median(on));
        say(format_args!(
            "{:<20}  {off:>8.3} {on:>8.3} {:>8.3}   {:.3}  {}       {}        {}",
            workload.name,
            on - off,
            off / on,
            workload.falco,
            workload.floor,
            workload.aim
        ));
    }
    Ok(())
}
