//! What our service accounts may do, asked of the API server with their own tokens.

use std::collections::BTreeSet;

use e2e::Cluster;
use response::kubernetes::rights::Need;
use serde_json::{Value, json};

use crate::{
    values::{AUTO, CONTAINED, DRY, QUIET, SHOP},
    world::{SAKER, world},
};

/// API group, resource with subresource, verb.
type Row = (String, String, String);

/// Returns what an account is told it may do in a namespace, but for what everybody may.
fn told(cluster: &Cluster, account: &str, namespace: &str) -> BTreeSet<Row> {
    let config = cluster.service_account_kubeconfig(SAKER, account);
    let question = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": { "namespace": namespace },
    });
    let output = cluster.kubectl_with(
        &[
            "--kubeconfig",
            config.to_str().unwrap(),
            "create",
            "--output=json",
            "--filename=-",
            // It is no object of a namespace; that of the question counts.
            "--validate=false",
        ],
        &question.to_string(),
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["status"]["incomplete"], false);
    let list = |rule: &Value, name: &str| -> Vec<String> {
        serde_json::from_value(rule[name].clone()).unwrap_or_default()
    };
    let mut rows = BTreeSet::new();
    for rule in answer["status"]["resourceRules"].as_array().unwrap() {
        for group in list(rule, "apiGroups") {
            for resource in list(rule, "resources") {
                for verb in list(rule, "verbs") {
                    if !resource.starts_with("selfsubject") {
                        rows.insert((group.clone(), resource.clone(), verb));
                    }
                }
            }
        }
    }
    rows
}

/// Returns the table in `docs/response-rbac.md`: for each action its rows.
fn table() -> Vec<(String, Row)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/response-rbac.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut rows = Vec::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [action, group, resource, verbs, _] = cells[..] else { panic!("{line}") };
        let plain = |text: &str| text.trim_matches('`').to_owned();
        let group = if group == "core" { String::new() } else { plain(group) };
        for verb in verbs.split(' ').filter(|verb| verb.starts_with('`')) {
            rows.push((plain(action), (group.clone(), plain(resource), plain(verb))));
        }
    }
    assert!(!rows.is_empty());
    rows
}

fn promised(actions: &[&str]) -> BTreeSet<Row> {
    let rows = table().into_iter().filter(|(action, _)| actions.contains(&action.as_str()));
    rows.map(|(_, row)| row).collect()
}

#[test]
fn the_responder_may_do_what_the_table_says_for_its_actions_and_namespaces_and_nothing_else() {
    let Some(world) = world() else { return };
    for (namespace, actions) in [
        (SHOP, ["observe", "killPod", "snapshotEvidence"].as_slice()),
        (DRY, &["observe", "killPod"]),
        (AUTO, &["observe"]),
        (CONTAINED, &["observe", "labelPod", "isolatePod", "snapshotEvidence"]),
        (QUIET, &["observe"]),
        (SAKER, &["observe"]),
        ("kube-system", &["observe"]),
        ("default", &["observe"]),
    ] {
        let may = told(world.cluster, "saker-responder", namespace);
        assert_eq!(may, promised(actions), "in {namespace}");
    }
}

#[test]
fn the_table_of_rights_is_the_one_the_responder_asks_by() {
    for need in Need::ALL {
        let asked = need.permissions("any").into_iter().map(|it| {
            let part = if it.subresource.is_empty() { "" } else { "/" };
            let resource = format!("{}{part}{}", it.resource, it.subresource);
            (it.group.to_owned(), resource, it.verb.to_owned())
        });
        assert_eq!(asked.collect::<BTreeSet<_>>(), promised(&[need.name()]), "{}", need.name());
    }
}

#[test]
fn the_router_may_only_read_who_owns_a_pod_and_the_agent_nothing() {
    let Some(world) = world() else { return };
    let reads = |group: &str, resource: &str| {
        ["get", "list", "watch"]
            .map(|verb| (group.to_owned(), resource.to_owned(), verb.to_owned()))
    };
    let owners: BTreeSet<Row> =
        [reads("", "pods"), reads("apps", "replicasets"), reads("batch", "jobs")]
            .into_iter()
            .flatten()
            .collect();
    for namespace in [SHOP, SAKER, "kube-system"] {
        assert_eq!(told(world.cluster, "saker-router", namespace), owners, "in {namespace}");
        assert_eq!(told(world.cluster, "saker-agent", namespace), BTreeSet::new());
    }
    let forbidden = |alert: &Value| alert["fields"]["saker.owner.missing"] == "forbidden";
    assert!(!world.alerts().iter().any(forbidden));
}
