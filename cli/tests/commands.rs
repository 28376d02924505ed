//! The operator's commands against a real router, as a person types them.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

const SAKER: &str = env!("CARGO_BIN_EXE_saker");
const PATIENCE: Duration = Duration::from_secs(30);

struct Router {
    folder: tempfile::TempDir,
    child: Child,
    input: SocketAddr,
    api: SocketAddr,
}

impl Drop for Router {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Router {
    /// Starts a router whose output `hook` nobody listens to, and whose output `kept` is a file.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (input, api, nobody) = (free(), free(), free());
        let config = folder.path().join("saker.yaml");
        let text = format!(
            "router: {{ listen: {input}, api: {api}, data: {data} }}\n\
             outputs:\n  kept: {{ file: {{ path: {data}/kept.jsonl, format: json }} }}\n  \
             hook: {{ webhook: {{ url: \"http://{nobody}/\" }}, retry: {{ give_up_after: 1s }} }}\n\
             routes:\n  - {{ name: broken, match: rule = Broken, outputs: [hook], group_wait: 0s }}\n  \
             - {{ name: all, outputs: [kept], group_wait: 0s }}\n",
            data = folder.path().join("data").display(),
        );
        fs::write(&config, text).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(SAKER)
            .args(["router", "--config"])
            .arg(&config)
            .stderr(log)
            .spawn()
            .unwrap();
        let router = Self { folder, child, input, api };
        until("the router answers", || router.saker(&["status"]).status.success());
        router
    }

