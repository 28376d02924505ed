//! How long a router that was killed takes until it answers again, by what its journal holds.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    load::{Load, alert, post_for},
    processes::Router,
    say,
};

const ROUTES: &str = "  - outputs: [sink]";
const MIB: [u64; 2] = [256, 1024];

pub(crate) fn run() -> anyhow::Result<()> {
    say("alerts   MiB of data  seconds until it answers");
    for mib in MIB {
        measure(mib)?;
    }
    Ok(())
}

fn measure(mib: u64) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let outputs =
        format!("  sink: {{ file: {{ path: {} }} }}", folder.path().join("sink.jsonl").display());
    let mut router = Router::start(folder.path(), &outputs, ROUTES)?;
    let (data, mut alerts) = (folder.path().join("data"), 0);
    while bytes(&data)? >> 20 < mib {
        let load = Load { address: router.input, path: "/", connections: 4 };
        let (bodies, _) = post_for(load, Duration::from_secs(1), |number| {
            let body: String =
                (0..100).map(|index| alert(number * 100 + index, 1_000) + "\n").collect();
            body.into_bytes()
        })?;
        alerts += bodies * 100;
    }
    router.process.stop(Signal::KILL)?;
    drop(router);
    let held = bytes(&data)? >> 20;
    let started = Instant::now();
    let _again = Router::start(folder.path(), &outputs, ROUTES)?;
    say(format_args!("{alerts:>7}  {held:>11}  {:>8.2}", started.elapsed().as_secs_f64()));
    Ok(())
}

/// Returns what the files of a folder and of those in it hold.
fn bytes(folder: &Path) -> anyhow::Result<u64> {
    let mut all = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A file may be gone by the time it is looked at.
        let Ok(about) = entry.metadata() else { continue };
        all += if about.is_dir() { bytes(&entry.path())? } else { about.len() };
    }
    Ok(all)
}
