//! The program as a person or a service manager runs it.

mod reload;
mod running;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use self::running::{Running, may_watch, program};

const RULE: &str = r#"
- rule: Shadow read
  desc: somebody reads password hashes
  condition: evt.type in (open, openat, openat2) and fd.name = /etc/shadow
  output: "hashes were read (proc=%proc.name pid=%proc.pid)"
  priority: WARNING
  tags: [b, a]
"#;

fn event(number: u64, path: &str) -> Value {
    serde_json::json!({
        "number": number, "time_ns": 1_700_000_000_000_000_000_u64 + number, "kind": "openat",
        "result": 3, "tid": 42,
        "process": {
            "key": { "pid": 42, "start_boot_ns": 1 }, "ppid": 1, "vpid": 42, "sid": 1, "start_ns": 1,
            "name": "cat", "executable": { "path": "/bin/cat", "inode": 1, "ctime_ns": 1, "mtime_ns": 1 },
            "arguments": ["cat", path], "cwd": "/", "tty": 0, "uid": 0, "gid": 0, "user": "root",
            "group": "root", "login_uid": null, "login_user": null, "capabilities": 0,
            "container": null, "parent": null,
        },
        "detail": { "open": { "raw": path, "path": path, "resolved": path, "flags": 0, "mode": 0,
            "file_type": "file" } },
    })
}

/// A folder with a rule file and a recording in which two of three events match it.
fn folder() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().expect("dir");
    let (rules, events) = (dir.path().join("rules.yaml"), dir.path().join("events.ndjson"));
    fs::write(&rules, RULE).expect("rules");
    let mut text = String::from("{\"saker_events\":1}\n");
    for (number, path) in [(1, "/etc/shadow"), (2, "/etc/hosts"), (3, "/etc/shadow")] {
        text += &format!("{}\n", event(number, path));
    }
    fs::write(&events, text).expect("events");
    (dir, rules, events)
}

/// Runs it to its end and returns exit code, output and errors.
fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().expect("run");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("code"), text(output.stdout), text(output.stderr))
}

#[test]
fn a_recording_is_replayed_as_falco_prints_it() {
    let (_dir, rules, events) = folder();
    let (code, out, err) = run(program().arg("--rules").arg(&rules).arg("--replay").arg(&events));
    assert_eq!(code, 0, "{err}");
    let alerts: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
    assert_eq!(alerts.len(), 2, "{out}");
    assert_eq!(alerts[0]["rule"], "Shadow read");
    assert_eq!(alerts[0]["priority"], "Warning");
    assert_eq!(alerts[0]["source"], "syscall");
    assert_eq!(alerts[0]["tags"], serde_json::json!(["a", "b"]));
    assert_eq!(alerts[0]["time"], "2023-11-14T22:13:20.000000001Z");
    assert_eq!(alerts[0]["output_fields"]["proc.pid"], 42);
    assert!(
        alerts[0]["output"]
            .as_str()
            .expect("output")
            .contains("hashes were read (proc=cat pid=42)")
    );
}

#[test]
fn the_configuration_has_the_last_word_about_rules() {
    let (dir, rules, events) = folder();
    let replay = |config: &str| {
        let file = dir.path().join("saker.yaml");
        fs::write(&file, config).expect("configuration");
        let mut command = program();
        command.arg("--config").arg(&file).arg("--rules").arg(&rules).arg("--replay").arg(&events);
        run(&mut command)
    };
    for (config, alerts) in [
        ("agent: {}", 2),
        ("agent: { priority: error }", 0),
        ("agent: { rule_selection: [ disable: { rule: 'Shadow*' } ] }", 0),
        ("agent: { rule_selection: [ disable: { rule: '*' }, enable: { tag: b } ] }", 2),
    ] {
        let (code, out, err) = replay(config);
        assert_eq!((code, out.lines().count()), (0, alerts), "{config}: {err}");
    }
    let (_, out, err) = replay(
        "agent:\n  static_fields: { site: north }\n  append_output:\n    - match: { tags: [a] }\n      \
         extra_output: 'in %static.site'\n      \
         extra_fields: [proc.vpid, { who: '%user.name in %static.site' }]\n",
    );
    let alert: Value = serde_json::from_str(out.lines().next().expect(&err)).expect("json");
    assert!(alert["output"].as_str().expect("output").ends_with(" in north"), "{alert}");
    assert_eq!(alert["output_fields"]["static.site"], "north");
    assert_eq!(alert["output_fields"]["who"], "root in north");
    assert_eq!(alert["output_fields"]["proc.vpid"], 42);
    let (code, _, err) = replay("agent: { append_output: [ { extra_output: '%nothing' } ] }");
    assert_eq!(code, 2);
    assert!(err.contains("append_output"), "{err}");
}

