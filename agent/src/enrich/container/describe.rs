//! Fills in what a runtime told of a container, and why the rest is absent.

use alert::{Container, Missing};

use crate::runtime::Metadata;

/// Fields that only a runtime can fill.
const OF_CONTAINER: [&str; 7] = [
    "container.name",
    "container.image",
    "container.image.repository",
    "container.image.digest",
    "container.image.id",
    "container.privileged",
    "container.mounts",
];
/// Those of a pod.
const OF_POD: [&str; 3] = ["k8s.ns.name", "k8s.pod.name", "k8s.pod.uid"];

/// Fills in what the runtime told, and why the rest is absent.
pub(super) fn describe(container: &mut Container, told: Metadata) {
    let absent = told.absent.unwrap_or(Missing::NotFound);
    let mounts_told = told.mounts.is_some();
    container.name = told.name;
    container.image = told.image.name;
    container.image_repository = told.image.repository;
    container.image_tag = told.image.tag;
    container.image_digest = told.image.digest;
    container.image_id = told.image.id;
    container.privileged = told.privileged;
    container.mounts = told.mounts.unwrap_or_default();
    container.host_pid = told.host.pid;
    container.host_network = told.host.network;
    container.host_ipc = told.host.ipc;
    container.healthcheck = told.probes.health;
    container.liveness_probe = told.probes.liveness;
    container.readiness_probe = told.probes.readiness;
    container.created_ns = told.created_ns;
    container.cni = told.cni;
    container.labels = told.labels;
    container.runtime = told.runtime.or(container.runtime.take());
    container.pod_ip = told.ip;
    let mut of_pod = if container.pod_uid.is_some() { absent } else { Missing::NotKubernetes };
    if let Some(pod) = told.pod {
        of_pod = absent;
        container.pod_name = pod.name;
        container.pod_namespace = pod.namespace;
        // The cgroup's word comes first: it is the kernel's.
        container.pod_uid = container.pod_uid.take().or(pod.uid);
        container.pod_ip = pod.ip.or(container.pod_ip.take());
        container.pod_labels = pod.labels;
        container.sandbox_id = pod.sandbox_id;
    }
    note_missing(container, mounts_told, absent, of_pod);
}

/// Notes why the runtime told nothing. What an earlier answer told stays.
pub(super) fn lacks(container: &mut Container, reason: Missing) {
    let of_pod = match (reason, &container.pod_uid) {
        (Missing::NotFound, None) => Missing::NotKubernetes,
        _ => reason,
    };
    let mounts_told = container.privileged.is_some();
    note_missing(container, mounts_told, reason, of_pod);
}

fn note_missing(
    container: &mut Container,
    mounts_told: bool,
    of_container: Missing,
    of_pod: Missing,
) {
    let present = |field: &str| match field {
        "container.name" => container.name.is_some(),
        "container.image" => container.image.is_some(),
        "container.image.repository" => container.image_repository.is_some(),
        "container.image.digest" => container.image_digest.is_some(),
        "container.image.id" => container.image_id.is_some(),
        "container.privileged" => container.privileged.is_some(),
        "container.mounts" => mounts_told,
        "k8s.ns.name" => container.pod_namespace.is_some(),
        "k8s.pod.name" => container.pod_name.is_some(),
        _ => container.pod_uid.is_some(),
    };
    let of_container = OF_CONTAINER.map(|field| (field, of_container));
    let of_pod = OF_POD.map(|field| (field, of_pod));
    container.missing = of_container
        .into_iter()
        .chain(of_pod)
        .filter(|(field, _)| !present(field))
        .map(|(field, reason)| (field.into(), reason))
        .collect();
}
