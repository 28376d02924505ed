//! One runtime behind its Unix socket.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use alert::Missing;
use http::uri::PathAndQuery;
use tokio::net::UnixStream;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use super::{
    metadata::{Answers, Metadata},
    protocol::{
        ContainerFilter, ContainerStatusRequest, ContainerStatusResponse, ContainerdContainer,
        GetContainerRequest, GetContainerResponse, ImageFacts, ImageSpec, ImageStatusRequest,
        ImageStatusResponse, ListContainersRequest, ListContainersResponse, ListedContainer,
        SandboxStatus, SandboxStatusRequest, SandboxStatusResponse, VersionRequest,
        VersionResponse, method,
    },
};

const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// A verbose status holds the whole specification of a container.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Where the kubelet's containers are in containerd.
const CONTAINERD_NAMESPACE: &str = "k8s.io";

/// A connection to a runtime; it makes a new one by itself when the runtime was restarted.
#[derive(Debug)]
pub(super) struct Client {
    channel: Channel,
    pub(super) path: PathBuf,
    pub(super) runtime: Option<Box<str>>,
    /// Whether it answers containerd's own questions beside those of CRI.
    is_containerd: AtomicBool,
}

impl Client {
    /// Connects, and asks who answers.
    pub(super) async fn connect(path: &Path) -> Result<Self, Missing> {
        // The channel keeps to itself why it cannot connect: this tells.
        match UnixStream::connect(path).await {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Missing::SocketDenied);
            }
            Err(_) => return Err(Missing::NoSocket),
        }
        let address = format!("unix://{}", path.display());
        let endpoint = Endpoint::from_shared(address).map_err(|_| Missing::NoSocket)?;
        let channel = endpoint.connect_timeout(CALL_TIMEOUT).timeout(CALL_TIMEOUT).connect_lazy();
        let mut client =
            Self { channel, path: path.to_owned(), runtime: None, is_containerd: true.into() };
        let version: VersionResponse = client
            .ask(method::VERSION, VersionRequest { version: "v1".to_owned() })
            .await
            .map_err(|status| reason(&status))?;
        client.is_containerd = (version.runtime_name == "containerd").into();
        client.runtime = Some(version.runtime_name.into());
        Ok(client)
    }

    /// Returns what the runtime knows of a container, or `None` if it knows none of this id.
    pub(super) async fn describe(&self, id: &str) -> Result<Option<Metadata>, Status> {
        let (listed, status, containerd) =
            tokio::try_join!(self.listed(id), self.status(id), self.containerd(id))?;
        let mut answers = Answers { listed, status, containerd, ..Answers::default() };
        let sandbox_id = answers.listed.as_ref().map_or(id, |listed| &listed.pod_sandbox_id);
        let image = answers.image_reference();
        let (sandbox, image) = tokio::try_join!(self.sandbox(sandbox_id), self.image(image))?;
        answers.sandbox = sandbox;
        answers.image = image;
        Ok(answers.known().then(|| answers.metadata(self.runtime.as_deref())))
    }

    async fn listed(&self, id: &str) -> Result<Option<ListedContainer>, Status> {
        let filter = Some(ContainerFilter { id: id.to_owned() });
        let answer: Option<ListContainersResponse> =
            found(self.ask(method::LIST_CONTAINERS, ListContainersRequest { filter }).await)?;
        let mut containers = answer.unwrap_or_default().containers;
        // A filter also takes the beginning of an id.
        containers.retain(|container| container.id == id);
        Ok(containers.pop())
    }

    async fn status(&self, id: &str) -> Result<Option<ContainerStatusResponse>, Status> {
        let request = ContainerStatusRequest { container_id: id.to_owned(), verbose: true };
        // It only adds to what the list tells.
        Ok(self.ask(method::CONTAINER_STATUS, request).await.ok())
    }

    async fn sandbox(&self, id: &str) -> Result<Option<SandboxStatus>, Status> {
        let request = SandboxStatusRequest { pod_sandbox_id: id.to_owned() };
        let answer: Option<SandboxStatusResponse> =
            found(self.ask(method::SANDBOX_STATUS, request).await)?;
        Ok(answer.and_then(|answer| answer.status))
    }

    async fn image(&self, reference: Option<String>) -> Result<Option<ImageFacts>, Status> {
        let Some(image) = reference else { return Ok(None) };
        let image = Some(ImageSpec { image, ..ImageSpec::default() });
        // An image that was removed meanwhile, or a service that is not there, tells nothing.
        let answer: Result<ImageStatusResponse, Status> =
            self.ask(method::IMAGE_STATUS, ImageStatusRequest { image }).await;
        Ok(answer.ok().and_then(|answer| answer.image))
    }

    async fn containerd(&self, id: &str) -> Result<Option<ContainerdContainer>, Status> {
        if !self.is_containerd.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut request = Request::new(GetContainerRequest { id: id.to_owned() });
        request
            .metadata_mut()
            .insert("containerd-namespace", MetadataValue::from_static(CONTAINERD_NAMESPACE));
        let answer: Result<GetContainerResponse, Status> =
            self.call(method::CONTAINERD_GET, request).await;
        if answer.as_ref().is_err_and(|status| status.code() == Code::Unimplemented) {
            self.is_containerd.store(false, Ordering::Relaxed);
            return Ok(None);
        }
        Ok(found(answer)?.and_then(|answer| answer.container))
    }

    async fn ask<Q, A>(&self, method: &'static str, question: Q) -> Result<A, Status>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        self.call(method, Request::new(question)).await
    }

    async fn call<Q, A>(&self, method: &'static str, request: Request<Q>) -> Result<A, Status>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let codec = ProstCodec::<Q, A>::default();
        let answer = grpc.unary(request, PathAndQuery::from_static(method), codec).await?;
        Ok(answer.into_inner())
    }
}

/// Returns `None` for what the runtime does not know. Some say so by code, some in words alone.
fn found<T>(answer: Result<T, Status>) -> Result<Option<T>, Status> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status)
            if status.code() == Code::Unknown
                && (status.message().contains("not found")
                    || status.message().contains("No such container")) =>
        {
            Ok(None)
        }
        Err(status) => Err(status),
    }
}

/// Returns the reason code for a call that failed.
pub(super) fn reason(status: &Status) -> Missing {
    match status.code() {
        Code::PermissionDenied | Code::Unauthenticated => Missing::SocketDenied,
        Code::DeadlineExceeded | Code::Cancelled => Missing::Timeout,
        _ => Missing::RuntimeError,
    }
}
