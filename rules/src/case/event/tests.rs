//! What can be given of an event, and what is refused.

use alert::{Argument, Event, Field};
use expect_test::{Expect, expect};

use crate::{
    text::Files,
    yaml::{self, Node},
};

fn node(files: &mut Files, text: &str) -> Node {
    let mut told = Vec::new();
    let source = format!("[{{ {text} }}]");
    let mut documents = yaml::read(files, "test.yaml", &source, &mut told);
    assert!(told.is_empty(), "{told:?}");
    let yaml::Kind::Sequence(items) = documents.remove(0).kind else { panic!("{text}") };
    items[0].clone()
}

fn event(text: &str) -> Event {
    let mut files = Files::default();
    let node = node(&mut files, text);
    super::read(&files, &node).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn field(event: &Event, name: &str) -> String {
    let (name, argument) = match name.trim_end_matches(']').split_once('[') {
        Some((name, argument)) => (name, Some(argument)),
        None => (name, None),
    };
    let (field, argument) = Field::resolve(name, argument).unwrap();
    event.value(field, &argument).map_or("<NA>".to_owned(), |value| value.to_string())
}

/// Checks fields of an event: `name=value` for each.
fn check(text: &str, expected: &[(&str, &str)]) {
    let event = event(text);
    for (name, value) in expected {
        assert_eq!(field(&event, name), *value, "{name} of {text}");
    }
}

fn refused(text: &str, expected: Expect) {
    let mut files = Files::default();
    let node = node(&mut files, text);
    let fault = super::read(&files, &node).unwrap_err();
    let help = fault.hints.join(", ");
    expected.assert_eq(&format!("{} ({help})", fault.message));
}

#[test]
fn every_kind_of_event_can_be_given_by_its_type_alone() {
    for kind in alert::EventKind::ALL {
        let event = event(&format!("evt.type: {}", kind.name()));
        assert_eq!(event.value(Field::EvtType, &Argument::None).unwrap().to_string(), kind.name());
    }
}

#[test]
fn parameters_are_given_by_name_and_shown_as_falco_shows_them() {
    check(
        "evt.type: symlinkat, evt.arg.target: ../etc/shadow, evt.arg.linkdirfd: /tmp, evt.arg.linkpath: x",
        &[
            ("evt.arg.target", "../etc/shadow"),
            ("evt.arg.linkpath", "/tmp/x"),
            ("evt.arg[2]", "<d>/tmp"),
            ("evt.rawarg.linkpath", "x"),
            ("fs.path.source", "/tmp/x"),
            ("evt.args", "res=0 target=../etc/shadow linkdirfd=5(<d>/tmp) linkpath=x(/tmp/x)"),
        ],
    );
    check(
        "evt.type: renameat2, proc.cwd: /srv/, evt.arg.olddirfd: AT_FDCWD, evt.arg.oldpath: a/../b, \
         evt.arg.newpath: /tmp/b, evt.arg.flags: RENAME_NOREPLACE|RENAME_WHITEOUT",
        &[
            ("evt.arg.oldpath", "/srv/b"),
            ("evt.arg.olddirfd", "AT_FDCWD"),
            ("evt.arg.newpath", "/tmp/b"),
            ("evt.arg.flags", "RENAME_NOREPLACE|RENAME_WHITEOUT"),
            ("evt.rawarg.flags", "5"),
            ("fs.path.target", "/tmp/b"),
        ],
    );
    check(
        "evt.type: setresuid, user.uid: 1000, user.name: app, evt.arg.ruid: app, evt.arg.euid: 0, \
         evt.arg.suid: 4294967295",
        &[
            ("evt.arg.ruid", "app"),
            ("evt.arg.euid", "root"),
            ("evt.arg.suid", "<NONE>"),
            ("evt.args", "res=0 ruid=1000(app) euid=0(root) suid=-1(<NONE>)"),
        ],
    );
    check(
        "evt.type: fchmodat, evt.arg.filename: /bin/x, evt.arg.mode: 4755",
        &[("evt.arg.mode", "S_IXOTH|S_IROTH|S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISUID")],
    );
    check(
        "evt.type: unshare, evt.res: EPERM, evt.arg.flags: CLONE_NEWUSER|CLONE_NEWNS",
        &[
            ("evt.rawres", "-1"),
            ("evt.arg.res", "EPERM"),
            ("evt.arg.flags", "CLONE_NEWNS|CLONE_NEWUSER"),
            ("evt.failed", "true"),
        ],
    );
    check(
        "evt.type: bpf, evt.arg.cmd: BPF_PROG_LOAD",
        &[("evt.arg.cmd", "BPF_PROG_LOAD"), ("evt.rawarg.cmd", "5")],
    );
    check(
        "evt.type: procexit, evt.arg.sig: SIGKILL",
        &[("evt.arg.sig", "SIGKILL"), ("evt.arg.ret", "0")],
    );
    check(
        "evt.type: recvfrom, evt.buffer: \"0xcafebabe\", fd.rip: 10.0.0.9, fd.l4proto: tcp",
        &[
            ("evt.buflen", "4"),
            ("evt.is_io_read", "true"),
            ("evt.category", "net"),
            ("fd.rport", "443"),
        ],
    );
}

#[test]
fn a_descriptor_is_what_the_call_made_or_was_given() {
    check(
        "evt.type: dup2, evt.rawres: 1, fd.type: ipv4, fd.lip: 10.0.0.1, fd.rip: 10.0.0.2",
        &[
            ("fd.num", "1"),
            ("fd.type", "ipv4"),
            ("fd.name", "10.0.0.1:40000->10.0.0.2:443"),
            ("evt.arg.res", "<4>10.0.0.1:40000->10.0.0.2:443"),
        ],
    );
    check(
        "evt.type: accept4, fd.cip: 192.0.2.7, fd.cport: 5555, fd.sip: 10.0.0.1, fd.sport: 22",
        &[
            ("fd.lport", "22"),
            ("fd.rip", "192.0.2.7"),
            ("fd.is_server", "true"),
            ("evt.arg.tuple", "192.0.2.7:5555->10.0.0.1:22"),
        ],
    );
    check(
        "evt.type: socket, evt.arg.domain: AF_PACKET",
        &[("fd.num", "3"), ("fd.type", "other"), ("evt.arg.domain", "AF_PACKET")],
    );
    check(
        "evt.type: openat, evt.rawres: -2, evt.arg.name: ../x, proc.cwd: /srv/a",
        &[("fd.num", "-1"), ("fd.name", "/srv/x"), ("fd.nameraw", "../x"), ("fd.type", "<NA>")],
    );
    check("evt.type: fchmod, fd.name: /tmp/x, fd.num: 7", &[("evt.arg.fd", "<f>/tmp/x")]);
}

#[test]
fn a_process_is_given_with_what_no_sensor_tells_yet() {
    check(
        "evt.type: execve, proc.name: sh, proc.vpid: 7, proc.vpgid: 7, proc.pgid: 9, \
         thread.cap_permitted: CAP_SYS_ADMIN CAP_NET_RAW, container.id: 0123456789abcdef, \
         container.start_ts: 5, container.mounts: [\"/proc:/host/proc:ro:false:rprivate\", \"/a:/b\"], \
         container.labels: {app: web}, parents: [bash, {proc.name: sshd, proc.args: -D}]",
        &[
            ("proc.is_vpgid_leader", "true"),
            ("proc.is_pgid_leader", "false"),
            ("thread.cap_permitted", "CAP_NET_RAW CAP_SYS_ADMIN"),
            ("container.id", "0123456789ab"),
            ("container.start_ts", "5"),
            ("container.mount.dest[/proc*]", "/host/proc"),
            ("container.mount.mode[0]", "ro"),
            ("container.mount[/a]", "/a:/b::true:"),
            ("container.label[app]", "web"),
            ("proc.acmdline[2]", "sshd -D"),
            ("evt.arg.ptid", "bash"),
        ],
    );
}

#[test]
fn a_wrong_key_or_value_is_told_with_the_way_out() {
    refused("proc.name: x", expect!["an event needs its `evt.type`, as in `evt.type: execve` ()"]);
    refused("evt.type: opnat", expect!["unknown `opnat` (did you mean `openat`?)"]);
    refused(
        "evt.type: execve, proc.nmae: x",
        expect!["a test's event cannot be given `proc.nmae` (did you mean `proc.name`?)"],
    );
    refused(
        "evt.type: execve, proc.pname: x",
        expect![
            "a test's event cannot be given `proc.pname` (it follows from others: give `parents: [NAME]`)"
        ],
    );
    refused(
        "evt.type: unshare, evt.arg.mode: 1",
        expect![
            "a test's event cannot be given `evt.arg.mode` (these can be given: evt.arg.flags)"
        ],
    );
    refused(
        "evt.type: openat, evt.arg.mode: rwx",
        expect![
            "`evt.arg.mode` must be a mode, found `rwx` (in octal, as in `4755`, or by bits, as in `S_ISUID`)"
        ],
    );
    refused(
        "evt.type: openat, fd.type: dir",
        expect!["unknown `dir` (one of: file directory pipe unix other)"],
    );
    refused(
        "evt.type: openat, evt.arg.flags: O_WRITE",
        expect!["unknown flag `O_WRITE` (for example `O_WRONLY|O_CREAT|O_TRUNC`)"],
    );
    refused(
        "evt.type: connect, fd.rip: 10.0.0.256",
        expect!["`fd.rip` must be an IP address, found `10.0.0.256` ()"],
    );
    refused(
        "evt.type: execve, proc.tty: pts",
        expect!["`proc.tty` must be a decimal number in its range, found `pts` ()"],
    );
    refused(
        "evt.type: execve, fd.type: file",
        expect!["`execve` events are about no descriptor ()"],
    );
    refused(
        "evt.type: execve, container.name: x",
        expect!["a process of the host has no container (give its `container.id` too)"],
    );
    refused(
        "evt.type: ptrace, evt.arg.request: PTRACE_ATACH",
        expect!["unknown `PTRACE_ATACH` (did you mean `PTRACE_ATTACH`?)"],
    );
    refused(
        "evt.type: execve, parents: [{fd.name: x}]",
        expect![
            "a test's event cannot be given `fd.name` (the keys are names of fields, as in `proc.name` and `fd.name`)"
        ],
    );
}
