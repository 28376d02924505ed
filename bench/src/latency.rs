//! From the moment before an alert is sent to the moment its webhook is received: at rest, and of
//! critical alerts while a hundred times as many others come in than the receiver takes.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    load::{Answer, Connection, Look, Receiver, alert},
    percentile,
    processes::{Router, wait_until},
    say,
};

const TRIALS: usize = 200;
const FLOOD_CONNECTIONS: usize = 4;
const FLOOD_BATCH: u64 = 50;
const ROUTES: &str = "  - { outputs: [hook], group_by: [rule, proc.name], group_wait: 0s }";
/// Before the number of a trial, in the name of its rule.
const MARK: &str = "Trial number ";

/// When each trial's webhook came.
type Arrivals = Arc<Mutex<HashMap<usize, Instant>>>;

pub(crate) fn run() -> anyhow::Result<()> {
    say("alerts                      p50 ms    p99 ms    max ms  others delivered/s meanwhile");
    measure("warnings, at rest", "Warning", 0)?;
    measure("critical, at rest", "Critical", 0)?;
    measure("critical, under a flood", "Critical", FLOOD_CONNECTIONS)
}

fn measure(name: &str, priority: &str, flood: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let arrivals = Arrivals::default();
    let receiver = Receiver::looking(Answer::After(Duration::ZERO), look(&arrivals))?;
    let router = start(folder.path(), &receiver)?;
    let stop = AtomicBool::new(false);
    let began = Instant::now();
    let (mut took, others) = thread::scope(|scope| {
        for number in 0..flood {
            let (stop, input) = (&stop, router.input);
            scope.spawn(move || flooding(input, number as u64, stop));
        }
        let took = trials(&router, priority, &arrivals);
        let others = receiver.count().saturating_sub(TRIALS as u64);
        stop.store(true, Ordering::Relaxed);
        took.map(|took| (took, others))
    })?;
    took.sort_by(f64::total_cmp);
    let rate = others as f64 / began.elapsed().as_secs_f64();
    say(format_args!(
        "{name:<24}  {:>8.1}  {:>8.1}  {:>8.1}  {rate:>8.0}",
        percentile(&took, 0.5),
        percentile(&took, 0.99),
        percentile(&took, 1.0),
    ));
    Ok(())
}

fn start(folder: &Path, receiver: &Receiver) -> anyhow::Result<Router> {
    let outputs = format!("  hook: {{ webhook: {{ url: \"http://{}/\" }} }}", receiver.address);
    Router::start(folder, &outputs, ROUTES)
}

/// Returns milliseconds, one for each trial.
fn trials(router: &Router, priority: &str, arrivals: &Arrivals) -> anyhow::Result<Vec<f64>> {
    let mut connection = Connection::open(router.input, "/")?;
    let mut took = Vec::new();
    for number in 0..TRIALS {
        // Uneven, so that no rhythm of the router's is met.
        thread::sleep(Duration::from_millis(10 + number as u64 * 7 % 13));
        let body = trial(number, priority);
        let sent = Instant::now();
        anyhow::ensure!(connection.post(body.as_bytes())? == 200, "the router refused an alert");
        let came = || arrivals.lock().unwrap_or_else(PoisonError::into_inner).get(&number).copied();
        wait_until("the webhook is received", Duration::from_secs(60), || Ok(came().is_some()))?;
        let came = came().unwrap_or(sent);
        took.push(came.duration_since(sent).as_secs_f64() * 1e3);
    }
    Ok(took)
}

fn trial(number: usize, priority: &str) -> String {
    let text = alert(0, 1).replace("Write below etc toolaaa", &format!("{MARK}{number} of all"));
    text.replace(r#""priority":"Warning""#, &format!(r#""priority":"{priority}""#))
}

/// Returns what notes the arrival of trials.
fn look(arrivals: &Arrivals) -> Look {
    let arrivals = Arc::clone(arrivals);
    Arc::new(move |request: &[u8]| {
        let text = String::from_utf8_lossy(request);
        let Some((_, rest)) = text.split_once(MARK) else { return };
        let number = rest.split(' ').next().and_then(|number| number.parse().ok());
        if let Some(number) = number {
            let mut arrivals = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
            arrivals.entry(number).or_insert_with(Instant::now);
        }
    })
}

/// Sends warnings of ever new findings until told to stop. A refusal is the router's right.
fn flooding(input: std::net::SocketAddr, sender: u64, stop: &AtomicBool) -> anyhow::Result<()> {
    const FINDINGS: u64 = 17_000;
    let mut connection = Connection::open(input, "/")?;
    let mut number = sender * 1_000_000;
    while !stop.load(Ordering::Relaxed) {
        let body: String =
            (number..number + FLOOD_BATCH).map(|number| alert(number, FINDINGS) + "\n").collect();
        connection.post(body.as_bytes())?;
        number += FLOOD_BATCH;
    }
    Ok(())
}
