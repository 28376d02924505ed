//! Carries out one action, and looks whether it had its effect. Each request is sent once; a second
//! is sent only where the first provably never left, or a look shows that it had none.

mod kill_pod;
mod kill_process;
pub(super) mod pod;

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use tokio::sync::SemaphorePermit;

use super::{
    Engine,
    carry::{failed, outcome},
};
use crate::{
    action::Action,
    cluster::{Cluster, ClusterError, PodRef, Trial},
    entry::{Entry, Outcome, ResultKind, Step},
    plan::{Plan, Resolved, ResponseId},
};

/// Requests for one step, at most.
const TRIES_MAX: u32 = 3;
/// Longest wait an API server can ask for between two of them.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(10);

impl Engine {
    /// Gives `room` back when nothing more is asked for and only the end is awaited.
    pub(super) async fn perform(
        &self,
        id: ResponseId,
        plan: &Plan,
        resolved: &Resolved,
        room: SemaphorePermit<'_>,
    ) -> Outcome {
        match plan.action {
            Action::SnapshotEvidence => outcome(ResultKind::Done, "collected"),
            Action::KillPod => self.kill_pod(id, plan, resolved, room).await,
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
            self.answered(id, step, told(&answer)).await;
            let wait = match &answer {
                Err(ClusterError::NotSent(_)) => Duration::from_millis(250) * tries,
                Err(ClusterError::Busy { retry_after, .. }) => {
                    retry_after.unwrap_or(Duration::from_secs(1)).min(BUSY_WAIT_MAX)
                }
                _ => return answer,
            };
            if tries >= TRIES_MAX {
                return answer;
            }
            tries += 1;
            // With jitter: others may have been told the same.
            tokio::time::sleep(wait.mul_f64(rand::random_range(0.8..1.2))).await;
            if self.once_more(id, step).await.is_none() {
                return answer;
            }
        }
    }

    /// As [`Self::send`]; when the answer is lost, looks at the target, and sends it once more only if
    /// it is untouched. What comes after a lost answer is never a failure: the first may still work.
    async fn send_and_look(
        &self,
        id: ResponseId,
        step: Step,
        cluster: &dyn Cluster,
        target: &PodRef,
        request: Request<'_>,
    ) -> Result<(), ClusterError> {
        let answer = self.send(id, step, cluster, target, request).await;
        let Err(ClusterError::Unknown(lost)) = answer else { return answer };
        match request.is_done(cluster, target).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => {
                let reason = format!("{lost}; and the pod cannot be looked at: {error}");
                return Err(ClusterError::Unknown(reason));
            }
        }
        if self.once_more(id, step).await.is_none() {
            return Err(ClusterError::Unknown(lost));
        }
        let second = request.send(cluster, target).await;
        self.answered(id, step, told(&second)).await;
        match second {
            Ok(()) => return Ok(()),
            // Nobody can tell whether the first one did it.
            Err(ClusterError::NotFound | ClusterError::Conflict(_)) => return Ok(()),
            Err(ClusterError::Disruption(_) | ClusterError::Denied(_)) => {}
            Err(_) if request.is_done(cluster, target).await.is_ok_and(|done| done) => {
                return Ok(());
            }
            Err(_) => {}
        }
        let reason = second.err().map(|error| error.to_string()).unwrap_or_default();
        Err(ClusterError::Unknown(format!("{lost}; then: {reason}")))
    }

    /// Announces a step again; not when the program ends, nor when a person stopped everything, nor
    /// when it cannot be written down.
    async fn once_more(&self, id: ResponseId, step: Step) -> Option<()> {
        if self.shutdown.is_cancelled() {
            return None;
        }
        let mut keeper = self.keeper.lock().await;
        if keeper.book.stopped.is_some() {
            return None;
        }
        keeper.append(&[Entry::Intent { id, step, account: None }]).ok()
    }
}

fn told(answer: &Result<(), ClusterError>) -> String {
    match answer {
        Ok(()) => "accepted".to_owned(),
        Err(error) => error.to_string(),
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

    /// Looks whether it has had its effect.
    async fn is_done(self, cluster: &dyn Cluster, target: &PodRef) -> Result<bool, ClusterError> {
        let pod = cluster.pod(&target.namespace, &target.name).await?;
        let Some(pod) = pod.filter(|pod| pod.reference == *target) else { return Ok(true) };
        match self {
            Self::Evict { .. } | Self::Delete { .. } => Ok(pod.deleting.is_some()),
            Self::Label(labels) => {
                Ok(labels.iter().all(|(key, value)| pod.labels.get(key) == value.as_ref()))
            }
            Self::Isolate { name, .. } => {
                let isolations = cluster.isolations(&target.namespace).await?;
                Ok(isolations.iter().any(|isolation| isolation.response == name))
            }
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
