//! Deeds on this machine, and the alerts they raise: kernel → agent → rules → router → webhook.

use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use e2e::{Agent, Certificates, Folder, Router, Webhook};
use serde_json::{Value, json};

use crate::world::{self, http::get, world};

/// Starts the agent, or ends the test without the rights to.
macro_rules! watched {
    () => {
        if crate::world::agent().is_none() {
            return;
        }
    };
}
pub(crate) use watched;

/// Runs a shell script to its end; its exit status is no concern of ours.
pub(crate) fn shell(script: &str) {
    run(Command::new("/bin/sh").args(["-c", script]));
}

pub(crate) fn run(command: &mut Command) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
}

pub(crate) fn python(script: &str) {
    run(Command::new("/usr/bin/python3").args(["-c", script]));
}

/// Returns an executable copy of a program under another name.
pub(crate) fn copy(program: &str, to: PathBuf) -> PathBuf {
    fs::copy(program, &to).unwrap();
    fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).unwrap();
    to
}

/// Waits for the alert of a rule whose command line contains the deed's mark, and looks at what
/// every alert of the agent has.
#[track_caller]
pub(crate) fn alert_of(rule: &str, mark: &str) -> Value {
    let alert = world().alert_where(&format!("{rule:?} of {mark:?}"), |alert| {
        alert["rule"] == rule && alert["fields"]["proc.cmdline"].to_string().contains(mark)
    });
    assert_eq!(alert["hostname"], Agent::HOSTNAME);
    assert_eq!(alert["source"], "syscall");
    let output = alert["output"].as_str().unwrap();
    assert!(!output.contains("%proc.") && !output.contains("%fd."), "{output}");
    alert
}

#[track_caller]
pub(crate) fn has(alert: &Value, fields: &[(&str, Value)]) {
    for (name, value) in fields {
        assert_eq!(&alert["fields"][name], value, "{name} of {alert:#}");
    }
}

#[test]
fn reading_the_shadow_file_raises_a_critical_alert_that_says_who_and_how() {
    watched!();
    shell("cat /etc/shadow /nothing/saker-deed-plain; true");
    let alert = alert_of("Deed: password hashes read", "saker-deed-plain");
    assert_eq!(alert["priority"], "Critical");
    assert_eq!(alert["tags"], json!(["T1003.008", "host"]));
    has(
        &alert,
        &[
            ("fd.name", json!("/etc/shadow")),
            ("proc.cmdline", json!("cat /etc/shadow /nothing/saker-deed-plain")),
            ("proc.pname", json!("sh")),
            ("user.name", json!("root")),
            ("proc.exepath", json!(fs::canonicalize("/bin/cat").unwrap())),
        ],
    );
    let output = alert["output"].as_str().unwrap();
    assert!(output.contains("file=/etc/shadow command=cat /etc/shadow"), "{output}");
}

#[test]
fn dots_in_the_path_hide_nothing() {
    watched!();
    shell("cd /usr/lib && cat ../../etc/./cron.d/../shadow /nothing/saker-deed-dots; true");
    let alert = alert_of("Deed: password hashes read", "saker-deed-dots");
    has(&alert, &[("fd.name", json!("/etc/shadow"))]);
}

#[test]
fn a_link_hides_nothing() {
    watched!();
    let folder = Folder::new("deeds");
    let link = folder.join("holiday-photos");
    std::os::unix::fs::symlink("/etc/shadow", &link).unwrap();
    shell(&format!("cat {} /nothing/saker-deed-link; true", link.display()));
    let alert = alert_of("Deed: password hashes read", "saker-deed-link");
    has(&alert, &[("fd.resolved", json!("/etc/shadow"))]);
}

