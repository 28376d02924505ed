//! From a pod to its workload, from a container to its pod, from a node to its agent.

use response::{
    cluster::{Cluster, ClusterError},
    kubernetes::Options,
};
use serde_json::{Value, json};

use crate::world::{Place, container_id};

fn owner(api: &str, made: &Value) -> Value {
    json!({ "metadata": { "ownerReferences": [
        // Not the controller, and listed first.
        { "apiVersion": "v1", "kind": "ConfigMap", "name": "settings", "uid": "1" },
        {
            "apiVersion": api,
            "kind": made["kind"],
            "name": made["metadata"]["name"],
            "uid": made["metadata"]["uid"],
            "controller": true,
        },
    ] } })
}

fn template() -> Value {
    json!({
        "metadata": { "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "web", "image": "web:1" }] },
    })
}

fn set(name: &str, replicas: u32) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": "web" } },
            "template": template(),
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_of_a_deployment_belongs_to_it_and_not_to_its_replica_set() {
    let Some(place) = Place::new().await else { return };
    let deployments = place.path("/apis/apps/v1", "deployments");
    let deployment = place.admin("POST", &deployments, &set("web", 5)).await;
    let status = json!({ "status": { "replicas": 5, "readyReplicas": 4, "availableReplicas": 4 } });
    place.admin("PATCH", &format!("{deployments}/web/status"), &status).await;
    let mut replica_set = set("web-1", 5);
    let reference = owner("apps/v1", &deployment);
    replica_set["metadata"]["ownerReferences"] = reference["metadata"]["ownerReferences"].clone();
    let replica_sets = place.path("/apis/apps/v1", "replicasets");
    let replica_set = place.admin("POST", &replica_sets, &replica_set).await;
    let pod = place.pod_with("web-1-a", &owner("apps/v1", &replica_set)).await;

    let found = place.client.workload(&pod).await.unwrap();
    assert_eq!((found.kind.as_str(), found.name.as_str()), ("Deployment", "web"));
    assert_eq!(found.uid, deployment["metadata"]["uid"]);
    assert_eq!((found.desired, found.ready), (Some(5), Some(4)));

    // A successor of the same name is not the owner.
    let options = json!({ "propagationPolicy": "Background" });
    place.admin("DELETE", &format!("{replica_sets}/web-1"), &options).await;
    let gone = place.client.workload(&pod).await;
    assert!(matches!(gone, Err(ClusterError::Conflict(_))), "{gone:?}");
    place.admin("POST", &replica_sets, &set("web-1", 5)).await;
    let another = place.client.workload(&pod).await;
    assert!(matches!(another, Err(ClusterError::Conflict(_))), "{another:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_workload_is_found_with_the_numbers_it_tells() {
    let Some(place) = Place::new().await else { return };
    let mut told = Vec::new();
    let mut tell = async |pod: &response::cluster::Pod| {
        let found = place.client.workload(pod).await.unwrap();
        told.push(format!("{} {} {:?} {:?}", found.kind, found.name, found.desired, found.ready));
    };

    tell(&place.pod("alone").await).await;

    let made =
        place.admin("POST", &place.path("/apis/apps/v1", "statefulsets"), &set("db", 3)).await;
    tell(&place.pod_with("db-0", &owner("apps/v1", &made)).await).await;

    let mut daemon_set = set("log", 0);
    daemon_set["spec"].as_object_mut().unwrap().remove("replicas");
    let daemon_sets = place.path("/apis/apps/v1", "daemonsets");
    let made = place.admin("POST", &daemon_sets, &daemon_set).await;
    let status = json!({ "status": { "desiredNumberScheduled": 2, "currentNumberScheduled": 2,
        "numberMisscheduled": 0, "numberReady": 1 } });
    place.admin("PATCH", &format!("{daemon_sets}/log/status"), &status).await;
    tell(&place.pod_with("log-a", &owner("apps/v1", &made)).await).await;

    let mut job_template = template();
    job_template["spec"]["restartPolicy"] = json!("Never");
    let jobs = place.path("/apis/batch/v1", "jobs");
    let job = json!({ "metadata": { "name": "once" },
        "spec": { "parallelism": 2, "completions": 2, "template": job_template } });
    let made = place.admin("POST", &jobs, &job).await;
    tell(&place.pod_with("once-a", &owner("batch/v1", &made)).await).await;

    let cron = json!({ "metadata": { "name": "nightly" }, "spec": { "schedule": "0 3 * * *",
        "jobTemplate": { "spec": { "template": job_template } } } });
    let made = place.admin("POST", &place.path("/apis/batch/v1", "cronjobs"), &cron).await;
    let mut job = json!({ "spec": { "template": job_template } });
    job["metadata"] = owner("batch/v1", &made)["metadata"].clone();
    job["metadata"]["name"] = json!("nightly-1");
    let made = place.admin("POST", &jobs, &job).await;
    tell(&place.pod_with("nightly-1-a", &owner("batch/v1", &made)).await).await;

    // Anybody may name a kind of his own so; and whoever made it knows more than we do.
    let foreign = json!({ "kind": "Deployment", "metadata": { "name": "model", "uid": "2" } });
    tell(&place.pod_with("model-a", &owner("example.org/v1", &foreign)).await).await;

    assert_eq!(
        told,
        [
            "Pod alone None None",
            "StatefulSet db Some(3) Some(0)",
            "DaemonSet log Some(2) Some(1)",
            "Job once Some(2) Some(0)",
            "CronJob nightly None None",
            "Deployment model None None",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_read_as_it_is() {
    let Some(place) = Place::new().await else { return };
    let pod = place.pod("web-0").await;
    let shown = place.look_at_pod("web-0").await;
    assert_eq!(pod.reference.uid, shown["metadata"]["uid"]);
    assert_eq!(pod.node.as_deref(), Some("node"));
    assert_eq!((pod.phase.as_str(), pod.ready, pod.grace_seconds), ("Running", true, 30));
    assert!(!pod.mirror && !pod.host_network && pod.deleting.is_none());
    let [container] = &pod.containers[..] else { panic!("{:?}", pod.containers) };
    let id = container_id(&format!("{}/web-0", place.namespace)).replace("containerd://", "");
    assert_eq!(container.id.as_ref(), Some(&id));
    assert_eq!(container.image_id, Some(format!("sha256:{}", "1".repeat(64))));
    assert!(container.running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_containers_id_names_its_pod_or_is_seen_to_be_ambiguous() {
    let Some(place) = Place::new().await else { return };
    let pod = place.pod("web-0").await;
    let another = place.pod("api-0").await;
    let id = pod.containers[0].id.as_deref().unwrap();
    for namespace in [Some(place.namespace.as_str()), None] {
        let found = place.client.pods_of_container(namespace, id).await.unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].reference, pod.reference);
    }
    let elsewhere = place.client.pods_of_container(Some("default"), id).await.unwrap();
    assert!(elsewhere.is_empty());
    // Too short to name anything, and no id at all.
    for prefix in ["", "3", &id[..11], "../../../../.."] {
        let found = place.client.pods_of_container(None, prefix).await.unwrap();
        assert!(found.is_empty(), "{prefix}");
    }
    // One runtime's mistake, or an attacker's: two pods with the same.
    let shown = place.look_at_pod("web-0").await;
    let status = json!({ "status": { "containerStatuses": shown["status"]["containerStatuses"] } });
    let path = place.path("/api/v1", &format!("pods/{}/status", another.reference.name));
    place.admin("PATCH", &path, &status).await;
    let found = place.client.pods_of_container(None, &id[..12]).await.unwrap();
    assert_eq!(found.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_of_a_node_is_the_ready_one_of_its_label_there() {
    let Some(place) = Place::new().await else { return };
    let client = place
        .client_with(Options { namespace: Some(place.namespace.clone()), ..Options::default() })
        .await;
    let at = |node: &str| {
        json!({
            "metadata": { "labels": { "app.kubernetes.io/component": "agent" } },
            "spec": { "nodeName": node },
        })
    };
    assert_eq!(client.own_namespace(), Some(place.namespace.as_str()));
    place.pod("not-an-agent").await;
    assert_eq!(client.agent_address("node").await.unwrap(), None);
    place.pod_with("agent-a", &at("node")).await;
    place.pod_with("agent-b", &at("other-node")).await;
    let path = place.path("/api/v1", "pods/agent-b/status");
    let unready = json!({ "status": { "conditions": [{ "type": "Ready", "status": "False" }] } });
    place.admin("PATCH", &path, &unready).await;
    assert_eq!(client.agent_address("node").await.unwrap(), Some("10.9.8.7".parse().unwrap()));
    assert_eq!(client.agent_address("other-node").await.unwrap(), None);
    assert!(matches!(client.agent_address("a,b=c").await, Err(ClusterError::NotFound)));
}
