//! What every rendered object and every pod must hold.

use std::collections::BTreeSet;

use serde_json::Value;

/// The capabilities the agent may be given; all others run without any.
const AGENT_CAPABILITIES: &[&str] = &["BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH", "KILL"];

pub(super) fn problems(objects: &[Value]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for object in objects {
        let name = name_of(object);
        for part in ["/apiVersion", "/kind", "/metadata/name"] {
            if object.pointer(part).and_then(Value::as_str).is_none_or(str::is_empty) {
                problems.push(format!("{name}: has no {part}"));
            }
        }
        if object.pointer("/metadata/labels/app.kubernetes.io~1instance").is_none() {
            problems.push(format!("{name}: does not say which release it belongs to"));
        }
        if !seen.insert(name.clone()) {
            problems.push(format!("{name}: is there twice"));
        }
        if let Some(pod) = object.pointer("/spec/template/spec") {
            check_pod(&name, pod, &mut problems);
        }
    }
    problems
}

pub(super) fn name_of(object: &Value) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    format!("{} {}/{}", text("/kind"), text("/metadata/namespace"), text("/metadata/name"))
}

fn check_pod(name: &str, pod: &Value, problems: &mut Vec<String>) {
    let agent = name.starts_with("DaemonSet");
    let mut must = |holds: bool, what: &str| {
        if !holds {
            problems.push(format!("{name}: {what}"));
        }
    };
    must(
        pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault",
        "has no seccomp profile",
    );
    must(pod["enableServiceLinks"] == false, "gets an environment variable for each Service");
    must(
        pod["hostNetwork"].is_null() && pod["hostIPC"].is_null(),
        "shares more than pids with the node",
    );
    must(agent || pod["hostPID"].is_null(), "shares pids with the node");
    must(agent || pod["securityContext"]["runAsNonRoot"] == true, "may run as root");
    must(pod["automountServiceAccountToken"].is_boolean(), "does not say whether it has a token");
    must(!agent || pod["automountServiceAccountToken"] == false, "the agent has a token");
    for container in pod["containers"].as_array().into_iter().flatten() {
        let context = &container["securityContext"];
        must(
            context["readOnlyRootFilesystem"] == true,
            "has a root file system that can be written",
        );
        must(context["allowPrivilegeEscalation"] == false, "allows privilege escalation");
        must(context["privileged"] != true, "is privileged");
        must(context["capabilities"]["drop"] == serde_json::json!(["ALL"]), "keeps capabilities");
        for capability in context["capabilities"]["add"].as_array().into_iter().flatten() {
            let known = capability.as_str().is_some_and(|name| AGENT_CAPABILITIES.contains(&name));
            must(agent && known, &format!("adds the capability {capability}"));
        }
        must(container["resources"]["limits"]["memory"].is_string(), "has no limit of memory");
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            must(container[probe].is_object(), &format!("has no {probe}"));
        }
    }
    // The socket of the runtime and the cgroups are only looked at.
    let host = |name: &Value| {
        let mut volumes = pod["volumes"].as_array().into_iter().flatten();
        volumes.any(|volume| &volume["name"] == name && volume["hostPath"].is_object())
    };
    for mount in pod["containers"][0]["volumeMounts"].as_array().into_iter().flatten() {
        let writable = mount["readOnly"] != true;
        if host(&mount["name"]) && writable && mount["name"] != "spool" {
            problems.push(format!("{name}: may write to the node's {}", mount["mountPath"]));
        }
    }
}
