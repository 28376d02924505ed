//! Owners and nodes, asked of a real API server, which all tests here share.

use std::{io::Write, path::PathBuf, sync::OnceLock};

use e2e::ApiServer;
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::{Namespace, Pod},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::harness::{Router, Site, alert, eventually, id};

/// A user who may do nothing.
const NOBODY: &str = "nobody";

/// Returns a kubeconfig of a user of the server.
fn kubeconfig(user: &str) -> Option<PathBuf> {
    static SERVER: OnceLock<Option<ApiServer>> = OnceLock::new();
    let server = SERVER.get_or_init(|| ApiServer::start(&[NOBODY]));
    if server.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI must have built Kubernetes for these tests");
        let notice = "\n*** SKIPPED: no Kubernetes here: run e2e/install.sh ***\n";
        std::io::stderr().write_all(notice.as_bytes()).unwrap();
    }
    Some(server.as_ref()?.kubeconfig(user))
}

/// A cluster's API server, and a namespace in it for one test.
struct Cluster {
    client: Client,
    namespace: String,
}

impl Cluster {
    /// Returns `None`, said loudly, where Kubernetes was not built.
    async fn new() -> Option<Self> {
        let path = tokio::task::spawn_blocking(|| kubeconfig(ApiServer::ADMIN)).await.unwrap()?;
        service::tls::install_crypto_provider();
        let file = Kubeconfig::read_from(path).unwrap();
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(file, &options).await.unwrap();
        let client = Client::try_from(config).unwrap();
        let namespace = format!("owners-{}", uuid::Uuid::new_v4().simple());
        let cluster = Self { client, namespace };
        let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
        let made = json!({"metadata": {"name": cluster.namespace}});
        let made = serde_json::from_value(made).unwrap();
        namespaces.create(&PostParams::default(), &made).await.unwrap();
        Some(cluster)
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Makes an object, and returns its UID.
    async fn make<K>(&self, name: &str, owner: Option<Value>, spec: Value) -> String
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Serialize
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let owners: Vec<Value> = owner.into_iter().collect();
        let made = json!({"metadata": {"name": name, "ownerReferences": owners}, "spec": spec});
        let made: K = serde_json::from_value(made).unwrap();
        let made = self.api::<K>().create(&PostParams::default(), &made).await.unwrap();
        made.uid().unwrap()
    }

    /// Makes a Deployment `web` with its ReplicaSet, as the controllers would; returns the owner of
    /// its pods.
    async fn deployment(&self) -> Value {
        let labels = json!({"app": "web"});
        let spec = json!({
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec()},
        });
        let uid = self.make::<Deployment>("web", None, spec.clone()).await;
        let owner = owner("apps/v1", "Deployment", "web", &uid);
        let uid = self.make::<ReplicaSet>("web-7d4b9c6f5d", Some(owner), spec).await;
        crate::kubernetes::owner("apps/v1", "ReplicaSet", "web-7d4b9c6f5d", &uid)
    }

    /// Returns an alert of a pod, by its UID or its name.
    fn alert(&self, uid: Option<&str>, pod: &str) -> Value {
        let mut alert = alert("Shell", "Warning", pod);
        alert["output_fields"]["k8s.ns.name"] = self.namespace.as_str().into();
        if let Some(uid) = uid {
            alert["output_fields"]["k8s.pod.uid"] = uid.into();
        }
        alert
    }
}

fn owner(version: &str, kind: &str, name: &str, uid: &str) -> Value {
    json!({"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": true})
}

fn pod_spec() -> Value {
    json!({"nodeName": "worker-7", "containers": [{"name": "app", "image": "app:1"}]})
}

fn config(user: &str, more: &str) -> String {
    let kubeconfig = kubeconfig(user).unwrap();
    let kubeconfig = kubeconfig.display();
    format!(
        "  kubernetes: {{ kubeconfig: '{kubeconfig}', cluster: berlin{more} }}\n\
         outputs: {{ log: {{ file: {{ path: DIR/alerts.jsonl }} }} }}\n"
    )
}

/// Sends an alert, and returns its fields as the journal has them.
async fn fields(router: &Router, alert: &Value) -> Value {
    assert_eq!(router.send(std::slice::from_ref(alert)).await, 200);
    eventually("it is decided upon", async || {
        (router.status().await.behind_records == 0).then_some(())
    })
    .await;
    let explained: Value = router.get(&format!("/api/v1/explain/{}", id(alert))).await;
    explained["alert"]["fields"].clone()
}

