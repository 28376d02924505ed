//! Many opens: of a file no rule wants, and of one that rules must look at.

use std::{
    fmt,
    fs::File,
    hint::black_box,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    target::{Filter, Rules, Target},
    workload::UNWANTED,
};
use crate::say;

const FLOOD: Duration = Duration::from_secs(3);
/// Files opened in turn, so that no open is like one a while before.
const MANY: u32 = 4096;
/// Below `/etc`, where rules look; no rule matches it.
pub(super) const LOOKED_AT: &str = "/etc/hostname";

/// Opens and closes a file no rule wants at a fixed rate.
pub(crate) struct Paced {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<f64>,
}

impl Paced {
    pub(crate) fn start(per_second: u32) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let (started, mut done) = (Instant::now(), 0_u32);
            while !stopped.load(Ordering::Relaxed) {
                let due = started.elapsed().as_secs_f64() * f64::from(per_second);
                if f64::from(done) > due {
                    std::hint::spin_loop();
                    continue;
                }
                drop(black_box(File::open(UNWANTED)));
                done += 1;
            }
            f64::from(done) / started.elapsed().as_secs_f64()
        });
        Self { stop, thread }
    }

    /// Returns the rate that was reached.
    pub(crate) fn stop(self) -> f64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or(f64::NAN)
    }
}

/// The agent's own CPU for each event that crosses, and what is lost with two producers flat out.
pub(crate) fn crossing(rules: Rules) -> anyhow::Result<()> {
    let one = |path: &str| Arc::from([PathBuf::from(path)]);
    let folder = tempfile::tempdir()?;
    let many = files(folder.path())?;
    let target = Target::start(rules, Filter::On)?;
    flooded(&target, format_args!("{rules}, opens no rule wants"), &one(UNWANTED))?;
    flooded(&target, format_args!("{rules}, opens rules look at"), &one(LOOKED_AT))?;
    drop(target);
    let target = Target::start(rules, Filter::Off)?;
    flooded(&target, format_args!("{rules}, any opens, the kernel drops none"), &one(UNWANTED))?;
    flooded(&target, format_args!("{rules}, the same, of {MANY} files in turn"), &many)
}

/// Makes files, more than the agent or the kernel remember.
fn files(folder: &Path) -> anyhow::Result<Arc<[PathBuf]>> {
    let paths: Arc<[PathBuf]> =
        (0..MANY).map(|number| folder.join(format!("file-{number}"))).collect();
    for path in &*paths {
        File::create(path)?;
    }
    Ok(paths)
}

fn flooded(
    target: &Target,
    what: fmt::Arguments<'_>,
    paths: &Arc<[PathBuf]>,
) -> anyhow::Result<()> {
    let (before, cpu) = (target.settled()?, target.cpu_seconds()?);
    let opened = flat_out(paths);
    let (after, cpu) = (target.settled()?, target.cpu_seconds()? - cpu);
    let crossed = after.sent - before.sent;
    say(format_args!(
        "{what}, two producers: {:.0} k/s offered, {:.0} k/s crossed, {} lost, {:.2} of a core, \
         {:.2} us of the agent's CPU for each that crossed",
        opened / FLOOD.as_secs_f64() / 1e3,
        crossed as f64 / FLOOD.as_secs_f64() / 1e3,
        after.lost - before.lost,
        cpu / FLOOD.as_secs_f64(),
        cpu * 1e6 / crossed.max(1) as f64,
    ));
    Ok(())
}

fn flat_out(paths: &Arc<[PathBuf]>) -> f64 {
    let opened = Arc::<AtomicU64>::default();
    let producers: Vec<_> = (0..2)
        .map(|_| {
            let (opened, paths) = (Arc::clone(&opened), Arc::clone(paths));
            thread::spawn(move || {
                let (started, mut turn) = (Instant::now(), paths.iter().cycle());
                while started.elapsed() < FLOOD {
                    for path in turn.by_ref().take(100) {
                        drop(black_box(File::open(path)));
                    }
                    opened.fetch_add(100, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for producer in producers {
        drop(producer.join());
    }
    opened.load(Ordering::Relaxed) as f64
}