#[test]
fn warnings_are_told_in_one_line_for_each_kind() {
    let (_dir, rules, events) = folder();
    let unused =
        "- list: a\n  items: []\n- list: b\n  items: []\n- macro: m\n  condition: evt.num=0\n";
    fs::write(&rules, format!("{unused}{RULE}")).expect("rules");
    let (_, _, err) = run(program().arg("--rules").arg(&rules).arg("--replay").arg(&events));
    assert_eq!(err.matches("LOAD_UNUSED_LIST").count(), 1, "{err}");
    assert_eq!(err.matches("count=2").count(), 1, "{err}");
    assert_eq!(err.matches("LOAD_UNUSED_MACRO").count(), 1, "{err}");
}

#[test]
fn bad_rules_end_it_with_2_and_their_place() {
    let (_dir, rules, events) = folder();
    fs::write(&rules, RULE.replace("fd.name", "fd.nmae")).expect("rules");
    let (code, out, err) = run(program().arg("--rules").arg(&rules).arg("--replay").arg(&events));
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("rules.yaml:4") && err.contains("fd.nmae"), "{err}");
    let (code, _, err) = run(program().arg("--rules").arg("/nowhere.yaml"));
    assert_eq!(code, 2);
    assert!(err.contains("failed to read rules from `/nowhere.yaml`"), "{err}");
}

#[test]
fn a_bad_configuration_ends_it_with_2_and_its_line() {
    let (dir, ..) = folder();
    let config = dir.path().join("saker.yaml");
    fs::write(&config, "router: {listen: 0.0.0.0:2801}\nagent:\n  prioritty: debug\n")
        .expect("config");
    let (code, _, err) = run(program().arg("--config").arg(&config));
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("saker.yaml:3") && err.contains("prioritty"), "{err}");
}

#[test]
fn a_damaged_recording_is_replayed_as_far_as_it_goes_and_ends_it_with_3() {
    let (_dir, rules, events) = folder();
    let text = fs::read_to_string(&events).expect("events");
    fs::write(&events, &text[..text.len() - 20]).expect("cut");
    let (code, out, err) = run(program().arg("--rules").arg(&rules).arg("--replay").arg(&events));
    assert_eq!((code, out.lines().count()), (3, 1), "{err}");
    assert!(err.contains("line 4: not an event"), "{err}");
}

#[test]
fn without_the_rights_it_ends_with_3_and_says_what_is_missing() {
    let (dir, rules, _) = folder();
    // The program where everybody may run it.
    let copy = dir.path().join("saker-agent");
    fs::copy(env!("CARGO_BIN_EXE_saker-agent"), &copy).expect("copy");
    open_to_all(dir.path());
    let mut command = match rustix::process::geteuid().is_root() {
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&copy);
            command
        }
        false => Command::new(&copy),
    };
    let (code, _, err) =
        run(command.env("SAKER_AGENT__ADMIN", "127.0.0.1:0").arg("--rules").arg(&rules));
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("CAP_"), "{err}");
}

fn open_to_all(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).expect("permissions");
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connect");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("send");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("answer");
    text.split_once("\r\n\r\n").expect("body").1.to_owned()
}

fn read_file(path: &Path) {
    assert!(Command::new("cat").arg(path).stdout(Stdio::null()).status().expect("cat").success());
}

#[test]
fn it_watches_this_machine_and_takes_changed_rules_without_a_restart() {
    if !may_watch() {
        return;
    }
    let (dir, rules, _) = folder();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    fs::write(&first, "1").expect("first");
    fs::write(&second, "2").expect("second");
    let rule = |path: &Path| RULE.replace("/etc/shadow", &path.display().to_string());
    fs::write(&rules, rule(&first)).expect("rules");
    let mut agent = Running::start(program().arg("--rules").arg(&rules).arg("--stdout"));
    let line = agent.says("status and metrics");
    let address = line.split_once("address=").expect("address").1.trim().to_owned();
    agent.says("watching the kernel");
    read_file(&first);
    agent.says("hashes were read (proc=cat");

    fs::write(&rules, "- rule: broken").expect("rules");
    agent.says("the old ones stay in force");
    read_file(&first);
    agent.says("hashes were read (proc=cat");
    let status: Value = serde_json::from_str(&get(&address, "/status")).expect("status");
    assert!(status["rules"]["error"].as_str().expect("error").contains("broken"), "{status:#}");
    assert_eq!(status["rules"]["rules"], 1);
    assert_eq!(status["sensor"]["running"], true);

    fs::write(&rules, rule(&second)).expect("rules");
    agent.says("rules were loaded again");
    read_file(&second);
    agent.says("hashes were read (proc=cat");
    agent.signal(rustix::process::Signal::HUP);
    agent.says("rules were loaded again");

    let status: Value = serde_json::from_str(&get(&address, "/status")).expect("status");
    assert_eq!(status["rules"].get("error"), None);
    assert!(status["events"]["total"].as_u64().expect("events") >= 3);
    assert!(get(&address, "/status/text").contains("hook "));
    assert!(get(&address, "/metrics").contains("saker_agent_alerts_total{priority=\"Warning\"}"));
    assert!(get(&address, "/ready").contains("true"));
    agent.signal(rustix::process::Signal::TERM);
    agent.says("the agent ended");
    assert_eq!(agent.child.wait().expect("wait").code(), Some(0));
}
