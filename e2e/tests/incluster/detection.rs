//! A deed in a pod is told everywhere, with whose pod it was.

use serde_json::{Value, json};

use crate::{
    pods::Pod,
    values::QUIET,
    world::{SAKER, say, world},
};

/// Holds the alert's identity against what the API server says of the pod.
#[track_caller]
fn check_identity(alert: &Value, pod: &Pod, workload: &str) {
    let fields = &alert["fields"];
    let status = &pod.object["status"]["containerStatuses"][0];
    for (field, value) in [
        ("k8s.ns.name", pod.namespace.as_str()),
        ("k8s.pod.name", &pod.name),
        ("k8s.pod.uid", &pod.uid),
        ("k8s.node.name", "node"),
        ("k8s.cluster.name", "test"),
        ("k8s.workload.kind", "Deployment"),
        ("k8s.workload.name", workload),
        ("k8s.deployment.name", workload),
        ("container.name", "main"),
        ("container.full_id", pod.container_id()),
        ("container.id", &pod.container_id()[..12]),
        ("container.image", "localhost/busybox:1"),
        ("container.image.repository", "localhost/busybox"),
        ("container.image.tag", "1"),
        ("saker.pod.qos", "besteffort"),
        ("saker.sender", "saker-agent"),
    ] {
        assert_eq!(fields[field], value, "{field} of {alert:#}\n{status:#}");
    }
    // An imported image has no digest of a registry, and that is said.
    assert_eq!(fields["saker.container.missing"], "container.image.digest=not_found", "{alert:#}");
    assert_eq!(fields["saker.owner.missing"], Value::Null, "{alert:#}");
    assert_eq!(alert["hostname"], "node");
}

#[test]
fn all_pods_are_ready_after_the_install() {
    let Some(world) = world() else { return };
    for component in ["agent", "router", "responder"] {
        let pod = world.own_pod(component);
        let ready = &pod["status"]["containerStatuses"][0];
        assert_eq!(ready["ready"], true, "{component}: {ready:#}");
        assert_eq!(ready["restartCount"], 0, "{component}: {ready:#}");
    }
    say(&format!("from `helm install` until all pods were ready: {:?}", world.install_time));
    let said = world.cluster.helm_says(&["status", SAKER, "--namespace", SAKER]);
    assert!(said.contains("STATUS: deployed"), "{said}");
}

#[test]
fn a_deed_in_a_pod_reaches_webhook_kafka_and_slack_with_whose_pod_it_was() {
    let Some(world) = world() else { return };
    let pod = world.deploy(QUIET, "web");
    world.exec(&pod, &["sh", "-c", "cat /etc/shadow; true"]);

    let is_it = |alert: &Value| {
        alert["rule"] == "Password hashes read" && alert["fields"]["k8s.pod.name"] == *pod.name
    };
    let alert = world.alert_where("the alert at the webhook", is_it);
    check_identity(&alert, &pod, "web");
    let chain = alert["fields"]["saker.proc.chain"].as_str().unwrap();
    assert!(chain.starts_with("sh < runc < containerd-shim < "), "{chain}");
    assert_eq!(alert["fields"]["proc.cmdline"], "cat /etc/shadow");

    let record = e2e::eventually("the alert in Kafka", || {
        let id = alert["id"].as_str();
        let records = world.stream.records();
        let found = records.iter().find(|record| record.header("saker-alert-id") == id);
        found.cloned().ok_or_else(|| format!("{records:#?}"))
    });
    // There it has the shape Falco gives it.
    let fields = &record.value["output_fields"];
    check_identity(&json!({ "fields": fields, "hostname": record.value["hostname"] }), &pod, "web");

    world.slack_message_with(&["Password hashes read", &pod.name, QUIET]);
}

#[test]
fn the_first_program_of_a_new_pod_is_told_with_its_pod() {
    let Some(world) = world() else { return };
    let mut workload = e2e::Cluster::busybox(QUIET, "newborn", "");
    let container = &mut workload["spec"]["template"]["spec"]["containers"][0];
    container["command"] = json!(["cat", "/etc/shadow"]);
    world.cluster.apply(&workload);
    let alert = world.alert_where("the alert of the container's first program", |alert| {
        alert["rule"] == "Password hashes read" && alert["fields"]["k8s.workload.name"] == "newborn"
    });
    let pod = world.pod_of(QUIET, "newborn");
    assert_eq!(alert["fields"]["k8s.pod.uid"], *pod.uid);
    assert_eq!(alert["fields"]["k8s.pod.name"], *pod.name);
    assert_eq!(alert["fields"]["container.name"], "main");
    assert_eq!(alert["fields"]["container.image"], "localhost/busybox:1");
    world.cluster.kubectl_says(&["delete", "deployment/newborn", "--namespace", QUIET]);
}
