//! What is told of a process beside its program: sessions, groups, namespaces, rights, names.

use std::{
    fs,
    io::Write,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::Path,
    process::{Command, Stdio},
};

use alert::{Detail, Event, EventKind, Field, Process, ProcessExtra};

use crate::{
    deed::{deed, finish, program, run, run_status},
    process::{Cgroup, cgroup_root},
    watch::watch,
};

const CAP_NET_RAW: u64 = 1 << 13;

fn extra(process: &Process) -> &ProcessExtra {
    process.extra.as_deref().expect("more about the process")
}

/// Returns the last exec of `name` below the process.
fn exec_below(watch: &crate::watch::Watch, pid: i32, name: &str) -> Event {
    watch.find(name, |event| {
        event.kind == EventKind::Execve
            && &*event.process.name == name
            && event.process.ancestors().any(|process| process.key.pid == pid)
    })
}

fn opened<'a>(event: &'a Event, path: &str) -> Option<&'a Process> {
    let Detail::Open(file) = &event.detail else { return None };
    (&*file.path == path).then_some(&event.process)
}

#[test]
fn a_new_session_makes_its_first_process_the_leader_of_session_and_group() {
    let Some(watch) = watch() else { return };
    let pid = run(Command::new("setsid").args(["--wait", "sh", "-c", "/bin/true; :"]));
    let event = exec_below(watch, pid, "true");
    let shell = event.process.parent.as_ref().unwrap();
    assert_eq!(event.process.sid, shell.key.pid);
    let extra = extra(&event.process);
    assert_eq!(extra.group_id, Some(shell.key.pid));
    assert_eq!(extra.virtual_group_id, Some(shell.key.pid));
    assert_eq!((&extra.session_leader, &extra.group_leader), (&None, &None), "they are ancestors");
    assert_eq!(event.process.tty, 0);
}

#[test]
fn a_group_s_leader_is_known_where_it_is_no_ancestor() {
    let Some(watch) = watch() else { return };
    let pid = run(&mut deed("group"));
    let event = watch.find("a member of the group", |event| {
        event.kind == EventKind::Execve && event.process.ppid == pid
    });
    let extra = extra(&event.process);
    assert_ne!(extra.group_id, Some(event.process.key.pid));
    let leader = extra.group_leader.as_ref().expect("a leader");
    assert_eq!(Path::new(&*leader.path), program());
    assert_eq!(leader.argument.as_deref(), program().to_str());
}

#[test]
fn an_event_names_its_processor_and_its_thread_in_the_thread_s_own_numbers() {
    let Some(watch) = watch() else { return };
    let mark = format!("saker-thread-{}", std::process::id());
    let deeds = program().to_str().unwrap();
    run(Command::new("unshare").args(["--pid", "--fork", deeds, "thread-open", &mark]));
    let event = watch.find(
        "an open by a thread",
        |event| matches!(&event.detail, Detail::Open(open) if open.raw.contains(&mark)),
    );
    // The thread wrote both into the name.
    let Detail::Open(open) = &event.detail else { panic!("{event:?}") };
    let mut told = open.raw.rsplit('/').map(|number| number.parse::<i64>().unwrap());
    let (processor, thread) = (told.next().unwrap(), told.next().unwrap());
    let number = |name: &str| {
        let (field, argument) = Field::resolve(name, None).unwrap();
        event.value(field, &argument).and_then(|value| value.to_string().parse().ok())
    };
    assert_eq!(number("evt.cpu"), Some(processor));
    assert_eq!(number("thread.vtid"), Some(thread));
    assert_ne!(number("thread.tid"), Some(thread));
    assert_ne!(thread, i64::from(event.process.vpid), "it is not the main thread");
}

#[test]
fn a_pid_namespace_has_its_own_numbers_and_its_own_start() {
    let Some(watch) = watch() else { return };
    let pid = run(Command::new("unshare").args(["--pid", "--fork", "sh", "-c", "/bin/true; :"]));
    let event = exec_below(watch, pid, "true");
    let (process, init) = (&event.process, event.process.parent.as_ref().unwrap());
    assert_eq!((init.vpid, process.vpid), (1, 2));
    assert_ne!(init.key.pid, 1);
    assert_eq!(extra(process).namespace_start_ns, Some(init.start_ns));
    assert_eq!(extra(init).namespace_start_ns, Some(init.start_ns));
    // The group is of the namespace above, which has no number in this one.
    assert_eq!(extra(process).virtual_group_id, Some(0));
    let host = process.ancestors().find(|process| process.key.pid == pid).unwrap();
    // Where the first process is known from `/proc` alone its start is rounded down.
    let first = process.ancestors().last().unwrap();
    let distance = extra(host).namespace_start_ns.unwrap().abs_diff(first.start_ns);
    assert!(distance < 10_000_000, "{distance}");
}

#[test]
fn three_sets_of_capabilities_are_told() {
    let Some(watch) = watch() else { return };
    let (pid, status) = run_status(Command::new("setpriv").args([
        "--reuid=65534",
        "--clear-groups",
        "--inh-caps=-all,+net_raw",
        "--ambient-caps=-all,+net_raw",
        "/bin/true",
    ]));
    assert!(status.success());
    let event = watch.of(pid, EventKind::Execve, |event| &*event.process.name == "true");
    assert_eq!(event.process.capabilities, CAP_NET_RAW);
    assert_eq!(extra(&event.process).permitted, Some(CAP_NET_RAW));
    assert_eq!(extra(&event.process).inheritable, Some(CAP_NET_RAW));
    assert_eq!(extra(&event.process).home.as_deref(), Some("/nonexistent"));
    assert_eq!(extra(&event.process).shell.as_deref(), Some("/usr/sbin/nologin"));
}

