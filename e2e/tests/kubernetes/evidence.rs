//! What is kept of a pod, and what is not.

use e2e::{Fault, FaultProxy};
use response::cluster::{Cluster, ClusterError};
use serde_json::{Value, json};

use crate::world::{Place, stranger};

#[tokio::test(flavor = "multi_thread")]
async fn environment_values_never_leave_in_evidence() {
    let Some(place) = Place::new().await else { return };
    let secret = "hunter2";
    let env = json!([
        { "name": "PASSWORD", "value": secret },
        { "name": "TOKEN", "valueFrom": { "secretKeyRef": { "name": "vault", "key": "token" } } },
    ]);
    let header = json!({ "name": "Authorization", "value": secret });
    let container = |name: &str| {
        json!({
            "name": name,
            "image": "web:1",
            "env": env,
            "livenessProbe": { "httpGet": { "port": 80, "httpHeaders": [header] } },
        })
    };
    let mut first = container("first");
    first.as_object_mut().unwrap().remove("livenessProbe");
    let applied = json!({ "spec": { "containers": [container("web")] } }).to_string();
    let pod = place
        .pod_with(
            "web-0",
            &json!({
                "metadata": { "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": applied,
                    "another.tool/original": applied,
                    "example.org/api-token": secret,
                    "example.org/team": "shop",
                } },
                "spec": { "containers": [container("web")], "initContainers": [first] },
            }),
        )
        .await
        .reference;
    let document = place.client.manifest(&pod, 100_000).await.unwrap();
    assert!(!document.truncated);
    let text = String::from_utf8(document.bytes).unwrap();
    assert!(!text.contains(secret), "{text}");
    let manifest: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(manifest["metadata"]["uid"], pod.uid);
    assert_eq!(manifest["metadata"]["managedFields"], Value::Null);
    assert_eq!(manifest["metadata"]["annotations"], json!({ "example.org/team": "shop" }));
    let kept = &manifest["spec"]["containers"][0];
    assert_eq!(kept["image"], "web:1");
    assert_eq!(kept["env"][0]["name"], "PASSWORD");
    assert_eq!(kept["env"][1]["valueFrom"]["secretKeyRef"]["name"], "vault");

    let short = place.client.manifest(&pod, 100).await.unwrap();
    assert!(short.truncated && short.bytes.len() <= 100);
    let other = place.client.manifest(&stranger(&pod), 1000).await;
    assert!(matches!(other, Err(ClusterError::Conflict(_))), "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_about_this_pod_come_newest_first_and_bounded() {
    let Some(place) = Place::new().await else { return };
    let pod = place.pod("web-0").await.reference;
    for (number, uid) in [(1, &pod.uid), (3, &pod.uid), (2, &pod.uid), (4, &"another".to_owned())] {
        let event = json!({
            "metadata": { "name": format!("web-0.{number}") },
            "involvedObject": {
                "kind": "Pod", "namespace": place.namespace, "name": "web-0", "uid": uid,
            },
            "reason": format!("Reason{number}"),
            "message": "said \"so\"",
            "type": "Normal",
            "lastTimestamp": format!("2026-01-01T00:00:0{number}Z"),
        });
        place.admin("POST", &place.path("/api/v1", "events"), &event).await;
    }
    let reasons = async |bytes_max| {
        let document = place.client.events(&pod, bytes_max).await.unwrap();
        assert!(document.bytes.len() <= bytes_max);
        let events: Vec<Value> = serde_json::from_slice(&document.bytes).unwrap();
        let reasons: Vec<_> = events.iter().map(|it| it["reason"].as_str().unwrap()).collect();
        (reasons.join(" "), document.truncated)
    };
    assert_eq!(reasons(100_000).await, ("Reason3 Reason2 Reason1".to_owned(), false));
    assert_eq!(reasons(400).await, ("Reason3 Reason2".to_owned(), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_the_named_container_is_taken() {
    let Some(place) = Place::new().await else { return };
    // The API server passes a log on from the node's kubelet, which this stands in for.
    let kubelet = FaultProxy::alone(place.certificates());
    let log = |text: &str| Fault::Answer { status: 200, retry_after: None, body: text.to_owned() };
    let path = |pod: &str, container: &str| {
        format!("/containerLogs/{}/{pod}/{container}", place.namespace)
    };
    kubelet.always("GET", &path("web-0", "web"), log("the web's words, the last ones"));
    kubelet.always("GET", &path("web-0", "helper"), log("the helper's words"));
    let node = format!("node-of-{}", place.namespace);
    let made = json!({ "metadata": { "name": node } });
    place.admin("POST", "/api/v1/nodes", &made).await;
    let status = json!({ "status": {
        "addresses": [{ "type": "InternalIP", "address": "127.0.0.1" }],
        "daemonEndpoints": { "kubeletEndpoint": { "Port": kubelet.port() } },
    } });
    place.admin("PATCH", &format!("/api/v1/nodes/{node}/status"), &status).await;
    let containers =
        json!([{ "name": "helper", "image": "helper:1" }, { "name": "web", "image": "web:1" }]);
    let spec = json!({ "spec": { "nodeName": node, "containers": containers } });
    let pod = place.pod_with("web-0", &spec).await.reference;

    let taken = place.client.logs(&pod, "web", false, 1000).await.unwrap();
    assert_eq!(String::from_utf8(taken.bytes).unwrap(), "the web's words, the last ones");
    assert!(!taken.truncated);
    let taken = place.client.logs(&pod, "helper", true, 1000).await.unwrap();
    assert_eq!(String::from_utf8(taken.bytes).unwrap(), "the helper's words");
    // The end is what is kept.
    let taken = place.client.logs(&pod, "web", false, 8).await.unwrap();
    assert_eq!(
        (String::from_utf8(taken.bytes).unwrap().as_str(), taken.truncated),
        ("ast ones", true)
    );

    let asked = kubelet.seen("GET", "/containerLogs/*");
    assert!(asked[0].path.contains("timestamps=true") && asked[0].path.contains("limitBytes=8000"));
    assert!(asked[1].path.contains("previous=true"), "{}", asked[1].path);

    // A container of no such name, and a pod of another UID.
    let none = place.client.logs(&pod, "sidecar", false, 1000).await;
    assert!(matches!(none, Err(ClusterError::NotFound)), "{none:?}");
    let other = place.client.logs(&stranger(&pod), "web", false, 1000).await;
    assert!(matches!(other, Err(ClusterError::Conflict(_))), "{other:?}");
    // A kubelet that is away is the API server's trouble, told as that.
    kubelet.heal();
    kubelet.always("GET", "/containerLogs/*", Fault::CloseBefore);
    let broken = place.client.logs(&pod, "web", false, 1000).await;
    assert!(matches!(broken, Err(ClusterError::Busy { .. })), "{broken:?}");
}
