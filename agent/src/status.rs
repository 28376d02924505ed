//! What the agent is doing, for a person and for `/status`.

mod needs;
mod screen;
mod table;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    enforce::EnforceStatus,
    rulefiles::RulesStatus,
    sensor::{ContainerTotals, KindCounters, RepeatCounts, SensorStatus, SocketInUse},
};

pub use needs::RuleGap;
pub(crate) use needs::{Needs, gaps};

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
    /// Rules that miss some or all of their events.
    #[serde(default)]
    pub rule_gaps: Vec<RuleGap>,
    #[serde(default)]
    pub memory: MemoryStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uplink: Option<UplinkStatus>,
    /// Absent when no orders are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<ActionsStatus>,
    /// Absent when nothing is recorded around alerts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub around: Option<AroundStatus>,
    /// Absent when no rule ends processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforce: Option<EnforceStatus>,
}

/// What is recorded around alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AroundStatus {
    pub folder: PathBuf,
    pub rules: Vec<String>,
    /// Files written since the start.
    pub recordings: u64,
    /// Alerts that have none, or not all of it.
    pub failed: u64,
    /// Files removed to make room.
    pub removed: u64,
    /// Of the events in memory.
    pub ring_bytes: u64,
}

/// A count since the start and how fast it grew in the last seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    pub total: u64,
    pub per_second: f64,
}

/// What the agent's process has of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryStatus {
    pub resident_bytes: u64,
    /// Of the rings, which the kernel holds.
    pub rings_bytes: u64,
}

/// Which hook serves which event, and what is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SensorReport {
    pub running: bool,
    pub hooks: Vec<HookReport>,
    pub unavailable: Vec<UnavailableReport>,
    pub kinds: Vec<KindReport>,
    pub processes: u64,
    /// Processes remembered at most.
    #[serde(default)]
    pub processes_max: u64,
    /// Processes forgotten because the table was full.
    #[serde(default)]
    pub evicted: u64,
    /// Records taken out of the rings.
    #[serde(default)]
    pub received: u64,
    /// Size of the rings.
    #[serde(default)]
    pub rings_bytes: u64,
    pub malformed: u64,
    /// Events of muted processes that the agent left out; those left out by the probe are among the
    /// counts of their kinds.
    #[serde(default)]
    pub muted: u64,
    #[serde(default)]
    pub muted_processes: u64,
    /// Records that could tell again what came to nothing before.
    #[serde(default)]
    pub repeats: RepeatCounts,
    #[serde(default)]
    pub containers: ContainersReport,
    /// What each program took in the kernel; absent unless the kernel counts, which
    /// `sysctl kernel.bpf_stats_enabled=1` makes it do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programs: Option<Vec<ProgramReport>>,
}

/// What a program took in the kernel since it was loaded. What it jumps to is counted with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramReport {
    pub program: String,
    pub runs: u64,
    pub nanoseconds: u64,
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
    #[serde(default)]
    pub held_max: u64,
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
            held_max: 0,
            hold_ends: totals.hold_ends.into_iter().map(named).collect(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HookReport {
    pub program: String,
    /// Tracepoint or kernel function it is attached to.
    #[serde(default)]
    pub target: String,
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

impl UnavailableReport {
    fn is_about(&self, kind: &str) -> bool {
        self.what.split([',', ' ']).any(|word| word == kind)
    }
}

/// One kind of event: who needs it, what became of it, what it cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KindReport {
    pub kind: String,
    #[serde(flatten)]
    pub counters: KindCounters,
    /// In the last seconds.
    pub per_second: KindRates,
    /// Rules that need it.
    pub rules: u64,
    /// The first of them.
    pub rule_names: Vec<String>,
    /// What an event took in user space, from the ring to the end of all rules; absent until one was
    /// timed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_ns: Option<f64>,
    /// Events that were timed.
    pub timed: u64,
}

/// How fast the counts of a kind grew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KindRates {
    pub seen: f64,
    pub filtered: f64,
    pub limited: f64,
    pub sent: f64,
    pub lost: f64,
}