#[test]
fn a_login_shows_at_the_next_event_and_in_the_next_program() {
    let Some(watch) = watch() else { return };
    let (pid, status) = run_status(deed("login").args(["65534", "/etc/hostname"]));
    if status.code() == Some(2) {
        eprintln!("\n*** SKIPPED: this kernel has no login user ids to set\n");
        return;
    }
    let event = watch.of(pid, EventKind::OpenAt, |event| opened(event, "/etc/hostname").is_some());
    assert_eq!(event.process.login_uid, Some(65534));
    assert_eq!(event.process.login_user.as_deref(), Some("nobody"));
}

#[test]
fn limits_and_open_files_are_those_at_exec() {
    let Some(watch) = watch() else { return };
    let script = "ulimit -n 77; exec 7</dev/null; exec /bin/true";
    let pid = run(Command::new("sh").args(["-c", script]).stdin(Stdio::null()));
    let event = watch.of(pid, EventKind::Execve, |event| &*event.process.name == "true");
    let usage = extra(&event.process).usage.unwrap();
    assert_eq!(usage.files_max, 77);
    // Three streams and the one left open.
    assert!((4..10).contains(&usage.files), "{usage:?}");
    assert!(usage.virtual_kib > 64 && usage.virtual_kib < 1 << 20, "{usage:?}");
    assert!(usage.resident_kib <= usage.virtual_kib && usage.swapped_kib == 0, "{usage:?}");
    assert!(usage.faults_minor > 0, "{usage:?}");
}

#[test]
fn an_exec_by_another_thread_is_one_of_the_process() {
    let Some(watch) = watch() else { return };
    let pid = run(&mut deed("thread-exec"));
    let event = watch.of(pid, EventKind::Execve, |event| {
        event.process.arguments.last().is_some_and(|last| **last == *"from-a-thread")
    });
    assert_eq!(event.tid, pid);
    assert_eq!(event.process.ppid, std::process::id() as i32);
    assert_eq!(event.process.vpid, pid);
    let end = watch.of(pid, EventKind::ProcExit, |_| true);
    assert_eq!(end.process, event.process);
}

#[test]
fn a_program_named_with_newlines_and_escapes_keeps_its_name_and_adds_no_process() {
    let Some(watch) = watch() else { return };
    let directory = tempfile::tempdir().unwrap();
    let odd = directory.path().join(std::ffi::OsStr::from_bytes(b"a\nb\x1b[31m (c) S 1"));
    fs::hard_link(program(), &odd).or_else(|_| fs::copy(program(), &odd).map(drop)).unwrap();
    let pid = run(&mut Command::new(&odd));
    let event = watch.of(pid, EventKind::Execve, |_| true);
    assert_eq!(*event.process.name, *"a\nb\u{1b}[31m (c) S ");
    assert_eq!(Path::new(&*event.process.executable.path), odd);
    assert_eq!(event.process.ppid, std::process::id() as i32);
}

/// Starts a program that waits in a root and a container's cgroup of its own; returns its exec.
fn in_container(number: u32, root: &Path) -> Option<Event> {
    let watch = watch()?;
    let Some(cgroups) = cgroup_root() else {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "no cgroup v2 to write to");
        eprintln!("\n*** SKIPPED: no cgroup v2 to write to\n");
        return None;
    };
    let id = format!("{:032x}{number:032x}", std::process::id());
    let cgroup = Cgroup(cgroups.join(format!("saker-{}-{number}/docker/{id}", std::process::id())));
    fs::create_dir_all(&cgroup.0).unwrap();
    fs::copy(program(), root.join("program")).unwrap();
    // The shell in the container's cgroup has the host's root until it is told to go on.
    let script = format!(
        "echo $$ > {}/cgroup.procs && exec sh -c 'read go; exec chroot {} /program wait'",
        cgroup.0.display(),
        root.display()
    );
    let mut child = Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
    let pid = child.id() as i32;
    let shell = watch.of(pid, EventKind::Execve, |event| event.process.container.is_some());
    child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    let inside = watch.of(pid, EventKind::Execve, |event| &*event.process.name == "program");
    drop(child.stdin.take());
    finish(child);
    for event in [&shell, &inside] {
        assert_eq!(*event.process.container.as_ref().expect("a container").id, *id);
    }
    assert_eq!(*shell.process.name, *"sh");
    assert_eq!(shell.process.user.as_deref(), Some("root"), "the root is the host's, so are names");
    Some(inside)
}

#[test]
fn users_of_a_container_have_the_names_of_its_own_files() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/passwd"), "captain:x:0:7::/ship:/bin/helm\n").unwrap();
    fs::write(root.path().join("etc/group"), "crew:x:0:\n").unwrap();
    let Some(event) = in_container(1, root.path()) else { return };
    let process = &event.process;
    assert_eq!(process.user.as_deref(), Some("captain"));
    assert_eq!(process.group.as_deref(), Some("crew"));
    assert_eq!(extra(process).home.as_deref(), Some("/ship"));
    assert_eq!(extra(process).shell.as_deref(), Some("/bin/helm"));
    assert_eq!(*process.executable.path, *"/program", "a path is that of the container");
}

#[test]
fn a_link_out_of_a_container_gives_no_names_of_the_host() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    symlink("/../../../etc/passwd", root.path().join("etc/passwd")).unwrap();
    symlink("/proc/1/root/etc/group", root.path().join("etc/group")).unwrap();
    let Some(event) = in_container(2, root.path()) else { return };
    assert_eq!((&event.process.user, &event.process.group), (&None, &None));
}
