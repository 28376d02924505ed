//! Collects evidence: what the cluster and the agent know, bounded in time and size. What cannot be
//! had is named.

use serde::Serialize;
use serde_json::json;

use super::Engine;
use crate::{
    agents::AgentError,
    cluster::{ClusterError, Document, Pod},
    plan::{Plan, Resolved, ResponseId},
};

/// What was collected, and what could not be.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) documents: Vec<(String, Document)>,
    pub(super) failures: Vec<String>,
}

/// Other containers of the pod whose logs are taken.
const CONTAINERS_MAX: usize = 8;

impl Engine {
    /// Returns what can be had in time.
    pub(super) async fn collect(
        &self,
        id: ResponseId,
        plan: &Plan,
        resolved: &Resolved,
    ) -> Collected {
        let limits = self.config.load().evidence;
        let bytes_max = usize::try_from(limits.document_bytes_max.0).unwrap_or(usize::MAX);
        let mut collected = Collected::default();
        collected.add_json("response.json", &json!({ "id": id, "plan": plan, "target": resolved }));
        // One slow answer must not cost the others: each is put down as it comes.
        let deadline = tokio::time::Instant::now() + limits.timeout.0;
        let processes = self.of_processes(plan, resolved, &mut collected);
        if tokio::time::timeout_at(deadline, processes).await.is_err() {
            collected.failures.push("process: no answer in time".into());
        }
        let of_pod = self.of_pod(plan, resolved, bytes_max, &mut collected);
        if tokio::time::timeout_at(deadline, of_pod).await.is_err() {
            collected.failures.push("pod: not all in time".into());
        }
        collected
    }

    async fn of_processes(&self, plan: &Plan, resolved: &Resolved, collected: &mut Collected) {
        if let Some(claim) = &plan.target.process {
            let report =
                async { self.agents.of(&plan.target.hostname).await?.process(claim.key).await };
            match report.await {
                Ok(report) => {
                    collected.add_json("process.json", &report);
                    collected.note_cut(report.truncated);
                }
                // Most are gone by the time somebody looks: that, too, is an answer.
                Err(AgentError::NotFound) => {
                    collected.add_json("process.json", &json!({ "gone": true, "alert": claim }));
                }
                Err(error) => collected.failures.push(format!("process: {error}")),
            }
        }
        let Some((_, container)) = &resolved.container else { return };
        let report =
            async { self.agents.of(&plan.target.hostname).await?.container(container).await };
        match report.await {
            Ok(report) => {
                collected.add_json("container.json", &report);
                collected.note_cut(report.truncated);
            }
            Err(error) => collected.failures.push(format!("container: {error}")),
        }
    }

    async fn of_pod(
        &self,
        plan: &Plan,
        resolved: &Resolved,
        bytes_max: usize,
        collected: &mut Collected,
    ) {
        let (Some(cluster), Some(pod)) = (&self.cluster, &resolved.pod) else { return };
        collected.add("pod.json", cluster.manifest(pod, bytes_max).await);
        collected.add("events.json", cluster.events(pod, bytes_max).await);
        let now = match cluster.pod(&pod.namespace, &pod.name).await {
            Ok(Some(now)) if now.reference == *pod => now,
            Ok(_) => return collected.failures.push("logs: the pod is gone".into()),
            Err(error) => return collected.failures.push(format!("logs: {error}")),
        };
        for name in containers(plan, resolved, &now) {
            let log = cluster.logs(pod, name, false, bytes_max).await;
            collected.add(&format!("log-{name}.txt"), log);
            match cluster.logs(pod, name, true, bytes_max).await {
                // There was no run before this one.
                Err(ClusterError::NotFound | ClusterError::Refused { status: 400, .. }) => {}
                log => collected.add(&format!("log-{name}-previous.txt"), log),
            }
        }
    }
}

/// Returns the alert's own container first.
fn containers<'a>(plan: &Plan, resolved: &'a Resolved, pod: &'a Pod) -> Vec<&'a str> {
    let own = resolved.container.as_ref().map(|(name, _)| name.as_str());
    // When the alert names a container, the others are not the ones meant.
    let others = pod.containers.iter().filter(|_| own.is_none() && plan.target.pod.is_some());
    own.into_iter().chain(others.map(|container| &*container.name)).take(CONTAINERS_MAX).collect()
}

impl Collected {
    fn add(&mut self, name: &str, document: Result<Document, ClusterError>) {
        match document {
            Ok(document) => self.documents.push((name.to_owned(), document)),
            Err(error) => self.failures.push(format!("{name}: {error}")),
        }
    }

    /// Notes that the newest document was cut where it was made.
    fn note_cut(&mut self, truncated: bool) {
        if let Some((_, document)) = self.documents.last_mut() {
            document.truncated = truncated;
        }
    }

    fn add_json(&mut self, name: &str, value: &impl Serialize) {
        let bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
        self.documents.push((name.to_owned(), Document { bytes, truncated: false }));
    }
}