impl KindRates {
    /// Returns how fast counts grew in some time; those that began anew stand still.
    pub(crate) fn between(before: &KindCounters, now: &KindCounters, seconds: f64) -> Self {
        let rate = |before: u64, now: u64| now.saturating_sub(before) as f64 / seconds;
        Self {
            seen: rate(before.seen, now.seen),
            filtered: rate(before.filtered, now.filtered),
            limited: rate(before.limited, now.limited),
            sent: rate(before.sent, now.sent),
            lost: rate(before.lost, now.lost),
        }
    }
}

impl HookReport {
    fn serves(&self, kind: &str) -> bool {
        self.kinds.iter().any(|served| served == kind)
    }

    /// Returns what was tried before it and refused.
    fn refusal(&self) -> Option<&str> {
        self.note.as_deref().filter(|note| note.starts_with("no trampoline"))
    }
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
    /// Who may ask for events.
    #[serde(default)]
    pub watchers: Vec<String>,
    pub host_processes: bool,
    pub watches: usize,
    /// What stands in the way of carrying them out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

fn kinds(status: &SensorStatus) -> Vec<KindReport> {
    let costs = status.kind_costs();
    let reports = status.counters().into_iter().map(|(kind, counters)| {
        let cost = costs.iter().find(|cost| cost.kind == kind);
        KindReport {
            kind: kind.name().to_owned(),
            counters,
            user_ns: cost.map(|cost| cost.nanoseconds),
            timed: cost.map_or(0, |cost| cost.sampled),
            ..KindReport::default()
        }
    });
    reports.collect()
}

impl SensorReport {
    /// Says which rules need which kind.
    pub(crate) fn explain(&mut self, needs: &Needs) {
        let mut by_kind = needs.by_kind();
        for kind in &mut self.kinds {
            (kind.rules, kind.rule_names) = by_kind.remove(kind.kind.as_str()).unwrap_or_default();
        }
        // What is needed and counted by nobody is shown all the same.
        for (kind, (rules, rule_names)) in by_kind {
            self.kinds.push(KindReport {
                kind: kind.to_owned(),
                rules,
                rule_names,
                ..KindReport::default()
            });
        }
    }

    /// Returns whether a kind is seen by less than it might be.
    fn is_weaker(&self, kind: &str) -> bool {
        let refused = self.hooks.iter().any(|hook| hook.serves(kind) && hook.refusal().is_some());
        refused || self.unavailable.iter().any(|missing| missing.is_about(kind))
    }

    pub(crate) fn of(status: &SensorStatus) -> Self {
        let (totals, bounds) = (status.totals(), status.bounds());
        Self {
            running: true,
            hooks: status
                .hooks()
                .iter()
                .map(|hook| HookReport {
                    program: hook.program.clone(),
                    target: hook.target.clone(),
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
            kinds: kinds(status),
            processes: totals.processes,
            processes_max: bounds.processes,
            evicted: totals.evicted,
            received: totals.received,
            rings_bytes: bounds.rings_bytes,
            malformed: totals.malformed,
            muted: totals.muted,
            muted_processes: totals.muted_processes,
            repeats: totals.repeats,
            containers: ContainersReport { held_max: bounds.held, ..status.containers().into() },
            programs: status.program_costs().map(|programs| {
                let reports = programs.into_iter().map(|cost| ProgramReport {
                    program: cost.program,
                    runs: cost.runs,
                    nanoseconds: u64::try_from(cost.time.as_nanos()).unwrap_or(u64::MAX),
                });
                reports.collect()
            }),
        }
    }

    /// Returns how many events of all kinds were lost.
    pub fn lost(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.counters.lost).sum()
    }
}

#[cfg(test)]
mod tests;
