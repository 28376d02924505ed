//! Reads a pod as the API server has it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;

use super::{link::Link, names};
use crate::cluster::{ClusterError, Pod, PodContainer, PodRef};

/// On the mirror of a static pod.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Shortest prefix of a container's id that is looked up: what Falco and Docker print.
const ID_DIGITS_MIN: usize = 12;

/// Two are enough to tell that a prefix is ambiguous.
const PODS_MAX: usize = 2;

/// The API server's default, where a pod does not say.
const GRACE_SECONDS: u64 = 30;

pub(super) fn read(pod: &core::Pod) -> Result<Pod, ClusterError> {
    let metadata = &pod.metadata;
    let (Some(namespace), Some(name), Some(uid)) =
        (&metadata.namespace, &metadata.name, &metadata.uid)
    else {
        return Err(ClusterError::Unknown("a pod without a name or a UID".to_owned()));
    };
    let spec = pod.spec.clone().unwrap_or_default();
    let status = pod.status.clone().unwrap_or_default();
    let annotations = metadata.annotations.clone().unwrap_or_default();
    let grace = spec.termination_grace_period_seconds;
    Ok(Pod {
        reference: PodRef { namespace: namespace.clone(), name: name.clone(), uid: uid.clone() },
        node: spec.node_name.clone().filter(|node| !node.is_empty()),
        labels: metadata.labels.clone().unwrap_or_default(),
        mirror: annotations.contains_key(MIRROR),
        annotations,
        priority_class: spec.priority_class_name.clone().filter(|class| !class.is_empty()),
        host_network: spec.host_network.unwrap_or_default(),
        created: metadata.creation_timestamp.as_ref().map(|time| time.0),
        deleting: metadata.deletion_timestamp.as_ref().map(|time| time.0),
        ready: is_ready(&status),
        phase: status.phase.clone().unwrap_or_default(),
        grace_seconds: grace.and_then(|it| u64::try_from(it).ok()).unwrap_or(GRACE_SECONDS),
        containers: containers(&spec, &status),
    })
}

pub(super) fn is_ready(status: &core::PodStatus) -> bool {
    let conditions = status.conditions.iter().flatten();
    conditions.into_iter().any(|it| it.type_ == "Ready" && it.status == "True")
}

/// Finds the pods that have a container whose id begins so, at most two.
pub(super) async fn of_container(
    link: &Link,
    namespace: Option<&str>,
    id_prefix: &str,
) -> Result<Vec<Pod>, ClusterError> {
    let hex = id_prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !hex || id_prefix.len() < ID_DIGITS_MIN {
        return Ok(Vec::new());
    }
    let path = match namespace {
        Some(namespace) => format!("/api/v1/namespaces/{}/pods", names::check(namespace)?),
        None => "/api/v1/pods".to_owned(),
    };
    let mut found = Vec::new();
    let has_it = |pod: core::Pod| {
        if let Ok(pod) = read(&pod)
            && pod
                .containers
                .iter()
                .any(|it| it.id.as_ref().is_some_and(|id| id.starts_with(id_prefix)))
        {
            found.push(pod);
        }
        found.len() < PODS_MAX
    };
    link.list(&path, &[], has_it).await?;
    Ok(found)
}

/// All containers of any kind: an attack may be in a side-car or a debug container too.
fn containers(spec: &core::PodSpec, status: &core::PodStatus) -> Vec<PodContainer> {
    let statuses = [
        &status.container_statuses,
        &status.init_container_statuses,
        &status.ephemeral_container_statuses,
    ];
    let statuses: BTreeMap<&str, &core::ContainerStatus> =
        statuses.into_iter().flatten().flatten().map(|it| (it.name.as_str(), it)).collect();
    let plain = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let plain = plain.map(|it| (&it.name, it.image.as_ref()));
    let debug = spec.ephemeral_containers.iter().flatten();
    let debug = debug.map(|it| (&it.name, it.image.as_ref()));
    plain
        .chain(debug)
        .map(|(name, image)| {
            let status = statuses.get(name.as_str());
            PodContainer {
                name: name.clone(),
                id: status.and_then(|it| after(it.container_id.as_deref()?, "://")),
                image: image.cloned().unwrap_or_default(),
                image_id: status.and_then(|it| after(&it.image_id, "@")),
                running: status
                    .and_then(|it| it.state.as_ref())
                    .is_some_and(|state| state.running.is_some()),
            }
        })
        .collect()
}

/// Returns what follows the mark, or the whole text without one; nothing of an empty text.
fn after(text: &str, mark: &str) -> Option<String> {
    let rest = text.split_once(mark).map_or(text, |(_, rest)| rest);
    (!rest.is_empty()).then(|| rest.to_owned())
}
