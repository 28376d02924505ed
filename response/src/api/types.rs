//! What goes over the wire beside [`crate::book::Response`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{action, book::Response};

/// What holds now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub time: Timestamp,
    /// The ceiling of everything.
    pub mode: action::Mode,
    pub actions: Vec<Mode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stop>,
    pub awaiting: usize,
    pub in_force: usize,
    /// Actions each namespace still has.
    pub budgets: BTreeMap<String, u32>,
    /// Sequence and hash of the audit's last line: keep it elsewhere as a checkpoint.
    pub audit_head: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_failure: Option<String>,
}

/// How far an action may go.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mode {
    pub action: action::Action,
    pub mode: action::Mode,
    pub namespaces: Vec<String>,
}

/// Who stopped everything, or lets it go on, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    #[serde(default)]
    pub by: String,
    pub reason: String,
}

/// A person's word about a plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The plan that was looked at.
    pub plan_hash: String,
    #[serde(default)]
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct By {
    #[serde(default)]
    pub by: String,
}

/// Responses, the newest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct List {
    pub items: Vec<Response>,
}

/// Which responses to list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    pub state: Option<String>,
    pub namespace: Option<String>,
    pub limit: Option<usize>,
}
