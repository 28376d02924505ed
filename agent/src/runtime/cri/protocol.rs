//! The messages of the CRI, with the fields we use and no others.
//!
//! Numbers are those of `runtime/v1/api.proto` of Kubernetes' cri-api.

use std::collections::HashMap;

use prost::Message;

/// Names of the methods.
pub(in crate::runtime) mod method {
    pub(in crate::runtime) const VERSION: &str = "/runtime.v1.RuntimeService/Version";
    pub(in crate::runtime) const LIST_CONTAINERS: &str =
        "/runtime.v1.RuntimeService/ListContainers";
    pub(in crate::runtime) const CONTAINER_STATUS: &str =
        "/runtime.v1.RuntimeService/ContainerStatus";
    pub(in crate::runtime) const SANDBOX_STATUS: &str =
        "/runtime.v1.RuntimeService/PodSandboxStatus";
    pub(in crate::runtime) const IMAGE_STATUS: &str = "/runtime.v1.ImageService/ImageStatus";
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct VersionRequest {
    #[prost(string, tag = "1")]
    pub(in crate::runtime) version: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct VersionResponse {
    #[prost(string, tag = "2")]
    pub(in crate::runtime) runtime_name: String,
    #[prost(string, tag = "3")]
    pub(in crate::runtime) runtime_version: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct ListContainersRequest {
    #[prost(message, optional, tag = "1")]
    pub(in crate::runtime) filter: Option<ContainerFilter>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct ContainerFilter {
    #[prost(string, tag = "1")]
    pub(in crate::runtime) id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct ListContainersResponse {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::runtime) containers: Vec<ListedContainer>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct ListedContainer {
    #[prost(string, tag = "1")]
    pub(in crate::runtime) id: String,
    #[prost(string, tag = "2")]
    pub(in crate::runtime) pod_sandbox_id: String,
    #[prost(message, optional, tag = "3")]
    pub(in crate::runtime) metadata: Option<ContainerMetadata>,
    #[prost(message, optional, tag = "4")]
    pub(in crate::runtime) image: Option<ImageSpec>,
    #[prost(string, tag = "5")]
    pub(in crate::runtime) image_ref: String,
    #[prost(map = "string, string", tag = "8")]
    pub(in crate::runtime) labels: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct ContainerMetadata {
    #[prost(string, tag = "1")]
    pub(in crate::runtime) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct ImageSpec {
    #[prost(string, tag = "1")]
    pub(in crate::runtime) image: String,
    /// As the pod has it; `image` may be the id it was resolved to.
    #[prost(string, tag = "18")]
    pub(in crate::runtime) user_specified_image: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct ContainerStatusRequest {
    #[prost(string, tag = "1")]
    pub(in crate::runtime) container_id: String,
    #[prost(bool, tag = "2")]
    pub(in crate::runtime) verbose: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct ContainerStatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(in crate::runtime) status: Option<ContainerStatus>,
    #[prost(map = "string, string", tag = "2")]
    pub(in crate::runtime) info: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct ContainerStatus {
    /// Nanoseconds since 1970.
    #[prost(int64, tag = "4")]
    pub(in crate::runtime) created_at: i64,
    #[prost(message, optional, tag = "8")]
    pub(in crate::runtime) image: Option<ImageSpec>,
    #[prost(string, tag = "9")]
    pub(in crate::runtime) image_ref: String,
    #[prost(message, repeated, tag = "14")]
    pub(in crate::runtime) mounts: Vec<StatusMount>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct StatusMount {
    #[prost(string, tag = "1")]
    pub(in crate::runtime) container_path: String,
    #[prost(string, tag = "2")]
    pub(in crate::runtime) host_path: String,
    #[prost(bool, tag = "3")]
    pub(in crate::runtime) readonly: bool,
    /// 0 private, 1 from the host to the container, 2 both ways.
    #[prost(int32, tag = "5")]
    pub(in crate::runtime) propagation: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct SandboxStatusRequest {
    #[prost(string, tag = "1")]
    pub(in crate::runtime) pod_sandbox_id: String,
    #[prost(bool, tag = "2")]
    pub(in crate::runtime) verbose: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct SandboxStatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(in crate::runtime) status: Option<SandboxStatus>,
    #[prost(map = "string, string", tag = "2")]
    pub(in crate::runtime) info: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct SandboxStatus {
    #[prost(string, tag = "1")]
    pub(in crate::runtime) id: String,
    #[prost(message, optional, tag = "2")]
    pub(in crate::runtime) metadata: Option<SandboxMetadata>,
    #[prost(message, optional, tag = "5")]
    pub(in crate::runtime) network: Option<SandboxNetwork>,
    #[prost(message, optional, tag = "6")]
    pub(in crate::runtime) linux: Option<SandboxLinux>,
    #[prost(map = "string, string", tag = "7")]
    pub(in crate::runtime) labels: HashMap<String, String>,
    #[prost(map = "string, string", tag = "8")]
    pub(in crate::runtime) annotations: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct SandboxLinux {
    #[prost(message, optional, tag = "1")]
    pub(in crate::runtime) namespaces: Option<SandboxNamespaces>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct SandboxNamespaces {
    #[prost(message, optional, tag = "2")]
    pub(in crate::runtime) options: Option<NamespaceOptions>,
}

/// Each is 0 for the pod's own, 2 for the node's.
#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct NamespaceOptions {
    #[prost(int32, tag = "1")]
    pub(in crate::runtime) network: i32,
    #[prost(int32, tag = "2")]
    pub(in crate::runtime) pid: i32,
    #[prost(int32, tag = "3")]
    pub(in crate::runtime) ipc: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct SandboxMetadata {
    #[prost(string, tag = "1")]
    pub(in crate::runtime) name: String,
    #[prost(string, tag = "2")]
    pub(in crate::runtime) uid: String,
    #[prost(string, tag = "3")]
    pub(in crate::runtime) namespace: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct SandboxNetwork {
    #[prost(string, tag = "1")]
    pub(in crate::runtime) ip: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct ImageStatusRequest {
    #[prost(message, optional, tag = "1")]
    pub(in crate::runtime) image: Option<ImageSpec>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct ImageStatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(in crate::runtime) image: Option<ImageFacts>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::runtime) struct ImageFacts {
    #[prost(string, tag = "1")]
    pub(in crate::runtime) id: String,
    #[prost(string, repeated, tag = "2")]
    pub(in crate::runtime) repo_tags: Vec<String>,
    #[prost(string, repeated, tag = "3")]
    pub(in crate::runtime) repo_digests: Vec<String>,
}
