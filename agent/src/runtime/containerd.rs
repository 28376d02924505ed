//! containerd's own interface: it knows containers that are no pod's, and a pod's sandbox while it is
//! being made.
//!
//! Numbers of fields are those of `containers.proto`, `images.proto` and `namespaces.proto` of
//! containerd's `services`.

use std::collections::HashMap;

use prost::Message;
use tonic::{Code, Request, Status, metadata::AsciiMetadataValue};

use super::{
    grpc::{Wire, found},
    specification::Specification,
    wanted::Wanted,
};

/// Where the kubelet's containers are.
const OF_PODS: &str = "k8s.io";
/// Namespaces in which a container is looked for.
const NAMESPACES_MAX: usize = 16;

/// Names of the methods.
pub(super) mod method {
    pub(in crate::runtime) const NAMESPACES: &str =
        "/containerd.services.namespaces.v1.Namespaces/List";
    pub(in crate::runtime) const CONTAINER: &str =
        "/containerd.services.containers.v1.Containers/Get";
    pub(in crate::runtime) const IMAGE: &str = "/containerd.services.images.v1.Images/Get";
}

/// What containerd knows of one container.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) container: Container,
    pub(super) specification: Specification,
    /// The digest its image's name stands for.
    pub(super) digest: Option<String>,
}

/// containerd behind a connection.
#[derive(Debug)]
pub(super) struct Containerd {
    wire: Wire,
}

impl Containerd {
    /// Returns it if it is containerd that answers there.
    pub(super) async fn over(wire: Wire) -> Result<Option<Self>, Status> {
        let answer: Result<ListNamespacesResponse, Status> =
            wire.ask(method::NAMESPACES, ListNamespacesRequest {}).await;
        match answer {
            Ok(_) => Ok(Some(Self { wire })),
            Err(status) if status.code() == Code::Unimplemented => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// Returns what it knows of a container, wherever that is.
    pub(super) async fn get(&self, wanted: &Wanted) -> Result<Option<Known>, Status> {
        let namespaces = match (&wanted.namespace, wanted.pod) {
            (Some(namespace), _) => vec![namespace.to_string()],
            (None, true) => vec![OF_PODS.to_owned()],
            (None, false) => self.namespaces().await?,
        };
        for namespace in namespaces {
            let question = GetContainerRequest { id: wanted.id.to_string() };
            let Some(question) = within(&namespace, question) else { continue };
            let answer: Option<GetContainerResponse> =
                found(self.wire.call(method::CONTAINER, question).await)?;
            let Some(container) = answer.and_then(|answer| answer.container) else { continue };
            let json = container.spec.as_ref().map(|spec| &spec.value[..]);
            let specification = Specification::read(json.unwrap_or_default());
            let digest = self.digest(&namespace, &container.image).await;
            return Ok(Some(Known { container, specification, digest }));
        }
        Ok(None)
    }

    async fn namespaces(&self) -> Result<Vec<String>, Status> {
        let answer: ListNamespacesResponse =
            self.wire.ask(method::NAMESPACES, ListNamespacesRequest {}).await?;
        Ok(answer.namespaces.into_iter().map(|it| it.name).take(NAMESPACES_MAX).collect())
    }

    async fn digest(&self, namespace: &str, image: &str) -> Option<String> {
        if image.is_empty() {
            return None;
        }
        let question = within(namespace, GetImageRequest { name: image.to_owned() })?;
        // An image that was removed meanwhile tells nothing.
        let answer: GetImageResponse = self.wire.call(method::IMAGE, question).await.ok()?;
        Some(answer.image?.target?.digest).filter(|digest| !digest.is_empty())
    }
}

/// Returns a question about one namespace, whose name goes beside it.
fn within<Q>(namespace: &str, question: Q) -> Option<Request<Q>> {
    let mut request = Request::new(question);
    let name: AsciiMetadataValue = namespace.parse().ok()?;
    request.metadata_mut().insert("containerd-namespace", name);
    Some(request)
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ListNamespacesRequest {}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ListNamespacesResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) namespaces: Vec<Namespace>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Namespace {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct GetContainerRequest {
    #[prost(string, tag = "1")]
    pub(super) id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct GetContainerResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) container: Option<Container>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Container {
    #[prost(map = "string, string", tag = "2")]
    pub(super) labels: HashMap<String, String>,
    #[prost(string, tag = "3")]
    pub(super) image: String,
    /// The OCI specification as JSON.
    #[prost(message, optional, tag = "5")]
    pub(super) spec: Option<Any>,
    #[prost(message, optional, tag = "8")]
    pub(super) created_at: Option<Time>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Any {
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Time {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanoseconds: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct GetImageRequest {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct GetImageResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) image: Option<Image>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Image {
    #[prost(message, optional, tag = "3")]
    pub(super) target: Option<Target>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Target {
    #[prost(string, tag = "2")]
    pub(super) digest: String,
}
