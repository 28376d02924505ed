//! What each action does, and what it leaves alone.

use std::collections::BTreeMap;

use jiff::Timestamp;
use response::{
    cluster::{Cluster, ClusterError, PodRef, Trial},
    kubernetes::names,
};
use serde_json::{Value, json};

use crate::world::{Place, stranger};

fn labels(pairs: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<String>> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect()
}

fn soon() -> Timestamp {
    "2026-12-01T10:00:00Z".parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_with_another_uid_is_not_evicted() {
    let Some(place) = Place::new().await else { return };
    let pod = place.pod("web-0").await.reference;
    let other = stranger(&pod);
    for trial in [Trial::DryRun, Trial::ForReal] {
        let evicted = place.client.evict(&other, None, trial).await;
        assert!(matches!(evicted, Err(ClusterError::Conflict(_))), "{evicted:?}");
        let deleted = place.client.delete(&other, None, trial).await;
        assert!(matches!(deleted, Err(ClusterError::Conflict(_))), "{deleted:?}");
        let labelled = place.client.label(&other, &labels(&[("a", Some("b"))]), trial).await;
        assert!(matches!(labelled, Err(ClusterError::Conflict(_))), "{labelled:?}");
    }
    let left = place.look_at_pod("web-0").await;
    assert_eq!(left["metadata"]["uid"], pod.uid);
    assert_eq!(left["metadata"]["deletionTimestamp"], Value::Null);
    assert_eq!(left["metadata"]["labels"], json!({ "app": "web" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pod_that_is_meant_is_evicted_or_deleted_with_the_grace_that_is_given() {
    let Some(place) = Place::new().await else { return };
    for (name, grace, delete) in
        [("a", None, false), ("b", Some(7), false), ("c", Some(9), true), ("d", Some(0), true)]
    {
        let pod = place.pod(name).await.reference;
        match delete {
            false => place.client.evict(&pod, grace, Trial::ForReal).await.unwrap(),
            true => place.client.delete(&pod, grace, Trial::ForReal).await.unwrap(),
        }
        // No kubelet confirms here, so a pod with a grace stays and says since when it goes.
        let left = place.client.pod(&place.namespace, name).await.unwrap();
        assert_eq!(left.is_some(), grace != Some(0), "{name}");
        let Some(left) = left else { continue };
        assert!(left.deleting.is_some(), "{name}");
        let shown = place.look_at_pod(name).await;
        assert_eq!(shown["metadata"]["deletionGracePeriodSeconds"], grace.unwrap_or(30), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_gone_is_not_found() {
    let Some(place) = Place::new().await else { return };
    let gone =
        PodRef { namespace: place.namespace.clone(), name: "gone".to_owned(), uid: "1".to_owned() };
    assert!(place.client.pod(&gone.namespace, &gone.name).await.unwrap().is_none());
    let ends = [
        place.client.evict(&gone, None, Trial::ForReal).await,
        place.client.delete(&gone, None, Trial::ForReal).await,
        place.client.label(&gone, &labels(&[("a", None)]), Trial::ForReal).await,
        place.client.manifest(&gone, 1000).await.map(drop),
        place.client.logs(&gone, "web", false, 1000).await.map(drop),
    ];
    for end in ends {
        assert!(matches!(end, Err(ClusterError::NotFound)), "{end:?}");
    }
    // A name that would reach elsewhere is no name at all.
    let elsewhere = PodRef { name: "web-0/eviction?x=".to_owned(), ..gone };
    let end = place.broken.delete(&elsewhere, None, Trial::ForReal).await;
    assert!(matches!(end, Err(ClusterError::NotFound)), "{end:?}");
    assert!(place.proxy.writes().is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disruption_budget_is_told_from_an_overload() {
    let Some(place) = Place::new().await else { return };
    let pod = place.pod("web-0").await;
    let budgets = place.path("/apis/policy/v1", "poddisruptionbudgets");
    for (name, selector) in [
        ("by-label", json!({ "matchLabels": { "app": "web" } })),
        (
            "by-expression",
            json!({ "matchExpressions":
            [{ "key": "app", "operator": "In", "values": ["api"] }] }),
        ),
    ] {
        let spec = json!({ "minAvailable": 1, "selector": selector });
        let budget = json!({ "metadata": { "name": name }, "spec": spec });
        place.admin("POST", &budgets, &budget).await;
    }
    let status = json!({ "status": { "observedGeneration": 1, "disruptionsAllowed": 0,
        "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1 } });
    place.admin("PATCH", &format!("{budgets}/by-label/status"), &status).await;

    let found = place.client.disruptions(&pod).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].name.as_str(), found[0].allowed), ("by-label", 0));
    for trial in [Trial::DryRun, Trial::ForReal] {
        let evicted = place.client.evict(&pod.reference, None, trial).await;
        assert!(matches!(evicted, Err(ClusterError::Disruption(_))), "{evicted:?}");
    }
    // Of the same status, but about something else.
    let fault = e2e::Fault::Answer { status: 429, retry_after: Some(3), body: "slow".to_owned() };
    place.proxy.next("POST", "*/eviction", fault);
    let evicted = place.broken.evict(&pod.reference, None, Trial::ForReal).await;
    let Err(ClusterError::Busy { status: 429, reason, retry_after: Some(wait) }) = evicted else {
        panic!("{evicted:?}");
    };
    assert_eq!((reason.as_str(), wait.as_secs()), ("slow", 3));

    let status = json!({ "status": { "disruptionsAllowed": 1 } });
    place.admin("PATCH", &format!("{budgets}/by-label/status"), &status).await;
    place.client.evict(&pod.reference, None, Trial::ForReal).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_that_were_asked_for_change_and_no_others() {
    let Some(place) = Place::new().await else { return };
    let pod = place.pod("web-0").await.reference;
    let key = "saker.dev/under-investigation";
    let wanted = labels(&[(key, Some("R-7")), ("app", None), ("never-there", None)]);
    place.client.label(&pod, &wanted, Trial::DryRun).await.unwrap();
    let shown = place.look_at_pod("web-0").await;
    assert_eq!(shown["metadata"]["labels"], json!({ "app": "web" }), "a dry run");
    place.client.label(&pod, &wanted, Trial::ForReal).await.unwrap();
    let shown = place.look_at_pod("web-0").await;
    assert_eq!(shown["metadata"]["labels"], json!({ key: "R-7" }));
    let managers = shown["metadata"]["managedFields"].as_array().unwrap();
    assert!(managers.iter().any(|entry| entry["manager"] == names::MANAGER), "{managers:?}");
    // A value that Kubernetes does not take is refused in its own words.
    let bad = place.client.label(&pod, &labels(&[("a", Some("b c"))]), Trial::ForReal).await;
    let Err(ClusterError::Refused { status: 422, reason }) = bad else { panic!("{bad:?}") };
    assert!(reason.contains("metadata.labels"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_isolation_selects_one_pod_allows_nothing_and_can_be_undone() {
    let Some(place) = Place::new().await else { return };
    let pod = place.pod("web-0").await.reference;
    place.client.isolate(&pod, "R-7", soon(), Trial::ForReal).await.unwrap();
    // Once more, as after an answer that was lost.
    place.client.isolate(&pod, "R-7", soon(), Trial::ForReal).await.unwrap();
    let policies = place.path("/apis/networking.k8s.io/v1", "networkpolicies");
    let policy = place.look(&format!("{policies}/saker-isolate-r-7")).await;
    assert_eq!(
        policy["spec"],
        json!({
            "podSelector": { "matchLabels": { "saker.dev/response": "R-7" } },
            "policyTypes": ["Ingress", "Egress"],
        })
    );
    let found = place.client.isolations(&place.namespace).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].response, "R-7");
    assert_eq!(found[0].policy, "saker-isolate-r-7");
    assert_eq!(found[0].pod_uid, pod.uid);
    assert_eq!(found[0].expires, Some(soon()));
    // For another pod it is not ours any more.
    let other = place.client.isolate(&stranger(&pod), "R-7", soon(), Trial::ForReal).await;
    assert!(matches!(other, Err(ClusterError::Conflict(_))), "{other:?}");

    place.client.release(&place.namespace, "R-7").await.unwrap();
    place.client.release(&place.namespace, "R-7").await.unwrap();
    assert!(place.client.isolations(&place.namespace).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_policy_of_the_same_name_is_not_touched() {
    let Some(place) = Place::new().await else { return };
    let pod = place.pod("web-0").await.reference;
    let policies = place.path("/apis/networking.k8s.io/v1", "networkpolicies");
    let theirs = json!({
        "metadata": { "name": "saker-isolate-r-7" },
        "spec": { "podSelector": { "matchLabels": { "app": "api" } }, "policyTypes": ["Ingress"] },
    });
    let made = place.admin("POST", &policies, &theirs).await;
    for trial in [Trial::DryRun, Trial::ForReal] {
        let end = place.client.isolate(&pod, "R-7", soon(), trial).await;
        assert!(matches!(end, Err(ClusterError::Conflict(_))), "{end:?}");
    }
    let end = place.client.release(&place.namespace, "R-7").await;
    assert!(matches!(end, Err(ClusterError::Conflict(_))), "{end:?}");
    let now = place.look(&format!("{policies}/saker-isolate-r-7")).await;
    assert_eq!(now["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
    assert!(place.client.isolations(&place.namespace).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_nothing() {
    let Some(place) = Place::new().await else { return };
    let pod = place.pod("web-0").await.reference;
    let before = place.look_at_pod("web-0").await;
    place.client.evict(&pod, Some(5), Trial::DryRun).await.unwrap();
    place.client.delete(&pod, Some(0), Trial::DryRun).await.unwrap();
    place.client.label(&pod, &labels(&[("a", Some("b"))]), Trial::DryRun).await.unwrap();
    place.client.isolate(&pod, "R-7", soon(), Trial::DryRun).await.unwrap();
    assert_eq!(place.look_at_pod("web-0").await, before);
    assert!(place.client.isolations(&place.namespace).await.unwrap().is_empty());
}
