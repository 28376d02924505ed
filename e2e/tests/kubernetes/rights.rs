//! The table of rights, asked of the API server itself.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use response::{
    cluster::{Cluster, ClusterError, Pod, Trial},
    kubernetes::{Client, rights::Need},
};
use serde_json::{Value, json};

use crate::world::{Place, Row, give, rows};

/// Returns what the API server says a user may do with objects, but for what everybody may.
async fn told(place: &Place, user: &str) -> BTreeSet<Row> {
    let question = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": { "namespace": place.namespace },
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let answer = place.ask_as(user, path, &question).await;
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

/// Tries every action, and returns those that were not denied.
async fn deeds(client: &Client, pod: &Pod) -> Vec<&'static str> {
    let labels = BTreeMap::from([("a".to_owned(), Some("b".to_owned()))]);
    let it = &pod.reference;
    let attempts: [(&str, Result<(), ClusterError>); 9] = [
        ("workload", client.workload(pod).await.map(drop)),
        ("disruptions", client.disruptions(pod).await.map(drop)),
        ("evict", client.evict(it, None, Trial::DryRun).await),
        ("delete", client.delete(it, None, Trial::DryRun).await),
        ("label", client.label(it, &labels, Trial::DryRun).await),
        ("isolate", client.isolate(it, "R-1", Timestamp::now(), Trial::ForReal).await),
        ("release", client.release(&it.namespace, "R-1").await),
        ("events", client.events(it, 1000).await.map(drop)),
        ("logs", client.logs(it, "web", false, 1000).await.map(drop)),
    ];
    let mut done = Vec::new();
    for (name, end) in attempts {
        match end {
            Err(ClusterError::Denied(_)) => {}
            // No kubelet is there to give a log.
            Err(ClusterError::Busy { .. } | ClusterError::NotFound) if name == "logs" => {
                done.push(name);
            }
            end => {
                end.unwrap_or_else(|error| panic!("{name}: {error}"));
                done.push(name);
            }
        }
    }
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_asked_are_rights_used() {
    let Some(place) = Place::new().await else { return };
    let pod = place.pod("web-0").await;
    let cases: [(&str, &[Need], &[&str]); 6] = [
        ("observe", &[], &[]),
        ("kill", &[Need::KillPod], &["evict"]),
        ("delete", &[Need::KillPod, Need::DeletePod], &["evict", "delete"]),
        ("label", &[Need::LabelPod], &["label"]),
        ("isolate", &[Need::IsolatePod], &["label", "isolate", "release"]),
        ("snapshot", &[Need::SnapshotEvidence], &["events", "logs"]),
    ];
    for (user, needs, deeds_of_it) in cases {
        let mut needs = needs.to_vec();
        needs.push(Need::Observe);
        give(&place, user, &needs).await;
        let client = place.client_of(user).await;
        // The API server learns of a role by watching: soon, not at once.
        while !all_allowed(&client, &needs, &place.namespace).await {
            tokio::task::yield_now().await;
        }
        assert_eq!(told(&place, user).await, rows(&needs), "{user}");
        let expected = [&["workload", "disruptions"], deeds_of_it].concat();
        assert_eq!(deeds(&client, &pod).await, expected, "{user}");
        for need in Need::ALL {
            let wanted = rows(&[need]).is_subset(&rows(&needs));
            let may = all_allowed(&client, &[need], &place.namespace).await;
            assert_eq!(may, wanted, "{user}: {}", need.name());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_rights_is_denied_and_told_why() {
    let Some(place) = Place::new().await else { return };
    let pod = place.pod("web-0").await;
    let client = place.client_of("nobody").await;
    let evicted = client.evict(&pod.reference, None, Trial::ForReal).await;
    let Err(ClusterError::Denied(reason)) = evicted else { panic!("{evicted:?}") };
    assert!(reason.contains("cannot create resource \"pods/eviction\""), "{reason}");
    assert_eq!(deeds(&client, &pod).await, Vec::<&str>::new());
    let unknown = place.client_of("a-user-nobody-knows").await;
    let evicted = unknown.evict(&pod.reference, None, Trial::ForReal).await;
    assert!(matches!(evicted, Err(ClusterError::Denied(_))), "401: {evicted:?}");
}

async fn all_allowed(client: &Client, needs: &[Need], namespace: &str) -> bool {
    for need in needs {
        for permission in need.permissions(namespace) {
            if !client.may(&permission).await.unwrap() {
                return false;
            }
        }
    }
    true
}
