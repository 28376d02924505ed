//! *kill pod*: eviction first, a deletion only where the rule allows it, and then a look at pod and
//! processes until both are gone. A pod that is gone is no proof that its processes are dead.

use std::{sync::Arc, time::Duration};

use alert::order::{ProcessEnd, WatchOrder, WatchReport};

use tokio::sync::SemaphorePermit;

use super::{Engine, Request, failed, outcome, refused};
use crate::{
    agents::Agent,
    cluster::{Cluster, ClusterError, Pod, PodRef},
    engine::carry::seen,
    entry::{ObjectSeen, Outcome, ProcessSeen, ResultKind, Step},
    plan::{Plan, Resolved, ResponseId},
};

/// Beyond the grace a pod is given, for the kubelet to do its part.
const BEYOND_GRACE: Duration = Duration::from_secs(20);
const VERIFY_MAX: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(500);
const WATCH_STEP: Duration = Duration::from_secs(5);

impl Engine {
    pub(super) async fn kill_pod(
        &self,
        id: ResponseId,
        plan: &Plan,
        resolved: &Resolved,
        room: SemaphorePermit<'_>,
    ) -> Outcome {
        let (Some(cluster), Some(target)) = (self.cluster.clone(), &resolved.pod) else {
            return failed("there is no cluster to ask");
        };
        let pod = match cluster.pod(&target.namespace, &target.name).await {
            Ok(Some(pod)) if pod.reference == *target => pod,
            Ok(_) => return outcome(ResultKind::Noop, "the pod was gone already"),
            Err(error) => return failed(error.to_string()),
        };
        // Before anything happens: a death can only be seen by who was looking.
        let watch = self.watch(&pod).await;
        let grace = plan.parameters.grace_seconds;
        let evict = Request::Evict { grace_seconds: grace };
        let mut answer = self.send_and_look(id, Step::Evict, &*cluster, target, evict).await;
        // What an admission policy said about evicting it said about deleting as well.
        if let Err(ClusterError::Refused { status, .. }) = answer
            && status != 403
            && plan.parameters.allow_delete
            && self.once_more(id, Step::Delete).await.is_some()
        {
            let delete = Request::Delete { grace_seconds: grace };
            answer = self.send_and_look(id, Step::Delete, &*cluster, target, delete).await;
        }
        drop(room);
        match answer {
            Ok(()) => {}
            Err(ClusterError::Disruption(reason)) => {
                return failed(format!("a PodDisruptionBudget forbids it: {reason}"));
            }
            Err(error) => return refused(&error),
        }
        let grace = Duration::from_secs(grace.unwrap_or(pod.grace_seconds));
        let patience = (grace + BEYOND_GRACE).min(VERIFY_MAX);
        let (object, (process, processes)) =
            tokio::join!(object_gone(&cluster, target, patience), processes_dead(watch, patience),);
        let result = match (object, process) {
            (_, ProcessSeen::Alive) | (ObjectSeen::Running | ObjectSeen::NotSeen, _) => {
                ResultKind::Unknown
            }
            (_, ProcessSeen::Dead) => ResultKind::Done,
            (_, ProcessSeen::NotSeen) => ResultKind::NotVerified,
        };
        let detail = match process {
            ProcessSeen::Dead => "evicted, and every process was seen to die",
            ProcessSeen::Alive => "the API server accepted it, and processes live",
            ProcessSeen::NotSeen => "the API server accepted it; no agent saw the processes die",
        };
        Outcome { processes, ..seen(result, detail, object, process) }
    }

    /// Returns the agent of the pod's node and its watch over all the pod's containers.
    async fn watch(&self, pod: &Pod) -> Option<(Agent, WatchReport)> {
        let ids = pod.containers.iter().filter_map(|container| container.id.as_deref());
        let order = WatchOrder { containers: ids.map(Into::into).collect() };
        if order.containers.is_empty() {
            return None;
        }
        let agent = self.agents.of(pod.node.as_deref()?).await;
        let watched = async { agent.as_ref().map_err(Clone::clone)?.watch(&order).await };
        match watched.await {
            Ok(report) => agent.ok().map(|agent| (agent, report)),
            Err(error) => {
                tracing::warn!(%error, pod = pod.reference.name, "nobody watches the processes");
                None
            }
        }
    }
}

async fn object_gone(
    cluster: &Arc<dyn Cluster>,
    target: &PodRef,
    patience: Duration,
) -> ObjectSeen {
    let deadline = tokio::time::Instant::now() + patience;
    let mut last = ObjectSeen::NotSeen;
    loop {
        match cluster.pod(&target.namespace, &target.name).await {
            Ok(Some(pod)) if pod.reference == *target => {
                let deleting = pod.deleting.is_some();
                last = if deleting { ObjectSeen::Terminating } else { ObjectSeen::Running };
            }
            Ok(_) => return ObjectSeen::Gone,
            // The next look may be luckier.
            Err(_) => {}
        }
        if tokio::time::Instant::now() + LOOK_EVERY >= deadline {
            return last;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn processes_dead(
    watch: Option<(Agent, WatchReport)>,
    patience: Duration,
) -> (ProcessSeen, Vec<ProcessEnd>) {
    let Some((agent, mut report)) = watch else { return (ProcessSeen::NotSeen, Vec::new()) };
    let deadline = tokio::time::Instant::now() + patience;
    let all_seen = |report: &WatchReport| {
        let mut ends = report.processes.iter().map(|end| end.dead_after_us.is_some());
        !report.processes.is_empty() && ends.all(|seen| seen)
    };
    while !report.empty && tokio::time::Instant::now() < deadline {
        match agent.watched(&report.id, WATCH_STEP).await {
            Ok(next) => report = next,
            Err(error) => {
                tracing::warn!(%error, "the agent does not tell any more");
                return (ProcessSeen::NotSeen, report.processes);
            }
        }
    }
    let seen = match (report.empty, all_seen(&report)) {
        (true, true) => ProcessSeen::Dead,
        (true, false) => ProcessSeen::NotSeen,
        (false, _) => ProcessSeen::Alive,
    };
    (seen, report.processes)
}
