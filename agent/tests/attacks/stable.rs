//! Falco's stable rules: each is provoked by a deed, on the host or in a container.

use std::{collections::BTreeSet, path::PathBuf};

use rules::{RuleSet, Source};

use crate::{
    table::{Row, in_container, on_host, row},
    watch::stable,
};

/// Returns the file of the stable rules. It is data we test against and do not ship: it is named by
/// `SAKER_FALCO_RULES`, or lies in a folder `shared` beside the worktree; where there is such a folder
/// it must hold the file.
pub(crate) fn official() -> Option<String> {
    let named = std::env::var_os("SAKER_FALCO_RULES").map(PathBuf::from);
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let shared = here.ancestors().map(|folder| folder.join("shared")).find(|path| path.is_dir());
    let expected = named.is_some() || (shared.is_some() && std::env::var_os("CI").is_some());
    let near = shared.map(|folder| folder.join("rules/falco_rules.yaml"));
    let path = named.or(near).filter(|path| path.is_file());
    if path.is_none() {
        assert!(!expected, "falco_rules.yaml is not where it should be");
        eprintln!("\n*** NOT TESTED: falco_rules.yaml is not here; set SAKER_FALCO_RULES\n");
    }
    path.map(|path| std::fs::read_to_string(path).unwrap())
}

#[test]
fn each_of_the_stable_rules_has_its_deed() {
    let Some(text) = official() else { return };
    let source = Source { name: "falco_rules.yaml".to_owned(), text };
    let rules = RuleSet::load(&[source]).unwrap().rules;
    let all: BTreeSet<&str> = rules.rules().iter().map(|rule| &*rule.name).collect();
    let done: BTreeSet<&str> = HOST.iter().chain(CONTAINER).map(|row| row.rule).collect();
    assert_eq!((all, HOST.len() + CONTAINER.len()), (done, 25));
}

#[test]
fn stable_rules_fire_on_the_host() {
    let Some(watch) = stable() else { return };
    on_host(watch, HOST);
}

#[test]
fn stable_rules_fire_in_a_container() {
    let Some(watch) = stable() else { return };
    in_container(watch, CONTAINER);
}

const HOST: &[Row] = &[
    row(
        "Read sensitive file trusted after startup",
        // The first five seconds of a server are its start.
        "$A shell nginx -c 'sleep 6; read line < /etc/shadow' $0",
        &[("evt.type", "openat"), ("fd.name", "/etc/shadow"), ("proc.name", "nginx")],
    ),
    row(
        "Directory traversal monitored file read",
        "$A shell webapp -c 'cat /etc/../etc/../etc/passwd $0; :' $0",
        &[("evt.type", "openat"), ("fd.name", "/etc/passwd"), ("proc.pname", "webapp")],
    ),
    row(
        "Read sensitive file untrusted",
        "cat /etc/shadow $0",
        &[("evt.type", "openat"), ("fd.name", "/etc/shadow"), ("proc.name", "cat")],
    ),
    row(
        "Run shell untrusted",
        "$A shell nginx -c 'sh -c : $0; :' $0",
        &[("evt.type", "execve"), ("proc.pname", "nginx"), ("proc.cmdline", "sh -c : saker-a*")],
    ),
    row(
        "System user interactive",
        "$A shell sshd -c 'setpriv --reuid=daemon --clear-groups /bin/true $0; :' $0",
        &[("evt.type", "execve"), ("user.name", "daemon"), ("proc.name", "true")],
    ),
    row(
        "Search Private Keys or Passwords",
        "find /nothing -name id_rsa -o -name $0",
        &[("evt.type", "execve"), ("proc.name", "find")],
    ),
    row(
        "Clear Log Activities",
        ": > /var/log/auth.log",
        &[("evt.type", "openat"), ("fd.name", "/var/log/auth.log")],
    ),
    row(
        "Remove Bulk Data from Disk",
        "$A run shred -u $0",
        &[("evt.type", "execve"), ("proc.name", "shred")],
    ),
    row(
        "Create Symlink Over Sensitive Files",
        "ln -s /etc/shadow $D/$0",
        &[("evt.type", "symlinkat"), ("evt.arg.target", "/etc/shadow")],
    ),
    row(
        "Create Hardlink Over Sensitive Files",
        "ln /etc/shadow /etc/$0",
        &[("evt.type", "linkat"), ("evt.arg.oldpath", "/etc/shadow")],
    ),
    row(
        "PTRACE attached to process",
        "$A attach $0",
        &[("evt.type", "ptrace"), ("proc.name", "attacks")],
    ),
    row(
        "PTRACE anti-debug attempt",
        "$A traced $0",
        &[("evt.type", "ptrace"), ("proc.name", "attacks")],
    ),
    row(
        "Find AWS Credentials",
        "find /nothing/$0 -path .aws/credentials",
        &[("evt.type", "execve"), ("proc.name", "find")],
    ),
    row(
        "Execution from /dev/shm",
        "cp /bin/true /dev/shm/$0; /dev/shm/$0; rm /dev/shm/$0",
        &[("evt.type", "execve"), ("proc.exepath", "/dev/shm/saker-a*")],
    ),
    row(
        "Disallowed SSH Connection Non Standard Port",
        "cp $A $D/ssh; $A network 192.0.2.1 $D/ssh connect 192.0.2.1 4444 $0",
        &[("evt.type", "connect"), ("fd.name", "*->192.0.2.1:4444")],
    ),
    row(
        "Fileless execution via memfd_create",
        "$A memfd innocent $0",
        &[("evt.type", "execve*"), ("proc.exepath", "memfd:payload")],
    ),
];

const CONTAINER: &[Row] = &[
    row(
        "Terminal shell in container",
        "cp $A $D/runc; $D/runc terminal sh -c : $0",
        &[("evt.type", "execve"), ("proc.pname", "runc"), ("proc.name", "sh")],
    ),
    row(
        "Netcat Remote Code Execution in Container",
        "$A run nc -e /bin/sh $0",
        &[("evt.type", "execve"), ("proc.name", "nc")],
    ),
    row("Packet socket created in container", "$A packet $0", &[("evt.type", "socket")]),
    row(
        "Redirect STDOUT/STDIN to Network Connection in Container",
        "$A redirect true $0",
        &[("evt.type", "dup2"), ("fd.name", "127.0.0.1:*"), ("proc.name", "attacks")],
    ),
    row(
        "Linux Kernel Module Injection Detected",
        "$A module $0",
        &[("evt.type", "finit_module"), ("proc.name", "attacks")],
    ),
    row(
        "Debugfs Launched in Privileged Container",
        "$A run debugfs $0",
        &[("evt.type", "execve"), ("proc.name", "debugfs")],
    ),
    row(
        "Detect release_agent File Container Escapes",
        ": > $D/release_agent",
        &[("evt.type", "openat"), ("fd.name", "*/release_agent")],
    ),
    row(
        "Drop and execute new binary in container",
        "cp /bin/true /usr/bin/$0; /usr/bin/$0",
        &[("evt.type", "execve"), ("proc.exepath", "/usr/bin/saker-a*")],
    ),
    // The look-up of the name has been answered by then.
    row(
        "Contact K8S API Server From Container",
        "$A network 198.51.100.7 $A connect 198.51.100.7 6443 $0",
        &[("evt.type", "connect"), ("fd.name", "*->198.51.100.7:6443")],
    ),
];
