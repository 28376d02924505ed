//! What is never touched.

use super::{Answer, Facts, deny, pass};
use crate::{cluster::Pod, config::ResponseConfig, plan::Plan};

/// Namespaces of the cluster itself.
const NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];
/// Label or annotation by which an owner keeps a pod out of it.
const OPT_OUT: &str = "saker.dev/protected";
const PART_OF: &str = "app.kubernetes.io/part-of";

pub(super) fn scope(plan: &Plan, facts: &Facts, config: &ResponseConfig) -> Answer {
    let namespace = plan.namespace();
    // A namespace may bear the name that stands for the host.
    if plan.target.pod.is_none() {
        return pass();
    }
    if NAMESPACES.contains(&namespace) || config.protected.namespaces.contains(namespace) {
        return deny("protected_namespace", format!("namespace {namespace} is protected"));
    }
    if facts.own_namespace.as_deref() == Some(namespace) {
        return deny("own_namespace", "it is our own namespace");
    }
    match facts.pod() {
        Some(pod) => of_pod(pod, config),
        None => pass(),
    }
}

fn of_pod(pod: &Pod, config: &ResponseConfig) -> Answer {
    if pod.labels.get(PART_OF).is_some_and(|part| part == "saker") {
        return deny("own_component", "it is one of our own components");
    }
    let kept_out = [&pod.labels, &pod.annotations]
        .into_iter()
        .any(|map| map.get(OPT_OUT).is_some_and(|value| value == "true"));
    if kept_out {
        return deny("opted_out", format!("it has `{OPT_OUT}`"));
    }
    let by_label = config
        .protected
        .labels
        .iter()
        .find(|(key, value)| pod.labels.get(*key).is_some_and(|own| own == *value));
    if let Some((key, value)) = by_label {
        return deny("protected_label", format!("it has the label {key}={value}"));
    }
    if pod.mirror {
        return deny("static_pod", "a static pod belongs to its node's kubelet");
    }
    match &pod.priority_class {
        Some(class) if class.starts_with("system-") => {
            deny("system_pod", format!("it has the priority class {class}"))
        }
        _ => pass(),
    }
}
