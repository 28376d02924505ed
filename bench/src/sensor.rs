//! What the agent costs the machine it watches, and how soon an alert follows the deed.
//!
//! Costs are thread CPU time per call with the agent on and off in alternating pairs, as the
//! reference measured Falco. Needs root.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::mpsc::sync_channel,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};

use crate::{
    median, percentile,
    processes::{Process, binary},
    say,
};

const PAIRS: usize = 7;

pub(crate) fn run() -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        say("skipped: loading the probe needs root");
        return Ok(());
    }
    latency()?;
    overhead()
}

struct Agent {
    process: Process,
    alerts: std::sync::mpsc::Receiver<(Instant, String)>,
}

impl Agent {
    /// Starts the agent with its built-in rules and waits until it has seen a deed.
    fn start() -> anyhow::Result<Self> {
        let mut child = Command::new(binary("saker")?)
            .args(["agent", "--stdout"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = child.stdout.take().context("no output")?;
        let (sender, alerts) = sync_channel(100_000);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        let agent = Self { process: Process { child }, alerts };
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            deed()?;
            if agent.alerts.recv_timeout(Duration::from_millis(200)).is_ok() {
                break;
            }
            anyhow::ensure!(Instant::now() < deadline, "the agent saw no deed in 20 s");
        }
        while agent.alerts.recv_timeout(Duration::from_millis(300)).is_ok() {}
        Ok(agent)
    }
}

/// Reads a credential file, which the built-in rules report.
fn deed() -> anyhow::Result<()> {
    fs::File::open("/etc/shadow")?;
    Ok(())
}

fn latency() -> anyhow::Result<()> {
    let agent = Agent::start()?;
    let mut milliseconds = Vec::new();
    let mut missed = 0;
    for number in 0..100_u64 {
        // Uneven gaps, so that no timer of the agent keeps step with the deeds.
        thread::sleep(Duration::from_millis(5 + number * 7 % 60));
        let started = Instant::now();
        deed()?;
        match agent.alerts.recv_timeout(Duration::from_secs(2)) {
            Ok((seen, _)) => milliseconds.push((seen - started).as_secs_f64() * 1e3),
            Err(_) => missed += 1,
        }
    }
    milliseconds.sort_by(f64::total_cmp);
    say(format_args!(
        "system call to alert on the agent's output: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms, missed {missed} of 100",
        percentile(&milliseconds, 0.5),
        percentile(&milliseconds, 0.9),
        percentile(&milliseconds, 0.99),
        milliseconds.last().copied().unwrap_or(f64::NAN),
    ));
    say(format_args!(
        "agent resident: {:.1} MiB",
        agent.process.resident_bytes()? as f64 / 1_048_576.0
    ));
    Ok(())
}

fn overhead() -> anyhow::Result<()> {
    let workloads: [(&str, u32, fn()); 3] = [
        ("getppid", 400_000, getppid),
        ("openat+close", 100_000, open_close),
        ("fork+exec", 300, fork_exec),
    ];
    say("workload      ns off  ns on  added  throughput on/off");
    for (name, count, call) in workloads {
        let (mut off, mut on) = (Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            off.push(nanoseconds_each(count, call));
            let agent = Agent::start()?;
            on.push(nanoseconds_each(count, call));
            drop(agent);
        }
        let (off, on) = (median(&mut off), median(&mut on));
        say(format_args!("{name:<12}  {off:>6.0}  {on:>5.0}  {:>5.0}  {:.3}", on - off, off / on));
    }
    Ok(())
}

/// Returns CPU nanoseconds of this process and its ended children per call.
fn nanoseconds_each(count: u32, call: fn()) -> f64 {
    for _ in 0..count / 10 {
        call();
    }
    let started = cpu_time();
    for _ in 0..count {
        call();
    }
    (cpu_time() - started) * 1e9 / f64::from(count)
}

fn cpu_time() -> f64 {
    let own = clock_gettime(ClockId::ProcessCPUTime);
    let children = children_ticks() as f64 / rustix::param::clock_ticks_per_second() as f64;
    own.tv_sec as f64 + own.tv_nsec as f64 / 1e9 + children
}

/// User and system ticks of children that were waited for, from `/proc/self/stat`.
fn children_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<u64> = stat
        .rsplit_once(')')
        .map_or("", |(_, fields)| fields)
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    fields.get(13).unwrap_or(&0) + fields.get(14).unwrap_or(&0)
}

fn getppid() {
    std::hint::black_box(rustix::process::getppid());
}

fn open_close() {
    drop(std::hint::black_box(fs::File::open("/etc/hostname")));
}

fn fork_exec() {
    drop(std::hint::black_box(Command::new("/bin/true").status()));
}
