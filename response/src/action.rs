//! What can be done to a target, and what each action needs.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The actions, the safest first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Collects what is known of the pod and the process, to disk. Changes nothing.
    SnapshotEvidence,
    /// Sets labels on the pod; they go when the time is up.
    LabelPod,
    /// Cuts the pod's network by a NetworkPolicy until the time is up.
    IsolatePod,
    /// Kills the process of the alert.
    KillProcess,
    /// Kills the process and all its descendants in its container.
    KillProcessTree,
    /// Evicts the pod; its controller makes another.
    KillPod,
}

/// How fresh an alert must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Nothing is lost by doing it late.
    Observe,
    Contain,
    Kill,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 6] = [
        Self::SnapshotEvidence,
        Self::LabelPod,
        Self::IsolatePod,
        Self::KillProcess,
        Self::KillProcessTree,
        Self::KillPod,
    ];

    /// Returns its name in the configuration, in metrics and in the audit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SnapshotEvidence => "snapshot_evidence",
            Self::LabelPod => "label_pod",
            Self::IsolatePod => "isolate_pod",
            Self::KillProcess => "kill_process",
            Self::KillProcessTree => "kill_process_tree",
            Self::KillPod => "kill_pod",
        }
    }

    pub const fn urgency(self) -> Urgency {
        match self {
            Self::SnapshotEvidence => Urgency::Observe,
            Self::LabelPod | Self::IsolatePod => Urgency::Contain,
            Self::KillProcess | Self::KillProcessTree | Self::KillPod => Urgency::Kill,
        }
    }

    /// Returns whether the target is a process rather than its pod.
    pub const fn on_process(self) -> bool {
        matches!(self, Self::KillProcess | Self::KillProcessTree)
    }

    /// Returns whether it takes a pod out of service, so that health and PodDisruptionBudgets count.
    pub const fn disrupts(self) -> bool {
        matches!(self, Self::KillPod | Self::IsolatePod)
    }

    /// Returns whether it is undone when its time is up.
    pub const fn undone_by_ttl(self) -> bool {
        matches!(self, Self::LabelPod | Self::IsolatePod)
    }

    /// Returns whether it spends budget: looking does not.
    pub const fn spends(self) -> bool {
        !matches!(self, Self::SnapshotEvidence)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How far a response may go. The lowest of all that apply wins.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Off,
    /// Every gate runs, also the API server's own dry run; nothing changes.
    DryRun,
    /// Waits for a person.
    Approve,
    Auto,
}

impl Mode {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::DryRun => "dry_run",
            Self::Approve => "approve",
            Self::Auto => "auto",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_ordered_from_harmless_to_free() {
        assert!(Mode::Off < Mode::DryRun && Mode::DryRun < Mode::Approve);
        assert!(Mode::Approve < Mode::Auto);
        assert_eq!(Mode::default(), Mode::Off);
    }

    #[test]
    fn names_are_those_of_the_configuration() {
        for action in Action::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), action.name());
        }
        for mode in [Mode::Off, Mode::DryRun, Mode::Approve, Mode::Auto] {
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.name());
        }
    }
}
