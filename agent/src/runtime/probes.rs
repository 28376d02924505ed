//! The commands by which Kubernetes looks after a container, as `kubectl apply` notes them in an
//! annotation of the pod. No runtime is told of them otherwise.

use serde::Deserialize;

use super::metadata::{Probes, command};

/// The annotation with the whole object as it was applied.
pub(super) const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Applied {
    spec: PodSpecification,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PodSpecification {
    containers: Vec<ContainerSpecification>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerSpecification {
    name: String,
    liveness_probe: Option<Probe>,
    readiness_probe: Option<Probe>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Probe {
    exec: Option<Exec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Exec {
    command: Vec<String>,
}

/// Returns the commands of the container with this name.
pub(super) fn applied(annotation: &str, container: &str) -> Probes {
    let applied: Applied = serde_json::from_str(annotation).unwrap_or_default();
    let found = applied.spec.containers.into_iter().find(|one| one.name == container);
    let Some(found) = found else { return Probes::default() };
    let text = |probe: Option<Probe>| command(&probe?.exec?.command);
    Probes {
        health: None,
        liveness: text(found.liveness_probe),
        readiness: text(found.readiness_probe),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_those_of_the_container_that_is_asked_for() {
        let annotation = r#"{"kind": "Pod", "spec": {"containers": [
            {"name": "side", "livenessProbe": {"exec": {"command": ["false"]}}},
            {"name": "main", "livenessProbe": {"exec": {"command": ["sh", "-c", "test -e /ok"]}},
             "readinessProbe": {"httpGet": {"port": 80}}}
        ]}}"#;
        let probes = applied(annotation, "main");
        assert_eq!(probes.liveness.as_deref(), Some("sh -c test -e /ok"));
        assert_eq!(probes.readiness, None);
        assert_eq!(applied(annotation, "other"), Probes::default());
        assert_eq!(applied("no JSON", "main"), Probes::default());
    }
}
