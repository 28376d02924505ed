//! What the agent is doing, for a person and for `/status`.

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    enforce::EnforceStatus,
    rulefiles::RulesStatus,
    sensor::{ContainerTotals, KindCounters, SensorError, SensorStatus, SocketInUse},
};

/// The agent at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentStatus {
    pub version: String,
    pub hostname: String,
    pub started: Timestamp,
    pub time: Timestamp,
    pub rules: RulesStatus,
    pub sensor: SensorReport,
    pub events: Rate,
    pub alerts: Rate,
    /// Alerts not raised because their rule was too noisy.
    pub alerts_held_back: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uplink: Option<UplinkStatus>,
    /// Absent when no orders are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<ActionsStatus>,
    /// Absent when no rule ends processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforce: Option<EnforceStatus>,
}

/// A count since the start and how fast it grew in the last seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    pub total: u64,
    pub per_second: f64,
}

/// Which hook serves which event, and what is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SensorReport {
    pub running: bool,
    /// Why it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    pub hooks: Vec<HookReport>,
    pub unavailable: Vec<UnavailableReport>,
    pub kinds: Vec<KindReport>,
    pub processes: u64,
    pub malformed: u64,
    /// Events of muted processes that the agent left out; those left out by the probe are among the
    /// counts of their kinds.
    #[serde(default)]
    pub muted: u64,
    #[serde(default)]
    pub muted_processes: u64,
    #[serde(default)]
    pub containers: ContainersReport,
}

/// What is known about containers, and from whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainersReport {
    /// The container runtimes that answer.
    #[serde(default)]
    pub runtimes: Vec<RuntimeReport>,
    pub known: u64,
    /// Look-ups by their end: `found`, or a reason code.
    pub lookups: BTreeMap<String, u64>,
    /// Events that wait for the word about their container.
    pub held: u64,
    /// Events that waited, by the end of their wait.
    pub hold_ends: BTreeMap<String, u64>,
}

/// A container runtime that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeReport {
    /// As it calls itself.
    pub name: String,
    pub socket: PathBuf,
}

