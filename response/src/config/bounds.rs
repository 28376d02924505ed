//! Bounds of what all responses together may do, and of what they leave behind.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use service::config::{HumanBytes, HumanDuration};

/// How old an event may be when it is acted on.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Freshness {
    /// For killing.
    pub kill: HumanDuration,
    /// For labels and isolation.
    pub contain: HumanDuration,
    /// For collecting evidence.
    pub observe: HumanDuration,
    /// How far in the future an event may lie: clocks differ.
    pub skew: HumanDuration,
}

impl Default for Freshness {
    fn default() -> Self {
        let seconds = |seconds| HumanDuration(Duration::from_secs(seconds));
        Self { kill: seconds(60), contain: seconds(300), observe: seconds(600), skew: seconds(5) }
    }
}

/// What is never acted on, besides what the program itself protects: `kube-system`, `kube-public`,
/// `kube-node-lease`, our own namespace and pods, static pods, `system-` priority classes, and pods
/// with the label or annotation `saker.dev/protected: "true"`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Protected {
    pub namespaces: BTreeSet<String>,
    /// Pods with any of these labels.
    pub labels: BTreeMap<String, String>,
}

/// So many actions in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    pub actions_max: u32,
    pub per: HumanDuration,
}

/// What all actions together may do, whatever the alerts say. Spent budgets leave it to people.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Budgets {
    /// For each workload.
    pub workload: Budget,
    /// For each namespace.
    pub namespace: Budget,
    /// For the whole cluster. Each listed namespace has an equal share that no other can spend.
    pub cluster: Budget,
}

impl Default for Budgets {
    fn default() -> Self {
        let budget = |actions_max, seconds| Budget {
            actions_max,
            per: HumanDuration(Duration::from_secs(seconds)),
        };
        Self { workload: budget(1, 600), namespace: budget(3, 3600), cluster: budget(10, 3600) }
    }
}

/// When doing it again does not help.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CoolDown {
    /// The same action on the same target within this time is the same response.
    pub target: HumanDuration,
    /// A workload acted on this often within `within`, and which raises alerts again, is left to
    /// people.
    pub breaker_actions: u32,
    pub within: HumanDuration,
}

impl Default for CoolDown {
    fn default() -> Self {
        let seconds = |seconds| HumanDuration(Duration::from_secs(seconds));
        Self { target: seconds(600), breaker_actions: 2, within: seconds(1800) }
    }
}

/// What waits for a person.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Approval {
    /// Without an answer for so long, it is over.
    pub expires: HumanDuration,
    /// Plans that wait at once; further ones are denied. Each listed namespace has an equal share.
    pub pending_max: usize,
}

impl Default for Approval {
    fn default() -> Self {
        Self { expires: HumanDuration(Duration::from_secs(900)), pending_max: 100 }
    }
}

/// A time in which nothing is done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    pub reason: String,
    #[schemars(with = "String")]
    pub starts: Timestamp,
    #[schemars(with = "String")]
    pub ends: Timestamp,
    /// All if empty.
    #[serde(default)]
    pub namespaces: BTreeSet<String>,
}

/// Bounds of what is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvidenceConfig {
    /// One document: a log, a manifest.
    pub document_bytes_max: HumanBytes,
    /// All evidence on disk; when it is full, the oldest goes.
    pub bytes_max: HumanBytes,
    /// Time for all documents of a response together.
    pub timeout: HumanDuration,
}

impl Default for EvidenceConfig {
    fn default() -> Self {
        Self {
            document_bytes_max: HumanBytes(2 << 20),
            bytes_max: HumanBytes(1 << 30),
            timeout: HumanDuration(Duration::from_secs(10)),
        }
    }
}

/// Bounds of the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// Size at which a new file is begun.
    pub file_bytes_max: HumanBytes,
    /// All files. When they are full nothing is done any more until a person takes files away.
    pub bytes_max: HumanBytes,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { file_bytes_max: HumanBytes(64 << 20), bytes_max: HumanBytes(4 << 30) }
    }
}
