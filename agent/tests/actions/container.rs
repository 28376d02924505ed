//! Containers as the agent sees them: cgroups named by 64 digits, with processes in them.

use std::{
    fs,
    io::Read,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use alert::ProcessKey;
use rustix::process::{Pid, Signal, kill_process};

/// `/proc/PID/stat` counts time in these.
pub(crate) const TICK_NS: u64 = 10_000_000;

/// A cgroup of its own; whoever is left in it is killed when it is dropped.
pub(crate) struct Container {
    pub(crate) id: Box<str>,
    folder: PathBuf,
}

/// Returns a new container; without the rights for one, a failure in CI and a loud `None` elsewhere.
pub(crate) fn container() -> Option<Container> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let id = format!("{:032x}{number:032x}", std::process::id());
    for root in cgroup_roots() {
        let folder = root.join(format!("saker-actions-{}-{number}", std::process::id())).join(&id);
        if fs::create_dir_all(&folder).is_ok() {
            return Some(Container { id: id.into(), folder });
        }
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "no cgroup can be made");
    eprintln!("\n*** SKIPPED, nothing was tested: no cgroup can be made without root\n");
    None
}

/// The unified hierarchy first.
fn cgroup_roots() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mut roots: Vec<(bool, PathBuf)> = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (path, kind) = (words.next()?, words.next()?);
            kind.starts_with("cgroup").then(|| (kind != "cgroup2", path.into()))
        })
        .collect();
    roots.sort();
    roots.into_iter().map(|(_, root)| root).collect()
}

impl Container {
    /// Runs a shell script in the container; returns once it has said `ready`.
    pub(crate) fn run(&self, script: &str) -> Running {
        let procs = self.folder.join("cgroup.procs");
        running(&format!("echo $$ > {} || exit 1; {script}", procs.display()))
    }

    /// Runs a process that does nothing.
    pub(crate) fn sleeper(&self) -> Running {
        let running = self.run("echo ready; exec sleep 600");
        running.became("sleep");
        running
    }

    pub(crate) fn pids(&self) -> Vec<i32> {
        let procs = fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default();
        procs.lines().filter_map(|line| line.parse().ok()).collect()
    }

    pub(crate) fn procs(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while fs::remove_dir(&self.folder).is_err() && Instant::now() < deadline {
            for pid in self.pids() {
                kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).ok();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        fs::remove_dir(self.folder.parent().unwrap()).ok();
    }
}

/// A child; killed and waited for when it is dropped.
pub(crate) struct Running {
    child: Child,
    output: ChildStdout,
}

/// Runs a shell script outside of any container; returns once it has said `ready`.
pub(crate) fn running(script: &str) -> Running {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let output = child.stdout.take().unwrap();
    let mut running = Running { child, output };
    running.line();
    running
}

impl Running {
    pub(crate) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub(crate) fn key(&self) -> ProcessKey {
        key(self.pid()).expect("the process lives")
    }

    /// Returns what it says next, up to the end of the line.
    pub(crate) fn line(&mut self) -> String {
        let (mut line, mut byte) = (String::new(), [0]);
        while self.output.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(byte[0].into());
        }
        line
    }

    /// Waits until it is this program.
    pub(crate) fn became(&self, name: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let program = || fs::read_link(format!("/proc/{}/exe", self.pid()));
        while !program().is_ok_and(|path| path.ends_with(name)) {
            assert!(Instant::now() < deadline, "{} is not {name}", self.pid());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Returns whether it has ended, without waiting for it: it stays a zombie.
    pub(crate) fn is_dead(&self) -> bool {
        is_dead(self.pid())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) fn is_dead(pid: i32) -> bool {
    state(pid).is_none_or(|state| matches!(state, 'Z' | 'X'))
}

/// Returns the state of a process, as `/proc` has it.
pub(crate) fn state(pid: i32) -> Option<char> {
    words(pid)?.first()?.chars().next()
}

/// Returns a process's key as far as `/proc` knows it.
pub(crate) fn key(pid: i32) -> Option<ProcessKey> {
    let ticks: u64 = words(pid)?.get(19)?.parse().ok()?;
    Some(ProcessKey { pid, start_boot_ns: ticks * TICK_NS })
}

/// Returns what follows the name in `/proc/PID/stat`.
fn words(pid: i32) -> Option<Vec<String>> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let rest = &stat[stat.rfind(')')? + 1..];
    Some(rest.split_ascii_whitespace().map(ToOwned::to_owned).collect())
}

/// Waits for what will come true, not for ever.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "still waiting for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