impl From<ContainerTotals> for ContainersReport {
    fn from(totals: ContainerTotals) -> Self {
        let named = |(name, count): (&str, u64)| (name.to_owned(), count);
        let runtime = |socket: SocketInUse| RuntimeReport {
            name: socket.runtime.into(),
            socket: socket.path,
        };
        Self {
            runtimes: totals.sockets.into_iter().map(runtime).collect(),
            known: totals.known,
            lookups: totals.lookups.into_iter().map(named).collect(),
            held: totals.held,
            hold_ends: totals.hold_ends.into_iter().map(named).collect(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HookReport {
    pub program: String,
    pub kinds: Vec<String>,
    /// `S` for system call hooks, `T` for trampolines.
    pub backend: char,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnavailableReport {
    pub what: String,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KindReport {
    pub kind: String,
    #[serde(flatten)]
    pub counters: KindCounters,
}

/// How far behind the router is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UplinkStatus {
    pub pending: u64,
    pub lag_seconds: f64,
    pub delivered: u64,
    /// Attempts that failed.
    pub failures: u64,
    pub dead_letters: u64,
    /// Alerts lost to a full spool.
    pub refused: u64,
    pub spool_bytes: u64,
    pub spool_bytes_max: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// Where and from whom orders are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionsStatus {
    pub listen: SocketAddr,
    pub clients: Vec<String>,
    pub host_processes: bool,
    pub watches: usize,
    /// What stands in the way of carrying them out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl fmt::Display for ActionsStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reach = if self.host_processes { ", processes of the host included" } else { "" };
        writeln!(f, "orders    on {} from {}{reach}", self.listen, self.clients.join(", "))?;
        if let Some(trouble) = &self.trouble {
            writeln!(f, "          {trouble}")?;
        }
        Ok(())
    }
}

impl SensorReport {
    pub(crate) fn of(status: &SensorStatus) -> Self {
        let totals = status.totals();
        Self {
            running: true,
            error: None,
            hooks: status
                .hooks()
                .iter()
                .map(|hook| HookReport {
                    program: hook.program.clone(),
                    kinds: hook.kinds.iter().map(|kind| kind.name().to_owned()).collect(),
                    backend: hook.backend.letter(),
                    note: hook.note.clone(),
                })
                .collect(),
            unavailable: status
                .unavailable()
                .iter()
                .map(|missing| UnavailableReport {
                    what: missing.what.clone(),
                    why: missing.why.clone(),
                })
                .collect(),
            kinds: status
                .counters()
                .into_iter()
                .map(|(kind, counters)| KindReport { kind: kind.name().to_owned(), counters })
                .collect(),
            processes: totals.processes,
            malformed: totals.malformed,
            muted: totals.muted,
            muted_processes: totals.muted_processes,
            containers: status.containers().into(),
        }
    }

    pub(crate) fn failed(error: &SensorError) -> Self {
        Self { error: Some(service::ErrorChain(error).to_string()), ..Self::default() }
    }

    /// Returns how many events of all kinds were lost.
    pub fn lost(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.counters.lost).sum()
    }
}

impl fmt::Display for AgentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "saker-agent {} on {}, since {}", self.version, self.hostname, self.started)?;
        let rules = &self.rules;
        writeln!(
            f,
            "rules     {} in force from {} files, {} warnings",
            rules.rules,
            rules.files.len(),
            rules.warnings
        )?;
        if let Some(error) = &rules.error {
            writeln!(f, "          the last change was not taken: {error}")?;
        }
        writeln!(
            f,
            "events    {} ({:.0}/s), {} lost",
            self.events.total,
            self.events.per_second,
            self.sensor.lost()
        )?;
        writeln!(
            f,
            "alerts    {} ({:.1}/s), {} held back",
            self.alerts.total, self.alerts.per_second, self.alerts_held_back
        )?;
        if let Some(uplink) = &self.uplink {
            writeln!(
                f,
                "router    {} delivered, {} waiting ({:.0} s behind), {} refused, {} dead letters",
                uplink.delivered,
                uplink.pending,
                uplink.lag_seconds,
                uplink.refused,
                uplink.dead_letters
            )?;
            if let Some(trouble) = &uplink.trouble {
                writeln!(f, "          {trouble}")?;
            }
        }
        match &self.actions {
            Some(actions) => write!(f, "{actions}")?,
            None => writeln!(f, "orders    are not taken")?,
        }
        if let Some(enforce) = &self.enforce {
            write!(f, "{enforce}")?;
        }
        if let Some(error) = &self.sensor.error {
            writeln!(f, "sensor    not running: {error}")?;
        }
        if self.sensor.running {
            let containers = &self.sensor.containers;
            let runtime = |it: &RuntimeReport| format!("{} at {}", it.name, it.socket.display());
            let from = match &containers.runtimes[..] {
                [] => "no container runtime so far".to_owned(),
                all => all.iter().map(runtime).collect::<Vec<_>>().join(", "),
            };
            let ended = |end: &str| containers.hold_ends.get(end).copied().unwrap_or(0);
            writeln!(
                f,
                "container {} known, told by {from}; {} events waited, {} in vain",
                containers.known,
                containers.hold_ends.values().sum::<u64>(),
                ended("timeout") + ended("full"),
            )?;
        }
        if self.sensor.muted + self.sensor.muted_processes > 0 {
            let sensor = &self.sensor;
            writeln!(
                f,
                "muted     {} processes now; {} events left out by the agent",
                sensor.muted_processes, sensor.muted
            )?;
        }
        for hook in &self.sensor.hooks {
            let note = hook.note.as_deref().unwrap_or_default();
            writeln!(
                f,
                "hook      {} {} {} {note}",
                hook.backend,
                hook.program,
                hook.kinds.join(",")
            )?;
        }
        for missing in &self.sensor.unavailable {
            writeln!(f, "missing   {}: {}", missing.what, missing.why)?;
        }
        for kind in self.sensor.kinds.iter().filter(|kind| kind.counters.seen > 0) {
            write!(f, "kind      {:<14}", kind.kind)?;
            for (name, count) in kind.counters.named() {
                if count > 0 || matches!(name, "sent" | "lost") {
                    write!(f, " {name} {count}")?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
