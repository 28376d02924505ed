//! Takes back what lasts only for a time. Level-triggered: what is there beyond its time is removed,
//! whoever remembers it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use super::{
    Engine,
    perform::pod::{LABEL, isolation_name},
};
use crate::{
    action::Action,
    book::{Response, State},
    cluster::{Cluster, ClusterError, PodRef, Trial},
    config::ResponseConfig,
    entry::Entry,
    plan::ResponseId,
};

/// How often policies nobody remembers are looked for.
const SWEEP_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// A failed attempt is made again after this, so that the audit is not filled by it.
const RETRY_SECONDS: i64 = 30;

impl Engine {
    /// Takes a response's traces out of the cluster; what fails is tried again at the next tick.
    pub(super) async fn undo(&self, id: ResponseId, by: &str) {
        let Some(response) = self.response(id).await else { return };
        let (Some(cluster), Some(pod)) = (&self.cluster, &response.resolved.pod) else { return };
        if !self.due_again(id, service::clock::now()).await {
            return;
        }
        let intended = Entry::UndoIntended { id, by: by.to_owned() };
        if let Err(error) = self.keeper.lock().await.append(&[intended]) {
            return warn!(response = %id, %error, "not taken back yet");
        }
        let entry = match take_back(&**cluster, &response, pod).await {
            Ok(answer) => Entry::Undone { id, answer: answer.to_owned() },
            Err(error) => {
                self.metrics.undo_failed();
                Entry::UndoFailed { id, reason: error.to_string() }
            }
        };
        if let Err(error) = self.keeper.lock().await.append(&[entry]) {
            warn!(response = %id, %error, "what was taken back could not be written down");
        }
    }

    async fn due_again(&self, id: ResponseId, now: Timestamp) -> bool {
        let Some(response) = self.response(id).await else { return false };
        let waited = now.duration_since(response.updated).as_secs();
        response.state != State::Undoing || waited.abs() >= RETRY_SECONDS
    }

    /// Removes policies of ours that are beyond their time and that no response remembers: the audit
    /// was lost, or this is another installation of us.
    pub(super) async fn sweep(&self, config: &ResponseConfig, now: Timestamp) {
        let Some(cluster) = &self.cluster else { return };
        let Some(policy) = config.actions.get(&Action::IsolatePod) else { return };
        {
            let mut keeper = self.keeper.lock().await;
            if now.duration_since(keeper.swept).abs() < SWEEP_EVERY {
                return;
            }
            keeper.swept = now;
        }
        for namespace in &policy.namespaces {
            let isolations = match cluster.isolations(namespace).await {
                Ok(isolations) => isolations,
                Err(error) => {
                    warn!(namespace, %error, "isolations cannot be listed");
                    continue;
                }
            };
            for isolation in isolations {
                if isolation.expires.is_none_or(|expires| expires > now) {
                    continue;
                }
                let known = self.remembers(namespace, &isolation.response).await;
                if !known && cluster.release(namespace, &isolation.response).await.is_ok() {
                    info!(namespace, policy = isolation.policy, "removed, its time was over");
                }
            }
        }
    }

    async fn remembers(&self, namespace: &str, name: &str) -> bool {
        let keeper = self.keeper.lock().await;
        keeper.book.responses().any(|response| {
            let pod = response.resolved.pod.as_ref();
            response.in_force()
                && pod.is_some_and(|pod| {
                    pod.namespace == namespace && isolation_name(response.id, pod) == name
                })
        })
    }
}

async fn take_back(
    cluster: &dyn Cluster,
    response: &Response,
    pod: &PodRef,
) -> Result<&'static str, ClusterError> {
    let keys: Vec<&str> = match response.plan.action {
        Action::LabelPod => response.plan.parameters.labels.keys().map(String::as_str).collect(),
        Action::IsolatePod => {
            cluster.release(&pod.namespace, &isolation_name(response.id, pod)).await?;
            vec![LABEL]
        }
        _ => return Ok("there was nothing to take back"),
    };
    let labels: BTreeMap<String, Option<String>> =
        keys.into_iter().map(|key| (key.to_owned(), None)).collect();
    match cluster.label(pod, &labels, Trial::ForReal).await {
        Ok(()) => Ok("taken back"),
        // With the pod its labels are gone.
        Err(ClusterError::NotFound | ClusterError::Conflict(_)) => Ok("the pod is gone"),
        Err(error) => Err(error),
    }
}
