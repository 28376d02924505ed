//! Rights at the API server: nothing forbidden anywhere, and the responder's exactly those of
//! `docs/response-rbac.md`.

use std::{collections::BTreeSet, fs};

use anyhow::{Context, bail};
use serde_json::Value;

use super::objects::name_of;

const TABLE: &str = "docs/response-rbac.md";
/// Read-only verbs: all that a ClusterRole may grant.
const READS: &[&str] = &["get", "list", "watch"];
const NEVER_RESOURCES: &[&str] =
    &["secrets", "pods/exec", "pods/attach", "pods/ephemeralcontainers", "serviceaccounts/token"];
const NEVER_VERBS: &[&str] = &["escalate", "bind", "impersonate", "deletecollection"];
/// Namespaces the actions are allowed in when the chart is compared with the table.
const NAMESPACES: [&str; 2] = ["shop", "web"];

/// One thing that may be done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    group: String,
    resource: String,
    verb: String,
    /// `cluster`, or the namespace.
    scope: String,
}

/// Says which rules grant what no component of ours may have.
pub(super) fn forbidden(objects: &[Value]) -> Vec<String> {
    let mut problems = Vec::new();
    for role in objects {
        let cluster = role["kind"] == "ClusterRole";
        if !cluster && role["kind"] != "Role" {
            continue;
        }
        for right in rights_of(role) {
            let mut no = |why: &str| problems.push(format!("{}: {why}: {right:?}", name_of(role)));
            if [&right.group, &right.resource, &right.verb].iter().any(|part| part.contains('*')) {
                no("a wildcard");
            }
            if NEVER_RESOURCES.contains(&right.resource.as_str())
                || NEVER_VERBS.contains(&right.verb.as_str())
            {
                no("forbidden");
            }
            if cluster && !READS.contains(&right.verb.as_str()) {
                no("a write in the whole cluster");
            }
        }
    }
    problems
}

/// Renders with each action alone, and with all of them, and compares what is granted with the table.
pub(super) fn compare_with_table(
    render: &dyn Fn(&[&str]) -> anyhow::Result<Vec<Value>>,
) -> anyhow::Result<()> {
    let table = fs::read_to_string(TABLE).with_context(|| format!("failed to read {TABLE}"))?;
    let rows = rows(&table)?;
    let actions: BTreeSet<&str> = rows.iter().map(|row| row.action.as_str()).collect();
    let mut cases: Vec<BTreeSet<&str>> =
        actions.iter().map(|action| BTreeSet::from([*action])).collect();
    cases.push(actions);
    for mut case in cases {
        // `killPod.allowDelete` is granted beside what `killPod` is.
        case.extend(
            case.clone().iter().filter_map(|action| action.split_once('.')).map(|(of, _)| of),
        );
        case.insert("observe");
        for mode in ["off", "auto"] {
            let granted = granted(&render(&strs(&values(&case, mode)))?);
            let applies = |row: &&Row| {
                row.action == "observe" || (mode == "auto" && case.contains(row.action.as_str()))
            };
            let expected: BTreeSet<Right> =
                rows.iter().filter(applies).flat_map(Row::rights).collect();
            if granted != expected {
                bail!(
                    "with {case:?} at {mode} the chart and {TABLE} differ.\n  only the chart: {:?}\n  only the table: {:?}",
                    granted.difference(&expected).collect::<Vec<_>>(),
                    expected.difference(&granted).collect::<Vec<_>>()
                );
            }
        }
    }
    Ok(())
}

