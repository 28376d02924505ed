//! Changes which kinds of event the kernel tells of while the sensor runs. Nothing is lost or told twice
//! by it, since the rings, the tables and what stays attached are the same before and after.

use std::{
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alert::EventKind;
use aya::{
    Btf,
    maps::{Array, MapData, MapError},
};
use probe::{
    layout::Kind,
    needs::{self, Needs, Words},
};

use super::{
    SensorError, SensorStatus, boot_ns,
    families::Programs,
    load::{called, probe_kind, probe_kinds},
    types::KernelTypes,
};

/// The longest a change waits for the sensor to read the environment of all processes.
const READING_MAX: Duration = Duration::from_secs(5);

/// The longest it takes to report what has happened already.
const CATCH_UP_MAX: Duration = Duration::from_secs(10);

/// Says what is needed, from any thread.
pub struct NeedControl {
    state: Mutex<State>,
    shared: Arc<Shared>,
    status: Arc<SensorStatus>,
}

struct State {
    programs: Programs,
    map: Array<MapData, Words>,
    kinds: Vec<Kind>,
    /// Those of them whose failures are needed.
    failures: Vec<Kind>,
    /// Kinds that the agent itself tells of.
    notices: Vec<EventKind>,
    environment: bool,
}

/// What the sensor's own thread knows of it.
#[derive(Debug)]
pub(super) struct Shared {
    /// Kinds to report, by the probe's number.
    reported: [AtomicBool; Kind::ALL.len()],
    /// Other notices than before that are to be kept.
    notices: Mutex<Option<Vec<EventKind>>>,
    environment: Mutex<Environment>,
    /// Told when the environments were read.
    read: Condvar,
    asked: AtomicBool,
    /// Since boot: what happened until then has been reported.
    reported_until_ns: Mutex<u64>,
    reported_more: Condvar,
}

/// Whether the environment of processes older than the need for it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Environment {
    NotNeeded,
    Asked,
    Read,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            reported: std::array::from_fn(|_| AtomicBool::new(false)),
            notices: Mutex::default(),
            environment: Mutex::new(Environment::NotNeeded),
            read: Condvar::new(),
            asked: AtomicBool::new(false),
            reported_until_ns: Mutex::new(0),
            reported_more: Condvar::new(),
        }
    }

    /// Notes until when, since boot, everything has been reported.
    pub(super) fn has_reported(&self, until_ns: u64) {
        *lock(&self.reported_until_ns) = until_ns;
        self.reported_more.notify_all();
    }

    pub(super) fn reports(&self, kind: Kind) -> bool {
        self.reported[kind as usize].load(Ordering::Relaxed)
    }

    fn report(&self, kinds: &[Kind]) {
        for (reported, kind) in self.reported.iter().zip(Kind::ALL) {
            reported.store(kinds.contains(&kind), Ordering::Relaxed);
        }
    }

    /// Returns which notices are to be kept from now on, if others than before.
    pub(super) fn changed_notices(&self) -> Option<Vec<EventKind>> {
        lock(&self.notices).take()
    }

    /// Returns whether the environment of all processes is to be read now; true once.
    pub(super) fn asks_for_environment(&self) -> bool {
        self.asked.load(Ordering::Relaxed) && self.asked.swap(false, Ordering::Relaxed)
    }

    /// Notes that it was read.
    pub(super) fn has_environment(&self) {
        *lock(&self.environment) = Environment::Read;
        self.read.notify_all();
    }

    /// Has the sensor's thread read the environment of all processes, and waits for it.
    fn ask_for_environment(&self) {
        let mut environment = lock(&self.environment);
        *environment = Environment::Asked;
        self.asked.store(true, Ordering::Relaxed);
        let waits = |state: &mut Environment| *state == Environment::Asked;
        let waited = self.read.wait_timeout_while(environment, READING_MAX, waits);
        if waited.is_ok_and(|(_, waited)| waited.timed_out()) {
            tracing::warn!("the environment of processes that run already is not known yet");
        }
    }
}

