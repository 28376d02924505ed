//! The thread that asks runtimes, and how the sensor's thread speaks with it.

use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use alert::Missing;
use crossbeam_channel::{Receiver, Sender};
use rustix::event::{EventfdFlags, eventfd};
use tokio::{
    sync::{RwLock, Semaphore, mpsc},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::{debug, info};

use super::{
    client::{Client, reason},
    metadata::Metadata,
};

/// Requests that may wait for the thread.
const REQUESTS_MAX: usize = 8192;
/// Containers asked about at once.
const CONCURRENCY_MAX: usize = 8;
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);
/// A runtime makes the cgroup a moment before it can tell of it.
const NOT_YET_MS: [u64; 5] = [10, 20, 40, 80, 160];
/// Containers without an answer that are asked about again.
const UNANSWERED_MAX: usize = 4096;
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How often one that no runtime knows is asked about again.
const NOT_FOUND_TRIES_MAX: u8 = 5;

/// Something for the thread to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// `pod`: its cgroup says it is a pod's, so a runtime is sure to know it soon.
    Describe {
        id: Box<str>,
        pod: bool,
    },
    Forget {
        id: Box<str>,
    },
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) id: Box<str>,
    pub(crate) result: Result<Metadata, Missing>,
}

/// Hands requests to the thread and takes its answers. The thread ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Lookups {
    requests: mpsc::Sender<Request>,
    answers: Receiver<Answer>,
    wake: Arc<OwnedFd>,
}

/// What the thread counts and knows, readable from any thread.
#[derive(Debug, Default)]
pub(crate) struct LookupState {
    found: AtomicU64,
    missing: [AtomicU64; Missing::ALL.len()],
    in_use: Mutex<Option<SocketInUse>>,
}

/// A socket at which a runtime answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketInUse {
    pub path: PathBuf,
    /// As the runtime calls itself.
    pub runtime: Option<Box<str>>,
}

impl LookupState {
    /// Returns how many look-ups ended how.
    pub(crate) fn results(&self) -> Vec<(&'static str, u64)> {
        let missing = Missing::ALL.iter().zip(&self.missing);
        let missing = missing.map(|(reason, count)| (reason.name(), count.load(Ordering::Relaxed)));
        std::iter::once(("found", self.found.load(Ordering::Relaxed))).chain(missing).collect()
    }

    /// Returns the socket that answered last.
    pub(crate) fn in_use(&self) -> Option<SocketInUse> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn use_socket(&self, socket: Option<SocketInUse>) {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        if *in_use != socket {
            match &socket {
                Some(socket) => {
                    info!(socket = %socket.path.display(), runtime = ?socket.runtime, "asking a container runtime");
                }
                None => info!("no container runtime answers"),
            }
            *in_use = socket;
        }
    }

