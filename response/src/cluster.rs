//! What the responder asks of Kubernetes, and how it can go wrong.
//!
//! Targets are named by UID: a name alone may belong to a successor. Each call makes one request
//! that can change something, never a second; whether to try again is the caller's decision, made
//! from the [`ClusterError`].

use std::{collections::BTreeMap, fmt, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The label by which an isolation selects its pod, and by which what is ours is found again.
pub const RESPONSE_LABEL: &str = "saker.dev/response";

/// Names one pod for ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PodRef {
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

/// A pod as the API server has it now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pod {
    pub reference: PodRef,
    pub node: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub priority_class: Option<String>,
    /// A static pod's mirror: the API server cannot stop it.
    pub mirror: bool,
    pub host_network: bool,
    pub created: Option<Timestamp>,
    /// It is being deleted since then.
    pub deleting: Option<Timestamp>,
    pub phase: String,
    pub ready: bool,
    pub grace_seconds: u64,
    pub containers: Vec<PodContainer>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodContainer {
    pub name: String,
    /// Whole id without the runtime's prefix; absent until it has started.
    pub id: Option<String>,
    pub image: String,
    /// Digest of the image that runs.
    pub image_id: Option<String>,
    pub running: bool,
}

/// The topmost controller of a pod; a pod without one is its own workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// `Deployment`, `StatefulSet`, `DaemonSet`, `Job`, `CronJob`, `ReplicaSet`, `Pod`, or another.
    pub kind: String,
    pub name: String,
    pub uid: String,
    /// Pods wanted and ready; absent where the kind does not say.
    pub desired: Option<u32>,
    pub ready: Option<u32>,
}

/// A PodDisruptionBudget that selects the pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disruption {
    pub name: String,
    pub allowed: i32,
}

/// Whether a request is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trial {
    /// The API server runs every check and changes nothing (`dryRun=All`).
    DryRun,
    ForReal,
}

/// What an isolation left in the cluster, found by its label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    pub response: String,
    pub namespace: String,
    pub policy: String,
    pub pod_uid: String,
    pub expires: Option<Timestamp>,
}

/// A document of evidence, cut at its size limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub bytes: Vec<u8>,
    pub truncated: bool,
}

/// Why a request had no good end. The variant decides what may be done next.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// It never left: to try again is safe.
    #[error("the API server cannot be reached: {0}")]
    NotSent(String),
    /// It may or may not have taken effect: only a look at the target tells.
    #[error("the API server gave no answer: {0}")]
    Unknown(String),
    #[error("the API server denies it: {0}")]
    Denied(String),
    #[error("there is no such object")]
    NotFound,
    /// Another UID, or somebody else changed it meanwhile.
    #[error("the object is not the one meant: {0}")]
    Conflict(String),
    /// A PodDisruptionBudget forbids it now.
    #[error("a PodDisruptionBudget forbids it: {0}")]
    Disruption(String),
    /// The API server is overloaded or broken; nothing was done.
    #[error("the API server cannot now ({status}): {reason}")]
    Busy { status: u16, reason: String, retry_after: Option<Duration> },
    /// Any other refusal, told word for word: an admission policy, an invalid object.
    #[error("the API server refuses ({status}): {reason}")]
    Refused { status: u16, reason: String },
}

/// The cluster, as far as responses reach.
#[async_trait]
pub trait Cluster: Send + Sync + fmt::Debug {
    /// Returns the pod of that name as it is now (a quorum read), whatever its UID.
    async fn pod(&self, namespace: &str, name: &str) -> Result<Option<Pod>, ClusterError>;

    /// Returns the pods of this namespace that have a container whose id begins so, at most two: an
    /// id of twelve digits must name exactly one.
    async fn pods_of_container(
        &self,
        namespace: Option<&str>,
        id_prefix: &str,
    ) -> Result<Vec<Pod>, ClusterError>;

    async fn workload(&self, pod: &Pod) -> Result<Workload, ClusterError>;

    async fn disruptions(&self, pod: &Pod) -> Result<Vec<Disruption>, ClusterError>;

    /// Evicts with the UID as precondition.
    async fn evict(
        &self,
        pod: &PodRef,
        grace_seconds: Option<u64>,
        trial: Trial,
    ) -> Result<(), ClusterError>;

    /// Deletes with the UID as precondition.
    async fn delete(
        &self,
        pod: &PodRef,
        grace_seconds: Option<u64>,
        trial: Trial,
    ) -> Result<(), ClusterError>;

    /// Sets labels (`None` removes one) by a patch that fails when the UID is another.
    async fn label(
        &self,
        pod: &PodRef,
        labels: &BTreeMap<String, Option<String>>,
        trial: Trial,
    ) -> Result<(), ClusterError>;

    /// Makes a policy that selects only the pod with our label for this response, and denies all
    /// traffic both ways. The label is set by [`Cluster::label`] first.
    async fn isolate(
        &self,
        pod: &PodRef,
        response: &str,
        expires: Timestamp,
        trial: Trial,
    ) -> Result<(), ClusterError>;

    /// Removes the policy of a response; it being gone already is success.
    async fn release(&self, namespace: &str, response: &str) -> Result<(), ClusterError>;

    /// Returns the policies of ours in a namespace.
    async fn isolations(&self, namespace: &str) -> Result<Vec<Isolation>, ClusterError>;

    /// Asks the API server whether our account may do this (SelfSubjectAccessReview).
    async fn may(&self, permission: &Permission) -> Result<bool, ClusterError>;

    /// Returns the pod's manifest as JSON, with the values of its environment left out.
    async fn manifest(&self, pod: &PodRef, bytes_max: usize) -> Result<Document, ClusterError>;

    /// Returns the events about the pod as JSON.
    async fn events(&self, pod: &PodRef, bytes_max: usize) -> Result<Document, ClusterError>;

    /// Returns the end of a container's log, of its current or its previous run.
    async fn logs(
        &self,
        pod: &PodRef,
        container: &str,
        previous: bool,
        bytes_max: usize,
    ) -> Result<Document, ClusterError>;

    /// Returns the address of the agent's pod on a node.
    async fn agent_address(&self, node: &str) -> Result<Option<std::net::IpAddr>, ClusterError>;
}

/// One right, as RBAC has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Permission {
    pub verb: &'static str,
    pub group: &'static str,
    pub resource: &'static str,
    pub subresource: &'static str,
    pub namespace: String,
}
