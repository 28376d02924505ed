//! Carries responses from alert to outcome. All that is decided is decided here, one at a time; what
//! is slow (the cluster, agents, evidence) runs beside it.

mod carry;
mod collect;
mod decide;
mod gather;
mod keeper;
mod perform;
mod reconcile;
mod undo;

use std::{
    path::Path,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use alert::Alert;
use arc_swap::ArcSwap;
use rules::{Subject, Verdict as Truth};
use service::shutdown::Shutdown;
use tokio::sync::{Mutex, Semaphore};
use tracing::{info, warn};

pub use self::decide::DecideError;
use self::keeper::Keeper;
use crate::{
    action::Mode,
    agents::Agents,
    audit::{AppendError, Audit, Head},
    book::{Book, Response, State},
    cluster::Cluster,
    config::ResponseConfig,
    entry::Entry,
    evidence::Store,
    gate::{is_hopeless, is_host},
    metrics::Metrics,
    plan::{Plan, ResponseId},
    tell::{self, Teller},
};

/// How often timers are looked at.
const TICK: Duration = Duration::from_millis(500);

/// What the engine works with.
#[derive(Debug)]
pub struct Engine {
    config: ArcSwap<ResponseConfig>,
    keeper: Mutex<Keeper>,
    cluster: Option<Arc<dyn Cluster>>,
    agents: Agents,
    store: Store,
    metrics: Metrics,
    /// Plans being looked into, and actions under way.
    lookups: Semaphore,
    actions: Semaphore,
    /// Evidence being collected: each may hold many documents in memory.
    collections: Semaphore,
    /// What was under way when the program before this one ended.
    interrupted: std::sync::Mutex<Vec<Response>>,
    shutdown: Shutdown,
    own_namespace: Option<String>,
    flooded: AtomicU64,
}

const DESCRIPTION_CHARS_MAX: usize = 8_000;
/// Plans looked into at once.
const LOOKUPS_MAX: usize = 8;
/// Responses whose evidence is collected at once.
const COLLECTIONS_MAX: usize = 2;
/// Plans that wait to be looked into; while the cluster is slow, further alerts are not taken up.
const PROPOSED_MAX: usize = 1000;

/// What became of an alert; of several, the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Taken {
    PassedOver,
    Undecidable,
    Flooded,
    Joined,
    Matched,
}

impl Taken {
    pub(crate) const ALL: [Self; 5] =
        [Self::PassedOver, Self::Undecidable, Self::Flooded, Self::Joined, Self::Matched];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PassedOver => "passed_over",
            Self::Undecidable => "undecidable",
            Self::Flooded => "flooded",
            Self::Joined => "joined",
            Self::Matched => "matched",
        }
    }
}

