//! *label pod* and *isolate pod*: what they leave in the cluster is found again by its label, and
//! taken back when its time is over.

use std::{collections::BTreeMap, time::Duration};

use super::{Engine, Request, failed, outcome, refused};
use crate::{
    cluster::{ClusterError, PodRef},
    entry::{Outcome, ResultKind, Step},
    plan::{Plan, Resolved, ResponseId},
};

/// The label an isolation selects its pod by; its value is the response's.
pub(in crate::engine) const LABEL: &str = crate::cluster::RESPONSE_LABEL;

impl Engine {
    pub(super) async fn label_pod(
        &self,
        id: ResponseId,
        plan: &Plan,
        resolved: &Resolved,
    ) -> Outcome {
        let (Some(cluster), Some(target)) = (self.cluster.clone(), &resolved.pod) else {
            return failed("there is no cluster to ask");
        };
        let labels = &plan.parameters.labels;
        let labels: BTreeMap<String, Option<String>> =
            labels.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        let set = Request::Label(&labels);
        if let Err(error) = self.send_and_look(id, Step::Label, &*cluster, target, set).await {
            return not_for_long(&error);
        }
        let there = match cluster.pod(&target.namespace, &target.name).await {
            Ok(Some(pod)) if pod.reference == *target => {
                plan.parameters.labels.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
            }
            _ => false,
        };
        let result = if there { ResultKind::Done } else { ResultKind::Unknown };
        Outcome { until: until(plan), ..outcome(result, "labelled") }
    }

    pub(super) async fn isolate_pod(
        &self,
        id: ResponseId,
        plan: &Plan,
        resolved: &Resolved,
    ) -> Outcome {
        let (Some(cluster), Some(target)) = (self.cluster.clone(), &resolved.pod) else {
            return failed("there is no cluster to ask");
        };
        let name = isolation_name(id, target);
        let label = BTreeMap::from([(LABEL.to_owned(), Some(name.clone()))]);
        let set = Request::Label(&label);
        if let Err(error) = self.send_and_look(id, Step::Label, &*cluster, target, set).await {
            return not_for_long(&error);
        }
        let Some(expires) = until(plan) else { return failed("it has no end") };
        if self.once_more(id, Step::Isolate).await.is_none() {
            let detail = "it was stopped, or could not be written down, before the policy was made";
            return Outcome { until: Some(service::clock::now()), ..failed(detail) };
        }
        let make = Request::Isolate { name: &name, expires };
        if let Err(error) = self.send_and_look(id, Step::Isolate, &*cluster, target, make).await {
            let ended = match error {
                ClusterError::Conflict(reason) => failed(format!("its policy: {reason}")),
                error => refused(&error),
            };
            // The label has no purpose now, and of a lost answer the policy may be there.
            return Outcome { until: Some(service::clock::now()), ..ended };
        }
        let kubernetes = self.config.load().kubernetes.clone().unwrap_or_default();
        let (result, detail) = if kubernetes.network_policies_enforced {
            (ResultKind::Done, "isolated; a policy of yours that allows traffic still does")
        } else {
            let detail = "the policy is there; nothing shows that this cluster enforces policies";
            (ResultKind::NotVerified, detail)
        };
        Outcome { until: Some(expires), ..outcome(result, detail) }
    }
}

/// Returns how a refused label ends a response. One that may be there has no purpose: it is taken back
/// at once.
fn not_for_long(error: &ClusterError) -> Outcome {
    let ended = refused(error);
    let until = (ended.result == ResultKind::Unknown).then(service::clock::now);
    Outcome { until, ..ended }
}

/// Returns what label and policy of an isolation are called: unique also across audits.
pub(in crate::engine) fn isolation_name(id: ResponseId, target: &PodRef) -> String {
    let uid: String =
        target.uid.chars().filter(char::is_ascii_alphanumeric).take(8).collect::<String>();
    format!("r-{}-{}", id.0, uid.to_ascii_lowercase())
}

fn until(plan: &Plan) -> Option<jiff::Timestamp> {
    let ttl = Duration::from_secs(plan.parameters.ttl_seconds?);
    service::clock::now().checked_add(ttl).ok()
}
