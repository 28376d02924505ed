//! The responder's hand in Kubernetes: [`Cluster`] over a real API server.
//!
//! Nothing here tries twice, and no call sends more than one request that can change something.
//! What a failure means for the target is read in `failure`, once, for every call.

mod agents;
mod evidence;
mod failure;
mod link;
pub mod names;
mod owner;
mod pod;
mod policy;
pub mod rights;
mod selector;

use std::{
    collections::BTreeMap,
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use http::Method;
use jiff::Timestamp;
use k8s_openapi::api::{core::v1 as core, policy::v1::PodDisruptionBudget};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use self::{
    agents::Agents,
    link::{Link, Payload},
};
use crate::cluster::{
    Cluster, ClusterError, Disruption, Document, Isolation, Permission, Pod, PodRef, Trial,
    Workload,
};

/// How the API server is reached, and where our agents are.
#[derive(Clone, Debug)]
pub struct Options {
    /// Absent: the service account of the pod we run in.
    pub kubeconfig: Option<PathBuf>,
    /// Longest a request may take. A connection gets half of it, so that a server that cannot be
    /// reached is told from one that does not answer.
    pub timeout: Duration,
    /// Our own namespace, where the agents are too; absent: the service account's.
    pub namespace: Option<String>,
    /// Label selector of the agents' pods.
    pub agent_selector: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            timeout: Duration::from_secs(10),
            namespace: None,
            agent_selector: names::AGENT_SELECTOR.to_owned(),
        }
    }
}

/// The cluster cannot be spoken to at all, whatever is asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("failed to read the kubeconfig {}", path.display())]
    Kubeconfig {
        path: PathBuf,
        #[source]
        source: Box<kube::config::KubeconfigError>,
    },
    #[error("failed to find the service account of this pod")]
    ServiceAccount(#[source] Box<kube::config::InClusterError>),
    #[error("failed to prepare the connection to the API server")]
    Connection(#[source] Box<kube::Error>),
    #[error("`{0}` cannot be a namespace")]
    Namespace(String),
}

/// A cluster, by its API server.
pub struct Client {
    link: Link,
    agents: Agents,
    own_namespace: Option<String>,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("agents", &self.agents).finish_non_exhaustive()
    }
}

impl Client {
    /// Reads the configuration; sends nothing. Needs a tokio runtime.
    pub async fn new(options: Options) -> Result<Self, ClientError> {
        service::tls::install_crypto_provider();
        let mut config = configuration(options.kubeconfig.as_deref()).await?;
        // It would send a request again after 429, 503 and 504.
        config.default_retry = false;
        config.connect_timeout = Some(options.timeout / 2);
        let account = options.kubeconfig.is_none().then(|| config.default_namespace.clone());
        let own_namespace = options.namespace.or(account);
        let namespace = own_namespace.clone().unwrap_or(config.default_namespace.clone());
        if names::check(&namespace).is_err() {
            return Err(ClientError::Namespace(namespace));
        }
        let client = kube::Client::try_from(config)
            .map_err(|source| ClientError::Connection(Box::new(source)))?;
        let link = Link::new(client, options.timeout);
        let agents = Agents::new(namespace, options.agent_selector);
        Ok(Self { link, agents, own_namespace })
    }

    /// Returns the namespace we run in, where that is known.
    pub fn own_namespace(&self) -> Option<&str> {
        self.own_namespace.as_deref()
    }
}

