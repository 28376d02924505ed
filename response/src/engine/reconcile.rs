//! After a restart: what was interrupted is found out by reading the target, never by doing it again.

use std::sync::Arc;

use tracing::{error, info};

use super::{
    Engine,
    carry::{outcome, seen},
    perform::pod::isolation_name,
};
use crate::{
    action::Action,
    agents::AgentError,
    book::{Response, State},
    cluster::{Cluster, PodRef},
    entry::{ObjectSeen, Outcome, ProcessSeen, ResultKind},
    plan::ResponseId,
};

impl Engine {
    pub(super) async fn reconcile(self: &Arc<Self>) {
        let interrupted = std::mem::take(
            &mut *self.interrupted.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        for response in interrupted.into_iter().rev() {
            match &response.state {
                // Nothing was begun: the gates are asked anew, freshness too.
                State::Proposed | State::Approved => self.spawn_carry(response.id),
                State::Executing { .. } => self.look_after(response).await,
                // The ticks see to these.
                _ => {}
            }
        }
    }

    async fn look_after(&self, response: Response) {
        let (id, plan) = (response.id, &response.plan);
        info!(response = %id, action = %plan.action, "was interrupted, looking what became of it");
        let outcome = self.found(id, &response).await;
        if let Err(error) = self.end(id, plan, outcome).await {
            error!(response = %id, %error, "what became of it could not be written down");
        }
    }

    async fn found(&self, id: ResponseId, response: &Response) -> Outcome {
        let plan = &response.plan;
        if plan.action.on_process() {
            return self.found_process(response).await;
        }
        let (Some(cluster), Some(pod)) = (&self.cluster, &response.resolved.pod) else {
            return outcome(ResultKind::Unknown, "interrupted, and nobody can be asked");
        };
        match plan.action {
            Action::KillPod => found_pod(&**cluster, pod).await,
            Action::IsolatePod => found_isolation(&**cluster, id, response, pod).await,
            Action::LabelPod => found_labels(&**cluster, response, pod).await,
            _ => outcome(ResultKind::Unknown, "interrupted"),
        }
    }

    async fn found_process(&self, response: &Response) -> Outcome {
        let plan = &response.plan;
        let Some(claim) = &plan.target.process else {
            return outcome(ResultKind::Unknown, "interrupted");
        };
        let agent = match self.agents.of(&plan.target.hostname).await {
            Ok(agent) => agent,
            Err(error) => {
                return outcome(ResultKind::Unknown, format!("interrupted; {error}"));
            }
        };
        let (result, detail, process) = match agent.process(claim.key).await {
            Ok(_) => (
                ResultKind::Failed,
                "interrupted; the process lives".to_owned(),
                ProcessSeen::Alive,
            ),
            Err(AgentError::NotFound) => {
                let detail = "interrupted; the process is gone, nobody saw how";
                (ResultKind::NotVerified, detail.to_owned(), ProcessSeen::NotSeen)
            }
            Err(error) => {
                (ResultKind::Unknown, format!("interrupted; {error}"), ProcessSeen::NotSeen)
            }
        };
        Outcome { process: Some(process), ..outcome(result, detail) }
    }
}

async fn found_pod(cluster: &dyn Cluster, target: &PodRef) -> Outcome {
    let process = ProcessSeen::NotSeen;
    match cluster.pod(&target.namespace, &target.name).await {
        Ok(Some(pod)) if pod.reference == *target && pod.deleting.is_none() => {
            let detail = "interrupted; the pod runs on: it was not evicted";
            seen(ResultKind::Failed, detail, ObjectSeen::Running, process)
        }
        Ok(Some(pod)) if pod.reference == *target => {
            let detail = "interrupted; the pod is terminating";
            seen(ResultKind::NotVerified, detail, ObjectSeen::Terminating, process)
        }
        Ok(_) => {
            let detail = "interrupted; the pod is gone, nobody saw its processes die";
            seen(ResultKind::NotVerified, detail, ObjectSeen::Gone, process)
        }
        Err(error) => outcome(ResultKind::Unknown, format!("interrupted; {error}")),
    }
}

async fn found_isolation(
    cluster: &dyn Cluster,
    id: ResponseId,
    response: &Response,
    pod: &PodRef,
) -> Outcome {
    let name = isolation_name(id, pod);
    match cluster.isolations(&pod.namespace).await {
        Ok(isolations) => match isolations.into_iter().find(|found| found.response == name) {
            Some(isolation) => Outcome {
                // One whose time cannot be read is beyond it.
                until: isolation.expires.or(Some(response.updated)),
                ..outcome(ResultKind::NotVerified, "interrupted; the policy is there")
            },
            // The label may be: it is taken back at once.
            None => Outcome {
                until: Some(response.updated),
                ..outcome(ResultKind::Failed, "interrupted; there is no policy")
            },
        },
        Err(error) => Outcome {
            until: Some(response.updated),
            ..outcome(ResultKind::Unknown, format!("interrupted; {error}"))
        },
    }
}

async fn found_labels(cluster: &dyn Cluster, response: &Response, target: &PodRef) -> Outcome {
    let labels = &response.plan.parameters.labels;
    // Whatever is there is taken back at once: its time was never begun.
    let until = Some(response.updated);
    match cluster.pod(&target.namespace, &target.name).await {
        Ok(Some(pod)) if pod.reference == *target => {
            let there = labels.iter().any(|(key, value)| pod.labels.get(key) == Some(value));
            let (result, detail) = match there {
                true => (ResultKind::NotVerified, "interrupted; labels are there, taken back now"),
                false => (ResultKind::Failed, "interrupted; no label is there"),
            };
            Outcome { until: until.filter(|_| there), ..outcome(result, detail) }
        }
        Ok(_) => outcome(ResultKind::Noop, "interrupted; the pod is gone"),
        Err(error) => {
            Outcome { until, ..outcome(ResultKind::Unknown, format!("interrupted; {error}")) }
        }
    }
}
