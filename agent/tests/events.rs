//! A real agent's events: watched, recorded, and kept around alerts. Needs root; under `CI=true` missing
//! rights are a failure.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test ends at what it did not expect, and says loudly what it skips"
)]

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use agent::{
    Agent, AgentConfig, Recording, Selection, Setup, Sinks,
    config::AroundConfig,
    tap::{Answer, Choice, End, Form, Request, Socket},
};
use alert::Alert;
use base64::{Engine, engine::general_purpose::STANDARD};
use rules::{RuleSet, Source};
use service::shutdown::Shutdown;

/// Nothing that is waited for takes as long.
const PATIENCE: Duration = Duration::from_secs(60);

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        assert!(std::env::var_os("CI").is_none(), "CI must run these as root");
        eprintln!("*** SKIPPED: watching the kernel needs root ***");
    }
    root
}

/// An agent at work, its alerts and its socket.
struct Live {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    shutdown: Shutdown,
    agent: Agent,
    alerts: Receiver<Alert>,
}

impl Live {
    fn start(rules: &str, around: Option<AroundConfig>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.yaml");
        fs::write(&file, rules).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let inside = runtime.enter();
        let mut config = AgentConfig { rules: vec![file], ..AgentConfig::default() };
        config.hostname = Some("live".to_owned());
        config.record.around = around;
        let (sink, alerts) = channel();
        let sinks = Sinks::default().with(move |alert: &Alert| drop(sink.send(alert.clone())));
        let setup = Setup { sinks, ..Setup::default() };
        let agent = Agent::start(&config, setup, &prometheus::Registry::new()).unwrap();
        let shutdown = Shutdown::new();
        let socket = Socket::bind(&folder.path().join("agent.sock")).unwrap();
        shutdown.spawn("events", socket.serve(agent.handle(), shutdown.clone()));
        drop(inside);
        Self { folder, runtime, shutdown, agent, alerts }
    }

    /// Asks for events, and returns once the agent watches.
    fn ask(&self, form: Form, condition: &str, events_max: u64) -> Client {
        let request = Request {
            choice: Choice::Condition(condition.to_owned()),
            form,
            events_max,
            seconds_max: 60,
            rate_max: None,
            bytes_max: None,
            around: None,
        };
        let mut stream = UnixStream::connect(self.folder.path().join("agent.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        writeln!(stream, "{}", serde_json::to_string(&request).unwrap()).unwrap();
        let mut client = Client(BufReader::new(stream));
        assert_eq!(client.answer(), Answer::Started { unwatched: Vec::new() });
        client
    }

    fn alert(&self) -> Alert {
        self.alerts.recv_timeout(PATIENCE).unwrap()
    }

    fn stop(self) {
        self.shutdown.cancel();
        self.runtime.block_on(self.agent.stop());
    }
}

struct Client(BufReader<UnixStream>);

impl Client {
    fn answer(&mut self) -> Answer {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

/// Runs a program to its end; its own doings are none of the agent's, which is in this process.
fn run(program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap();
}

fn reading(mark: &str) -> String {
    format!(
        "- rule: Read\n  desc: d\n  condition: >\n    evt.type in (open, openat, openat2) and \
         fd.name = /etc/hostname and proc.args contains {mark}\n  output: \
         read (command=%proc.cmdline parent=%proc.pname file=%fd.name)\n  priority: NOTICE\n"
    )
}

#[test]
fn a_kind_that_no_rule_needs_is_watched_while_somebody_looks() {
    if !is_root() {
        return;
    }
    let live = Live::start(&reading("saker-live-none"), None);
    let hooks = || live.agent.handle().status().sensor.hooks;
    let before = hooks();
    assert!(!before.iter().any(|hook| hook.kinds.iter().any(|kind| kind == "unlinkat")));

    let condition = "evt.type in (unlink, unlinkat) and evt.args contains saker-live-removed";
    let mut client = live.ask(Form::Events, condition, 1);
    let file = live.folder.path().join("saker-live-removed");
    fs::write(&file, "").unwrap();
    run("/bin/rm", &[file.to_str().unwrap()]);
    match client.answer() {
        Answer::Event(event) => assert_eq!(&*event.process.name, "rm"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(client.answer(), Answer::Ended { why: End::Events, seen: 1, .. }));
    assert_eq!(hooks(), before, "the sensor of the rules is left alone");
    live.stop();
}

#[test]
fn a_recording_of_a_live_workload_raises_the_alerts_that_were_raised_live() {
    if !is_root() {
        return;
    }
    let rules = reading("saker-live-replayed");
    let live = Live::start(&rules, None);
    // Of one kind, so that what else this machine does cannot be too much for it.
    let condition =
        "evt.type in (open, openat, openat2) and proc.args contains saker-live-replayed";
    let mut client = live.ask(Form::Recording, condition, u64::MAX);
    for number in 0..20 {
        run("/bin/cat", &["/etc/hostname", &format!("/nothing/saker-live-replayed-{number}")]);
    }
    // What was done before the end belongs to the recording, also if no one has read it yet.
    client.0.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    let expected: BTreeSet<_> = std::iter::repeat_with(|| live.alert())
        .take(20)
        .map(|alert| (alert.time, alert.rule, alert.output))
        .collect();
    let mut bytes = Vec::new();
    loop {
        match client.answer() {
            Answer::Part(part) => bytes.extend(STANDARD.decode(part).unwrap()),
            Answer::Whole { .. } => {}
            Answer::Ended { why: End::Enough, dropped: 0, .. } => break,
            other => panic!("{other:?}"),
        }
    }
    let file = live.folder.path().join("recording");
    fs::write(&file, bytes).unwrap();
    let set = RuleSet::load(&[Source { name: "rules".to_owned(), text: rules }]).unwrap().rules;
    let mut replayed = BTreeSet::new();
    let mut sink = |alert: &Alert| {
        assert_eq!(alert.hostname, "live");
        replayed.insert((alert.time, alert.rule.clone(), alert.output.clone()));
    };
    agent::replay(&file, Selection::default(), &set, &mut sink).unwrap();
    let texts = |alerts: &BTreeSet<(_, String, String)>| -> Vec<String> {
        alerts.iter().map(|(_, rule, output)| format!("{rule}: {output}")).collect()
    };
    assert_eq!(texts(&replayed), texts(&expected));
    live.stop();
}

#[test]
fn an_alert_names_a_recording_of_what_was_done_before_it() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let kept: PathBuf = folder.path().join("kept");
    let around = AroundConfig {
        rules: vec!["Read".to_owned()],
        condition: "evt.type = execve and proc.args contains saker-live-around".to_owned(),
        seconds: 5,
        folder: Some(kept.clone()),
        ..AroundConfig::default()
    };
    let live = Live::start(&reading("saker-live-around-alert"), Some(around));
    run("/bin/true", &["saker-live-around-before"]);
    run("/bin/cat", &["/etc/hostname", "/nothing/saker-live-around-alert"]);
    let alert = live.alert();
    let name = alert.text("saker.recording").unwrap().to_owned();
    assert_eq!(name, format!("{}.saker", alert.id));
    live.stop();
    let recording = Recording::open(&kept.join(name)).unwrap();
    let arguments: Vec<String> = recording
        .map(|event| event.unwrap().process.arguments.last().unwrap().to_string())
        .collect();
    assert_eq!(arguments, ["saker-live-around-before", "/nothing/saker-live-around-alert"]);
}
