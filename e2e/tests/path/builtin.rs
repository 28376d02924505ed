//! The built-in rules against deeds like those they were written for.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use e2e::Folder;
use serde_json::json;

use crate::{
    deeds::{alert_of, copy, has, python, run, shell, watched},
    world::world,
};

#[test]
fn password_hashes_read_by_cat() {
    watched!();
    shell("cat /etc/shadow /nothing/saker-builtin-hashes; true");
    let alert = alert_of("Password hashes read", "saker-builtin-hashes");
    assert_eq!(alert["priority"], "Warning");
    assert!(alert["tags"].as_array().unwrap().contains(&json!("T1003.008")));
    has(&alert, &[("fd.name", json!("/etc/shadow")), ("proc.name", json!("cat"))]);
    let output = alert["output"].as_str().unwrap();
    assert!(output.starts_with("cat read password hashes | file=/etc/shadow"), "{output}");
}

#[test]
fn a_private_ssh_key_read_by_cp() {
    watched!();
    let home = Path::new("/root/.ssh");
    fs::create_dir_all(home).unwrap();
    let key = home.join("id_saker_builtin");
    fs::write(&key, "no key").unwrap();
    let folder = Folder::new("deeds");
    shell(&format!("cp {} {}", key.display(), folder.join("loot").display()));
    fs::remove_file(&key).unwrap();
    let alert = alert_of("Private SSH key read", "id_saker_builtin");
    has(&alert, &[("fd.name", json!(key)), ("proc.name", json!("cp"))]);
}

#[test]
fn a_shell_started_by_nginx() {
    watched!();
    let folder = Folder::new("deeds");
    let nginx = copy("/bin/dash", folder.join("nginx"));
    run(Command::new(nginx).args(["-c", "/bin/sh -c 'true; : saker-builtin-web'; true"]));
    let alert = alert_of("Shell started by a server", "saker-builtin-web");
    assert_eq!(alert["priority"], "Critical");
    has(&alert, &[("proc.name", json!("sh"))]);
}

#[test]
fn a_reverse_shell() {
    watched!();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    python(&format!(
        "import os, socket
s = socket.create_connection(('127.0.0.1', {port}))
[os.dup2(s.fileno(), n) for n in (0, 1, 2)]
os.execv('/bin/sh', ['sh', '-c', 'true; : saker-builtin-reverse'])"
    ));
    let alert = |event: &str| {
        world().alert_where(&format!("a reverse shell by {event}"), |alert| {
            let fields = &alert["fields"];
            alert["rule"] == "Shell joined to the network"
                && fields["evt.type"] == event
                && fields["proc.cmdline"].to_string().contains("saker-builtin-reverse")
        })
    };
    // Told when the streams are joined, and again of the shell that has them.
    let joined = alert("dup2");
    assert_eq!(joined["priority"], "Critical");
    assert!(joined["fields"]["fd.name"].to_string().contains(&port.to_string()), "{joined:#}");
    has(&alert("execve"), &[("proc.name", json!("sh")), ("proc.stdin.type", json!("ipv4"))]);
}

#[test]
fn a_program_run_from_shared_memory() {
    watched!();
    let dropped = copy("/bin/true", PathBuf::from("/dev/shm/builtin-drop"));
    run(&mut Command::new(&dropped));
    fs::remove_file(&dropped).unwrap();
    let alert = alert_of("Program run from shared memory", "builtin-drop");
    assert_eq!(alert["priority"], "Error");
    has(&alert, &[("proc.exepath", json!(dropped))]);
}

#[test]
fn a_program_run_from_memory() {
    watched!();
    python(
        "import os; fd = os.memfd_create('x', 0)
os.write(fd, open('/bin/true', 'rb').read())
os.execve(fd, ['innocent', 'saker-builtin-memory'], {})",
    );
    let alert = alert_of("Program run from memory", "saker-builtin-memory");
    assert_eq!(alert["priority"], "Critical");
}

#[test]
fn netcat_with_a_program() {
    watched!();
    let folder = Folder::new("deeds");
    let netcat = copy("/bin/true", folder.join("ncat"));
    run(Command::new(netcat).args(["-e", "/bin/sh", "saker-builtin-netcat"]));
    alert_of("Netcat given a program", "saker-builtin-netcat");
}

#[test]
fn an_encoded_command() {
    watched!();
    shell("echo dHJ1ZQ== | base64 -d | sh; : saker-builtin-encoded");
    alert_of("Encoded command run", "saker-builtin-encoded");
}

#[test]
fn a_miner() {
    watched!();
    let folder = Folder::new("deeds");
    let miner = copy("/bin/true", folder.join("xmrig"));
    run(Command::new(miner).arg("saker-builtin-miner"));
    alert_of("Cryptocurrency miner run", "saker-builtin-miner");
}

#[test]
fn a_scheduled_job_written() {
    watched!();
    let folder = Path::new("/etc/cron.d");
    let made = !folder.exists();
    fs::create_dir_all(folder).unwrap();
    shell("touch /etc/cron.d/saker-builtin; rm -f /etc/cron.d/saker-builtin");
    if made {
        fs::remove_dir(folder).unwrap();
    }
    let alert = alert_of("Scheduled job written", "touch /etc/cron.d/saker-builtin");
    has(&alert, &[("fd.name", json!("/etc/cron.d/saker-builtin"))]);
}

#[test]
fn a_cleared_history() {
    watched!();
    let folder = Folder::new("deeds");
    let history = folder.write(".bash_history", "what they did");
    shell(&format!("rm -f {} /nothing/saker-builtin-history", history.display()));
    alert_of("Shell history cleared", "saker-builtin-history");
}

#[test]
fn a_process_taken_over() {
    watched!();
    python(
        "import ctypes, os, signal
'saker-builtin-trace'
child = os.fork()
if child == 0:
    signal.pause()
libc = ctypes.CDLL(None)
libc.ptrace(16, child, 0, 0)
os.waitpid(child, 0)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)",
    );
    alert_of("Process taken over", "saker-builtin-trace");
}
