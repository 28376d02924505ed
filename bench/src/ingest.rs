//! Durable alerts per second over HTTP, from a load generator on the same two cores.

use std::time::Duration;

use crate::{
    load::{Load, alert, post_for},
    processes::Router,
    say,
};

const DURATION: Duration = Duration::from_secs(5);
const ROUTES: &str = "  - outputs: [sink]";

pub(crate) fn run() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let outputs =
        format!("  sink: {{ file: {{ path: {} }} }}", folder.path().join("sink.jsonl").display());
    let router = Router::start(folder.path(), &outputs, ROUTES)?;
    say("connections  batch  alerts/s  router CPU us/alert");
    for (connections, batch) in [(1, 1), (16, 1), (64, 1), (1, 100), (4, 100), (16, 100)] {
        let before = router.process.cpu_seconds()?;
        let load = Load { address: router.input, path: "/", connections };
        let (bodies, elapsed) = post_for(load, DURATION, |number| {
            let mut body = Vec::new();
            for index in 0..batch {
                body.extend_from_slice(alert(number * batch + index, 1_000).as_bytes());
                body.push(b'\n');
            }
            body
        })?;
        let alerts = (bodies * batch) as f64;
        let cpu = (router.process.cpu_seconds()? - before) * 1e6 / alerts;
        say(format_args!(
            "{connections:>11}  {batch:>5}  {:>8.0}  {cpu:>19.1}",
            alerts / elapsed.as_secs_f64()
        ));
    }
    say(format_args!("resident after: {} MiB", router.process.resident_bytes()? >> 20));
    say(format_args!("ledger: {}", router.ledger()?));
    Ok(())
}
