//! Builds the container of a process in a test.

use alert::{Container, Mount};

use super::given::Given;
use crate::{
    diagnostic::Diagnostic,
    yaml::{Kind, Node},
};

/// Returns the container given, if any: `container.id: host` and no id are none.
pub(super) fn read(given: &Given<'_>) -> Result<Option<Container>, Diagnostic> {
    let Some(id) = given.text("container.id")?.filter(|id| *id != "host") else {
        let inside = given.pairs.iter().find(|(key, _)| {
            let name = key.str().unwrap_or_default();
            (name.starts_with("container.") && name != "container.id") || name.starts_with("k8s.")
        });
        return match inside {
            None => Ok(None),
            Some((key, _)) => {
                let message = "a process of the host has no container";
                Err(given.fault(key, message).hint("give its `container.id` too"))
            }
        };
    };
    let labels = |key| given.labels(key).map(|pairs| pairs.into_iter().collect());
    Ok(Some(Container {
        id: id.into(),
        runtime: given.boxed("container.type")?,
        name: given.boxed("container.name")?,
        image: given.boxed("container.image")?,
        image_repository: given.boxed("container.image.repository")?,
        image_tag: given.boxed("container.image.tag")?,
        image_digest: given.boxed("container.image.digest")?,
        image_id: given.boxed("container.image.id")?,
        privileged: given.flag("container.privileged")?,
        labels: labels("container.labels")?,
        pod_name: given.boxed("k8s.pod.name")?,
        pod_namespace: given.boxed("k8s.ns.name")?,
        pod_uid: given.boxed("k8s.pod.uid")?,
        pod_ip: given.boxed("k8s.pod.ip")?,
        pod_labels: labels("k8s.pod.labels")?,
        mounts: mounts(given)?,
        host_pid: given.flag("container.host_pid")?,
        host_network: given.flag("container.host_network")?,
        host_ipc: given.flag("container.host_ipc")?,
        healthcheck: given.boxed("container.healthcheck")?,
        liveness_probe: given.boxed("container.liveness_probe")?,
        readiness_probe: given.boxed("container.readiness_probe")?,
        cni: given.boxed("container.cni.json")?,
        sandbox_id: given.boxed("k8s.pod.full_sandbox_id")?,
        ..Container::default()
    }))
}

/// Reads mounts as the field shows them: `source:destination:mode:writable:propagation`, of which
/// the last three may be left out.
fn mounts(given: &Given<'_>) -> Result<Vec<Mount>, Diagnostic> {
    let Some(node) = given.get("container.mounts") else { return Ok(Vec::new()) };
    let Kind::Sequence(nodes) = &node.kind else {
        return Err(given.fault(node, "`container.mounts` must be a list"));
    };
    nodes.iter().map(|node| mount(given, node)).collect()
}

fn mount(given: &Given<'_>, node: &Node) -> Result<Mount, Diagnostic> {
    let parts: Vec<_> = node.str().unwrap_or_default().split(':').collect();
    let (source, destination, rest) = match parts[..] {
        [source, destination, ref rest @ ..] if rest.len() <= 3 => (source, destination, rest),
        _ => {
            let fault = given.fault(node, "a mount is `source:destination`");
            return Err(fault.hint("or `source:destination:mode:writable:propagation`"));
        }
    };
    let part = |number: usize| rest.get(number).copied().unwrap_or_default();
    let writable = match part(1) {
        "" | "true" => true,
        "false" => false,
        other => {
            let message = format!("whether it is writable is `true` or `false`, not `{other}`");
            return Err(given.fault(node, message));
        }
    };
    Ok(Mount {
        source: source.into(),
        destination: destination.into(),
        mode: part(0).into(),
        writable,
        propagation: part(2).into(),
    })
}
