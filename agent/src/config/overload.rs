//! What the configuration says about too many events, and about whom to leave out.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::HumanDuration;

use crate::sensor::{EventLimits, Mute};

/// Longest time for which events may be saved up.
const BURST_MAX: Duration = Duration::from_mins(1);

/// How many events are let through to the rules; starts, forks and ends of processes are never limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EventLimitsConfig {
    /// Events of one kind a second; 0 for no limit.
    pub kind_per_second_max: u64,
    /// Events of one kind from one cgroup a second; 0 for no limit.
    pub cgroup_per_second_max: u64,
    /// For how long what is allowed in a second is saved up; at most a minute.
    pub burst: HumanDuration,
}

impl Default for EventLimitsConfig {
    fn default() -> Self {
        Self {
            kind_per_second_max: 1_000_000,
            cgroup_per_second_max: 250_000,
            burst: HumanDuration(Duration::from_secs(2)),
        }
    }
}

impl EventLimitsConfig {
    pub(super) fn options(&self) -> EventLimits {
        EventLimits {
            kind_per_second_max: self.kind_per_second_max,
            cgroup_per_second_max: self.cgroup_per_second_max,
            burst: self.burst.0.min(BURST_MAX),
        }
    }
}

/// Processes that are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MuteConfig {
    /// The path of a program, outside containers.
    Exe(String),
    /// The path of a cgroup in the unified hierarchy, with all below it; with `*` at its end, a
    /// beginning of paths.
    Cgroup(String),
    /// The name of a container, or at least the first 12 digits of its id.
    Container(String),
}

impl MuteConfig {
    pub(super) fn mute(&self) -> Mute {
        match self {
            Self::Exe(path) => Mute::Exe(path.as_str().into()),
            Self::Cgroup(path) => Mute::Cgroup(path.as_str().into()),
            Self::Container(name) => Mute::Container(name.as_str().into()),
        }
    }
}
