//! What the audit holds: every step of every response, written down before the effect it announces.
//!
//! The responder's state is a function of these entries in their order.

use alert::order::ProcessEnd;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    budget::Account,
    gate::{Judgement, Verdict},
    plan::{Plan, Resolved, ResponseId},
};

/// One entry of the audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Entry {
    /// The responder started, with this configuration.
    Started {
        version: String,
        config: String,
        torn_bytes: u64,
    },
    /// An alert matched a rule.
    Proposed {
        id: ResponseId,
        plan: Box<Plan>,
    },
    /// Every gate was asked.
    Judged {
        id: ResponseId,
        verdicts: Vec<Verdict>,
        resolved: Box<Resolved>,
        plan_hash: String,
        judgement: Judgement,
    },
    /// A person decided about a plan that waited.
    Decided {
        id: ResponseId,
        approved: bool,
        by: String,
        plan_hash: String,
        comment: Option<String>,
    },
    /// Nobody decided in time.
    Expired {
        id: ResponseId,
    },
    /// What was collected.
    Evidence {
        id: ResponseId,
        documents: Vec<DocumentProof>,
        failures: Vec<String>,
    },
    /// A step is about to be taken; nothing of it has happened yet.
    Intent {
        id: ResponseId,
        step: Step,
        account: Option<Account>,
    },
    /// What was answered to a step.
    Answered {
        id: ResponseId,
        step: Step,
        answer: String,
    },
    /// How it ended, as far as was seen.
    Ended {
        id: ResponseId,
        outcome: Outcome,
    },
    /// A containment is taken back: why, and by whom.
    UndoIntended {
        id: ResponseId,
        by: String,
    },
    Undone {
        id: ResponseId,
        answer: String,
    },
    UndoFailed {
        id: ResponseId,
        reason: String,
    },
    /// A person stopped everything, or let it go on.
    Switched {
        stopped: bool,
        by: String,
        reason: String,
    },
    /// Alerts that made no plan because there were too many.
    Flooded {
        alerts: u64,
    },
    /// A policy of ours that no response remembers is about to be removed: its time is over.
    Swept {
        namespace: String,
        policy: String,
    },
}

/// One request that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Evict,
    Delete,
    Label,
    Isolate,
    Kill,
    KillTree,
    /// Reads only.
    Collect,
}

/// How a response ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub result: ResultKind,
    pub detail: String,
    /// What was seen of the object in the API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectSeen>,
    /// What the agent saw of the processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessSeen>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<ProcessEnd>,
    /// Until when a containment holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The closed list of results; none of them is success by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultKind {
    /// Done, and seen to be done.
    Done,
    /// Done, and nothing shows that it has the effect meant.
    NotVerified,
    /// There was nothing left to do.
    Noop,
    Failed,
    /// Something may have happened: look.
    Unknown,
}

impl ResultKind {
    /// All results.
    pub const ALL: [Self; 5] =
        [Self::Done, Self::NotVerified, Self::Noop, Self::Failed, Self::Unknown];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotVerified => "not_verified",
            Self::Noop => "noop",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectSeen {
    /// Another or none has the name now.
    Gone,
    Terminating,
    Running,
    NotSeen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessSeen {
    /// The agent saw every process die.
    Dead,
    Alive,
    /// No agent could be asked, or it came too late to see.
    NotSeen,
}

/// Longest text in an entry, and most processes: agents and API servers say what they like.
const TEXT_CHARS_MAX: usize = 500;
const PROCESSES_MAX: usize = 500;

/// Returns a text as it may stand in an entry: without control characters, and not too long.
pub(crate) fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect()
}

impl Outcome {
    /// Returns it without what would make an entry too long to be read back.
    pub(crate) fn bounded(mut self) -> Self {
        self.detail = bounded(&self.detail);
        self.processes.truncate(PROCESSES_MAX);
        for process in &mut self.processes {
            process.name = bounded(&process.name).into();
        }
        self
    }
}

/// A document of evidence on disk, and what it hashes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentProof {
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
    pub truncated: bool,
}

impl Entry {
    /// Returns the response it is about.
    pub fn id(&self) -> Option<ResponseId> {
        match self {
            Self::Proposed { id, .. }
            | Self::Judged { id, .. }
            | Self::Decided { id, .. }
            | Self::Expired { id }
            | Self::Evidence { id, .. }
            | Self::Intent { id, .. }
            | Self::Answered { id, .. }
            | Self::Ended { id, .. }
            | Self::UndoIntended { id, .. }
            | Self::Undone { id, .. }
            | Self::UndoFailed { id, .. } => Some(*id),
            Self::Started { .. }
            | Self::Switched { .. }
            | Self::Flooded { .. }
            | Self::Swept { .. } => None,
        }
    }
}