/// Waits until the first listing is done.
async fn synced(router: &Router, cluster: &Cluster) {
    eventually("the cluster's objects are known", async || {
        let fields = fields(router, &cluster.alert(Some("nobody"), "nobody")).await;
        (fields["saker.owner.missing"] == "not_found").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_of_a_pod_has_its_deployment_and_node_whatever_its_sender_says() {
    let Some(cluster) = Cluster::new().await else { return };
    let site = Site::new(&config(ApiServer::ADMIN, ""));
    let owner = cluster.deployment().await;
    let uid = cluster.make::<Pod>("web-7d4b9c6f5d-x2x4z", Some(owner.clone()), pod_spec()).await;
    let router = site.start();
    synced(&router, &cluster).await;
    let mut lying = cluster.alert(Some(&uid), "liar");
    for (field, claim) in [
        ("k8s.ns.name", "kube-system"),
        ("k8s.workload.kind", "DaemonSet"),
        ("k8s.workload.name", "kube-proxy"),
        ("k8s.node.name", "elsewhere"),
        ("saker.owner.missing", "stale"),
    ] {
        lying["output_fields"][field] = claim.into();
    }
    let check = |fields: &Value| {
        for (field, value) in [
            ("k8s.ns.name", cluster.namespace.as_str()),
            ("k8s.pod.name", "web-7d4b9c6f5d-x2x4z"),
            ("k8s.workload.kind", "Deployment"),
            ("k8s.workload.name", "web"),
            ("k8s.deployment.name", "web"),
            ("k8s.node.name", "worker-7"),
            ("k8s.cluster.name", "berlin"),
        ] {
            assert_eq!(fields[field], value, "{field} in {fields}");
        }
        assert_eq!(fields["saker.owner.missing"], Value::Null);
    };
    check(&fields(&router, &lying).await);
    check(&fields(&router, &cluster.alert(None, "web-7d4b9c6f5d-x2x4z")).await);

    // Its last alerts come late.
    let at_once = DeleteParams::default().grace_period(0);
    cluster.api::<Pod>().delete("web-7d4b9c6f5d-x2x4z", &at_once).await.unwrap();
    check(&fields(&router, &cluster.alert(Some(&uid), "web-7d4b9c6f5d-x2x4z")).await);

    let metrics = router.metrics().await;
    assert!(metrics.contains("saker_router_owner_contradictions_total 1"), "{metrics}");
    assert!(metrics.contains("saker_router_owners_total{result=\"found\"} 3"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_waits_for_a_pod_that_is_about_to_be_known_and_not_for_ever() {
    let Some(cluster) = Cluster::new().await else { return };
    let site = Site::new(&config(ApiServer::ADMIN, ", wait: 5s"));
    let owner = cluster.deployment().await;
    let router = site.start();
    synced(&router, &cluster).await;
    let before = router.ledger().await.accepted;
    let early = cluster.alert(None, "web-7d4b9c6f5d-early");
    let made = async {
        eventually("the alert waits", async || {
            // It is not answered while it waits, so nothing is accepted.
            (router.ledger().await.accepted == before).then_some(())
        })
        .await;
        cluster.make::<Pod>("web-7d4b9c6f5d-early", Some(owner), pod_spec()).await
    };
    let (found, _) = tokio::join!(fields(&router, &early), made);
    assert_eq!(found["k8s.workload.name"], "web");

    let started = std::time::Instant::now();
    let nobody = cluster.alert(Some("00000000-0000-0000-0000-000000000000"), "web-1");
    assert_eq!(fields(&router, &nobody).await["saker.owner.missing"], "not_found");
    assert!(started.elapsed().as_secs() >= 5);
    // It was waited for once.
    let started = std::time::Instant::now();
    let again = cluster.alert(Some("00000000-0000-0000-0000-000000000000"), "web-1");
    assert_eq!(fields(&router, &again).await["saker.owner.missing"], "not_found");
    assert!(started.elapsed().as_secs() < 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_right_or_the_server_alerts_are_taken_and_say_why_they_lack_an_owner() {
    let Some(cluster) = Cluster::new().await else { return };
    let site = Site::new(&config(NOBODY, ""));
    let router = site.start();
    let reason = async |router: &Router, code: &str| {
        eventually("the reason is known", async || {
            let fields = fields(router, &cluster.alert(Some("x"), "web-1")).await;
            (fields["saker.owner.missing"] == code).then_some(())
        })
        .await;
        assert!(router.status().await.ready);
    };
    reason(&router, "forbidden").await;
    router.kill();

    let nowhere = "apiVersion: v1\nkind: Config\n\
        clusters: [{ name: c, cluster: { server: 'https://127.0.0.1:1' } }]\n\
        users: [{ name: u, user: { token: t } }]\n\
        contexts: [{ name: c, context: { cluster: c, user: u } }]\ncurrent-context: c\n";
    std::fs::write(site.path("nowhere"), nowhere).unwrap();
    site.configure("  kubernetes: { kubeconfig: DIR/nowhere }\n");
    let router = site.start();
    reason(&router, "unreachable").await;
}