async fn configuration(kubeconfig: Option<&Path>) -> Result<Config, ClientError> {
    let Some(path) = kubeconfig else {
        return Config::incluster().map_err(|source| ClientError::ServiceAccount(Box::new(source)));
    };
    let read = async {
        let kubeconfig = Kubeconfig::read_from(path)?;
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await
    };
    read.await.map_err(|source| ClientError::Kubeconfig {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

#[async_trait]
impl Cluster for Client {
    async fn pod(&self, namespace: &str, name: &str) -> Result<Option<Pod>, ClusterError> {
        match self.link.get::<core::Pod>(&pod_path(namespace, name)?, &[]).await {
            Ok(found) => Ok(Some(pod::read(&found)?)),
            Err(ClusterError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn pods_of_container(
        &self,
        namespace: Option<&str>,
        id_prefix: &str,
    ) -> Result<Vec<Pod>, ClusterError> {
        pod::of_container(&self.link, namespace, id_prefix).await
    }

    async fn workload(&self, pod: &Pod) -> Result<Workload, ClusterError> {
        owner::walk(&self.link, &pod.reference).await
    }

    async fn disruptions(&self, pod: &Pod) -> Result<Vec<Disruption>, ClusterError> {
        let namespace = names::check(&pod.reference.namespace)?;
        let path = format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets");
        let mut found = Vec::new();
        let select = |budget: PodDisruptionBudget| {
            let spec = budget.spec.unwrap_or_default();
            if spec.selector.is_some_and(|selector| selector::selects(&selector, &pod.labels)) {
                let status = budget.status.unwrap_or_default();
                // A budget whose status was never computed allows nothing, as for the API server.
                found.push(Disruption {
                    name: budget.metadata.name.unwrap_or_default(),
                    allowed: status.disruptions_allowed,
                });
            }
            true
        };
        self.link.list(&path, &[], select).await?;
        Ok(found)
    }

    async fn evict(
        &self,
        pod: &PodRef,
        grace_seconds: Option<u64>,
        trial: Trial,
    ) -> Result<(), ClusterError> {
        let path = format!("{}/eviction", pod_path(&pod.namespace, &pod.name)?);
        let eviction = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": { "namespace": pod.namespace, "name": pod.name },
            "deleteOptions": delete_options(&pod.uid, grace_seconds, trial),
        });
        self.link.change(Method::POST, &path, &dry(trial), Payload::Json(&eviction)).await
    }

    async fn delete(
        &self,
        pod: &PodRef,
        grace_seconds: Option<u64>,
        trial: Trial,
    ) -> Result<(), ClusterError> {
        let path = pod_path(&pod.namespace, &pod.name)?;
        let options = delete_options(&pod.uid, grace_seconds, trial);
        self.link.change(Method::DELETE, &path, &[], Payload::Json(&options)).await
    }

    async fn label(
        &self,
        pod: &PodRef,
        labels: &BTreeMap<String, Option<String>>,
        trial: Trial,
    ) -> Result<(), ClusterError> {
        let path = pod_path(&pod.namespace, &pod.name)?;
        // The UID never changes, so a patch that names it fails on any other pod. Unlike a JSON
        // patch this also works where there are no labels yet, or the one to remove is gone.
        let patch = json!({ "metadata": { "uid": pod.uid, "labels": labels } });
        let mut query = dry(trial);
        query.push(("fieldManager", names::MANAGER));
        self.link.change(Method::PATCH, &path, &query, Payload::MergePatch(&patch)).await
    }

    async fn isolate(
        &self,
        pod: &PodRef,
        response: &str,
        expires: Timestamp,
        trial: Trial,
    ) -> Result<(), ClusterError> {
        policy::create(&self.link, pod, response, expires, trial).await
    }

    async fn release(&self, namespace: &str, response: &str) -> Result<(), ClusterError> {
        policy::remove(&self.link, namespace, response).await
    }

    async fn isolations(&self, namespace: &str) -> Result<Vec<Isolation>, ClusterError> {
        policy::list(&self.link, namespace).await
    }

    async fn may(&self, permission: &Permission) -> Result<bool, ClusterError> {
        rights::ask(&self.link, permission).await
    }

    async fn manifest(&self, pod: &PodRef, bytes_max: usize) -> Result<Document, ClusterError> {
        evidence::manifest(&self.link, pod, bytes_max).await
    }

    async fn events(&self, pod: &PodRef, bytes_max: usize) -> Result<Document, ClusterError> {
        evidence::events(&self.link, pod, bytes_max).await
    }

    async fn logs(
        &self,
        pod: &PodRef,
        container: &str,
        previous: bool,
        bytes_max: usize,
    ) -> Result<Document, ClusterError> {
        evidence::logs(&self.link, pod, container, previous, bytes_max).await
    }

    async fn agent_address(&self, node: &str) -> Result<Option<IpAddr>, ClusterError> {
        self.agents.address(&self.link, node).await
    }
}

fn pod_path(namespace: &str, name: &str) -> Result<String, ClusterError> {
    let (namespace, name) = (names::check(namespace)?, names::check(name)?);
    Ok(format!("/api/v1/namespaces/{namespace}/pods/{name}"))
}

fn dry(trial: Trial) -> Vec<(&'static str, &'static str)> {
    match trial {
        Trial::DryRun => vec![("dryRun", "All")],
        Trial::ForReal => Vec::new(),
    }
}

/// Returns DeleteOptions that hold for no other object than the one with this UID.
fn delete_options(uid: &str, grace_seconds: Option<u64>, trial: Trial) -> Value {
    let mut options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": { "uid": uid },
    });
    if let Some(seconds) = grace_seconds {
        options["gracePeriodSeconds"] = json!(seconds);
    }
    if trial == Trial::DryRun {
        options["dryRun"] = json!(["All"]);
    }
    options
}
