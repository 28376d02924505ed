//! A server process: started, watched, and stopped by its id.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// How long a process may take to end when asked.
const STOP_MAX: Duration = Duration::from_secs(10);

/// A running process. It is killed when dropped, and when the test process ends in whatever way.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, with its output in `log`.
    pub fn start(name: &str, command: &Command, log: &Path) -> Self {
        let file = File::create(log).expect("a log file");
        // The kernel kills the process when the thread that started it ends, so `setpriv` is
        // started by a thread that lives as long as the test process.
        let mut guarded = Command::new("setpriv");
        guarded.args(["--pdeathsig", "KILL"]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => guarded.env(key, value),
                None => guarded.env_remove(key),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            guarded.current_dir(folder);
        }
        guarded.stdin(Stdio::null());
        guarded.stdout(file.try_clone().expect("a second handle")).stderr(file);
        let child = on_lasting_thread(guarded);
        let child = child.unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self { name: name.to_owned(), child, log: log.to_owned() }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Looks until `look` returns something; gives up at once when the process has ended.
    #[track_caller]
    pub fn ready<T, E: std::fmt::Display>(&mut self, mut look: impl FnMut() -> Result<T, E>) -> T {
        let what = format!("{} becomes ready", self.name);
        super::eventually(&what, || match look() {
            Ok(found) => Ok(found),
            Err(complaint) => {
                if let Ok(Some(status)) = self.child.try_wait() {
                    panic!("{} ended with {status}:\n{}", self.name, self.log_end());
                }
                Err(format!("{complaint}\n{}", self.log_end()))
            }
        })
    }

    /// Asks the process to end, as an operator would, and waits for it.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Waits until the process has ended by itself.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let ended = self.ended_within(STOP_MAX);
        ended.unwrap_or_else(|| panic!("{} does not end:\n{}", self.name, self.log_end()))
    }

    /// Waits for at most so long until the process has ended by itself.
    pub fn ended_within(&mut self, bound: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if start.elapsed() > bound {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills the process at once.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        let ended = self.child.wait();
        ended.unwrap_or_else(|error| panic!("cannot wait for {}: {error}", self.name));
    }

    /// Returns everything the process wrote.
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // Not yet waited for, so the id is still ours, also when the process has ended.
        kill_process(id.expect("a process id"), signal).expect("a signal to our child");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.kill();
        }
    }
}

/// Spawns from a thread that never ends.
fn on_lasting_thread(command: Command) -> std::io::Result<Child> {
    type Job = (Command, mpsc::SyncSender<std::io::Result<Child>>);
    static JOBS: OnceLock<mpsc::SyncSender<Job>> = OnceLock::new();
    let jobs = JOBS.get_or_init(|| {
        let (jobs, received) = mpsc::sync_channel::<Job>(16);
        std::thread::spawn(move || {
            for (mut command, answer) in received {
                let sent = answer.send(command.spawn());
                sent.expect("whoever asked waits for the answer");
            }
        });
        jobs
    });
    let (answer, answered) = mpsc::sync_channel(1);
    jobs.send((command, answer)).expect("the spawning thread lives");
    answered.recv().expect("the spawning thread answers")
}