/// Returns `--set` values that switch these actions on.
fn values(case: &BTreeSet<&str>, mode: &str) -> Vec<String> {
    let mut values = vec!["responder.enabled=true".to_owned(), "responder.mode=auto".to_owned()];
    for action in case.iter().filter(|action| **action != "observe") {
        if action.contains('.') {
            values.push(format!("responder.actions.{action}=true"));
            continue;
        }
        values.push(format!("responder.actions.{action}.mode={mode}"));
        let namespaces = NAMESPACES.join(",");
        values.push(format!("responder.actions.{action}.namespaces={{{namespaces}}}"));
    }
    values
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// Returns what is granted to the responder's account.
fn granted(objects: &[Value]) -> BTreeSet<Right> {
    let named = |kind: &Value, name: &Value, namespace: &Value| {
        objects.iter().find(|role| {
            role["kind"] == *kind
                && role["metadata"]["name"] == *name
                && role["metadata"]["namespace"] == *namespace
        })
    };
    objects
        .iter()
        .filter(|binding| {
            binding["kind"].as_str().is_some_and(|kind| kind.ends_with("RoleBinding"))
        })
        .filter(|binding| binding["subjects"][0]["name"] == "saker-responder")
        .filter_map(|binding| {
            let reference = &binding["roleRef"];
            named(&reference["kind"], &reference["name"], &binding["metadata"]["namespace"])
        })
        .flat_map(rights_of)
        .collect()
}

fn rights_of(role: &Value) -> Vec<Right> {
    let scope = role["metadata"]["namespace"].as_str().unwrap_or("cluster");
    let mut rights = Vec::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    let (group, resource, scope) =
                        (group.clone(), resource.clone(), scope.to_owned());
                    rights.push(Right { group, resource, verb, scope });
                }
            }
        }
    }
    rights
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A line of the table.
#[derive(Debug)]
struct Row {
    action: String,
    group: String,
    resource: String,
    verbs: Vec<String>,
    cluster: bool,
}

impl Row {
    fn rights(&self) -> Vec<Right> {
        let scopes: &[&str] = if self.cluster { &["cluster"] } else { &NAMESPACES };
        let right = |verb: &String, scope: &&str| Right {
            group: self.group.clone(),
            resource: self.resource.clone(),
            verb: verb.clone(),
            scope: (*scope).to_owned(),
        };
        self.verbs
            .iter()
            .flat_map(|verb| scopes.iter().map(move |scope| right(verb, scope)))
            .collect()
    }
}

/// Reads the lines whose first cell is code. An action without rights has `–` as its resource.
fn rows(text: &str) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<String> =
            line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
        let [action, group, resource, verbs, scope] = cells.as_slice() else {
            bail!("{TABLE}: a line of the table has other than five cells: {line}");
        };
        let none = resource == "–";
        rows.push(Row {
            action: action.clone(),
            group: if group == "core" { String::new() } else { group.clone() },
            resource: resource.clone(),
            verbs: if none {
                Vec::new()
            } else {
                verbs.split_whitespace().map(str::to_owned).collect()
            },
            cluster: scope == "cluster",
        });
    }
    if rows.is_empty() {
        bail!("{TABLE} has no table");
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wildcards_secrets_and_writes_in_the_whole_cluster_are_found() {
        let role = |kind: &str, resource: &str, verb: &str| {
            json!({ "kind": kind, "metadata": { "name": "x" },
                    "rules": [{ "apiGroups": [""], "resources": [resource], "verbs": [verb] }] })
        };
        assert_eq!(
            forbidden(&[role("ClusterRole", "pods", "get"), role("Role", "pods", "delete")]),
            [""; 0]
        );
        for bad in [
            role("Role", "*", "get"),
            role("Role", "pods", "*"),
            role("Role", "secrets", "get"),
            role("Role", "pods/exec", "create"),
            role("Role", "roles", "escalate"),
            role("ClusterRole", "pods", "delete"),
        ] {
            assert_eq!(forbidden(std::slice::from_ref(&bad)).len(), 1, "{bad}");
        }
    }

    #[test]
    fn a_line_of_the_table_grants_its_verbs_in_each_namespace() {
        let rows = rows("| action |\n| --- |\n| `killPod` | core | `pods/eviction` | `create` | namespaces |\n| `killProcess` | – | – | – | – |").unwrap();
        let rights: Vec<_> = rows.iter().flat_map(Row::rights).map(|right| right.scope).collect();
        assert_eq!(rights, NAMESPACES);
    }
}