    fn saker(&self, arguments: &[&str]) -> Output {
        Command::new(SAKER)
            .args(arguments)
            .env("SAKER_API", format!("http://{}", self.api))
            .env("SAKER_INPUT", format!("http://{}", self.input))
            .env("USER", "tester")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.saker(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}\n{}", self.log());
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let arguments = [arguments, &["--format", "json"]].concat();
        serde_json::from_str(&self.ok(&arguments)).unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn kept(&self) -> String {
        fs::read_to_string(self.folder.path().join("data/kept.jsonl")).unwrap_or_default()
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs `saker` without a router; returns exit code, output and error output.
fn alone(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(SAKER).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn an_alert_that_was_sent_is_seen_kept_accounted_for_and_explained() {
    let router = Router::start();
    let mut tail = Command::new(SAKER)
        .args(["tail", "priority >= warning", "--format", "json", "--api"])
        .arg(format!("http://{}", router.api))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    // A tail shows what is decided after it was opened: send until it shows something.
    let (seen_sender, seen) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        if let Some(Ok(line)) = lines.next() {
            seen_sender.send(line).ok();
        }
    });
    let mut line = None;
    until("the tail shows an alert", || {
        router.ok(&["send", "--rule", "Unimportant", "--priority", "debug"]);
        router.ok(&[
            "send",
            "--rule",
            "Disk \x1b[31mon fire",
            "--priority",
            "critical",
            "--field",
            "proc.name=dd",
        ]);
        line = seen.recv_timeout(Duration::from_millis(300)).ok();
        line.is_some()
    });
    tail.kill().unwrap();
    tail.wait().unwrap();
    let seen: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
    assert_eq!(seen["alert"]["rule"], "Disk \x1b[31mon fire");

    until("it is kept", || router.kept().contains("on fire"));
    until("the ledger says so", || {
        router.json(&["ledger"])["outputs"]["kept"]["delivered"].as_u64() >= Some(1)
    });
    let id = seen["alert"]["id"].as_str().unwrap();
    let explained = router.ok(&["explain", id]);
    for part in ["finding ", "score ", "route      all", "Disk"] {
        assert!(explained.contains(part), "no {part:?} in {explained}");
    }
    assert!(!explained.contains('\x1b'), "{explained:?}");
    assert_eq!(
        router.saker(&["explain", "00000000-0000-0000-0000-000000000001"]).status.code(),
        Some(3)
    );
}

#[test]
fn the_past_is_listed_and_accounted_for() {
    let router = Router::start();
    router.ok(&["send", "--rule", "Shell", "--priority", "critical", "--field", "proc.name=bash"]);
    router.ok(&["send", "--rule", "Shell", "--field", "proc.name=\u{1b}[31m"]);
    until("both are remembered", || router.ok(&["alerts", "--since", "1h"]).lines().count() == 2);
    let text =
        router.ok(&["alerts", "rule = Shell and proc.name = bash", "--priority", "critical"]);
    assert!(text.contains("Shell") && text.lines().count() == 1, "{text}");
    assert!(
        !router.ok(&["alerts"]).contains('\u{1b}'),
        "what attackers wrote is shown, not obeyed"
    );
    assert_eq!(router.ok(&["alerts", "--until", "2001-01-01T00:00:00Z"]), "");
    assert_eq!(router.json(&["alerts", "--limit", "1"])["decision"]["kind"], "alert");
    until("the account has them", || {
        router.json(&["ledger", "--since", "1h"])["sources"]["saker"]["accepted"] == 2
    });
    let account = router.ok(&["ledger", "--since", "1h"]);
    assert!(account.contains("pending after"), "{account}");
}

#[test]
fn a_silence_hides_alerts_until_it_is_expired() {
    let router = Router::start();
    let add = ["silence", "add", "rule = Noise", "--for", "2h", "--comment", "known"];
    let id = router.ok(&add).trim().to_owned();
    router.ok(&["send", "--rule", "Noise"]);
    until("it is counted as silenced", || router.json(&["ledger"])["suppressed"]["silence"] == 1);
    let listed = router.ok(&["silence", "list"]);
    assert!(
        listed.contains(&id) && listed.contains("rule = Noise") && listed.contains("tester"),
        "{listed}"
    );
    router.ok(&["silence", "expire", &id]);
    router.ok(&["send", "--rule", "Noise"]);
    until("the next one is delivered", || router.kept().contains("Noise"));
    let refused = router.saker(&["silence", "add", "rule =", "--for", "2h", "--comment", "x"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let too_long = router.saker(&["silence", "add", "rule = A", "--for", "90d", "--comment", "x"]);
    assert!(!too_long.status.success(), "{too_long:?}");
}

#[test]
fn silences_are_tried_changed_and_carried_to_another_router() {
    let router = Router::start();
    router.ok(&["send", "--rule", "Noise", "--field", "label.zone=north"]);
    router.ok(&["send", "--rule", "Other", "--field", "label.zone=south"]);
    until("both are known", || router.json(&["ledger"])["accepted"] == 2);
    let matcher = ["--matcher", "label.zone=~\"nor.*\""];
    let preview = router.json(&[&["silence", "preview"][..], &matcher].concat());
    assert_eq!((preview["findings"].as_u64(), preview["examined"].as_u64()), (Some(1), Some(2)));
    let shown = router.ok(&[&["silence", "preview"][..], &matcher].concat());
    assert!(shown.contains("it would hide 1 of 2 active findings, 1 alerts so far"), "{shown}");

    let add = ["silence", "add", "--id", "north", "--comment", "works", "--for", "2h"];
    let hours = ["--hours", "00:00-24:00", "--location", "Europe/Berlin"];
    assert_eq!(router.ok(&[&add[..], &matcher, &hours].concat()).trim(), "north");
    router.ok(&[&add[..], &["rule = Noise"]].concat());
    let shown = router.ok(&["silence", "show", "north"]);
    assert!(shown.contains("match    rule = Noise"), "{shown}");
    assert!(shown.contains("it was {label.zone=~\"nor.*\"}"), "{shown}");

    let exported = router.ok(&["silence", "export"]);
    let file = router.folder.path().join("silences.jsonl");
    std::fs::write(&file, &exported).unwrap();
    let other = Router::start();
    for _ in 0..2 {
        let imported = other.ok(&["silence", "import", file.to_str().unwrap()]);
        assert_eq!(imported.trim(), "north");
    }
    assert_eq!(other.ok(&["silence", "export"]), exported);

    std::fs::write(&file, "{\"id\":1}\n").unwrap();
    let refused = other.saker(&["silence", "import", file.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    for wrong in [
        &["silence", "add", "--matcher", "a=~.*", "--for", "1h", "--comment", "x"][..],
        &["silence", "add", "rule = a", "--matcher", "a=b", "--for", "1h", "--comment", "x"],
        &["silence", "add", "rule = a", "--hours", "9-5", "--for", "1h", "--comment", "x"],
    ] {
        let refused = other.saker(wrong);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    }
    assert_eq!(other.saker(&["silence", "show", "nothing"]).status.code(), Some(3));
}

#[test]
fn a_maintenance_window_hides_alerts_and_is_named() {
    let router = Router::start();
    let open = ["window", "add", "always", "rule = Noise", "--starts", "2026-01-01T00:00:00"];
    let daily = ["--for", "25h", "--repeat", "FREQ=DAILY", "--location", "Europe/Berlin"];
    let added = router.ok(&[&open[..], &daily].concat());
    assert!(added.contains("always: open until"), "{added}");
    router.ok(&["send", "--rule", "Noise"]);
    until("it is counted as in a window", || router.json(&["ledger"])["suppressed"]["window"] == 1);
    let listed = router.ok(&["window", "list"]);
    for part in ["always", "suppresses", "FREQ=DAILY", "rule = Noise"] {
        assert!(listed.contains(part), "no {part:?} in {listed}");
    }
    assert_eq!(router.json(&["window", "list"])["hits"], 1);
    router.ok(&["window", "remove", "always"]);
    until("what it hid is told of", || router.kept().contains("Noise"));
    assert_eq!(router.saker(&["window", "remove", "always"]).status.code(), Some(3));
    let again = ["--for", "1h", "--repeat", "FREQ=HOURLY"];
    let refused = router.saker(&[&open[..], &again].concat());
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let over = router.saker(&[&open[..], &["--for", "1h"]].concat());
    assert_eq!(over.status.code(), Some(2), "{over:?}");
}

#[test]
fn what_could_not_be_delivered_is_listed_and_delivered_again() {
    let router = Router::start();
    router.ok(&["send", "--rule", "Broken", "--priority", "error"]);
    until("it is a dead letter", || {
        router.json(&["ledger"])["outputs"]["hook"]["dead_lettered"] == 1
    });
    let listed = router.json(&["deadletters", "list"]);
    assert_eq!(listed["output"], "hook");
    let id = listed["notification"].as_str().unwrap();
    let replayed = router.ok(&["deadletters", "replay", id]);
    assert!(replayed.contains(id), "{replayed}");
    until("it is dead again", || router.json(&["ledger"])["outputs"]["hook"]["dead_lettered"] == 1);
    router.ok(&["deadletters", "replay", "--all", "--output", "hook"]);
    until("it is dead once more", || router.ok(&["deadletters", "list"]).contains(id));
    assert!(router.ok(&["deadletters", "show", id]).contains(id));
    let purged = router.ok(&["deadletters", "purge", "--all", "--before", "0s", "--author", "ann"]);
    assert_eq!(purged.trim(), "1 dead letter given up, which told of 1 alert");
    assert_eq!(router.ok(&["deadletters", "list"]).lines().count(), 1);
    until("the change is on record", || {
        router.ok(&["changes", "--by", "ann"]).contains("ann  gave up dead letter")
    });
}

#[test]
fn falcos_lines_are_sent_in_batches_and_a_bad_one_is_named() {
    let router = Router::start();
    let file = router.folder.path().join("falco.jsonl");
    let line = |number: usize| {
        format!(
            "{{\"rule\":\"R{number}\",\"priority\":\"Warning\",\"time\":\"2026-11-21T08:00:00Z\",\"output_fields\":{{\"n\":{number}}}}}\n"
        )
    };
    fs::write(&file, (0..1200).map(line).collect::<String>()).unwrap();
    let path = file.to_str().unwrap();
    router.ok(&["send", "--file", path]);
    until("all are accepted", || router.json(&["ledger"])["accepted"] == 1200);
    fs::write(&file, "{\"rule\":\"R\",\"priority\":7}\n").unwrap();
    let refused = router.saker(&["send", "--file", path]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("priority"), "{refused:?}");
}

#[test]
fn wrong_input_ends_with_2_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let config = write("saker.yaml", "outputs:\n  soc: { slak: {} }\n");
    let rules = write(
        "rules.yaml",
        "- rule: A\n  desc: d\n  condition: proc.nmae = x\n  output: o\n  priority: INFO\n",
    );
    let cases: [(&[&str], &str); 5] = [
        (&["config", "check", &config], "saker.yaml:2:10"),
        (&["router", "--config", &config], "saker.yaml:2:10"),
        (&["run", "--config", &config], "saker.yaml:2:10"),
        (&["rules", "check", &rules], "rules.yaml:3:14"),
        (&["send"], "--rule"),
    ];
    for (arguments, expected) in cases {
        let (code, _, error) = alone(arguments);
        assert_eq!(code, 2, "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn every_program_reads_the_file_they_share_and_leaves_the_others_parts() {
    let folder = tempfile::tempdir().unwrap();
    let (_, schema, _) = alone(&["config", "schema"]);
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let keys = schema["properties"].as_object().unwrap();
    assert!(keys.len() > 10);
    for key in keys.keys() {
        let file = folder.path().join(format!("{key}.yaml"));
        fs::write(&file, format!("{key}: {{}}\n")).unwrap();
        let file = file.to_str().unwrap();
        let nothing = folder.path().join("no recording");
        let replay = ["--replay", nothing.to_str().unwrap()];
        for arguments in [vec!["responder", "--check"], [&["agent"][..], &replay].concat()] {
            let (_, _, error) = alone(&[&arguments[..], &["--config", file]].concat());
            assert!(!error.contains("unknown key"), "{arguments:?}: {error}");
        }
    }
}

#[test]
fn a_router_that_is_not_there_ends_with_4() {
    let (code, _, error) = alone(&["ledger", "--api", &format!("http://{}", free())]);
    assert_eq!(code, 4, "{error}");
    assert!(error.contains("cannot reach"), "{error}");
}

#[test]
fn every_command_has_help_that_teaches() {
    let commands: [&[&str]; 12] = [
        &[],
        &["run"],
        &["agent"],
        &["router"],
        &["send"],
        &["tail"],
        &["explain"],
        &["replay"],
        &["rules", "check"],
        &["config", "check"],
        &["silence", "add"],
        &["deadletters", "replay"],
    ];
    for command in commands {
        let (code, text, _) = alone(&[command, &["--help"]].concat());
        assert_eq!(code, 0, "{command:?}");
        assert!(text.contains("Usage:") && text.lines().count() > 5, "{command:?}: {text}");
    }
}

#[test]
fn the_demo_shows_alerts_and_rendered_messages() {
    let (code, text, error) = alone(&["demo"]);
    assert_eq!(code, 0, "{error}");
    assert!(text.contains("Critical") && text.contains("│"), "{text}");
}

#[test]
fn the_built_in_rules_pass_their_own_tests() {
    let (code, text, error) = alone(&["rules", "test"]);
    assert_eq!(code, 0, "{error}");
    assert!(text.contains(" 0 failed"), "{text}");
    assert!(
        !text.starts_with("0 rules") && !text.contains(" 0 cases"),
        "nothing was tested: {text}"
    );
}

#[test]
fn an_audit_that_was_changed_is_told_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let limits = response::audit::Limits { file_bytes_max: 1 << 20, bytes_max: 1 << 20 };
    let (mut audit, _) = response::audit::Audit::open(folder.path(), limits, |_| {}).unwrap();
    for alerts in [3, 5] {
        let entry = response::entry::Entry::Flooded { alerts };
        audit.append(service::clock::now(), &[entry]).unwrap();
    }
    let head = audit.head().clone();
    drop(audit);

    let (code, text, _) = alone(&["audit", "verify", path]);
    assert_eq!(code, 0);
    let checkpoint = format!("{}:{}", head.sequence, head.hash);
    assert!(text.contains("2 entries") && text.contains(&checkpoint), "{text}");
    let (code, text, _) = alone(&["audit", "show", path, "--format", "json"]);
    assert!(code == 0 && text.lines().count() == 2, "{text}");

    let file = fs::read_dir(folder.path()).unwrap().flatten();
    let mut files = file.map(|file| file.path());
    let file = files.find(|path| path.extension().is_some_and(|end| end == "jsonl")).unwrap();
    let lines = fs::read_to_string(&file).unwrap();
    let (first, _) = lines.split_once('\n').unwrap();
    fs::write(&file, format!("{first}\n")).unwrap();
    assert_eq!(alone(&["audit", "verify", path]).0, 0, "a shorter chain is whole");
    let (code, _, error) = alone(&["audit", "verify", path, "--checkpoint", &checkpoint]);
    assert!(code == 1 && error.contains("checkpoint"), "{error}");
    fs::write(&file, lines.replace("\"alerts\":3", "\"alerts\":4")).unwrap();
    let (code, _, error) = alone(&["audit", "verify", path]);
    assert!(code == 1 && error.contains("line 1"), "{error}");
}
