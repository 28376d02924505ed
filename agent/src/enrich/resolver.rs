//! Names of addresses: those that rules mention are looked up ahead, by a thread of its own, and kept
//! fresh. An event asks what is known at that moment and never waits.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use alert::{Call, Connection, Descriptor, Detail, EndNames, Event};
use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use hashbrown::HashMap;

/// Addresses of one name; beyond it those told the longest ago go.
const ADDRESSES_MAX: usize = 64;
/// An address outlives the answers that no longer have it for so many periods: who asks a name server
/// is not told the same as we, nor at the same time.
const KEPT_PERIODS: u32 = 10;
/// How often the thread looks around when it has nothing to look up.
const IDLE: Duration = Duration::from_hours(1);

/// How names are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResolverOptions {
    /// Time from one look-up of a name to the next; the system's resolver tells no better.
    pub(crate) refresh: Duration,
    /// Names looked up; the first in alphabetical order.
    pub(crate) names_max: usize,
}

/// Looks names up, the way the system does it.
type LookUp = fn(&str) -> io::Result<Vec<IpAddr>>;

/// The names of addresses, as far as they were asked for.
pub(crate) struct Resolver {
    options: ResolverOptions,
    look_up: LookUp,
    state: Arc<State>,
    /// Wakes the thread, once there is something to look up. It ends when this is gone; nobody waits
    /// for it, for the system's resolver may take long.
    bell: Mutex<Option<Sender<()>>>,
}

#[derive(Debug, Default)]
struct State {
    /// What is to be looked up instead, until the thread takes it.
    wanted: Mutex<Option<Vec<Box<str>>>>,
    names: ArcSwap<Names>,
    found: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
}

type Names = HashMap<IpAddr, Arc<[Box<str>]>>;

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResolverTotals {
    /// Look-ups that gave addresses.
    pub(crate) found: u64,
    /// Look-ups that failed; the answer before, if any, goes on.
    pub(crate) failed: u64,
    /// Names of the rules that are too many.
    pub(crate) refused: u64,
    /// Addresses with a name.
    pub(crate) addresses: u64,
}

impl Resolver {
    pub(crate) fn new(options: ResolverOptions) -> Self {
        Self::with(options, system)
    }

    fn with(options: ResolverOptions, look_up: LookUp) -> Self {
        Self { options, look_up, state: Arc::default(), bell: Mutex::default() }
    }

    /// Looks these names up from now on, and no others.
    pub(crate) fn want(&self, names: impl IntoIterator<Item = Box<str>>) {
        let mut names: Vec<_> = names.into_iter().collect();
        let refused = names.len().saturating_sub(self.options.names_max);
        self.state.refused.store(refused as u64, Ordering::Relaxed);
        names.truncate(self.options.names_max);
        let mut bell = locked(&self.bell);
        if bell.is_none() {
            if names.is_empty() {
                return;
            }
            *bell = self.start();
        }
        *locked(&self.state.wanted) = Some(names);
        if let Some(thread) = &*bell
            && matches!(thread.try_send(()), Err(TrySendError::Disconnected(())))
        {
            // It panicked: the next change of rules starts another.
            *bell = None;
        }
    }

    fn start(&self) -> Option<Sender<()>> {
        let (sender, bell) = bounded(1);
        let worker = Worker {
            known: Vec::new(),
            refresh: self.options.refresh,
            look_up: self.look_up,
            state: Arc::clone(&self.state),
        };
        let started = thread::Builder::new().name("resolver".to_owned()).spawn(move || {
            worker.run(&bell);
        });
        match started {
            Ok(_) => Some(sender),
            Err(error) => {
                tracing::warn!(%error, "names of addresses are not looked up");
                None
            }
        }
    }

    /// Adds the names of a socket's ends, if the event is about one.
    pub(crate) fn fill(&self, event: &mut Event) {
        let connection = match &mut event.detail {
            Detail::Connect(connection) => connection,
            Detail::Call(Call { descriptor: Some(Descriptor::Socket(socket)), .. }) => socket,
            _ => return,
        };
        let names = self.state.names.load();
        if !names.is_empty() {
            name_ends(&names, connection);
        }
    }

