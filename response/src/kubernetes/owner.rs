//! Walks from a pod to the controller at the top, checking at each step that it is the one meant.

use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
        batch::v1::Job,
        core::v1 as core,
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use serde::de::DeserializeOwned;

use super::{link::Link, names, pod_path};
use crate::cluster::{ClusterError, PodRef, Workload};

/// Returns the pod's workload, with the numbers its kind tells.
///
/// A kind we do not know is the workload itself, without numbers: whoever made it knows more.
pub(super) async fn walk(link: &Link, pod: &PodRef) -> Result<Workload, ClusterError> {
    let found: core::Pod = link.get(&pod_path(&pod.namespace, &pod.name)?, &[]).await?;
    verify("pod", &found.metadata, &pod.uid)?;
    let Some(owner) = controller(&found.metadata) else {
        let itself = ("Pod".to_owned(), pod.name.clone(), pod.uid.clone());
        return Ok(workload(itself, None, None));
    };
    let namespace = pod.namespace.as_str();
    match known_kind(owner) {
        Some("ReplicaSet") => {
            let set: ReplicaSet = read(link, namespace, "apps", "replicasets", owner).await?;
            verify("ReplicaSet", &set.metadata, &owner.uid)?;
            match controller(&set.metadata) {
                None => {
                    let desired = set.spec.and_then(|spec| spec.replicas).or(Some(1));
                    Ok(workload(of(owner), desired, ready(set.status.map(|it| it.ready_replicas))))
                }
                Some(above) if known_kind(above) == Some("Deployment") => {
                    deployment(link, namespace, above).await
                }
                Some(above) => Ok(workload(of(above), None, None)),
            }
        }
        Some("StatefulSet") => {
            let set: StatefulSet = read(link, namespace, "apps", "statefulsets", owner).await?;
            verify("StatefulSet", &set.metadata, &owner.uid)?;
            let desired = set.spec.and_then(|spec| spec.replicas).or(Some(1));
            Ok(workload(of(owner), desired, ready(set.status.map(|it| it.ready_replicas))))
        }
        Some("DaemonSet") => {
            let set: DaemonSet = read(link, namespace, "apps", "daemonsets", owner).await?;
            verify("DaemonSet", &set.metadata, &owner.uid)?;
            let status = set.status.unwrap_or_default();
            let desired = Some(status.desired_number_scheduled);
            Ok(workload(of(owner), desired, Some(status.number_ready)))
        }
        Some("Job") => {
            let job: Job = read(link, namespace, "batch", "jobs", owner).await?;
            verify("Job", &job.metadata, &owner.uid)?;
            if let Some(above) = controller(&job.metadata) {
                return Ok(workload(of(above), None, None));
            }
            let desired = job.spec.and_then(|spec| spec.parallelism).or(Some(1));
            Ok(workload(of(owner), desired, ready(job.status.map(|it| it.ready))))
        }
        _ => Ok(workload(of(owner), None, None)),
    }
}

async fn deployment(
    link: &Link,
    namespace: &str,
    owner: &OwnerReference,
) -> Result<Workload, ClusterError> {
    let found: Deployment = read(link, namespace, "apps", "deployments", owner).await?;
    verify("Deployment", &found.metadata, &owner.uid)?;
    let desired = found.spec.and_then(|spec| spec.replicas).or(Some(1));
    Ok(workload(of(owner), desired, ready(found.status.map(|it| it.ready_replicas))))
}

async fn read<T: DeserializeOwned>(
    link: &Link,
    namespace: &str,
    group: &str,
    resource: &str,
    owner: &OwnerReference,
) -> Result<T, ClusterError> {
    let (namespace, name) = (names::check(namespace)?, names::check(&owner.name)?);
    let path = format!("/apis/{group}/v1/namespaces/{namespace}/{resource}/{name}");
    match link.get(&path, &[]).await {
        // Not the pod is gone: that would be a reason to be content.
        Err(ClusterError::NotFound) => {
            Err(ClusterError::Conflict(format!("the pod's {} {name} is gone", owner.kind)))
        }
        found => found,
    }
}

fn verify(kind: &str, metadata: &ObjectMeta, uid: &str) -> Result<(), ClusterError> {
    if metadata.uid.as_deref() == Some(uid) {
        return Ok(());
    }
    Err(ClusterError::Conflict(format!("the {kind} of that name has another UID")))
}

fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

/// Returns the kind when it is Kubernetes' own: anybody may call a resource "Deployment".
fn known_kind(owner: &OwnerReference) -> Option<&str> {
    let group = owner.api_version.split_once('/').map(|(group, _)| group);
    match (group, owner.kind.as_str()) {
        (Some("apps"), kind @ ("ReplicaSet" | "Deployment" | "StatefulSet" | "DaemonSet")) => {
            Some(kind)
        }
        (Some("batch"), kind @ "Job") => Some(kind),
        _ => None,
    }
}

fn of(owner: &OwnerReference) -> (String, String, String) {
    (owner.kind.clone(), owner.name.clone(), owner.uid.clone())
}

/// A status that does not say how many are ready has none.
fn ready(status: Option<Option<i32>>) -> Option<i32> {
    Some(status.flatten().unwrap_or(0))
}

fn workload(
    (kind, name, uid): (String, String, String),
    desired: Option<i32>,
    ready: Option<i32>,
) -> Workload {
    let count = |number: Option<i32>| number.and_then(|it| u32::try_from(it).ok());
    Workload { kind, name, uid, desired: count(desired), ready: count(ready) }
}
