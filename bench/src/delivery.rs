//! Deliveries to a webhook that answers at once, after 50 ms, or never; memory per waiting alert;
//! what a stop in mid-flight loses.
//!
//! Every alert is a finding and a group of its own, so that each is one delivery: the load
//! falcosidekick was measured with.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    load::{Answer, Receiver, alert},
    processes::{Router, wait_until},
    say,
};

const ALERTS: u64 = 20_000;
const ROUTES: &str = "  - { outputs: [hook], group_by: [rule, proc.name], group_wait: 0s }";

pub(crate) fn run() -> anyhow::Result<()> {
    say(
        "receiver  accepted/s  delivered/s  alerts  resident MiB before/after  B per waiting alert",
    );
    for (name, answer) in [
        ("at once", Answer::After(Duration::ZERO)),
        ("50 ms", Answer::After(Duration::from_millis(50))),
        ("never", Answer::Never),
    ] {
        rate(name, answer)?;
    }
    say("stopped by  accepted  delivered in all  lost");
    for (name, signal) in [("SIGTERM", Signal::TERM), ("SIGKILL", Signal::KILL)] {
        loss(name, signal)?;
    }
    Ok(())
}

fn start(folder: &Path, receiver: &Receiver) -> anyhow::Result<Router> {
    let outputs = format!("  hook: {{ webhook: {{ url: \"http://{}/\" }} }}", receiver.address);
    Router::start(folder, &outputs, ROUTES)
}

fn rate(name: &str, answer: Answer) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let receiver = Receiver::start(answer)?;
    let router = start(folder.path(), &receiver)?;
    let before = router.process.resident_bytes()?;
    let started = Instant::now();
    let accepted_rate = post(&router, ALERTS)?;
    let limit = Duration::from_secs(10);
    let mut delivered = (receiver.count(), started.elapsed());
    while started.elapsed() < limit && receiver.count() < ALERTS {
        std::thread::sleep(Duration::from_millis(20));
        delivered = (receiver.count(), started.elapsed());
    }
    let after = router.process.resident_bytes()?;
    let waiting = ALERTS.saturating_sub(receiver.count());
    let each = after
        .saturating_sub(before)
        .checked_div(waiting)
        .map_or("-".to_owned(), |each| each.to_string());
    say(format_args!(
        "{name:<8}  {accepted_rate:>10.0}  {:>11.0}  {ALERTS}  {:>12}/{:<12}  {each:>19}",
        delivered.0 as f64 / delivered.1.as_secs_f64(),
        before >> 20,
        after >> 20,
    ));
    Ok(())
}

fn loss(name: &str, signal: Signal) -> anyhow::Result<()> {
    const ALERTS: u64 = 2_000;
    let folder = tempfile::tempdir()?;
    let receiver = Receiver::start(Answer::After(Duration::from_millis(50)))?;
    let mut router = start(folder.path(), &receiver)?;
    post(&router, ALERTS)?;
    router.process.stop(signal)?;
    drop(router);
    let again = start(folder.path(), &receiver)?;
    wait_until("everything is delivered", Duration::from_secs(120), || {
        Ok(receiver.count() >= ALERTS)
    })?;
    let lost = ALERTS.saturating_sub(receiver.count());
    say(format_args!(
        "{name:<10}  {ALERTS:>8}  {:>16}  {lost}  ledger {}",
        receiver.count(),
        again.ledger()?
    ));
    Ok(())
}

/// Posts `count` distinct findings in batches of 100; returns alerts a second.
fn post(router: &Router, count: u64) -> anyhow::Result<f64> {
    let started = Instant::now();
    let batches = count / 100;
    let mut connection = crate::load::Connection::open(router.input, "/")?;
    for batch in 0..batches {
        let body: String = (0..100).map(|index| alert(batch * 100 + index, count) + "\n").collect();
        anyhow::ensure!(connection.post(body.as_bytes())? == 200, "the router refused a batch");
    }
    Ok(count as f64 / started.elapsed().as_secs_f64())
}