#[test]
fn an_excepted_reader_raises_nothing() {
    const RULE: &str = "Deed: password hashes read";
    watched!();
    let folder = Folder::new("deeds");
    let known = copy("/bin/cat", folder.join("deed-known"));
    run(Command::new(known).args(["/etc/shadow", "/nothing/saker-deed-excepted"]));
    shell("cat /etc/shadow /nothing/saker-deed-after; true");
    alert_of(RULE, "saker-deed-after");
    // Alerts are told in order, so the excepted one would have come before.
    let told: Vec<_> = world().alerts().into_iter().filter(|alert| alert["rule"] == RULE).collect();
    assert!(!json!(told).to_string().contains("saker-deed-excepted"), "{told:#?}");
}

#[test]
fn an_attempt_that_was_refused_says_whose_it_was() {
    watched!();
    run(Command::new("/bin/cat")
        .args(["/etc/shadow", "/nothing/saker-deed-refused"])
        .uid(65_534)
        .gid(65_534));
    let alert = alert_of("Deed: password hashes refused", "saker-deed-refused");
    assert_eq!(alert["priority"], "Notice");
    has(
        &alert,
        &[
            ("evt.res", json!("EACCES")),
            ("user.name", json!("nobody")),
            ("user.uid", json!(65_534)),
        ],
    );
}

#[test]
fn a_shell_below_a_web_server_raises_an_alert_with_its_ancestors() {
    watched!();
    let folder = Folder::new("deeds");
    let nginx = copy("/bin/dash", folder.join("nginx"));
    // The second command keeps the shells from replacing themselves.
    let inner = "/bin/sh -c 'true; : saker-deed-web'; true";
    run(Command::new(&nginx).args(["-c", inner]));
    let alert = alert_of("Deed: shell below a web server", "saker-deed-web");
    assert_eq!(alert["priority"], "Alert");
    assert_eq!(alert["tags"], json!(["T1505.003", "web"]));
    has(&alert, &[("proc.pname", json!("nginx")), ("proc.pexepath", json!(nginx))]);
}

#[test]
fn a_web_server_two_levels_up_is_an_ancestor_too() {
    watched!();
    let folder = Folder::new("deeds");
    let nginx = copy("/bin/dash", folder.join("nginx"));
    let helper = copy("/bin/dash", folder.join("helper"));
    let inner = format!(
        "{} -c \"/bin/sh -c 'true; : saker-deed-grandchild'; true\"; true",
        helper.display()
    );
    run(Command::new(&nginx).args(["-c", &inner]));
    let alert = alert_of("Deed: shell below a web server", "saker-deed-grandchild");
    has(&alert, &[("proc.pname", json!("helper")), ("proc.aname[2]", json!("nginx"))]);
}

#[test]
fn a_program_dropped_into_shared_memory_is_seen_when_it_runs() {
    watched!();
    let dropped = copy("/bin/true", Path::new("/dev/shm/saker-deed-dropped").to_owned());
    run(Command::new(&dropped).arg("--now").current_dir("/tmp"));
    fs::remove_file(&dropped).unwrap();
    let alert = alert_of("Deed: program run from shared memory", "saker-deed-dro");
    assert_eq!(alert["priority"], "Warning");
    has(&alert, &[("proc.exepath", json!(dropped)), ("proc.cwd", json!("/tmp/"))]);
}

#[test]
fn a_program_without_a_file_is_seen_when_it_runs() {
    watched!();
    python(
        "import os; fd = os.memfd_create('x', 0)
os.write(fd, open('/bin/true', 'rb').read())
os.execve(fd, ['innocent', 'saker-deed-memory'], {})",
    );
    let alert = alert_of("Deed: program run from memory", "saker-deed-memory");
    assert_eq!(alert["priority"], "Critical");
}

#[test]
fn a_shell_that_connects_out_is_seen_with_both_ends() {
    watched!();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; : saker-deed-connect");
    run(Command::new("/bin/bash").args(["-c", &script]));
    let (_, peer) = listener.accept().unwrap();
    let alert = alert_of("Deed: shell connects out", "saker-deed-connect");
    has(&alert, &[("fd.sport", json!(port)), ("fd.type", json!("ipv4"))]);
    let name = alert["fields"]["fd.name"].as_str().unwrap();
    assert!(name.ends_with(&format!("->127.0.0.1:{port}")), "{name}, from {peer}");
}

