//! The journal alone: durable records a second by how many share a call, what they cost and what
//! packing saves of them.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use journal::{Journal, Options};
use xxhash_rust::xxh3::xxh3_64;

use crate::{load::alert, percentile, processes::cpu_seconds, say};

const DURATION: Duration = Duration::from_secs(4);
/// Alerts are of so many findings.
const FINDINGS: u64 = 1_000;
/// Enough for what is written in the time.
const BYTES_MAX: u64 = 8 << 30;

pub(crate) fn run() -> anyhow::Result<()> {
    say("call  records/s  CPU us/record  p50 ms  p99 ms  bytes/record  on disk  read/s");
    for records in [1, 16, 64, 512] {
        let folder = tempfile::tempdir()?;
        one(folder.path(), records)?;
    }
    Ok(())
}

/// Returns an alert with an id that no other has, as every record of the router has one.
fn record(number: u64) -> Vec<u8> {
    let alert = alert(number * 7919, FINDINGS);
    let id: String = (0..2)
        .map(|part| format!("{:016x}", xxh3_64(&[number, part].map(u64::to_le_bytes).concat())))
        .collect();
    format!(r#"{{"id":"{id}",{}"#, &alert[1..]).into_bytes()
}

fn one(folder: &Path, records: u64) -> anyhow::Result<()> {
    let options = Options { bytes_max: BYTES_MAX, ..Options::default() };
    let (journal, _) = Journal::open(folder, options.clone())?;
    // Made before it is measured.
    let calls: Vec<Vec<_>> = (0..FINDINGS.max(8 * records) / records)
        .map(|call| {
            let numbers = call * records..(call + 1) * records;
            numbers.map(|number| record(number).into()).collect()
        })
        .collect();
    let (mut bytes, mut latencies) = (0, Vec::new());
    let before = cpu_seconds(std::process::id())?;
    let started = Instant::now();
    for call in calls.iter().cycle().take_while(|_| started.elapsed() < DURATION) {
        bytes += call.iter().map(bytes::Bytes::len).sum::<usize>();
        let begun = Instant::now();
        journal.append_blocking(call.clone())?;
        latencies.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let elapsed = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds(std::process::id())? - before;
    let count = journal.durable() as f64;
    journal.close();
    latencies.sort_by(f64::total_cmp);

    let (journal, _) = Journal::open(folder, options)?;
    let on_disk = journal.stat().bytes as f64;
    let begun = Instant::now();
    let mut reader = journal.read(0)?;
    while reader.next()?.is_some() {}
    let read = count / begun.elapsed().as_secs_f64();
    say(format_args!(
        "{records:>4}  {:>9.0}  {:>13.1}  {:>6.2}  {:>6.2}  {:>12.0}  {:>6.0}%  {read:>6.0}",
        count / elapsed,
        cpu * 1e6 / count,
        percentile(&latencies, 0.5),
        percentile(&latencies, 0.99),
        bytes as f64 / count,
        on_disk * 100.0 / bytes as f64,
    ));
    Ok(())
}
