//! Carries out one action, and looks whether it had its effect. Each request is sent once; a second
//! is sent only where the first provably never left, or a look shows that it had none.

mod kill_pod;
mod kill_process;
pub(super) mod pod;

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    Engine,
    carry::{failed, outcome},
};
use crate::{
    action::Action,
    cluster::{Cluster, ClusterError, PodRef, Trial},
    entry::{Outcome, ResultKind, Step},
    plan::{Plan, Resolved, ResponseId},
};

/// Requests for one step, at most.
const TRIES_MAX: u32 = 3;
/// Longest wait an API server can ask for between two of them.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(10);

impl Engine {
    pub(super) async fn perform(
        &self,
        id: ResponseId,
        plan: &Plan,
        resolved: &Resolved,
    ) -> Outcome {
        match plan.action {
            Action::SnapshotEvidence => outcome(ResultKind::Done, "collected"),
            Action::KillPod => self.kill_pod(id, plan, resolved).await,
            Action::KillProcess | Action::KillProcessTree => self.kill_process(id, plan).await,
            Action::LabelPod => self.label_pod(id, plan, resolved).await,
            Action::IsolatePod => self.isolate_pod(id, plan, resolved).await,
        }
    }

    /// Sends a request, again only where nothing of it can have taken effect. What is left is the
    /// answer that counts.
    async fn send(
        &self,
        id: ResponseId,
        step: Step,
        cluster: &dyn Cluster,
        target: &PodRef,
        request: Request<'_>,
    ) -> Result<(), ClusterError> {
        let mut tries = 1;
        loop {
            let answer = request.send(cluster, target).await;
            let told = match &answer {
                Ok(()) => "accepted".to_owned(),
                Err(error) => error.to_string(),
            };
            self.answered(id, step, told).await;
            let wait = match &answer {
                Err(ClusterError::NotSent(_)) => Duration::from_millis(250) * tries,
                Err(ClusterError::Busy { retry_after, .. }) => {
                    retry_after.unwrap_or(Duration::from_secs(1)).min(BUSY_WAIT_MAX)
                }
                _ => return answer,
            };
            if tries >= TRIES_MAX || self.shutdown.is_cancelled() {
                return answer;
            }
            tries += 1;
            // With jitter: others may have been told the same.
            tokio::time::sleep(wait.mul_f64(rand::random_range(0.8..1.2))).await;
            if self.intend(id, step).await.is_err() {
                return answer;
            }
        }
    }
}

/// One request that changes a pod or what surrounds it.
#[derive(Clone, Copy, Debug)]
enum Request<'a> {
    Evict { grace_seconds: Option<u64> },
    Delete { grace_seconds: Option<u64> },
    Label(&'a BTreeMap<String, Option<String>>),
    Isolate { name: &'a str, expires: Timestamp },
}

impl Request<'_> {
    async fn send(self, cluster: &dyn Cluster, target: &PodRef) -> Result<(), ClusterError> {
        let trial = Trial::ForReal;
        match self {
            Self::Evict { grace_seconds } => cluster.evict(target, grace_seconds, trial).await,
            Self::Delete { grace_seconds } => cluster.delete(target, grace_seconds, trial).await,
            Self::Label(labels) => cluster.label(target, labels, trial).await,
            Self::Isolate { name, expires } => cluster.isolate(target, name, expires, trial).await,
        }
    }
}

/// Returns how a refusal ends a response.
fn refused(error: &ClusterError) -> Outcome {
    match error {
        ClusterError::NotFound => outcome(ResultKind::Noop, "the pod was gone already"),
        ClusterError::Conflict(reason) => {
            outcome(ResultKind::Noop, format!("the pod is another one now: {reason}"))
        }
        ClusterError::Unknown(reason) => outcome(ResultKind::Unknown, reason.clone()),
        error => failed(error.to_string()),
    }
}