#[test]
fn a_changed_configuration_is_seen_with_how_it_was_opened() {
    watched!();
    shell("touch /etc/saker-deed-config; rm -f /etc/saker-deed-config");
    let alert = alert_of("Deed: configuration changed", "saker-deed-config");
    assert_eq!(alert["priority"], "Error");
    has(
        &alert,
        &[("fd.name", json!("/etc/saker-deed-config")), ("evt.is_open_create", json!(true))],
    );
    let flags = alert["fields"]["evt.arg.flags"].as_str().unwrap();
    assert!(flags.contains("O_CREAT") && flags.contains("O_WRONLY"), "{flags}");
}

#[test]
fn a_removed_log_is_seen() {
    watched!();
    fs::write("/var/log/saker-deed.log", "evidence").unwrap();
    shell("cd /var && rm -f log/saker-deed.log");
    let alert = alert_of("Deed: log removed", "log/saker-deed.log");
    has(
        &alert,
        &[("evt.arg.name", json!("/var/log/saker-deed.log")), ("evt.res", json!("SUCCESS"))],
    );
}

#[test]
fn a_process_that_attaches_to_another_is_seen() {
    watched!();
    python(
        "import ctypes, os, signal, time
'saker-deed-trace'
child = os.fork()
if child == 0:
    signal.pause()
libc = ctypes.CDLL(None)
libc.ptrace(16, child, 0, 0)
os.waitpid(child, 0)
libc.ptrace(17, child, 0, 0)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)",
    );
    let alert = alert_of("Deed: process traced", "saker-deed-trace");
    has(&alert, &[("evt.arg.request", json!("PTRACE_ATTACH"))]);
}

#[test]
fn a_module_load_is_seen_even_when_it_fails() {
    watched!();
    python(
        "import ctypes, os
'saker-deed-module'
ctypes.CDLL(None).syscall(313, os.open('/etc/hostname', os.O_RDONLY), b'', 0)",
    );
    let alert = alert_of("Deed: module load tried", "saker-deed-module");
    assert_eq!(alert["fields"]["evt.type"], "finit_module");
    assert_ne!(alert["fields"]["evt.res"], "SUCCESS");
}

#[test]
fn a_preloaded_library_is_seen_in_the_environment() {
    watched!();
    run(Command::new("/bin/echo").arg("saker-deed-preload").env("LD_PRELOAD", "/tmp/evil.so"));
    let alert = alert_of("Deed: library preloaded", "saker-deed-preload");
    has(&alert, &[("proc.env[LD_PRELOAD]", json!("/tmp/evil.so"))]);
}

#[test]
fn what_a_program_calls_itself_stays_data_on_the_whole_path() {
    watched!();
    let hostile = "saker-deed-hostile\r\n{{top}} <!channel> %s $(id) \u{1b}[31m\u{202e}";
    let folder = Folder::new("deeds");
    let program = copy("/bin/cat", folder.join("{{x}}<!here>"));
    run(Command::new(program).args(["/etc/shadow", hostile]));
    let alert = alert_of("Deed: password hashes read", "saker-deed-hostile");
    let command = alert["fields"]["proc.cmdline"].as_str().unwrap();
    assert!(command.contains("{{top}} <!channel> %s $(id)"), "{command:?}");
    let message = world().slack_message_with("Deed: password hashes read", |_| true);
    let sent = message.mrkdwn();
    assert!(!sent.contains("<!channel>") && !sent.contains("<!here>"), "{sent}");
}

#[test]
fn the_critical_deed_reaches_people_too() {
    watched!();
    shell("cat /etc/shadow /nothing/saker-deed-people; true");
    world().slack_message_with("Deed: password hashes read", |_| true);
    let mail = world().mail_with("Deed: password hashes read");
    assert!(mail.encrypted);
    assert!(mail.text.unwrap().contains("/etc/shadow"));
}