    pub(crate) fn totals(&self) -> ResolverTotals {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ResolverTotals {
            found: count(&self.state.found),
            failed: count(&self.state.failed),
            refused: count(&self.state.refused),
            addresses: self.state.names.load().len() as u64,
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("totals", &self.totals()).finish_non_exhaustive()
    }
}

fn name_ends(names: &Names, connection: &mut Connection) {
    let of = |end: Option<SocketAddr>| {
        end.and_then(|end| names.get(&end.ip().to_canonical())).cloned().unwrap_or_default()
    };
    let names = EndNames { local: of(connection.local), remote: of(connection.remote) };
    connection.names = (names != EndNames::default()).then(|| Box::new(names));
}

/// Asks the system: `/etc/hosts`, name servers, whatever `nsswitch.conf` says.
fn system(name: &str) -> io::Result<Vec<IpAddr>> {
    (name, 0).to_socket_addrs().map(|ends| ends.map(|end| end.ip()).collect())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A name, and when which address was last in an answer.
struct Known {
    name: Box<str>,
    addresses: Vec<(IpAddr, Instant)>,
    due: Instant,
}

/// What the thread works on.
struct Worker {
    known: Vec<Known>,
    refresh: Duration,
    look_up: LookUp,
    state: Arc<State>,
}

impl Worker {
    fn run(mut self, bell: &Receiver<()>) {
        loop {
            let next = self.known.iter().map(|known| known.due).min();
            let left = next.map(|due| due.saturating_duration_since(Instant::now()));
            match bell.recv_timeout(left.unwrap_or(IDLE)) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => self.refresh(Instant::now()),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let wanted = locked(&self.state.wanted).take();
            if let Some(names) = wanted {
                self.want(names);
            }
        }
    }

    /// Keeps what is known of the names that are still wanted.
    fn want(&mut self, names: Vec<Box<str>>) {
        let mut before: HashMap<_, _> = std::mem::take(&mut self.known)
            .into_iter()
            .map(|known| (known.name.clone(), known))
            .collect();
        let new = |name| Known { name, addresses: Vec::new(), due: Instant::now() };
        self.known = names
            .into_iter()
            .map(|name| before.remove(&name).unwrap_or_else(|| new(name)))
            .collect();
        self.publish();
    }

    /// Looks up the name that waits the longest.
    fn refresh(&mut self, now: Instant) {
        let Some(known) = self.known.iter_mut().min_by_key(|known| known.due) else { return };
        match (self.look_up)(&known.name) {
            Ok(addresses) if !addresses.is_empty() => {
                self.state.found.fetch_add(1, Ordering::Relaxed);
                known.learn(addresses, now, self.refresh * KEPT_PERIODS);
            }
            Ok(_) | Err(_) => {
                self.state.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        known.due = Instant::now() + self.refresh;
        self.publish();
    }

    fn publish(&self) {
        let mut names: HashMap<IpAddr, Vec<Box<str>>> = HashMap::new();
        for known in &self.known {
            for (address, _) in &known.addresses {
                names.entry(*address).or_default().push(known.name.clone());
            }
        }
        let names = names.into_iter().map(|(address, names)| (address, names.into())).collect();
        self.state.names.store(Arc::new(names));
    }
}

impl Known {
    fn learn(&mut self, addresses: Vec<IpAddr>, now: Instant, keep: Duration) {
        self.addresses.retain(|(known, told)| {
            now.saturating_duration_since(*told) < keep && !addresses.contains(known)
        });
        for address in addresses {
            let address = address.to_canonical();
            if !self.addresses.iter().any(|(known, told)| *known == address && *told == now) {
                self.addresses.push((address, now));
            }
        }
        // The newest are at the end.
        let surplus = self.addresses.len().saturating_sub(ADDRESSES_MAX);
        self.addresses.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn options(names_max: usize) -> ResolverOptions {
        ResolverOptions { refresh: HOUR, names_max }
    }

    fn until(what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !holds() {
            assert!(Instant::now() < deadline, "{what}");
            thread::yield_now();
        }
    }

    fn connection(remote: &str) -> Connection {
        Connection { remote: remote.parse().ok(), ..Connection::default() }
    }

    /// Returns the names of the remote end.
    fn names_of(resolver: &Resolver, remote: &str) -> Vec<String> {
        let mut connection = connection(remote);
        name_ends(&resolver.state.names.load(), &mut connection);
        connection
            .names
            .map(|names| names.remote.iter().map(|name| name.to_string()).collect())
            .unwrap_or_default()
    }

    #[test]
    fn a_name_of_the_hosts_file_is_known_by_its_address() {
        let resolver = Resolver::new(options(8));
        resolver.want(["localhost".into()]);
        until("localhost", || resolver.totals().addresses > 0);
        assert_eq!(names_of(&resolver, "127.0.0.1:80"), ["localhost"]);
        assert_eq!(names_of(&resolver, "127.0.0.2:80"), [""; 0]);
        assert_eq!(names_of(&resolver, "[::ffff:127.0.0.1]:80"), ["localhost"]);
    }

    #[test]
    fn an_event_of_a_socket_gets_the_names_of_its_ends() {
        let resolver = Resolver::new(options(8));
        resolver.want(["localhost".into()]);
        until("localhost", || resolver.totals().addresses > 0);
        let mut event = Event {
            number: 1,
            time_ns: 0,
            kind: alert::EventKind::Connect,
            result: 0,
            tid: 1,
            vtid: None,
            cpu: None,
            via_io_uring: false,
            process: Arc::default(),
            detail: Detail::Connect(connection("127.0.0.1:80")),
        };
        resolver.fill(&mut event);
        let Detail::Connect(connection) = &event.detail else { panic!() };
        assert_eq!(*connection.names.as_ref().expect("names").remote, ["localhost".into()]);
        event.detail = Detail::Exit { status: 0 };
        resolver.fill(&mut event);
        assert_eq!(event.detail, Detail::Exit { status: 0 });
    }

    #[test]
    fn names_of_one_address_stand_side_by_side_until_they_are_no_longer_wanted() {
        fn shared(_: &str) -> io::Result<Vec<IpAddr>> {
            Ok(vec![IpAddr::from([10, 0, 0, 1])])
        }
        let resolver = Resolver::with(options(2), shared);
        resolver.want(["a".into(), "b".into(), "c".into()]);
        until("two names", || resolver.totals().found == 2);
        until("both", || names_of(&resolver, "10.0.0.1:1") == ["a", "b"]);
        assert_eq!(resolver.totals().refused, 1);
        resolver.want(["b".into()]);
        until("one", || names_of(&resolver, "10.0.0.1:1") == ["b"]);
        assert_eq!(resolver.totals().found, 2, "what is known is not asked again");
    }

    #[test]
    fn a_failure_is_counted_and_keeps_the_answer_before() {
        let mut worker = Worker {
            known: Vec::new(),
            refresh: HOUR,
            look_up: |_| Ok(vec![IpAddr::from([10, 0, 0, 1])]),
            state: Arc::default(),
        };
        worker.want(vec!["a".into()]);
        worker.refresh(Instant::now());
        worker.look_up = |_| Err(io::Error::other("no answer"));
        worker.refresh(Instant::now());
        assert_eq!(worker.state.failed.load(Ordering::Relaxed), 1);
        assert!(worker.state.names.load().contains_key(&IpAddr::from([10, 0, 0, 1])));
    }

    #[test]
    fn an_address_outlives_its_last_answer_for_a_while_and_their_number_is_bounded() {
        let start = Instant::now();
        let address = |number: u8| IpAddr::from([10, 0, 0, number]);
        let mut known = Known { name: "a".into(), addresses: Vec::new(), due: start };
        let addresses =
            |known: &Known| known.addresses.iter().map(|(address, _)| *address).collect::<Vec<_>>();
        known.learn(vec![address(1), address(1)], start, HOUR);
        known.learn(vec![address(2)], start + HOUR / 2, HOUR);
        assert_eq!(addresses(&known), [address(1), address(2)]);
        known.learn(vec![address(3)], start + HOUR, HOUR);
        assert_eq!(addresses(&known), [address(2), address(3)]);
        known.learn((0..200).map(address).collect(), start + HOUR, HOUR);
        assert_eq!(known.addresses.len(), ADDRESSES_MAX);
        assert_eq!(known.addresses.last().map(|(address, _)| *address), Some(address(199)));
    }

    #[test]
    fn nothing_is_started_for_rules_without_names() {
        let resolver = Resolver::new(options(8));
        resolver.want([]);
        assert!(resolver.bell.lock().expect("no panic").is_none());
    }
}
