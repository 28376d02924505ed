//! Programs: what they are, who started them, where they run.

use std::{
    fs,
    os::unix::{
        ffi::OsStrExt, fs::MetadataExt, fs::PermissionsExt, net::UnixStream, process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use alert::{Detail, EventKind, StandardStream};

use crate::{
    deed::{deed, finish, program, run, run_status},
    watch::watch,
};

#[test]
fn an_exec_carries_its_whole_context() {
    let Some(watch) = watch() else { return };
    let directory = tempfile::tempdir().unwrap();
    let pid = run(Command::new("/bin/echo")
        .args(["-n", "two words", ""])
        .env_clear()
        .env("SAKER", "1")
        .stdin(Stdio::null())
        .current_dir(&directory));
    let event = watch.of(pid, EventKind::Execve, |_| true);
    let process = &event.process;
    let real = fs::canonicalize("/bin/echo").unwrap();
    let data = fs::metadata(&real).unwrap();
    assert_eq!(*process.name, *"echo");
    assert_eq!(
        process.arguments.iter().map(|a| &**a).collect::<Vec<_>>(),
        ["/bin/echo", "-n", "two words", ""]
    );
    assert_eq!(process.environment.iter().map(|a| &**a).collect::<Vec<_>>(), ["SAKER=1"]);
    assert_eq!(Path::new(&*process.cwd), directory.path());
    assert_eq!(Path::new(&*process.executable.path), real);
    assert_eq!(process.executable.inode, data.ino());
    assert_eq!(
        process.executable.mtime_ns,
        data.mtime() as u64 * 1_000_000_000 + data.mtime_nsec() as u64
    );
    assert_eq!(
        process.executable.ctime_ns,
        data.ctime() as u64 * 1_000_000_000 + data.ctime_nsec() as u64
    );
    assert!(
        !process.executable.deleted
            && !process.executable.from_memfd
            && !process.executable.upper_layer
    );
    assert!(matches!(&event.detail, Detail::Exec { filename } if **filename == *"/bin/echo"));
    assert_eq!((process.uid, process.user.as_deref()), (0, Some("root")));
    assert_eq!((process.gid, process.group.as_deref()), (0, Some("root")));
    assert_eq!(process.ppid, std::process::id() as i32);
    assert_eq!(process.vpid, pid);
    assert_eq!(process.stdin, Some(StandardStream::Null));
    assert_eq!(process.container, None);
    assert_ne!(process.capabilities, 0);
    let now = jiff::Timestamp::now().as_nanosecond() as u64;
    for time_ns in [event.time_ns, process.start_ns] {
        assert!(now.abs_diff(time_ns) < 60_000_000_000, "{time_ns} is not near {now}");
    }
    assert!(process.start_ns <= event.time_ns);
}

#[test]
fn an_argument_of_four_kilobytes_and_one_that_is_not_utf8_arrive() {
    let Some(watch) = watch() else { return };
    let long = "a".repeat(4096);
    let odd = std::ffi::OsStr::from_bytes(b"\xff\xfeodd\x1b[31m");
    let pid = run(Command::new("/bin/true").arg(&long).arg(odd));
    let event = watch.of(pid, EventKind::Execve, |_| true);
    assert_eq!(*event.process.arguments[1], *long);
    assert_eq!(*event.process.arguments[2], *"\u{fffd}\u{fffd}odd\u{1b}[31m");
}

#[test]
fn arguments_without_end_are_cut() {
    let Some(watch) = watch() else { return };
    let pid = run(Command::new("/bin/true").args(["b".repeat(100_000), "last".to_owned()]));
    let event = watch.of(pid, EventKind::Execve, |_| true);
    assert!(event.process.arguments[1].len() >= 4096);
    assert!(event.process.arguments.iter().map(|argument| argument.len()).sum::<usize>() <= 8192);
}

#[test]
fn a_chain_of_forks_keeps_all_its_ancestors() {
    let Some(watch) = watch() else { return };
    let script = "sh -c 'sh -c \"sh -c \\\"/bin/sleep 0.01; true\\\"; true\"; true'; true";
    let pid = run(Command::new("sh").args(["-c", script]));
    let event = watch.find("sleep below four shells", |event| {
        event.kind == EventKind::Execve
            && &*event.process.name == "sleep"
            && event.process.ancestors().any(|process| process.key.pid == pid)
    });
    let names: Vec<_> = event.process.ancestors().take(4).map(|process| &*process.name).collect();
    assert_eq!(names, ["sh"; 4]);
    let top = event.process.ancestors().nth(3).unwrap();
    assert_eq!(top.key.pid, pid);
    assert_eq!(top.ppid, std::process::id() as i32);
    // The rest, up to init, is from the snapshot.
    assert_eq!(event.process.ancestors().last().unwrap().key.pid, 1);
}

#[test]
fn a_fork_without_exec_is_a_copy_of_its_parent() {
    let Some(watch) = watch() else { return };
    let pid = run(Command::new("sh").args(["-c", "(cd /; : </etc/hostname); true"]));
    let event = watch.find("clone by the shell", |event| {
        event.kind == EventKind::Clone && event.process.ppid == pid
    });
    assert_eq!(*event.process.name, *"sh");
    assert_ne!(event.process.key.pid, pid);
    assert_eq!(event.process.parent.as_ref().unwrap().key.pid, pid);
}

#[test]
fn an_end_carries_its_status() {
    let Some(watch) = watch() else { return };
    let pid = run(Command::new("sh").args(["-c", "exit 3"]));
    let event = watch.of(pid, EventKind::ProcExit, |_| true);
    assert!(matches!(event.detail, Detail::Exit { status: 0x300 }), "{:?}", event.detail);
    let pid = run(Command::new("sh").args(["-c", "kill -9 $$"]));
    let event = watch.of(pid, EventKind::ProcExit, |_| true);
    assert!(matches!(event.detail, Detail::Exit { status: 9 }), "{:?}", event.detail);
}

#[test]
fn a_binary_dropped_just_now_is_told_by_its_change_time() {
    let Some(watch) = watch() else { return };
    let directory = tempfile::tempdir().unwrap();
    let dropped = directory.path().join("dropped");
    fs::copy(program(), &dropped).unwrap();
    fs::set_permissions(&dropped, fs::Permissions::from_mode(0o755)).unwrap();
    let (pid, status) = retry_busy(|| {
        Command::new(&dropped).spawn().map(|child| (child.id() as i32, finish(child)))
    });
    assert!(status.success());
    let event = watch.of(pid, EventKind::Execve, |_| true);
    let executable = &event.process.executable;
    assert_eq!(Path::new(&*executable.path), dropped);
    assert_eq!(executable.inode, fs::metadata(&dropped).unwrap().ino());
    let age_ns = event.process.start_ns.abs_diff(executable.ctime_ns);
    assert!(age_ns < 30_000_000_000, "{age_ns}");
    assert!(executable.writable);
}

/// A fork of a parallel test may hold the copy open for writing for a moment.
fn retry_busy<T>(mut act: impl FnMut() -> std::io::Result<T>) -> T {
    loop {
        match act() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::yield_now()
            }
            result => return result.unwrap(),
        }
    }
}

