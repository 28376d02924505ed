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
    book::{Book, Response, State},
    cluster::{Cluster, ClusterError, PodRef, Trial},
    config::ResponseConfig,
    entry::{Entry, bounded},
    plan::ResponseId,
};

/// How often policies nobody remembers are looked for.
const SWEEP_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// A failed attempt is made again after this, so that the audit is not filled by it.
const RETRY_SECONDS: i64 = 30;

impl Engine {
    /// Takes a response's traces out of the cluster; what fails is tried again at the next tick.
    pub(super) async fn undo(&self, id: ResponseId, by: &str) {
        let Some(cluster) = &self.cluster else { return };
        let (response, keys) = {
            let mut keeper = self.keeper.lock().await;
            let now = service::clock::now();
            let due = |response: &&Response| is_due_again(response, now);
            let Some(response) = keeper.book.get(id).filter(due).cloned() else { return };
            let keys = own_keys(&keeper.book, &response);
            let intended = Entry::UndoIntended { id, by: by.to_owned() };
            if let Err(error) = keeper.append(&[intended]) {
                return warn!(response = %id, %error, "not taken back yet");
            }
            (response, keys)
        };
        let Some(pod) = &response.resolved.pod else { return };
        let entry = match take_back(&**cluster, &response, pod, keys).await {
            Ok(answer) => Entry::Undone { id, answer: answer.to_owned() },
            Err(error) => {
                self.metrics.undo_failed();
                Entry::UndoFailed { id, reason: bounded(&error.to_string()) }
            }
        };
        if let Err(error) = self.keeper.lock().await.append(&[entry]) {
            warn!(response = %id, %error, "what was taken back could not be written down");
        }
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
                if self.remembers(namespace, &isolation.response).await {
                    continue;
                }
                let policy = bounded(&isolation.policy);
                let swept = Entry::Swept { namespace: namespace.clone(), policy };
                if let Err(error) = self.keeper.lock().await.append(&[swept]) {
                    return warn!(%error, "what nobody remembers is not removed");
                }
                match cluster.release(namespace, &isolation.response).await {
                    Ok(()) => {
                        info!(namespace, policy = isolation.policy, "removed, its time was over");
                    }
                    Err(error) => warn!(namespace, %error, "a policy is not removed yet"),
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

/// Returns whether it is in force, and nobody is taking it back or tried to just now.
fn is_due_again(response: &Response, now: Timestamp) -> bool {
    let waited = now.duration_since(response.updated).as_secs();
    response.in_force() && (response.state != State::Undoing || waited.abs() >= RETRY_SECONDS)
}

/// Returns the labels a response has set and no other in force has set as well.
fn own_keys(book: &Book, response: &Response) -> Vec<String> {
    let others: Vec<&Response> = book
        .responses()
        .filter(|other| other.id != response.id && other.in_force())
        .filter(|other| other.resolved.pod == response.resolved.pod)
        .collect();
    let labels = response.plan.parameters.labels.keys();
    let others_have = |key: &&String| {
        others.iter().any(|other| other.plan.parameters.labels.contains_key(key.as_str()))
    };
    labels.filter(|key| !others_have(key)).cloned().collect()
}

async fn take_back(
    cluster: &dyn Cluster,
    response: &Response,
    pod: &PodRef,
    mut keys: Vec<String>,
) -> Result<&'static str, ClusterError> {
    match response.plan.action {
        Action::LabelPod => {}
        Action::IsolatePod => {
            let name = isolation_name(response.id, pod);
            match cluster.release(&pod.namespace, &name).await {
                // Somebody else's policy has our name: it is theirs, and there is none of ours.
                Ok(()) | Err(ClusterError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
            let now = cluster.pod(&pod.namespace, &pod.name).await?;
            let Some(now) = now.filter(|now| now.reference == *pod) else {
                return Ok("the pod is gone");
            };
            // A later isolation of the same pod has put its own name there.
            if now.labels.get(LABEL) == Some(&name) {
                keys.push(LABEL.to_owned());
            }
        }
        _ => return Ok("there was nothing to take back"),
    }
    if keys.is_empty() {
        return Ok("taken back; its labels are another's now");
    }
    let labels: BTreeMap<String, Option<String>> =
        keys.into_iter().map(|key| (key, None)).collect();
    match cluster.label(pod, &labels, Trial::ForReal).await {
        Ok(()) => Ok("taken back"),
        // With the pod its labels are gone.
        Err(ClusterError::NotFound | ClusterError::Conflict(_)) => Ok("the pod is gone"),
        Err(error) => Err(error),
    }
}
