//! The program, started as a person or a service manager does.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_saker-agent"));
    command.env_remove("SAKER_CONFIG").env("SAKER_AGENT__ADMIN", "127.0.0.1:0");
    command
}

/// Returns whether the kernel may be watched; if not, a failure in CI and loud elsewhere.
#[expect(clippy::print_stderr, reason = "says loudly what is not tested")]
pub(crate) fn may_watch() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        assert!(std::env::var_os("CI").is_none(), "CI must run this as root");
        eprintln!("NOT TESTED: watching the kernel needs root");
    }
    root
}

/// A running program and the lines it says.
pub(crate) struct Running {
    pub(crate) child: Child,
    lines: mpsc::Receiver<String>,
    said: Vec<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("spawn");
        let (sender, lines) = mpsc::channel();
        let outputs: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("out")),
            Box::new(child.stderr.take().expect("err")),
        ];
        for output in outputs {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    drop(sender.send(line));
                }
            });
        }
        Self { child, lines, said: Vec::new() }
    }

    /// Waits until it says a line with this text, and returns the line.
    pub(crate) fn says(&mut self, text: &str) -> String {
        let until = Instant::now() + Duration::from_secs(30);
        while let Ok(line) =
            self.lines.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            self.said.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
        panic!("`{text}` was not said: {:#?}", self.said);
    }

    /// Ends it; returns all lines it said.
    pub(crate) fn end(mut self) -> Vec<String> {
        self.signal(rustix::process::Signal::TERM);
        self.says("the agent ended");
        let mut said = std::mem::take(&mut self.said);
        // Ends with both of its outputs.
        said.extend(self.lines.iter());
        said
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("signal");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