#[test]
fn a_program_from_memory_alone_is_told() {
    let Some(watch) = watch() else { return };
    let (pid, status) = run_status(deed("memfd").arg("payload"));
    assert!(status.success());
    let event = watch.of(pid, EventKind::ExecveAt, |event| event.process.executable.from_memfd);
    assert_eq!(*event.process.executable.path, *"memfd:payload");
    assert!(!event.process.executable.deleted);
}

#[test]
fn a_program_whose_file_is_gone_is_told() {
    let Some(watch) = watch() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gone");
    let (pid, status) = run_status(deed("deleted").arg(&path));
    assert!(status.success());
    let event = watch.of(pid, EventKind::ExecveAt, |event| event.process.executable.deleted);
    assert_eq!(Path::new(&*event.process.executable.path), path);
    assert!(!event.process.executable.from_memfd);
}

#[test]
fn a_script_runs_under_its_interpreter_and_keeps_its_typed_name() {
    let Some(watch) = watch() else { return };
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    fs::write(&script, "#!/bin/sh\nexit 0\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let pid = retry_busy(|| {
        Command::new(&script).spawn().map(|child| (child.id() as i32, finish(child)))
    })
    .0;
    let event = watch.of(pid, EventKind::Execve, |_| true);
    assert_eq!(*event.process.name, *"script");
    assert_eq!(Path::new(&*event.process.executable.path), fs::canonicalize("/bin/sh").unwrap());
    assert!(matches!(&event.detail, Detail::Exec { filename } if Path::new(&**filename) == script));
}

#[test]
fn standard_streams_are_told_apart() {
    let Some(watch) = watch() else { return };
    let (near, _far) = UnixStream::pair().unwrap();
    let child = Command::new("/bin/true")
        .stdin(std::os::fd::OwnedFd::from(near))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id() as i32;
    finish(child);
    let event = watch.of(pid, EventKind::Execve, |_| true);
    assert_eq!(event.process.stdin, Some(StandardStream::Unix));
    assert_eq!(event.process.stdout, Some(StandardStream::Pipe));

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let file = tempfile::tempfile().unwrap();
    let child = Command::new("/bin/true")
        .stdin(std::os::fd::OwnedFd::from(stream))
        .stdout(file)
        .spawn()
        .unwrap();
    let pid = child.id() as i32;
    finish(child);
    let event = watch.of(pid, EventKind::Execve, |_| true);
    assert_eq!(event.process.stdin, Some(StandardStream::Ipv4));
    assert_eq!(event.process.stdout, Some(StandardStream::File));
}

#[test]
fn a_terminal_is_told_by_its_device() {
    let Some(watch) = watch() else { return };
    let pid = run(&mut deed("terminal"));
    let event = watch.of(pid, EventKind::Execve, |event| {
        event.process.arguments.len() == 2 && &*event.process.arguments[1] == "nothing"
    });
    assert_eq!(event.process.stdin, Some(StandardStream::Terminal));
    // Pseudo-terminals have major number 136.
    assert_eq!(event.process.tty >> 8 & 0xfff, 136, "{:#x}", event.process.tty);
    assert_eq!(event.process.sid, pid);
}