/// The engine could not start.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the audit")]
pub struct StartError(#[from] AppendError);

/// What the engine is made of.
#[derive(Debug)]
pub struct Parts {
    pub config: ResponseConfig,
    pub audit: Audit,
    /// What the audit holds.
    pub book: Book,
    /// Bytes of a last line nobody was told of.
    pub torn_bytes: u64,
    pub cluster: Option<Arc<dyn Cluster>>,
    pub own_namespace: Option<String>,
    pub agents: Agents,
    pub store: Store,
    pub metrics: Metrics,
    /// Tells people.
    pub teller: Option<Teller>,
    pub shutdown: Shutdown,
}

impl Engine {
    /// Comes to the state the audit describes. Nothing is done yet; see [`Self::start`].
    pub fn new(parts: Parts) -> Result<Arc<Self>, StartError> {
        let open = parts.book.responses().filter(|response| response.state.is_open());
        // Before anything new can come: nothing is taken up twice.
        let interrupted = open.cloned().collect();
        let mut keeper = Keeper::new(parts.audit, parts.book, parts.teller);
        let started = Entry::Started {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: describe(&parts.config),
            torn_bytes: parts.torn_bytes,
        };
        keeper.append(&[started])?;
        Ok(Arc::new(Self {
            actions: Semaphore::new(parts.config.concurrency.max(1)),
            config: ArcSwap::from_pointee(parts.config),
            keeper: Mutex::new(keeper),
            cluster: parts.cluster,
            agents: parts.agents,
            store: parts.store,
            metrics: parts.metrics,
            lookups: Semaphore::new(LOOKUPS_MAX),
            collections: Semaphore::new(COLLECTIONS_MAX),
            interrupted: std::sync::Mutex::new(interrupted),
            shutdown: parts.shutdown,
            own_namespace: parts.own_namespace,
            flooded: AtomicU64::new(0),
        }))
    }

    /// Takes up what was interrupted, and from then on watches the time.
    pub fn start(self: &Arc<Self>) {
        let engine = Arc::clone(self);
        self.shutdown.spawn("responses", async move {
            engine.reconcile().await;
            let stop = engine.shutdown.clone();
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(TICK) => engine.tick().await,
                }
            }
        });
    }

    /// Takes an alert: every rule that matches makes a plan, which is durable when this returns.
    pub async fn alert(
        self: &Arc<Self>,
        alert: &Alert,
        silence: Option<&str>,
    ) -> Result<(), AppendError> {
        // What we tell people comes back through the router: it is nothing to act on.
        if alert.source == tell::SOURCE {
            return Ok(());
        }
        let config = self.config.load_full();
        let mut made_of_it = Taken::PassedOver;
        for rule in &config.responses {
            let taken = match rule.condition.evaluate(&Subject::new(alert)) {
                Truth::True => {
                    let mut plan = Plan::new(rule, Mode::Off, alert, silence.map(str::to_owned));
                    plan.mode = config.ceiling(plan.action, plan.namespace()).min(rule.mode);
                    self.propose(&config, plan).await?
                }
                Truth::False => continue,
                // Where a missing field decides, nothing is done.
                Truth::Unknown => Taken::Undecidable,
            };
            made_of_it = made_of_it.max(taken);
        }
        self.metrics.alert(made_of_it.name());
        Ok(())
    }

    async fn propose(
        self: &Arc<Self>,
        config: &ResponseConfig,
        plan: Plan,
    ) -> Result<Taken, AppendError> {
        let now = service::clock::now();
        let hopeless = |plan: &Plan| is_hopeless(plan, config, now);
        let mut keeper = self.keeper.lock().await;
        let same = keeper.book.same_as(&plan, config.cool_down.target.0, now, hopeless);
        if let Some(same) = same {
            keeper.book.join(same);
            return Ok(Taken::Joined);
        }
        // A namespace that no action may touch has one allowance with all others of its kind, and
        // alerts that lead to nothing must not use up that of those that may.
        let namespace = plan.namespace();
        let listed = is_host(namespace)
            || config.actions.values().any(|policy| policy.namespaces.contains(namespace));
        let bucket = if listed && !hopeless(&plan) { namespace } else { "" };
        let waiting = |response: &Response| response.state == State::Proposed;
        if !keeper.allows(bucket, config.plans_per_minute_max, now)
            || keeper.book.count(waiting) >= PROPOSED_MAX
        {
            self.flooded.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            return Ok(Taken::Flooded);
        }
        // The last of its space is for the ends of what is under way.
        if let Some(failure) = keeper.audit.failure() {
            return Err(AppendError::Failed(failure));
        }
        let id = keeper.book.next_id();
        self.metrics.planned(&plan);
        keeper.append(&[Entry::Proposed { id, plan: Box::new(plan) }])?;
        drop(keeper);
        self.spawn_carry(id);
        Ok(Taken::Matched)
    }

    fn spawn_carry(self: &Arc<Self>, id: ResponseId) {
        let engine = Arc::clone(self);
        self.shutdown.spawn(format!("response {id}"), async move { engine.carry(id).await });
    }

    /// Puts another configuration in force; responses under way are judged by it from now on.
    pub fn reload(&self, config: ResponseConfig) {
        self.config.store(Arc::new(config));
        info!("the new configuration is in force");
    }

    pub fn config(&self) -> Arc<ResponseConfig> {
        self.config.load_full()
    }

    /// Returns the answer to a question about the book.
    pub async fn ask<T>(&self, question: impl FnOnce(&Book, &Head) -> T) -> T {
        let keeper = self.keeper.lock().await;
        question(&keeper.book, keeper.audit.head())
    }

    /// Returns why responses cannot be written down, if so: then none is carried out.
    pub async fn failure(&self) -> Option<String> {
        self.keeper.lock().await.audit.failure()
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    async fn tick(self: &Arc<Self>) {
        let now = service::clock::now();
        let config = self.config.load_full();
        let mut keeper = self.keeper.lock().await;
        let expired: Vec<Entry> = keeper
            .book
            .responses()
            .filter(|response| {
                matches!(&response.state, State::Awaiting { expires, .. } if *expires <= now)
            })
            .map(|response| Entry::Expired { id: response.id })
            .collect();
        let undo: Vec<ResponseId> = keeper
            .book
            .responses()
            .filter(|response| response.due_for_undo(now))
            .map(|response| response.id)
            .collect();
        let mut entries = expired;
        if keeper.minute_is_over(now) {
            let alerts = self.flooded.swap(0, std::sync::atomic::Ordering::Relaxed);
            if alerts > 0 {
                entries.push(Entry::Flooded { alerts });
            }
        }
        keeper.book.spending.forget(&config.budgets, now);
        if !entries.is_empty()
            && let Err(error) = keeper.append(&entries)
        {
            warn!(%error, "what is over could not be written down");
        }
        self.metrics.measure(&keeper.book, &keeper.audit, &config, now);
        drop(keeper);
        for id in undo {
            self.undo(id, "its time is over").await;
        }
        self.sweep(&config, now).await;
    }

    async fn response(&self, id: ResponseId) -> Option<Response> {
        self.keeper.lock().await.book.get(id).cloned()
    }
}

/// Returns the part of a configuration that says what may be done, for the record.
fn describe(config: &ResponseConfig) -> String {
    let mut text = format!("mode {}", config.mode);
    for (action, policy) in &config.actions {
        let namespaces: Vec<&str> = policy.namespaces.iter().map(String::as_str).collect();
        text.push_str(&format!("; {action} {} in {}", policy.mode, namespaces.join(",")));
    }
    for rule in &config.responses {
        text.push_str(&format!("; {}: {} {}", rule.name, rule.action, rule.mode));
    }
    match text.char_indices().nth(DESCRIPTION_CHARS_MAX) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

/// Opens evidence and audit in the data folder's sub-folders.
pub fn folders(data: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    (data.join("audit"), data.join("evidence"))
}
