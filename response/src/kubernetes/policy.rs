//! Isolates one pod by a NetworkPolicy that selects it alone and allows nothing.
//!
//! A policy of ours is created and deleted, never updated: one of the same name that somebody else
//! made stays as it is. Policies add up, so one that allows traffic to the pod still allows it; to
//! tell that is not done here.

use http::Method;
use jiff::Timestamp;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use serde_json::{Value, json};

use super::{
    delete_options, dry,
    link::{Link, Payload},
    names,
};
use crate::cluster::{ClusterError, Isolation, PodRef, Trial};

pub(super) async fn create(
    link: &Link,
    pod: &PodRef,
    response: &str,
    expires: Timestamp,
    trial: Trial,
) -> Result<(), ClusterError> {
    let (path, name) = (path(&pod.namespace)?, names::policy(response)?);
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": name,
            "namespace": pod.namespace,
            "labels": { names::MANAGED_BY: names::MANAGER, names::RESPONSE_LABEL: response },
            "annotations": {
                names::EXPIRES: expires.to_string(),
                names::POD_NAME: pod.name,
                names::POD_UID: pod.uid,
            },
        },
        "spec": specification(response),
    });
    let mut query = dry(trial);
    query.push(("fieldManager", names::MANAGER));
    let made = link.change(Method::POST, &path, &query, Payload::Json(&policy)).await;
    let Err(ClusterError::Conflict(taken)) = made else { return made };
    // The name is taken: by us for this pod, in an attempt whose end we did not hear of?
    let found: Value = link.get(&format!("{path}/{name}"), &[]).await?;
    let same_pod = found["metadata"]["annotations"][names::POD_UID] == json!(pod.uid);
    let same_rules = found["spec"] == specification(response);
    if is_ours(&found, response) && same_pod && same_rules {
        return Ok(());
    }
    Err(ClusterError::Conflict(taken))
}

pub(super) async fn remove(
    link: &Link,
    namespace: &str,
    response: &str,
) -> Result<(), ClusterError> {
    let path = format!("{}/{}", path(namespace)?, names::policy(response)?);
    let found: Value = match link.get(&path, &[]).await {
        Err(ClusterError::NotFound) => return Ok(()),
        found => found?,
    };
    let uid = found["metadata"]["uid"].as_str();
    let (true, Some(uid)) = (is_ours(&found, response), uid) else {
        return Err(ClusterError::Conflict("a policy of that name is not ours".to_owned()));
    };
    let options = delete_options(uid, None, Trial::ForReal);
    match link.change(Method::DELETE, &path, &[], Payload::Json(&options)).await {
        Err(ClusterError::NotFound) => Ok(()),
        removed => removed,
    }
}

pub(super) async fn list(link: &Link, namespace: &str) -> Result<Vec<Isolation>, ClusterError> {
    let ours = format!("{}={}", names::MANAGED_BY, names::MANAGER);
    let mut found = Vec::new();
    let read = |policy: NetworkPolicy| {
        found.extend(isolation(policy));
        true
    };
    link.list(&path(namespace)?, &[("labelSelector", &ours)], read).await?;
    Ok(found)
}

/// Reads a policy of ours; nothing of one that only has our label.
fn isolation(policy: NetworkPolicy) -> Option<Isolation> {
    let metadata = policy.metadata;
    let response = metadata.labels?.remove(names::RESPONSE_LABEL)?;
    let name = metadata.name?;
    if names::policy(&response).ok()? != name {
        return None;
    }
    let mut annotations = metadata.annotations?;
    Some(Isolation {
        response,
        namespace: metadata.namespace?,
        policy: name,
        pod_uid: annotations.remove(names::POD_UID)?,
        expires: annotations.get(names::EXPIRES).and_then(|text| text.parse().ok()),
    })
}

/// Rules of neither kind: what selects a pod and allows nothing denies all.
fn specification(response: &str) -> Value {
    json!({
        "podSelector": { "matchLabels": { names::RESPONSE_LABEL: response } },
        "policyTypes": ["Ingress", "Egress"],
    })
}

fn is_ours(policy: &Value, response: &str) -> bool {
    let labels = &policy["metadata"]["labels"];
    labels[names::MANAGED_BY] == names::MANAGER && labels[names::RESPONSE_LABEL] == response
}

fn path(namespace: &str) -> Result<String, ClusterError> {
    let namespace = names::check(namespace)?;
    Ok(format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"))
}