    fn count(&self, result: &Result<Metadata, Missing>) {
        let counter = match result {
            Ok(_) => &self.found,
            Err(reason) => &self.missing[*reason as usize],
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Lookups {
    /// Starts the thread; it asks at those of `sockets` that are there.
    pub(crate) fn start(sockets: Vec<PathBuf>, state: Arc<LookupState>) -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel(REQUESTS_MAX);
        let (outbox, answers) = crossbeam_channel::bounded(REQUESTS_MAX);
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let desk = Arc::new(Desk {
            sockets: sockets.into_iter().map(Socket::new).collect(),
            answers: outbox,
            wake: Arc::clone(&wake),
            state,
            places: Semaphore::new(CONCURRENCY_MAX),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new()
            .name("containers".to_owned())
            .spawn(move || runtime.block_on(work(&desk, inbox)))?;
        Ok(Self { requests, answers, wake })
    }

    /// Returns whether the request was taken; never waits.
    pub(crate) fn ask(&self, request: Request) -> bool {
        self.requests.try_send(request).is_ok()
    }

    /// Returns the next answer that came in.
    pub(crate) fn answer(&self) -> Option<Answer> {
        self.answers.try_recv().ok()
    }

    /// Returns what becomes readable when an answer comes.
    pub(crate) fn readable(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Makes [`readable`](Self::readable) wait for the next answer. Look for answers after it, not
    /// before.
    pub(crate) fn rest(&self) {
        // Nothing to read: it rests already.
        rustix::io::read(&self.wake, &mut [0; 8]).ok();
    }

    /// Returns one that nobody answers, and what it was asked.
    #[cfg(test)]
    pub(crate) fn unanswered(requests_max: usize) -> (Self, mpsc::Receiver<Request>) {
        let (requests, inbox) = mpsc::channel(requests_max);
        let (_, answers) = crossbeam_channel::bounded(1);
        let wake = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
        (Self { requests, answers, wake: Arc::new(wake) }, inbox)
    }
}

/// Everything a look-up needs.
#[derive(Debug)]
struct Desk {
    sockets: Vec<Socket>,
    answers: Sender<Answer>,
    wake: Arc<OwnedFd>,
    state: Arc<LookupState>,
    places: Semaphore,
}

#[derive(Debug)]
struct Socket {
    path: PathBuf,
    client: RwLock<Option<Arc<Client>>>,
}

/// A container that got no answer so far.
#[derive(Clone, Copy, Debug)]
struct Unanswered {
    pod: bool,
    tries: u8,
}

async fn work(desk: &Arc<Desk>, mut inbox: mpsc::Receiver<Request>) {
    let mut running = JoinSet::new();
    let mut unanswered: HashMap<Box<str>, Unanswered> = HashMap::new();
    let (mut delay, mut retry_at) = (RETRY_MIN, Instant::now() + RETRY_MIN);
    loop {
        tokio::select! {
            request = inbox.recv() => match request {
                Some(Request::Describe { id, pod }) => {
                    let of = Unanswered { pod, tries: 0 };
                    running.spawn(answer(Arc::clone(desk), id, of));
                }
                Some(Request::Forget { id }) => drop(unanswered.remove(&id)),
                None => return,
            },
            Some(Ok((id, of, result))) = running.join_next() => match result {
                Ok(()) => delay = RETRY_MIN,
                Err(Missing::NotFound) if of.tries >= NOT_FOUND_TRIES_MAX => {}
                Err(_) if unanswered.len() < UNANSWERED_MAX => {
                    unanswered.insert(id, Unanswered { tries: of.tries.saturating_add(1), ..of });
                }
                Err(_) => {}
            },
            () = sleep_until(retry_at) => {
                for (id, of) in unanswered.drain() {
                    running.spawn(answer(Arc::clone(desk), id, of));
                }
                delay = (delay * 2).min(RETRY_MAX);
                retry_at = Instant::now() + delay;
            }
        }
    }
}

/// Looks a container up and tells the sensor. Returns whether to ask again, and about whom.
async fn answer(
    desk: Arc<Desk>,
    id: Box<str>,
    of: Unanswered,
) -> (Box<str>, Unanswered, Result<(), Missing>) {
    let result = match desk.places.acquire().await {
        Ok(_place) => {
            timeout(LOOKUP_TIMEOUT, desk.persist(&id, of)).await.unwrap_or(Err(Missing::Timeout))
        }
        Err(_) => Err(Missing::RuntimeError),
    };
    desk.state.count(&result);
    let outcome = result.as_ref().map(|_| ()).map_err(|reason| *reason);
    debug!(container = %id, ?outcome, tries = of.tries, "looked up a container");
    let told = desk.answers.try_send(Answer { id: id.clone(), result }).is_ok();
    // A wake-up that fails is one that is already due.
    rustix::io::write(&desk.wake, &1_u64.to_ne_bytes()).ok();
    (id, of, if told { outcome } else { Err(Missing::Timeout) })
}

impl Desk {
    /// Asks again for a moment while the runtime does not know the container yet.
    async fn persist(&self, id: &str, of: Unanswered) -> Result<Metadata, Missing> {
        let patience: &[u64] = match (of.tries, of.pod) {
            (0, true) => &NOT_YET_MS,
            (0, false) => &NOT_YET_MS[..1],
            _ => &[],
        };
        for wait in patience {
            match self.describe(id).await {
                Err(Missing::NotFound) => sleep(Duration::from_millis(*wait)).await,
                decided => return decided,
            }
        }
        self.describe(id).await
    }

    /// Asks one runtime after the other.
    async fn describe(&self, id: &str) -> Result<Metadata, Missing> {
        let mut worst = Missing::NoSocket;
        for socket in &self.sockets {
            let client = match socket.client().await {
                Ok(client) => client,
                Err(Missing::NoSocket) => continue,
                Err(reason) => {
                    worst = reason;
                    continue;
                }
            };
            match client.describe(id).await {
                Ok(Some(metadata)) => {
                    self.state.use_socket(Some(client.in_use()));
                    return Ok(metadata);
                }
                Ok(None) => {
                    self.state.use_socket(Some(client.in_use()));
                    if worst == Missing::NoSocket {
                        worst = Missing::NotFound;
                    }
                }
                Err(status) => {
                    debug!(socket = %client.path.display(), %status, "a runtime gave no answer");
                    worst = reason(&status);
                    socket.disconnect(&client).await;
                }
            }
        }
        if matches!(worst, Missing::NoSocket | Missing::SocketDenied) {
            self.state.use_socket(None);
        }
        Err(worst)
    }
}

impl Client {
    fn in_use(&self) -> SocketInUse {
        SocketInUse { path: self.path.clone(), runtime: self.runtime.clone() }
    }
}

impl Socket {
    fn new(path: PathBuf) -> Self {
        Self { path, client: RwLock::new(None) }
    }

    /// Returns the connection, made now if there is none.
    async fn client(&self) -> Result<Arc<Client>, Missing> {
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
    async fn disconnect(&self, used: &Arc<Client>) {
        let mut slot = self.client.write().await;
        if slot.as_ref().is_some_and(|client| Arc::ptr_eq(client, used)) {
            *slot = None;
        }
    }
}

/// A folder we may not enter may hold one: connecting will tell.
fn exists(path: &Path) -> bool {
    match path.symlink_metadata() {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}
