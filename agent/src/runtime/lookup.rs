//! The thread that asks runtimes, and how the sensor's thread speaks with it.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use alert::Missing;
use crossbeam_channel::{Receiver, Sender};
use rustix::event::{EventfdFlags, eventfd};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tracing::{debug, info};

use super::{desk::Desk, metadata::Metadata, wanted::Wanted};

/// Requests that may wait for the thread.
const REQUESTS_MAX: usize = 8192;
/// Containers asked about at once.
const CONCURRENCY_MAX: usize = 8;
/// Those of users asked about at once: their runtimes are theirs to hold up, and only each other.
const CONCURRENCY_OF_USERS_MAX: usize = 2;
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);
/// Containers without an answer that are asked about again.
const UNANSWERED_MAX: usize = 4096;
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How often one that no runtime knows is asked about again.
const NOT_FOUND_TRIES_MAX: u8 = 5;

/// Where to ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// Sockets of runtimes, asked in this order after the one the cgroup names.
    pub(crate) sockets: Vec<PathBuf>,
    /// The folder that has a folder for each user, with the sockets of that user's runtimes.
    pub(crate) users: Option<PathBuf>,
    /// Storages of Podman and CRI-O.
    pub(crate) storages: Vec<PathBuf>,
}

/// Something for the thread to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Describe(Wanted),
    /// With the key of the container.
    Forget(Box<str>),
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) key: Box<str>,
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
    /// The name of the runtime by its socket.
    in_use: Mutex<BTreeMap<PathBuf, Box<str>>>,
}

/// A socket at which a runtime answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketInUse {
    pub path: PathBuf,
    /// As the runtime calls itself.
    pub runtime: Box<str>,
}

impl LookupState {
    /// Returns how many look-ups ended how.
    pub(crate) fn results(&self) -> Vec<(&'static str, u64)> {
        let missing = Missing::ALL.iter().zip(&self.missing);
        let missing = missing.map(|(reason, count)| (reason.name(), count.load(Ordering::Relaxed)));
        std::iter::once(("found", self.found.load(Ordering::Relaxed))).chain(missing).collect()
    }

    /// Returns the sockets at which runtimes answer.
    pub(crate) fn in_use(&self) -> Vec<SocketInUse> {
        let all = self.sockets();
        let one = |(path, runtime)| SocketInUse {
            path: PathBuf::clone(path),
            runtime: Box::clone(runtime),
        };
        all.iter().map(one).collect()
    }

    pub(super) fn use_socket(&self, socket: &Path, runtime: &str) {
        let mut all = self.sockets();
        if !all.contains_key(socket) {
            info!(socket = %socket.display(), runtime, "asking a container runtime");
            all.insert(socket.to_owned(), runtime.into());
        }
    }

    pub(super) fn lost_socket(&self, socket: &Path) {
        if self.sockets().remove(socket).is_some() {
            info!(socket = %socket.display(), "a container runtime does not answer");
        }
    }

    fn sockets(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Box<str>>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// Starts the thread; it asks at those of `places` that are there.
    pub(crate) fn start(places: Places, state: Arc<LookupState>) -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel(REQUESTS_MAX);
        let (outbox, answers) = crossbeam_channel::bounded(REQUESTS_MAX);
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let office = Arc::new(Office {
            desk: Desk::new(places, Arc::clone(&state)),
            answers: outbox,
            wake: Arc::clone(&wake),
            state,
            of_system: Semaphore::new(CONCURRENCY_MAX),
            of_users: Semaphore::new(CONCURRENCY_OF_USERS_MAX),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new()
            .name("containers".to_owned())
            .spawn(move || runtime.block_on(work(&office, inbox)))?;
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
struct Office {
    desk: Desk,
    answers: Sender<Answer>,
    wake: Arc<OwnedFd>,
    state: Arc<LookupState>,
    of_system: Semaphore,
    of_users: Semaphore,
}

/// A container that got no answer so far.
#[derive(Debug)]
struct Unanswered {
    wanted: Wanted,
    tries: u8,
}

async fn work(office: &Arc<Office>, mut inbox: mpsc::Receiver<Request>) {
    let mut running = JoinSet::new();
    let mut unanswered: HashMap<Box<str>, Unanswered> = HashMap::new();
    let (mut delay, mut retry_at) = (RETRY_MIN, Instant::now() + RETRY_MIN);
    loop {
        tokio::select! {
            request = inbox.recv() => match request {
                Some(Request::Describe(wanted)) => {
                    running.spawn(answer(Arc::clone(office), Unanswered { wanted, tries: 0 }));
                }
                Some(Request::Forget(key)) => drop(unanswered.remove(&key)),
                None => return,
            },
            Some(Ok((of, outcome))) = running.join_next() => match outcome {
                Ok(()) => delay = RETRY_MIN,
                Err(Missing::NotFound) if of.tries >= NOT_FOUND_TRIES_MAX => {}
                Err(_) if unanswered.len() < UNANSWERED_MAX => {
                    let again = Unanswered { tries: of.tries.saturating_add(1), ..of };
                    unanswered.insert(again.wanted.key.clone(), again);
                }
                Err(_) => {}
            },
            () = sleep_until(retry_at) => {
                for (_, of) in unanswered.drain() {
                    running.spawn(answer(Arc::clone(office), of));
                }
                delay = (delay * 2).min(RETRY_MAX);
                retry_at = Instant::now() + delay;
            }
        }
    }
}

/// Looks a container up and tells the sensor. Returns whether to ask again.
async fn answer(office: Arc<Office>, of: Unanswered) -> (Unanswered, Result<(), Missing>) {
    let places = match of.wanted.user {
        Some(_) => &office.of_users,
        None => &office.of_system,
    };
    let result = match places.acquire().await {
        Ok(_place) => {
            let asking = office.desk.describe(&of.wanted, of.tries == 0);
            timeout(LOOKUP_TIMEOUT, asking).await.unwrap_or(Err(Missing::Timeout))
        }
        Err(_) => Err(Missing::RuntimeError),
    };
    office.state.count(&result);
    // What files alone tell is enough for now, and worth another question.
    let outcome = match &result {
        Ok(metadata) => metadata.absent.map_or(Ok(()), Err),
        Err(reason) => Err(*reason),
    };
    debug!(container = %of.wanted.key, ?outcome, tries = of.tries, "looked up a container");
    if of.tries > 0 && result.is_ok() && outcome.is_err() {
        return (of, outcome);
    }
    let told = office.answers.try_send(Answer { key: of.wanted.key.clone(), result }).is_ok();
    // A wake-up that fails is one that is already due.
    rustix::io::write(&office.wake, &1_u64.to_ne_bytes()).ok();
    (of, if told { outcome } else { Err(Missing::Timeout) })
}
