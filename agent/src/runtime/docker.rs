//! The interface of Docker, which Podman speaks as well.

mod inspect;

use alert::Missing;
use tokio::net::UnixStream;

use self::inspect::{Container, Image};
use super::{
    http::{Reply, get},
    image::is_hash,
    metadata::Metadata,
    socket::Place,
    wanted::Wanted,
};

/// Docker or Podman behind a socket.
#[derive(Debug)]
pub(super) struct Docker {
    place: Place,
    pub(super) runtime: &'static str,
}

impl Docker {
    /// Asks who answers; `None` where it is none of the two.
    pub(super) async fn connect(place: Place, stream: UnixStream) -> Result<Option<Self>, Missing> {
        let reply = match get(stream, "/_ping").await {
            Ok(Some(reply)) => reply,
            Ok(None) | Err(Missing::RuntimeError) => return Ok(None),
            Err(reason) => return Err(reason),
        };
        Ok(runtime(&reply).map(|runtime| Self { place, runtime }))
    }

    /// Returns what it knows of a container, or `None` if it knows none of this id.
    pub(super) async fn describe(&self, wanted: &Wanted) -> Result<Option<Metadata>, Missing> {
        // The names of other things cannot be in a path.
        if !is_hash(&wanted.id) {
            return Ok(None);
        }
        let target = format!("/containers/{}/json", wanted.id);
        let Some(reply) = get(self.place.connect().await?, &target).await? else {
            return Ok(None);
        };
        let container = Container::read(&reply.body).ok_or(Missing::RuntimeError)?;
        let image = match container.image_id() {
            Some(id) => self.image(id).await,
            None => Image::default(),
        };
        Ok(Some(container.metadata(&image, self.runtime)))
    }

    /// An image that was removed meanwhile tells nothing.
    async fn image(&self, id: &str) -> Image {
        let Ok(stream) = self.place.connect().await else { return Image::default() };
        let reply = get(stream, &format!("/images/{id}/json")).await;
        reply.ok().flatten().map(|reply| Image::read(&reply.body)).unwrap_or_default()
    }
}

/// Returns who they say they are: Podman adds its own version, and both have that of Docker's API.
fn runtime(reply: &Reply) -> Option<&'static str> {
    let has = |name: &str| reply.headers.contains_key(name);
    match (has("libpod-api-version"), has("api-version")) {
        (true, _) => Some("podman"),
        (false, true) => Some("docker"),
        (false, false) => None,
    }
}
