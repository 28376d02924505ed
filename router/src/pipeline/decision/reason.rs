//! Why nobody is told of an alert.

use std::{fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pipeline::{Inhibitor, SilenceId, interval::Closed};

/// Why nobody is told of an alert. It is counted all the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// This very alert came before.
    Redelivered,
    /// Its groups were told of its finding, or are about to be.
    Duplicate,
    Silence(SilenceId),
    /// Another finding is active that hides this one.
    Inhibited(Inhibitor),
    /// This maintenance window is open.
    Window(Arc<str>),
    /// No route's condition holds.
    NoRoute,
    /// Every route that took it has an empty list of outputs.
    NoOutput,
    /// Its route is mute during this interval.
    Muted(Arc<str>),
    /// None of the intervals holds in which its route is active.
    Inactive,
    /// It says that something is over: its finding ended, and the groups that told of it tell that.
    Resolved,
}

impl From<Closed> for Reason {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Muted(interval) => Self::Muted(interval),
            Closed::Inactive => Self::Inactive,
        }
    }
}

impl Reason {
    pub const fn kind(&self) -> ReasonKind {
        match self {
            Self::Redelivered => ReasonKind::Redelivered,
            Self::Duplicate => ReasonKind::Duplicate,
            Self::Silence(_) => ReasonKind::Silence,
            Self::NoRoute => ReasonKind::NoRoute,
            Self::NoOutput => ReasonKind::NoOutput,
            Self::Muted(_) => ReasonKind::Muted,
            Self::Inactive => ReasonKind::Inactive,
            Self::Inhibited(_) => ReasonKind::Inhibited,
            Self::Resolved => ReasonKind::Resolved,
            Self::Window(_) => ReasonKind::Window,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence(id) => write!(f, "silence:{id}"),
            Self::Muted(interval) => write!(f, "muted:{interval}"),
            Self::Window(window) => write!(f, "window:{window}"),
            Self::Inhibited(by) => write!(f, "inhibited:{} by finding {}", by.rule, by.source),
            reason => f.write_str(reason.kind().name()),
        }
    }
}

/// A [`Reason`] without its particulars: the ledger's and the metrics' label.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ReasonKind {
    Redelivered,
    Duplicate,
    Silence,
    NoRoute,
    NoOutput,
    Muted,
    Inactive,
    Inhibited,
    Resolved,
    Window,
}

impl ReasonKind {
    pub const ALL: [Self; 10] = [
        Self::Redelivered,
        Self::Duplicate,
        Self::Silence,
        Self::NoRoute,
        Self::NoOutput,
        Self::Muted,
        Self::Inactive,
        Self::Inhibited,
        Self::Resolved,
        Self::Window,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Redelivered => "redelivered",
            Self::Duplicate => "duplicate",
            Self::Silence => "silence",
            Self::NoRoute => "no_route",
            Self::NoOutput => "no_output",
            Self::Muted => "muted",
            Self::Inactive => "inactive",
            Self::Inhibited => "inhibited",
            Self::Resolved => "resolved",
            Self::Window => "window",
        }
    }
}
