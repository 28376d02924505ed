//! Gathers what the gates judge by. Every question has a bound in time; what cannot be answered is a
//! reason not to act.

use alert::order::{KillOrder, Scope};

use super::Engine;
use crate::{
    action::Action,
    cluster::{Cluster, ClusterError, Permission, Pod, Trial},
    gate::{Facts, Found, Health, Outlook},
    kubernetes::rights::Need,
    plan::{Evidence, Plan, PodClaim, ResponseId},
};

/// Name of a policy and value of a label that a dry run uses.
const TRIAL_NAME: &str = "trial";

impl Engine {
    /// Returns what is there now.
    pub(super) async fn gather(&self, id: ResponseId, plan: &Plan) -> Facts {
        let mut facts = Facts { own_namespace: self.own_namespace.clone(), ..Facts::default() };
        let of_cluster = async {
            if let Some(cluster) = &self.cluster {
                self.ask_cluster(&**cluster, id, plan, &mut facts).await;
            }
        };
        let of_agent = async {
            if plan.action.on_process() {
                self.ask_agent(id, plan).await
            } else {
                Outlook::NotAsked
            }
        };
        // A process may be gone within milliseconds.
        let ((), agent) = tokio::join!(of_cluster, of_agent);
        facts.agent = agent;
        facts
    }

    async fn ask_cluster(
        &self,
        cluster: &dyn Cluster,
        id: ResponseId,
        plan: &Plan,
        facts: &mut Facts,
    ) {
        let Some(claim) = &plan.target.pod else { return };
        facts.pod = find(cluster, claim, plan.target.container.as_deref()).await;
        let Found::One(pod) = &facts.pod else { return };
        let pod = Pod::clone(pod);
        let (workload, disruptions, rights, trial) = tokio::join!(
            cluster.workload(&pod),
            async {
                match plan.action {
                    Action::KillPod => outlook(cluster.disruptions(&pod).await),
                    _ => Outlook::NotAsked,
                }
            },
            rights_missing(cluster, plan),
            try_out(cluster, id, plan, &pod),
        );
        (facts.disruptions, facts.rights_missing, facts.trial) = (disruptions, rights, trial);
        facts.health = match workload {
            // Those whose end is under way are counted when it is judged.
            Ok(workload) => {
                Outlook::Known(Health { workload, target_ready: pod.ready, in_flight: 0 })
            }
            Err(error) => Outlook::Failed(error.to_string()),
        };
    }

    async fn ask_agent(&self, id: ResponseId, plan: &Plan) -> Outlook<alert::order::KillOutcome> {
        let Some(order) = order(id, plan, true) else { return Outlook::NotAsked };
        let asked = async { self.agents.of(&plan.target.hostname).await?.kill(&order).await };
        match asked.await {
            Ok(report) => Outlook::Known(report.outcome),
            Err(error) => Outlook::Failed(error.to_string()),
        }
    }
}

/// Returns the order for a plan on a process, or for its dry run.
pub(super) fn order(id: ResponseId, plan: &Plan, dry_run: bool) -> Option<KillOrder> {
    const WAIT_MS: u64 = 10_000;
    let process = plan.target.process.as_ref()?;
    let kind = if dry_run { "try" } else { "do" };
    Some(KillOrder {
        // Dry runs may be repeated; the order itself never is.
        id: match dry_run {
            true => format!("{id}-{kind}-{:08x}", rand::random::<u32>()),
            false => format!("{id}-{kind}-{}", plan.cause.alert),
        },
        process: process.key,
        container: plan.target.container.as_deref().map(Into::into),
        scope: match plan.action {
            Action::KillProcessTree => Scope::Tree,
            _ => Scope::Process,
        },
        dry_run,
        wait_ms: if dry_run { 0 } else { WAIT_MS },
    })
}

async fn find(cluster: &dyn Cluster, claim: &PodClaim, container: Option<&str>) -> Found {
    let pod = match cluster.pod(&claim.namespace, &claim.name).await {
        Ok(Some(pod)) => pod,
        Ok(None) => return Found::Missing,
        Err(error) => return Found::Failed(error.to_string()),
    };
    if claim.uid.is_some() {
        return Found::One(Box::new(pod));
    }
    // Without a UID, the container must name this pod and no other.
    let Some(container) = container else { return Found::One(Box::new(pod)) };
    match cluster.pods_of_container(Some(&claim.namespace), container).await {
        Ok(pods) if pods.len() > 1 => Found::Ambiguous,
        Ok(_) => Found::One(Box::new(pod)),
        Err(error) => Found::Failed(error.to_string()),
    }
}

fn outlook<T>(answer: Result<T, ClusterError>) -> Outlook<T> {
    match answer {
        Ok(known) => Outlook::Known(known),
        Err(error) => Outlook::Failed(error.to_string()),
    }
}

/// Asks for the rights of the action, and for those to collect what must come first: a report of what
/// is missing is worth more than a refusal on the way.
async fn rights_missing(cluster: &dyn Cluster, plan: &Plan) -> Vec<String> {
    let needs = needs(plan);
    let permissions = needs.iter().flat_map(|need| need.permissions(plan.namespace()));
    let asked = permissions.map(|right| async move {
        match cluster.may(&right).await {
            Ok(true) => None,
            Ok(false) => Some(words(&right)),
            Err(error) => Some(format!("{}: {error}", words(&right))),
        }
    });
    futures_util::future::join_all(asked).await.into_iter().flatten().collect()
}

/// Returns what an action needs beyond looking.
fn needs(plan: &Plan) -> Vec<Need> {
    let mut needs = match plan.action {
        Action::KillPod if plan.parameters.allow_delete => vec![Need::KillPod, Need::DeletePod],
        Action::KillPod => vec![Need::KillPod],
        Action::LabelPod => vec![Need::LabelPod],
        Action::IsolatePod => vec![Need::IsolatePod],
        Action::SnapshotEvidence => vec![Need::SnapshotEvidence],
        Action::KillProcess | Action::KillProcessTree => Vec::new(),
    };
    if plan.parameters.evidence == Evidence::Required && plan.action.spends() {
        needs.push(Need::SnapshotEvidence);
    }
    needs
}

fn words(right: &Permission) -> String {
    let slash = if right.subresource.is_empty() { "" } else { "/" };
    let Permission { verb, resource, subresource, namespace, .. } = right;
    let resource = format!("{resource}{slash}{subresource}");
    format!("{verb} {resource} in {namespace}")
}

/// Has the API server run every check of the very request, and change nothing.
async fn try_out(cluster: &dyn Cluster, id: ResponseId, plan: &Plan, pod: &Pod) -> Outlook<()> {
    let target = &pod.reference;
    let answer = match plan.action {
        Action::KillPod => {
            cluster.evict(target, plan.parameters.grace_seconds, Trial::DryRun).await
        }
        Action::LabelPod => {
            let labels = &plan.parameters.labels;
            let labels = labels.iter().map(|(key, value)| (key.clone(), Some(value.clone())));
            cluster.label(target, &labels.collect(), Trial::DryRun).await
        }
        Action::IsolatePod => {
            let name = format!("{TRIAL_NAME}-{}", id.0);
            cluster.isolate(target, &name, service::clock::now(), Trial::DryRun).await
        }
        _ => return Outlook::NotAsked,
    };
    match answer {
        // The gate for budgets of disruption has said so already, with its own reason.
        Err(ClusterError::Disruption(_)) => Outlook::Known(()),
        answer => outlook(answer),
    }
}