impl NeedControl {
    pub(super) fn new(
        programs: Programs,
        map: Array<MapData, Words>,
        environment: bool,
        status: Arc<SensorStatus>,
    ) -> Self {
        let (kinds, failures, notices) = (Vec::new(), Vec::new(), Vec::new());
        let state = State { programs, map, kinds, failures, notices, environment };
        Self { state: Mutex::new(state), shared: Arc::new(Shared::new()), status }
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Makes the kernel tell of these kinds beside those it does, also of calls that fail if
    /// `failures` has their kind, and of the environment if that is `true`. When it returns, all of it
    /// is watched; what has no hook is named in the status.
    pub fn add(
        &self,
        kinds: &[EventKind],
        failures: &[EventKind],
        environment: bool,
    ) -> Result<(), SensorError> {
        let mut state = lock(&self.state);
        let kinds_after = with(&state.kinds, kinds);
        let failures = with(&state.failures, failures);
        let environment = environment || state.environment;
        let had_environment = state.environment;
        let notices = notices(kinds).filter(|kind| !state.notices.contains(kind));
        let notices: Vec<_> = notices.collect();
        if !notices.is_empty() {
            state.notices.extend(notices);
            *lock(&self.shared.notices) = Some(state.notices.clone());
        }
        let same = kinds_after.len() == state.kinds.len() && failures.len() == state.failures.len();
        if same && had_environment == environment {
            return Ok(());
        }
        let called = called(&kinds_after, &failures);
        let types =
            state.programs.must_load(&called, &failures).then(KernelTypes::read).transpose();
        let types = types.map_err(|error| SensorError::NoBtf(error.into()))?;
        let btf = types.as_ref().map(KernelTypes::hooks);
        self.widen(state, btf, (kinds_after, failures), environment)?;
        if environment && !had_environment {
            self.shared.ask_for_environment();
        }
        Ok(())
    }

    /// Does the same with the kernel's types at hand.
    pub(super) fn start(
        &self,
        btf: &Btf,
        kinds: &[EventKind],
        failures: &[EventKind],
    ) -> Result<(), SensorError> {
        let mut state = lock(&self.state);
        state.notices = notices(kinds).collect();
        let environment = state.environment;
        let needed = (probe_kinds(kinds), probe_kinds(failures));
        self.widen(state, Some(btf), needed, environment)
    }

    /// Makes the kernel tell of these kinds and failures, which have all that it tells of now.
    fn widen(
        &self,
        mut state: MutexGuard<'_, State>,
        btf: Option<&Btf>,
        (kinds, failures): (Vec<Kind>, Vec<Kind>),
        environment: bool,
    ) -> Result<(), SensorError> {
        let called_before = called(&state.kinds, &state.failures);
        let called = called(&kinds, &failures);
        let (before, after) =
            (Needs::of(&called_before, environment), Needs::of(&called, environment));
        // A trampoline is tried before it is relied on: calls are looked at, not told of yet.
        let tried = Needs { wanted: before.wanted, ..after };
        state.map.set(0, tried.words(), 0).map_err(failed)?;
        state.programs.serve(btf, self.status.kernel_counters(), (&called, &failures));
        self.shared.report(&kinds);
        state.map.set(0, after.words(), 0).map_err(failed)?;
        self.status.serve(state.programs.plan(&called));
        (state.kinds, state.failures, state.environment) = (kinds, failures, environment);
        Ok(())
    }

    /// Makes the kernel tell of none but these kinds, of those it does, of calls that fail only where
    /// `failures` has them or one place sees both, and of the environment only if that is `true`.
    pub fn keep(
        &self,
        kinds: &[EventKind],
        failures: &[EventKind],
        environment: bool,
    ) -> Result<(), SensorError> {
        let mut state = lock(&self.state);
        let before = state.notices.len();
        state.notices.retain(|kind| kinds.contains(kind));
        if state.notices.len() < before {
            *lock(&self.shared.notices) = Some(state.notices.clone());
        }
        let (kinds, failures) = (without(&state.kinds, kinds), without(&state.failures, failures));
        let environment = environment && state.environment;
        let same = kinds.len() == state.kinds.len() && failures.len() == state.failures.len();
        if same && environment == state.environment {
            return Ok(());
        }
        let called = called(&kinds, &failures);
        state.map.set(0, Needs::of(&called, environment).words(), 0).map_err(failed)?;
        state.programs.release(&called, &failures);
        // What was told until now is reported still.
        self.catch_up();
        self.shared.report(&kinds);
        self.status.serve(state.programs.plan(&called));
        (state.kinds, state.failures, state.environment) = (kinds, failures, environment);
        Ok(())
    }

    /// Waits until what has happened by now is reported, but for what waits for its container. Returns
    /// false if that takes too long.
    pub fn catch_up(&self) -> bool {
        let now_ns = boot_ns();
        let waits = |until_ns: &mut u64| *until_ns < now_ns;
        let until_ns = lock(&self.shared.reported_until_ns);
        let waited = self.shared.reported_more.wait_timeout_while(until_ns, CATCH_UP_MAX, waits);
        waited.is_ok_and(|(_, waited)| !waited.timed_out())
    }

    /// Asks the kernel what programs cost; not while they change.
    pub(super) fn ask_costs(&self) {
        if let Ok(state) = self.state.try_lock() {
            self.status.ask_costs(&state.programs.ebpf);
        }
    }
}

/// Returns those of these kinds that the kernel knows nothing of.
fn notices(kinds: &[EventKind]) -> impl Iterator<Item = EventKind> {
    kinds.iter().copied().filter(|kind| probe_kind(*kind).is_none())
}

/// Returns these kinds and those of the others that the probe knows.
fn with(kinds: &[Kind], others: &[EventKind]) -> Vec<Kind> {
    let new = probe_kinds(others).into_iter().filter(|kind| !kinds.contains(kind));
    kinds.iter().copied().chain(new).collect()
}

/// Returns those of these kinds that are kept.
fn without(kinds: &[Kind], kept: &[EventKind]) -> Vec<Kind> {
    let kept = probe_kinds(kept);
    kinds.iter().copied().filter(|kind| kept.contains(kind)).collect()
}

fn failed(source: MapError) -> SensorError {
    SensorError::Map { map: needs::MAP, source: Box::new(source) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for NeedControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NeedControl").field("status", &self.status).finish_non_exhaustive()
    }
}
