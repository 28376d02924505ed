//! The agent that is measured.

use std::{
    fmt, fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;

use crate::processes::{Process, binary, free_address, get, wait_until};

const STABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/rules/falco_rules.yaml");

/// Time the agent has to read what is in its rings.
const SETTLE_MAX: Duration = Duration::from_secs(20);

/// Which rules the agent applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    BuiltIn,
    Stable,
}

impl Rules {
    /// Returns the rules that are there: Falco's are not part of this repository.
    pub(crate) fn available() -> Vec<Self> {
        let mut rules = vec![Self::BuiltIn];
        if fs::exists(STABLE).unwrap_or(false) {
            rules.push(Self::Stable);
        }
        rules
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BuiltIn => "built-in rules",
            Self::Stable => "Falco's stable rules",
        })
    }
}

/// Whether the kernel drops what no rule wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    On,
    /// Every event of the kinds that rules ask for crosses to the agent, however many there are.
    Off,
}

/// What the agent has counted, of all kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    /// Taken out of the rings.
    pub(crate) received: u64,
    /// Processes it remembers.
    pub(crate) processes: u64,
}

pub(crate) struct Target {
    process: Process,
    admin: SocketAddr,
    /// When each alert could be read.
    pub(crate) alerts: Receiver<Instant>,
    /// From the start to the first alert about deeds done all the time.
    pub(crate) first_alert: Duration,
    _folder: tempfile::TempDir,
}

impl Target {
    /// Starts an agent and waits until it has seen a deed, and no more are under way.
    pub(crate) fn start(rules: Rules, filter: Filter) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("saker.yaml");
        let admin = free_address()?;
        let files = match rules {
            Rules::BuiltIn => String::new(),
            Rules::Stable => format!("rules: [{STABLE}], "),
        };
        let sensor = match filter {
            Filter::On => "sensor: { filter: true }",
            Filter::Off => {
                "sensor: { filter: false, limits: { kind_per_second_max: 0, cgroup_per_second_max: 0 } }"
            }
        };
        let record = "record: { enabled: false }";
        let text = format!("agent: {{ {files}admin: \"{admin}\", {sensor}, {record} }}\n");
        fs::write(&config, text)?;
        let started = Instant::now();
        let mut child = Command::new(binary("saker-agent")?)
            .args(["--stdout", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = child.stdout.take().context("no output")?;
        let (sender, alerts) = sync_channel(100_000);
        thread::spawn(move || {
            for _ in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(Instant::now()).is_err() {
                    return;
                }
            }
        });
        let process = Process { child };
        let first_alert = loop {
            deed()?;
            if let Ok(seen) = alerts.recv_timeout(Duration::from_millis(2)) {
                break seen - started;
            }
            anyhow::ensure!(started.elapsed() < Duration::from_secs(20), "no deed seen in 20 s");
        };
        while alerts.recv_timeout(Duration::from_millis(300)).is_ok() {}
        Ok(Self { process, admin, alerts, first_alert, _folder: folder })
    }

    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        self.process.resident_bytes()
    }

    /// Returns a line of its memory's account, in KiB.
    pub(crate) fn memory_kib(&self, line: &str) -> anyhow::Result<f64> {
        Ok(self.process.memory_kib(line)? as f64)
    }

    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        self.process.cpu_seconds()
    }

    /// Returns the counts once all that was sent by now has been read.
    pub(crate) fn settled(&self) -> anyhow::Result<Counted> {
        let mut counted = self.counted()?;
        let sent = counted.sent;
        wait_until("the agent has read its rings", SETTLE_MAX, || {
            counted = self.counted()?;
            Ok(counted.received >= sent)
        })?;
        Ok(counted)
    }

    /// Returns the counts as they are.
    pub(crate) fn counted(&self) -> anyhow::Result<Counted> {
        let status: serde_json::Value = serde_json::from_str(&get(self.admin, "/status")?)?;
        let kinds = status["sensor"]["kinds"].as_array().context("no kinds in the status")?;
        let sum = |name: &str| kinds.iter().filter_map(|kind| kind[name].as_u64()).sum();
        let received = status["sensor"]["received"].as_u64().context("no count of records")?;
        let processes = status["sensor"]["processes"].as_u64().context("no processes")?;
        Ok(Counted { sent: sum("sent"), lost: sum("lost"), received, processes })
    }
}

/// Reads a credential file, which both sets of rules report.
pub(crate) fn deed() -> anyhow::Result<()> {
    fs::File::open("/etc/shadow")?;
    Ok(())
}
