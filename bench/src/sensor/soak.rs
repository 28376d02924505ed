//! Half an hour of mixed deeds: does memory grow, does anything drift, is anything lost?

use std::{
    env,
    fs::File,
    hint::black_box,
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

use super::{
    flood::LOOKED_AT,
    target::{Filter, Rules, Target, deed},
};
use crate::say;

const MINUTES: u64 = 30;
const MINUTES_VARIABLE: &str = "SAKER_SOAK_MINUTES";
/// Deeds a second.
const OPENS: u32 = 20_000;
const PROGRAMS: u32 = 50;
const CONNECTIONS: u32 = 200;
const ALERTS: u32 = 1;
/// Memory is expected to settle in this share of the time.
const WARM_SHARE: usize = 3;

/// What was seen at the end of a minute.
struct Sample {
    private_kib: f64,
    resident_kib: f64,
}

pub(crate) fn run() -> anyhow::Result<()> {
    let minutes = match env::var(MINUTES_VARIABLE) {
        Ok(text) => text.parse().with_context(|| format!("{MINUTES_VARIABLE}: `{text}`"))?,
        Err(_) => MINUTES,
    };
    ensure!(minutes >= 3, "{MINUTES_VARIABLE} is at least 3");
    // Every open crosses, which is more than rules would let through.
    let target = Target::start(Rules::BuiltIn, Filter::Off)?;
    say(format_args!(
        "built-in rules, no filter, {minutes} minutes of {OPENS} opens, {PROGRAMS} programs, \
         {CONNECTIONS} connections and {ALERTS} alert a second"
    ));
    say("minute  resident  private  processes  crossed/s     lost  behind  us/event");
    let load = Load::start()?;
    let (started, mut samples) = (Instant::now(), Vec::new());
    let (mut before, mut cpu_before) = (target.counted()?, target.cpu_seconds()?);
    for minute in 1..=minutes {
        thread::sleep(
            (started + Duration::from_secs(60 * minute)).saturating_duration_since(Instant::now()),
        );
        let (now, cpu) = (target.counted()?, target.cpu_seconds()?);
        let crossed = now.sent - before.sent;
        let sample = Sample {
            private_kib: target.memory_kib("RssAnon")?,
            resident_kib: target.memory_kib("VmRSS")?,
        };
        say(format_args!(
            "{minute:>6}  {:>4.1} MiB  {:>3.1} MiB  {:>9}  {:>9.0}  {:>7}  {:>6}  {:>8.2}",
            sample.resident_kib / 1024.0,
            sample.private_kib / 1024.0,
            now.processes,
            crossed as f64 / 60.0,
            now.lost,
            now.sent.saturating_sub(now.received),
            (cpu - cpu_before) * 1e6 / crossed.max(1) as f64,
        ));
        samples.push(sample);
        (before, cpu_before) = (now, cpu);
    }
    let alerts = load.stop();
    let end = target.settled()?;
    let told = target.alerts.try_iter().count() as u64;
    let warm = &samples[samples.len() / WARM_SHARE..];
    say(format_args!(
        "lost {}; alerts {told} of {alerts}; private memory grew by {:+.1} KiB a minute after minute {}",
        end.lost,
        slope(warm),
        samples.len() / WARM_SHARE,
    ));
    Ok(())
}

/// Returns the growth of private memory by least squares, in KiB a minute.
fn slope(samples: &[Sample]) -> f64 {
    let count = samples.len() as f64;
    let mean_x = (count - 1.0) / 2.0;
    let mean_y = samples.iter().map(|sample| sample.private_kib).sum::<f64>() / count;
    let (mut above, mut below) = (0.0, 0.0);
    for (x, sample) in samples.iter().enumerate() {
        let x = x as f64 - mean_x;
        above += x * (sample.private_kib - mean_y);
        below += x * x;
    }
    above / below
}

/// Deeds at fixed rates, each kind by a thread.
struct Load {
    stop: Arc<AtomicBool>,
    alerts: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn start() -> anyhow::Result<Self> {
        let (stop, alerts) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let place = listener.local_addr()?;
        let done = Arc::clone(&alerts);
        let open = || drop(black_box(File::open(LOOKED_AT)));
        let program = || {
            let mut command = Command::new("/bin/true");
            drop(command.stdin(Stdio::null()).stdout(Stdio::null()).status());
        };
        let connection = move || {
            drop(TcpStream::connect(place).and_then(|stream| listener.accept().map(|_| stream)));
        };
        let alert = move || {
            if deed().is_ok() {
                done.fetch_add(1, Ordering::Relaxed);
            }
        };
        let threads = vec![
            every(OPENS, &stop, open),
            every(PROGRAMS, &stop, program),
            every(CONNECTIONS, &stop, connection),
            every(ALERTS, &stop, alert),
        ];
        Ok(Self { stop, alerts, threads })
    }

    /// Returns how many deeds were done that raise an alert.
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            drop(thread.join());
        }
        self.alerts.load(Ordering::Relaxed)
    }
}

/// Does a deed so many times a second until told to stop, in bursts of a hundredth of a second.
fn every(
    per_second: u32,
    stop: &Arc<AtomicBool>,
    mut deed: impl FnMut() + Send + 'static,
) -> JoinHandle<()> {
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        let (started, mut done) = (Instant::now(), 0_u64);
        while !stop.load(Ordering::Relaxed) {
            let due = (started.elapsed().as_secs_f64() * f64::from(per_second)) as u64;
            while done < due {
                deed();
                done += 1;
            }
            thread::sleep(Duration::from_millis(10));
        }
    })
}
