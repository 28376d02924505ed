//! What was found about a plan's target, gathered before the gates are asked.

use alert::order::KillOutcome;

use crate::{
    budget::Account,
    cluster::{Disruption, Pod, Workload},
    plan::{Plan, Resolved, Target},
};

/// What was found. A fact nobody asked for is not the same as one that could not be had.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub pod: Found,
    pub health: Outlook<Health>,
    pub disruptions: Outlook<Vec<Disruption>>,
    /// Rights our account lacks, in words.
    pub rights_missing: Vec<String>,
    /// The API server's own dry run of the request.
    pub trial: Outlook<()>,
    /// The agent's dry run of the order.
    pub agent: Outlook<KillOutcome>,
    pub own_namespace: Option<String>,
}

/// Which pod the claim leads to.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Found {
    #[default]
    NotAsked,
    Missing,
    One(Box<Pod>),
    Ambiguous,
    Failed(String),
}

/// An answer that may be missing for a reason.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Outlook<T> {
    #[default]
    NotAsked,
    Known(T),
    Failed(String),
}

/// How the target's workload stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    pub workload: Workload,
    pub target_ready: bool,
    /// Pods of it whose end we have begun and which still count as ready.
    pub in_flight: u32,
}

impl Facts {
    pub fn pod(&self) -> Option<&Pod> {
        match &self.pod {
            Found::One(pod) => Some(pod),
            _ => None,
        }
    }

    fn workload(&self) -> Option<&Workload> {
        match &self.health {
            Outlook::Known(health) => Some(&health.workload),
            _ => None,
        }
    }

    /// Returns whose budget the action comes out of. Never of what only the alert says while the
    /// cluster knows better.
    pub fn account(&self, plan: &Plan) -> Account {
        let workload = match (self.workload(), self.pod()) {
            (Some(workload), _) => format!("{}/{}", workload.kind, workload.name),
            (None, Some(pod)) => format!("Pod/{}", pod.reference.name),
            (None, None) => match &plan.target.pod {
                Some(pod) => format!("Pod/{}", pod.name),
                None => format!("Host/{}", plan.target.hostname),
            },
        };
        Account { namespace: plan.namespace().to_owned(), workload }
    }

    /// Returns what the target turned out to be.
    pub fn resolved(&self, plan: &Plan) -> Resolved {
        let Some(pod) = self.pod() else { return Resolved::default() };
        let container = container_of(pod, plan.target.container.as_deref());
        let workload = self.workload();
        Resolved {
            pod: Some(pod.reference.clone()),
            node: pod.node.clone(),
            container: container.and_then(|(name, id)| Some((name.to_owned(), id?.to_owned()))),
            image_id: container
                .and_then(|(name, _)| pod.containers.iter().find(|c| c.name == name))
                .and_then(|container| container.image_id.clone()),
            workload: workload.map(|workload| format!("{}/{}", workload.kind, workload.name)),
            ready: workload.and_then(|workload| workload.ready),
            desired: workload.and_then(|workload| workload.desired),
        }
    }
}

/// Returns the pod's container whose id begins so: its name and whole id.
pub(super) fn container_of<'p>(
    pod: &'p Pod,
    prefix: Option<&str>,
) -> Option<(&'p str, Option<&'p str>)> {
    let prefix = prefix?;
    let mut of_id = pod
        .containers
        .iter()
        .filter(|container| container.id.as_deref().is_some_and(|id| id.starts_with(prefix)));
    let found = of_id.next()?;
    of_id.next().is_none().then_some((found.name.as_str(), found.id.as_deref()))
}

impl Target {
    /// Returns whether the container may be the pod's sandbox, of which the API server does not
    /// tell: the pod's UID, which the same cgroup path gave, is then the proof.
    pub(super) fn container_is_sandbox(&self, pod: &Pod) -> bool {
        let proven = self.pod.as_ref().and_then(|claim| claim.uid.as_deref());
        // While a container starts, the API server has no id of it yet.
        let starting = pod.containers.iter().any(|container| container.id.is_none());
        proven == Some(pod.reference.uid.as_str()) && starting
    }
}
