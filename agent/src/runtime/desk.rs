//! Whom to ask about a container, in which order, and what to make of several answers.

use std::{path::PathBuf, sync::Arc, time::Duration};

use alert::Missing;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::{
    bundle::Bundles,
    docker::Docker,
    lookup::{LookupState, Places},
    metadata::Metadata,
    socket::{Place, Socket},
    wanted::Wanted,
};

/// A runtime makes the cgroup a moment before it can tell of it.
const NOT_YET_MS: [u64; 5] = [10, 20, 40, 80, 160];
/// How long runtimes are waited for before their files are read.
const HASTE: Duration = Duration::from_millis(200);

/// Everything that can tell of containers.
#[derive(Debug)]
pub(super) struct Desk {
    sockets: Vec<Socket>,
    users: Option<PathBuf>,
    bundles: Bundles,
    state: Arc<LookupState>,
}

impl Desk {
    pub(super) fn new(places: Places, state: Arc<LookupState>) -> Self {
        let bundles = Bundles::new(&places.sockets, places.storages);
        let sockets = places.sockets.into_iter().map(Socket::new).collect();
        Self { sockets, users: places.users, bundles, state }
    }

    /// Returns what is known of a container; where that is from files alone, with the reason why no
    /// runtime told. `first`: nobody was asked about it before.
    pub(super) async fn describe(&self, wanted: &Wanted, first: bool) -> Result<Metadata, Missing> {
        let mut asking = std::pin::pin!(self.persist(wanted, first));
        let told = match timeout(HASTE, asking.as_mut()).await {
            Ok(told) => told,
            Err(_) => match self.bundles.describe(wanted) {
                Some(metadata) => {
                    return Ok(Metadata { absent: Some(Missing::Timeout), ..metadata });
                }
                None => asking.await,
            },
        };
        told.or_else(|reason| {
            let metadata = self.bundles.describe(wanted).ok_or(reason)?;
            Ok(Metadata { absent: Some(reason), ..metadata })
        })
    }

    /// Asks again for a moment while no runtime knows the container yet.
    async fn persist(&self, wanted: &Wanted, first: bool) -> Result<Metadata, Missing> {
        let patience: &[u64] = match (first, wanted.pod) {
            (true, true) => &NOT_YET_MS,
            (true, false) => &NOT_YET_MS[..1],
            (false, _) => &[],
        };
        for wait in patience {
            match self.ask(wanted).await {
                Err(Missing::NotFound) => sleep(Duration::from_millis(*wait)).await,
                decided => return decided,
            }
        }
        self.ask(wanted).await
    }

    async fn ask(&self, wanted: &Wanted) -> Result<Metadata, Missing> {
        match wanted.user {
            Some(user) => self.ask_user(wanted, user).await,
            None => self.ask_system(wanted).await,
        }
    }

    /// Asks one runtime after the other, that of the cgroup first.
    async fn ask_system(&self, wanted: &Wanted) -> Result<Metadata, Missing> {
        let likely = |socket: &&Socket| wanted.runtime.is_some_and(|it| socket.is_of(it));
        let (first, rest): (Vec<_>, Vec<_>) = self.sockets.iter().partition(likely);
        let mut worst = Missing::NoSocket;
        for socket in first.into_iter().chain(rest) {
            match self.ask_at(socket, wanted).await {
                Ok(Some(metadata)) => return Ok(metadata),
                Ok(None) if worst == Missing::NoSocket => worst = Missing::NotFound,
                Ok(None) | Err(Missing::NoSocket) => {}
                Err(reason) => worst = reason,
            }
        }
        Err(worst)
    }

    async fn ask_at(&self, socket: &Socket, wanted: &Wanted) -> Result<Option<Metadata>, Missing> {
        let client = match socket.client().await {
            Ok(client) => client,
            Err(reason) => {
                self.state.lost_socket(&socket.path);
                return Err(reason);
            }
        };
        let told = async {
            // Whoever knows the container around it made that one, and not what runs inside.
            if let Some(outside) = wanted.outside()
                && let Some(around) = client.describe(&outside).await?
            {
                return Ok(Some(Metadata { pod: around.pod, ..Metadata::default() }));
            }
            client.describe(wanted).await
        };
        let told = told.await;
        match &told {
            Ok(_) => self.state.use_socket(&socket.path, client.runtime()),
            Err(reason) => {
                debug!(socket = %socket.path.display(), ?reason, "a runtime gave no answer");
                self.state.lost_socket(&socket.path);
                socket.disconnect(&client).await;
            }
        }
        told
    }

    /// Asks the runtimes of a user. They tell of that user's containers and of nobody else's.
    async fn ask_user(&self, wanted: &Wanted, user: u32) -> Result<Metadata, Missing> {
        let Some(users) = &self.users else { return Err(Missing::NoSocket) };
        let mut worst = Missing::NoSocket;
        for place in Place::of_user(users, user) {
            match ask_user_at(place, wanted).await {
                Ok(Some(metadata)) => return Ok(metadata),
                Ok(None) if worst == Missing::NoSocket => worst = Missing::NotFound,
                Ok(None) | Err(Missing::NoSocket) => {}
                Err(reason) => worst = reason,
            }
        }
        Err(worst)
    }
}

async fn ask_user_at(place: Place, wanted: &Wanted) -> Result<Option<Metadata>, Missing> {
    let stream = place.connect().await?;
    let Some(docker) = Docker::connect(place, stream).await? else {
        return Err(Missing::RuntimeError);
    };
    if let Some(outside) = wanted.outside()
        && docker.describe(&outside).await?.is_some()
    {
        return Ok(None);
    }
    docker.describe(wanted).await
}
