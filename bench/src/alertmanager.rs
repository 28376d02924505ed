//! The same alerts of the same load to Alertmanager and to the router, in turns: what each takes a
//! second, and at what cost. Alertmanager takes them into memory, the router onto the disk.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    load::{Answer, Load, Receiver, post_for},
    median,
    processes::{Process, Router, free_address, get, wait_until},
    say,
};

const PROGRAM: &str = "prometheus-alertmanager";
const PATH: &str = "/api/v2/alerts";
const ROUNDS: usize = 5;
const DURATION: Duration = Duration::from_secs(3);
const FINDINGS: u64 = 1_000;
const SHAPES: [(usize, u64); 5] = [(1, 1), (16, 1), (64, 1), (4, 64), (16, 64)];

/// One of the two, and what it did in each round.
struct Contestant<'a> {
    process: &'a Process,
    address: SocketAddr,
    rates: Vec<f64>,
    costs: Vec<f64>,
}

pub(crate) fn run() -> anyhow::Result<()> {
    if Command::new(PROGRAM).arg("--version").output().is_err() {
        say(format_args!("not measured: {PROGRAM} is not installed"));
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let receiver = Receiver::start(Answer::After(Duration::ZERO))?;
    let peer = Peer::start(folder.path(), receiver.address)?;
    let router = router(folder.path(), receiver.address)?;
    say(format_args!("{ROUNDS} rounds by turns, medians; router's figure, Alertmanager's, ratio"));
    say(
        "connections  batch  alerts/s: router  Alertmanager  ratio  CPU us: router  Alertmanager  ratio",
    );
    for (connections, batch) in SHAPES {
        let mut ours = Contestant::new(&router.process, router.input);
        let mut theirs = Contestant::new(&peer.process, peer.address);
        for _ in 0..ROUNDS {
            ours.round(connections, batch)?;
            theirs.round(connections, batch)?;
        }
        let (our_rate, their_rate) = (median(&mut ours.rates), median(&mut theirs.rates));
        let (our_cost, their_cost) = (median(&mut ours.costs), median(&mut theirs.costs));
        say(format_args!(
            "{connections:>11}  {batch:>5}  {our_rate:>16.0}  {their_rate:>12.0}  {:>5.2}  {our_cost:>14.1}  \
             {their_cost:>12.1}  {:>5.2}",
            our_rate / their_rate,
            our_cost / their_cost,
        ));
    }
    let resident = |process: &Process| anyhow::Ok(process.resident_bytes()? >> 20);
    let (ours, theirs) = (resident(&router.process)?, resident(&peer.process)?);
    say(format_args!("resident after: {ours} MiB, {theirs} MiB"));
    Ok(())
}

impl<'a> Contestant<'a> {
    fn new(process: &'a Process, address: SocketAddr) -> Self {
        Self { process, address, rates: Vec::new(), costs: Vec::new() }
    }

    fn round(&mut self, connections: usize, batch: u64) -> anyhow::Result<()> {
        let before = self.process.cpu_seconds()?;
        let load = Load { address: self.address, path: PATH, connections };
        let (bodies, elapsed) = post_for(load, DURATION, |number| {
            let alerts: Vec<_> = (0..batch).map(|index| alert(number * batch + index)).collect();
            format!("[{}]", alerts.join(",")).into_bytes()
        })?;
        let alerts = (bodies * batch) as f64;
        self.rates.push(alerts / elapsed.as_secs_f64());
        self.costs.push((self.process.cpu_seconds()? - before) * 1e6 / alerts);
        Ok(())
    }
}

/// An alert as Prometheus sends it.
fn alert(number: u64) -> String {
    let finding = number % FINDINGS;
    format!(
        concat!(
            r#"{{"labels":{{"alertname":"HighErrorRate","cluster":"shop","instance":"10.0.{a}.{b}:9100","job":"node","#,
            r#""namespace":"checkout","severity":"warning"}},"annotations":{{"description":"5.2 % of the requests "#,
            r#"of the last five minutes failed, more than the 5 % that are allowed","summary":"requests fail"}},"#,
            r#""startsAt":"2026-11-27T08:00:00Z","generatorURL":"http://prometheus.example:9090/graph?g0.expr=up"}}"#
        ),
        a = finding / 250,
        b = finding % 250,
    )
}

/// A running Alertmanager.
struct Peer {
    process: Process,
    address: SocketAddr,
}

impl Peer {
    fn start(folder: &Path, receiver: SocketAddr) -> anyhow::Result<Self> {
        let address = free_address()?;
        let config = folder.join("alertmanager.yml");
        let text = format!(
            "route: {{ receiver: hook, group_by: [instance], group_wait: 2s, group_interval: 1m }}\n\
             receivers: [{{ name: hook, webhook_configs: [{{ url: 'http://{receiver}/' }}] }}]\n"
        );
        fs::write(&config, text)?;
        let child = Command::new(PROGRAM)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.join("alertmanager").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("alertmanager.log"))?)
            .spawn()?;
        let peer = Self { process: Process { child }, address };
        wait_until("Alertmanager answers", Duration::from_secs(20), || {
            Ok(TcpStream::connect(address).is_ok() && get(address, "/-/ready").is_ok())
        })?;
        Ok(peer)
    }
}

fn router(folder: &Path, receiver: SocketAddr) -> anyhow::Result<Router> {
    let outputs = format!("  hook: {{ webhook: {{ url: \"http://{receiver}/\" }} }}");
    let route =
        "  - { outputs: [hook], group_by: [label.instance], group_wait: 2s, group_interval: 1m }";
    Router::start(folder, &outputs, route)
}
