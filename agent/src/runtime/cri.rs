//! The container runtime interface, as containerd, CRI-O and cri-dockerd speak it, and containerd's
//! own interface beside it.

mod answers;
pub(super) mod protocol;

use std::path::Path;

use alert::Missing;
use tonic::{Code, Status};

use self::{
    answers::Answers,
    protocol::{
        ContainerFilter, ContainerStatusRequest, ContainerStatusResponse, ImageFacts, ImageSpec,
        ImageStatusRequest, ImageStatusResponse, ListContainersRequest, ListContainersResponse,
        ListedContainer, SandboxStatusRequest, SandboxStatusResponse, VersionRequest,
        VersionResponse, method,
    },
};
use super::{
    containerd::Containerd,
    grpc::{Wire, found, reason},
    metadata::Metadata,
    wanted::Wanted,
};

/// A runtime that speaks gRPC.
#[derive(Debug)]
pub(super) struct Cri {
    wire: Wire,
    /// As it calls itself.
    pub(super) runtime: Box<str>,
    /// Whether it is there at all: containerd may run without it.
    serves_pods: bool,
    containerd: Option<Containerd>,
}

impl Cri {
    /// Asks who answers.
    pub(super) async fn connect(path: &Path) -> Result<Self, Missing> {
        let wire = Wire::to(path)?;
        let version: Result<VersionResponse, Status> =
            wire.ask(method::VERSION, VersionRequest { version: "v1".to_owned() }).await;
        let (runtime, serves_pods) = match version {
            Ok(version) => (version.runtime_name, true),
            Err(status) if status.code() == Code::Unimplemented => ("containerd".to_owned(), false),
            Err(status) => return Err(reason(&status)),
        };
        let containerd = Containerd::over(wire.clone()).await.map_err(|status| reason(&status))?;
        if containerd.is_none() && !serves_pods {
            return Err(Missing::RuntimeError);
        }
        Ok(Self { wire, runtime: runtime.into(), serves_pods, containerd })
    }

    /// Returns what the runtime knows of a container, or `None` if it knows none of this id.
    pub(super) async fn describe(&self, wanted: &Wanted) -> Result<Option<Metadata>, Missing> {
        self.ask(wanted).await.map_err(|status| {
            tracing::debug!(%status, runtime = %self.runtime, "a runtime gave no answer");
            reason(&status)
        })
    }

    async fn ask(&self, wanted: &Wanted) -> Result<Option<Metadata>, Status> {
        let id = &wanted.id;
        let (listed, status, containerd) =
            tokio::try_join!(self.listed(id), self.status(id), self.containerd(wanted))?;
        let mut answers = Answers { listed, status, containerd, ..Answers::default() };
        let sandbox_id = answers.listed.as_ref().map_or(id.as_ref(), |it| &it.pod_sandbox_id);
        let image = answers.image_reference();
        let (sandbox, image) = tokio::try_join!(self.sandbox(sandbox_id), self.image(image))?;
        answers.sandbox = sandbox;
        answers.image = image;
        Ok(answers.known().then(|| answers.metadata(&self.runtime)))
    }

    async fn listed(&self, id: &str) -> Result<Option<ListedContainer>, Status> {
        if !self.serves_pods {
            return Ok(None);
        }
        let filter = Some(ContainerFilter { id: id.to_owned() });
        let answer: Option<ListContainersResponse> =
            found(self.wire.ask(method::LIST_CONTAINERS, ListContainersRequest { filter }).await)?;
        let mut containers = answer.unwrap_or_default().containers;
        // A filter also takes the beginning of an id.
        containers.retain(|container| container.id == id);
        Ok(containers.pop())
    }

    async fn status(&self, id: &str) -> Result<Option<ContainerStatusResponse>, Status> {
        if !self.serves_pods {
            return Ok(None);
        }
        let request = ContainerStatusRequest { container_id: id.to_owned(), verbose: true };
        // It only adds to what the list tells.
        Ok(self.wire.ask(method::CONTAINER_STATUS, request).await.ok())
    }

    async fn sandbox(&self, id: &str) -> Result<Option<SandboxStatusResponse>, Status> {
        if !self.serves_pods {
            return Ok(None);
        }
        let request = SandboxStatusRequest { pod_sandbox_id: id.to_owned(), verbose: true };
        let answer: Option<SandboxStatusResponse> =
            found(self.wire.ask(method::SANDBOX_STATUS, request).await)?;
        Ok(answer.filter(|answer| answer.status.is_some()))
    }

    async fn image(&self, reference: Option<String>) -> Result<Option<ImageFacts>, Status> {
        let Some(image) = reference.filter(|_| self.serves_pods) else { return Ok(None) };
        let image = Some(ImageSpec { image, ..ImageSpec::default() });
        // An image that was removed meanwhile, or a service that is not there, tells nothing.
        let answer: Result<ImageStatusResponse, Status> =
            self.wire.ask(method::IMAGE_STATUS, ImageStatusRequest { image }).await;
        Ok(answer.ok().and_then(|answer| answer.image))
    }

    async fn containerd(
        &self,
        wanted: &Wanted,
    ) -> Result<Option<super::containerd::Known>, Status> {
        match &self.containerd {
            Some(containerd) => containerd.get(wanted).await,
            None => Ok(None),
        }
    }
}
