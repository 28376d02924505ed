//! What the chart is given: every output to a receiver of ours, and a response for each namespace.

use serde_json::{Value, json};

/// Where pods find the receivers.
pub(crate) struct Receivers {
    pub(crate) webhook: String,
    pub(crate) slack: String,
    pub(crate) kafka: String,
}

pub(crate) const TOPIC: &str = "alerts";

/// Namespaces, each with what is done there about a deed.
pub(crate) const SHOP: &str = "shop";
pub(crate) const DRY: &str = "dry";
pub(crate) const AUTO: &str = "auto";
pub(crate) const CONTAINED: &str = "contained";
/// A namespace in which nothing may be done.
pub(crate) const QUIET: &str = "quiet";

/// Every open of a file below this folder is an alert of the rule `Deed`.
pub(crate) const DEEDS: &str = "/tmp/deed/";

/// Returns what every release of these tests needs: images that are there already.
pub(crate) fn images() -> Value {
    json!({
        "agent": { "image": { "pullPolicy": "Never" } },
        "router": { "image": { "pullPolicy": "Never" } },
        "responder": { "image": { "pullPolicy": "Never" } },
    })
}

/// Returns the values of the release that most tests share.
pub(crate) fn whole(receivers: &Receivers) -> Value {
    let mut values = images();
    merge(&mut values, &outputs(receivers));
    merge(&mut values, &agent());
    merge(&mut values, &responder());
    values
}

fn outputs(receivers: &Receivers) -> Value {
    let at_once = json!({ "group_wait": "0s", "group_interval": "1s" });
    let mut machines = json!({
        "name": "machines",
        "outputs": ["hook", "stream"],
        "group_by": ["fingerprint"],
        "continue": true,
    });
    let mut people = json!({
        "name": "people",
        "match": "rule = \"Password hashes read\"",
        "outputs": ["soc"],
        "group_by": ["rule", "k8s.ns.name", "k8s.pod.name"],
    });
    merge(&mut machines, &at_once);
    merge(&mut people, &at_once);
    json!({
        "outputs": {
            "stdout": null,
            "hook": { "webhook": {
                "url": receivers.webhook,
                "signing_secrets": ["${file:/etc/saker/secrets/receivers/webhook}"],
            } },
            "soc": { "slack": {
                "api_url": receivers.slack,
                "token": "${file:/etc/saker/secrets/receivers/slack}",
                "channel": "#soc",
            } },
            "stream": { "kafka": {
                "brokers": [receivers.kafka],
                "topic": TOPIC,
                "payload": "alert",
            } },
        },
        "routes": [machines, people],
        "fingerprints": [{ "rule": "Deed", "fields": ["fd.name", "k8s.pod.name"] }],
        "router": {
            "secrets": ["receivers"],
            "kubernetes": { "cluster": "test" },
        },
    })
}

fn agent() -> Value {
    let rules = format!(
        "- rule: Deed\n  desc: A file that tests agreed upon was opened.\n  \
         condition: evt.type in (open, openat, openat2, creat) and fd.name startswith {DEEDS}\n  \
         output: A deed (file=%fd.name command=%proc.cmdline)\n  priority: ERROR\n"
    );
    json!({ "agent": {
        "rules": { "files": { "deeds.yaml": rules } },
        // Programs compiled for tests are larger.
        "resources": { "limits": { "memory": "256Mi" } },
    } })
}

fn responder() -> Value {
    let hashes =
        |namespace: &str| format!("rule = \"Password hashes read\" and k8s.ns.name = {namespace}");
    let deed = |namespace: &str, about: &str| {
        format!("rule = Deed and k8s.ns.name = {namespace} and fd.name startswith {DEEDS}{about}")
    };
    let many = json!({ "actions_max": 10_000, "per": "1h" });
    json!({ "responder": {
        "enabled": true,
        "mode": "auto",
        "actions": {
            "killPod": { "mode": "approve", "namespaces": [SHOP, DRY] },
            "killProcess": { "mode": "auto", "namespaces": [AUTO] },
            "killProcessTree": { "mode": "auto", "namespaces": [AUTO] },
            "labelPod": { "mode": "auto", "namespaces": [CONTAINED] },
            "isolatePod": { "mode": "auto", "namespaces": [CONTAINED] },
            "snapshotEvidence": { "mode": "auto", "namespaces": [SHOP, CONTAINED] },
        },
        "responses": [
            { "name": "evict", "match": hashes(SHOP), "action": "kill_pod", "evidence": "require" },
            { "name": "rehearse", "match": hashes(DRY), "action": "kill_pod", "mode": "dry_run" },
            { "name": "nowhere", "match": "rule = Deed and fd.name startswith /tmp/deed/anywhere",
              "action": "kill_pod" },
            { "name": "kill", "match": deed(AUTO, "kill"), "action": "kill_process",
              "evidence": "none" },
            { "name": "kill-tree", "match": deed(AUTO, "tree"), "action": "kill_process_tree",
              "evidence": "none" },
            { "name": "label", "match": deed(CONTAINED, "label"), "action": "label_pod",
              "labels": { "saker.dev/suspect": "true" }, "ttl": "1h" },
            { "name": "isolate", "match": deed(CONTAINED, "isolate"), "action": "isolate_pod",
              "ttl": "1h" },
            { "name": "isolate-briefly", "match": deed(CONTAINED, "brief"),
              "action": "isolate_pod", "ttl": "5s" },
            { "name": "keep", "match": deed(CONTAINED, "keep"), "action": "snapshot_evidence" },
        ],
        "config": {
            "plans_per_minute_max": 100_000,
            // One test's deeds must not spend what another needs.
            "budgets": { "workload": many, "namespace": many, "cluster": many },
            "cool_down": { "target": "1s", "breaker_actions": 10_000 },
        },
    } })
}

/// Lays changes over values, as Helm does.
pub(crate) fn merge(into: &mut Value, changes: &Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) => {
            for (key, value) in changes {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, value) => *into = value.clone(),
    }
}