#[test]
fn a_program_added_to_an_overlay_is_told_from_one_that_was_there() {
    let Some(watch) = watch() else { return };
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for name in ["data", "mounted"] {
        fs::create_dir(at(name)).unwrap();
    }
    // The layers need a file system that can carry one; a fresh tmpfs can.
    let script = "mount -t tmpfs saker data && mkdir data/low data/up data/work && cp \"$0\" data/low/old \
        && mount -t overlay saker -o lowerdir=data/low,upperdir=data/up,workdir=data/work mounted \
        && cp \"$0\" mounted/new && mounted/old nothing && mounted/new nothing";
    let (pid, status) = run_status(
        Command::new("unshare")
            .args(["-m", "sh", "-c", script])
            .arg(program())
            .current_dir(&directory),
    );
    if !status.success() {
        eprintln!("\n*** SKIPPED: overlays cannot be mounted here\n");
        return;
    }
    for (name, upper) in [("old", false), ("new", true)] {
        let event = watch.find(name, |event| {
            event.kind == EventKind::Execve
                && &*event.process.name == name
                && event.process.ancestors().any(|process| process.key.pid == pid)
        });
        let executable = &event.process.executable;
        assert_eq!((executable.upper_layer, executable.lower_layer), (upper, !upper), "{name}");
        assert_eq!(Path::new(&*event.process.executable.path), at("mounted").join(name));
    }
}

#[test]
fn a_changed_user_shows_without_an_exec() {
    let Some(watch) = watch() else { return };
    let pid = run(deed("as-nobody").arg("/etc/hostname"));
    let event = watch.of(
        pid,
        EventKind::OpenAt,
        |event| matches!(&event.detail, Detail::Open(file) if &*file.path == "/etc/hostname"),
    );
    assert_eq!((event.process.uid, event.process.gid), (65534, 65534));
    assert_eq!(event.process.user.as_deref(), Some("nobody"));
    assert_eq!(event.process.capabilities, 0);
    assert_eq!(event.process.extra.as_ref().unwrap().permitted, Some(0));
}

#[test]
fn another_user_starts_with_its_own_names() {
    let Some(watch) = watch() else { return };
    let pid = run(Command::new("/bin/true").uid(65534).gid(65534));
    let event = watch.of(pid, EventKind::Execve, |_| true);
    assert_eq!(event.process.user.as_deref(), Some("nobody"));
    assert!(!event.process.executable.writable);
}

#[test]
fn a_process_in_a_container_s_cgroup_is_one_of_the_container() {
    let Some(watch) = watch() else { return };
    let Some(root) = cgroup_root() else {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "no cgroup v2 to write to");
        eprintln!("\n*** SKIPPED: no cgroup v2 to write to\n");
        return;
    };
    let id = format!("{:064x}", std::process::id());
    let uid = "2f6b0c1a-7a8e-4c51-9a33-0d4bb1c7e001";
    let pod = root.join(format!("kubepods-saker-{}/pod{uid}", std::process::id()));
    let cgroup = Cgroup(pod.join(&id));
    fs::create_dir_all(&cgroup.0).unwrap();
    let procs = cgroup.0.join("cgroup.procs");
    let script =
        format!("echo $$ > {}; : </etc/hostname; read go; exec /bin/true", procs.display());
    let mut child = Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
    let pid = child.id() as i32;

    let host = watch.of(pid, EventKind::Execve, |event| &*event.process.name == "sh");
    assert_eq!(host.process.container, None);
    // It moved without an exec: its next open tells, as long as it lives.
    let moved = watch.of(
        pid,
        EventKind::OpenAt,
        |event| matches!(&event.detail, Detail::Open(file) if &*file.path == "/etc/hostname"),
    );
    drop(child.stdin.take());
    finish(child);
    let inside = watch.of(pid, EventKind::Execve, |event| &*event.process.name == "true");
    for event in [inside, moved] {
        let container = event.process.container.as_ref().expect("a container");
        assert_eq!(*container.id, *id);
        assert_eq!(container.pod_uid.as_deref(), Some(uid));
        assert_eq!(container.name, None);
    }
}

/// Removes the folders of a cgroup below the mount.
pub(crate) struct Cgroup(pub(crate) PathBuf);

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in self.0.ancestors().take(3) {
            let _ = fs::remove_dir(folder);
        }
    }
}

pub(crate) fn cgroup_root() -> Option<PathBuf> {
    ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
        .map(PathBuf::from)
        .into_iter()
        .find(|root| root.join("cgroup.procs").exists() && root.join("cgroup.controllers").exists())
        .filter(|root| {
            let probe = root.join(format!("saker-{}", std::process::id()));
            fs::create_dir(&probe).is_ok() && fs::remove_dir(&probe).is_ok()
        })
}
