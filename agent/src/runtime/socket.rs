//! The sockets at which runtimes answer, and who speaks there.

use std::{
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use alert::Missing;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use tokio::{net::UnixStream, sync::RwLock};

use super::{cri::Cri, docker::Docker, http::connect, metadata::Metadata, wanted::Wanted};

/// Where a user's own runtimes have their sockets, below the folder of that user.
const OF_USERS: [&str; 2] = ["podman/podman.sock", "docker.sock"];

/// A socket.
#[derive(Clone, Debug)]
pub(super) enum Place {
    System(PathBuf),
    /// Below a folder that the user may fill with anything.
    User {
        folders: PathBuf,
        below: PathBuf,
        user: u32,
    },
}

impl Place {
    /// Returns where a user's runtimes may answer.
    pub(super) fn of_user(folders: &Path, user: u32) -> [Self; 2] {
        OF_USERS.map(|name| Self::User {
            folders: folders.to_owned(),
            below: Path::new(&user.to_string()).join(name),
            user,
        })
    }

    pub(super) async fn connect(&self) -> Result<UnixStream, Missing> {
        let (folders, below, user) = match self {
            Self::System(path) => return connect(path).await,
            Self::User { folders, below, user } => (folders, below, user),
        };
        let folder = openat2(CWD, folders, OFlags::PATH, Mode::empty(), ResolveFlags::empty());
        // A link could lead to a socket of the system's.
        let links = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::BENEATH;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let socket = folder
            .and_then(|folder| openat2(folder, below, flags, Mode::empty(), links))
            .map_err(|_| Missing::NoSocket)?;
        let path = format!("/proc/self/fd/{}", socket.as_raw_fd());
        let stream = connect(Path::new(&path)).await?;
        let peer = stream.peer_cred().map_err(|_| Missing::SocketDenied)?;
        (peer.uid() == *user).then_some(stream).ok_or(Missing::SocketDenied)
    }
}

/// A runtime at the other end of a socket, by the language it speaks.
#[derive(Debug)]
pub(super) enum Client {
    Cri(Box<Cri>),
    Docker(Docker),
}

impl Client {
    /// Connects to a socket of the system's and finds out who answers.
    pub(super) async fn connect(path: &Path) -> Result<Self, Missing> {
        let place = Place::System(path.to_owned());
        let stream = place.connect().await?;
        if speaks_http(path) {
            return match Docker::connect(place, stream).await? {
                Some(docker) => Ok(Self::Docker(docker)),
                None => Ok(Self::Cri(Box::new(Cri::connect(path).await?))),
            };
        }
        drop(stream);
        match Cri::connect(path).await {
            Ok(cri) => Ok(Self::Cri(Box::new(cri))),
            Err(Missing::RuntimeError) => {
                let stream = place.connect().await?;
                let docker = Docker::connect(place, stream).await?;
                docker.map(Self::Docker).ok_or(Missing::RuntimeError)
            }
            Err(reason) => Err(reason),
        }
    }

    /// Returns who it is.
    pub(super) fn runtime(&self) -> &str {
        match self {
            Self::Cri(cri) => &cri.runtime,
            Self::Docker(docker) => docker.runtime,
        }
    }

    /// Returns what it knows of a container, or `None` if it knows none of this id.
    pub(super) async fn describe(&self, wanted: &Wanted) -> Result<Option<Metadata>, Missing> {
        match self {
            Self::Cri(cri) => cri.describe(wanted).await,
            Self::Docker(docker) => docker.describe(wanted).await,
        }
    }
}

/// A socket of the system's, with the connection over it.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) path: PathBuf,
    client: RwLock<Option<Arc<Client>>>,
}

impl Socket {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, client: RwLock::new(None) }
    }

    /// Returns whether this runtime is likely to answer here.
    pub(super) fn is_of(&self, runtime: &str) -> bool {
        let client = self.client.try_read();
        match client.as_ref().ok().and_then(|client| client.as_ref()) {
            Some(client) => client.runtime() == runtime,
            None => guess(&self.path) == Some(runtime),
        }
    }

    /// Returns the connection, made now if there is none.
    pub(super) async fn client(&self) -> Result<Arc<Client>, Missing> {
        if let Some(client) = &*self.client.read().await {
            return Ok(Arc::clone(client));
        }
        if !exists(&self.path) {
            return Err(Missing::NoSocket);
        }
        let mut slot = self.client.write().await;
        if let Some(client) = &*slot {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(Client::connect(&self.path).await?);
        *slot = Some(Arc::clone(&client));
        Ok(client)
    }

    /// Makes the next look-up connect anew, unless another has done so meanwhile.
    pub(super) async fn disconnect(&self, used: &Arc<Client>) {
        let mut slot = self.client.write().await;
        if slot.as_ref().is_some_and(|client| Arc::ptr_eq(client, used)) {
            *slot = None;
        }
    }
}

/// Both languages are tried: the name tells which first.
fn speaks_http(path: &Path) -> bool {
    matches!(guess(path), Some("docker" | "podman"))
}

fn guess(path: &Path) -> Option<&'static str> {
    match path.file_name()?.to_str()? {
        "docker.sock" => Some("docker"),
        "podman.sock" => Some("podman"),
        "containerd.sock" => Some("containerd"),
        "crio.sock" => Some("cri-o"),
        _ => None,
    }
}

/// A folder we may not enter may hold one: connecting will tell.
fn exists(path: &Path) -> bool {
    match path.symlink_metadata() {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tokio::net::UnixListener;

    use super::*;

    /// The user whose sockets the tests make.
    fn me() -> u32 {
        rustix::process::getuid().as_raw()
    }

    fn place(folders: &Path, user: u32) -> Place {
        let below = Path::new("1000/podman.sock").to_owned();
        Place::User { folders: folders.to_owned(), below, user }
    }

    #[tokio::test]
    async fn a_user_s_socket_is_used_if_that_user_listens_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("1000")).unwrap();
        let at = place(folder.path(), me());
        assert_eq!(at.connect().await.unwrap_err(), Missing::NoSocket);
        let _listener = UnixListener::bind(folder.path().join("1000/podman.sock")).unwrap();
        at.connect().await.unwrap();
        let other = place(folder.path(), me() + 1);
        assert_eq!(other.connect().await.unwrap_err(), Missing::SocketDenied);
    }

    #[tokio::test]
    async fn a_user_cannot_lead_us_to_a_socket_of_the_system_s() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("1000")).unwrap();
        let system = folder.path().join("docker.sock");
        let _listener = UnixListener::bind(&system).unwrap();
        symlink(&system, folder.path().join("1000/podman.sock")).unwrap();
        let at = place(folder.path(), me());
        assert_eq!(at.connect().await.unwrap_err(), Missing::NoSocket);
    }
}
