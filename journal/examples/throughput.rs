//! Measures durable records per second: `throughput [DIR] [RECORDS]`.
#![expect(clippy::print_stdout, reason = "it is what a person runs to see figures")]

use std::{error::Error, path::PathBuf, time::Instant};

use bytes::Bytes;
use journal::{Journal, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let total: usize = arguments.next().map_or(Ok(400_000), |text| text.parse())?;
    let record = Bytes::from(vec![b'a'; 1014]);
    for batch in [1, 64, 512] {
        let dir = parent.join(format!("journal-throughput-{}", std::process::id()));
        let (journal, _) = Journal::open(&dir, Options::default())?;
        let rounds = (total / batch).min(batch * 2000);
        let mut latencies = Vec::with_capacity(rounds);
        let start = Instant::now();
        for _ in 0..rounds {
            let begun = Instant::now();
            journal.append_blocking(vec![record.clone(); batch])?;
            latencies.push(begun.elapsed());
        }
        let seconds = start.elapsed().as_secs_f64();
        let commits = journal.stat().commits;
        journal.close();
        latencies.sort_unstable();
        let at = |share: usize| latencies[(latencies.len() - 1) * share / 100].as_secs_f64() * 1e3;
        println!(
            "batch {batch:>3}: {:>8.0} records/s, {rounds} calls, {commits} commits, \
             p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            (rounds * batch) as f64 / seconds,
            at(50),
            at(99),
            at(100),
        );
        let begun = Instant::now();
        let (journal, recovery) = Journal::open(&dir, Options::default())?;
        println!("           opened and checked in {:.0} ms", begun.elapsed().as_secs_f64() * 1e3);
        let begun = Instant::now();
        let mut reader = journal.read(0)?;
        while reader.next()?.is_some() {}
        println!(
            "           read {:.0} records/s",
            recovery.records.end as f64 / begun.elapsed().as_secs_f64()
        );
        journal.close();
        std::fs::remove_dir_all(&dir)?;
    }
    Ok(())
}
