//! Reads the container of a process, and its pod.

use super::mount;
use crate::{Argument, Container, Field, Labels, PodQos, Process, Value};

impl Process {
    pub(super) fn container_value(&self, field: Field, argument: &Argument) -> Option<Value<'_>> {
        let Some(container) = self.container.as_deref() else {
            return matches!(
                field,
                Field::ContainerId | Field::ContainerName | Field::ContainerType
            )
            .then_some(Value::text("host"));
        };
        let text = match field {
            Field::ContainerId => Some(container.short_id()),
            Field::ContainerFullId => Some(&*container.id),
            Field::ContainerName => container.name.as_deref(),
            Field::ContainerType => container.runtime.as_deref(),
            Field::ContainerImage => container.image.as_deref(),
            Field::ContainerImageRepository => container.image_repository.as_deref(),
            Field::ContainerImageTag => container.image_tag.as_deref(),
            Field::ContainerImageDigest => container.image_digest.as_deref(),
            Field::ContainerImageId => container.image_id.as_deref(),
            Field::ContainerPrivileged => return container.privileged.map(Value::Bool),
            Field::ContainerHostPid => return container.host_pid.map(Value::Bool),
            Field::ContainerHostNetwork => return container.host_network.map(Value::Bool),
            Field::ContainerHostIpc => return container.host_ipc.map(Value::Bool),
            Field::ContainerStartTs => {
                return self.extra.as_deref()?.namespace_start_ns.map(Value::U64);
            }
            Field::ContainerHealthcheck => container.healthcheck.as_deref(),
            Field::ContainerLivenessProbe => container.liveness_probe.as_deref(),
            Field::ContainerReadinessProbe => container.readiness_probe.as_deref(),
            Field::ContainerCniJson | Field::K8sPodCniJson => container.cni.as_deref(),
            Field::ContainerMounts => return mount::all(container),
            Field::ContainerMount
            | Field::ContainerMountSource
            | Field::ContainerMountDest
            | Field::ContainerMountMode
            | Field::ContainerMountRdwr
            | Field::ContainerMountPropagation => {
                return mount::value(container, field, argument);
            }
            Field::K8sPodSandboxId => {
                container.sandbox_id.as_deref().map(|id| id.get(..12).unwrap_or(id))
            }
            Field::K8sPodFullSandboxId => container.sandbox_id.as_deref(),
            Field::ContainerLabel => label(&container.labels, argument),
            Field::ContainerLabels => return labels_text(&container.labels),
            Field::K8sNsName => container.pod_namespace.as_deref(),
            Field::K8sPodName => container.pod_name.as_deref(),
            Field::K8sPodUid | Field::K8sPodId => container.pod_uid.as_deref(),
            Field::K8sPodIp | Field::ContainerIp => container.pod_ip.as_deref(),
            Field::K8sPodLabel => label(&container.pod_labels, argument),
            Field::K8sPodLabels => return labels_text(&container.pod_labels),
            Field::SakerPodQos => container.pod_qos.map(PodQos::name),
            Field::SakerContainerMissing => return missing_text(container),
            _ => None,
        };
        text.map(Value::text)
    }
}

fn label<'a>(labels: &'a Labels, argument: &Argument) -> Option<&'a str> {
    match argument {
        Argument::Key(name) => labels.get(name),
        Argument::Index(number) => labels.get(number.to_string().as_str()),
        Argument::None => None,
    }
    .map(|value| &**value)
}

/// Returns all labels as Falco prints them, or `None` when there is none.
fn labels_text(labels: &Labels) -> Option<Value<'_>> {
    let texts: Vec<_> = labels.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    (!texts.is_empty()).then(|| Value::Text(texts.join(", ").into()))
}

fn missing_text(container: &Container) -> Option<Value<'_>> {
    let texts: Vec<_> = container
        .missing
        .iter()
        .map(|(field, reason)| format!("{field}={}", reason.name()))
        .collect();
    (!texts.is_empty()).then(|| Value::Text(texts.join(",").into()))
}