#[test]
fn what_happened_while_the_router_was_down_is_told_when_it_is_back() {
    watched!();
    let webhook = Webhook::start();
    let mut router = Router::start(
        &json!({ "hook": { "webhook": {
            "url": webhook.url(),
            "signing_secrets": [Webhook::SECRET],
        } } }),
        &json!([{ "group_by": ["fingerprint"], "group_wait": "0s" }]),
    );
    let _agent = Agent::start(&router, &[&world::rules()]);
    router.kill();
    shell("cat /etc/shadow /nothing/saker-deed-outage; true");
    router.restart();
    e2e::eventually("the alert of the outage", || {
        let calls = format!("{:?}", webhook.calls());
        if calls.contains("saker-deed-outage") { Ok(()) } else { Err(calls) }
    });
}

#[test]
fn none_of_a_thousand_quick_starts_is_missed() {
    watched!();
    let burst = copy("/bin/true", Path::new("/dev/shm/saker-deed-burst").to_owned());
    shell("i=0; while [ $i -lt 1000 ]; do /dev/shm/saker-deed-burst; i=$((i+1)); done");
    fs::remove_file(&burst).unwrap();
    let path = "/api/v1/findings?rule=Deed:%20program%20run%20from%20shared%20memory";
    e2e::eventually("a finding of 1000 alerts", || {
        let findings = get(&world().router.api_url(path)).json();
        let items = findings["items"].as_array().cloned().unwrap_or_default();
        let found = items.iter().any(|finding| {
            finding["count"] == 1000 && finding.to_string().contains("saker-deed-burst")
        });
        if found { Ok(()) } else { Err(format!("{findings:#}")) }
    });
}

#[test]
fn an_agent_reaches_its_router_over_mutual_tls_and_with_its_token() {
    watched!();
    let certificates = Certificates::new();
    let webhook = Webhook::start();
    let router = Router::start_with(&json!({
        "router": {
            "tls": {
                "certificate": certificates.server.certificate,
                "key": certificates.server.key,
                "client_ca": certificates.authority,
            },
            "ingest": { "tokens": { "watched-host": "a-long-enough-token" } },
        },
        "outputs": { "hook": { "webhook": {
            "url": webhook.url(),
            "signing_secrets": [Webhook::SECRET],
        } } },
        "routes": [{ "group_by": ["fingerprint"], "group_wait": "0s" }],
    }));
    let _agent = Agent::start_with(
        &[&world::rules()],
        &json!({
            "url": format!("https://localhost:{}", router.ingest.number()),
            "ca": certificates.authority,
            "certificate": certificates.client.certificate,
            "key": certificates.client.key,
            "token": "a-long-enough-token",
        }),
    );
    shell("cat /etc/shadow /nothing/saker-deed-tls; true");
    e2e::eventually("the alert over TLS", || {
        let calls = format!("{:?}", webhook.calls());
        if calls.contains("saker-deed-tls") { Ok(()) } else { Err(calls) }
    });
}

#[test]
fn one_program_does_it_all() {
    watched!();
    let webhook = Webhook::start();
    let saker = Router::start_all_in_one(&json!({
        "agent": { "rules": [world::rules()], "hostname": Agent::HOSTNAME },
        "outputs": { "hook": { "webhook": {
            "url": webhook.url(),
            "signing_secrets": [Webhook::SECRET],
        } } },
        "routes": [{ "group_by": ["fingerprint"], "group_wait": "0s" }],
    }));
    // Ready means that alerts are taken; the sensor starts beside it.
    e2e::eventually("an alert by `saker run`", || {
        shell("cat /etc/shadow /nothing/saker-deed-all-in-one; true");
        let calls = format!("{:?}", webhook.calls());
        if calls.contains("saker-deed-all-in-one") { Ok(()) } else { Err(calls) }
    });
    drop(saker);
}
