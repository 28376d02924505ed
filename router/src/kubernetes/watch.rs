//! Follows one kind of object: a listing, then what changes, for ever.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream::BoxStream};
use kube::{
    Client,
    api::{ListParams, ObjectList, WatchEvent, WatchParams},
    core::Request,
};
use service::{ErrorChain, retry};
use tracing::{debug, error, info, warn};

use super::{
    Owners,
    store::{Arrived, Kind},
};

/// Objects of one part of a listing.
const PAGE_OBJECTS: u32 = 500;
/// Time for one part of a listing, or for a watch to begin.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Time after which the API server ends a watch, in seconds.
const WATCH_SECONDS: u32 = 240;
/// Silence after which a watch is dead: the server would have ended it by now.
const SILENCE_MAX: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 15);
/// What was not heard of for this long may be out of date; a quiet watch has a word each minute.
const STALE_AFTER: Duration = Duration::from_secs(180);
/// Least time between two requests, for a server that ends every watch at once.
const PAUSE: Duration = Duration::from_millis(100);
const DELAYS: retry::Delays =
    retry::Delays { min: Duration::from_millis(500), max: Duration::from_secs(30) };
/// A right that lacks is not granted within a moment.
const FORBIDDEN_PAUSE: Duration = Duration::from_secs(30);

/// How a watch is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Health {
    synced: bool,
    trouble: Option<Trouble>,
    heard: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Unreachable,
    Forbidden,
}

/// Why an owner could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    NotFound,
    NotSynced,
    Stale,
    Unreachable,
    Forbidden,
}

impl Missing {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::NotSynced => "not_synced",
            Self::Stale => "stale",
            Self::Unreachable => "unreachable",
            Self::Forbidden => "forbidden",
        }
    }
}

impl Health {
    /// Returns the time since the API server last said anything; `None` when it never did.
    pub(super) fn lag(&self, now: Instant) -> Option<Duration> {
        self.heard.map(|heard| now.duration_since(heard))
    }

    /// Returns why an object is not known.
    pub(super) fn missing(&self, now: Instant) -> Missing {
        match (self.synced, self.trouble) {
            (_, Some(Trouble::Forbidden)) => Missing::Forbidden,
            (false, Some(Trouble::Unreachable)) => Missing::Unreachable,
            (false, None) => Missing::NotSynced,
            (true, _) if self.lag(now).is_some_and(|lag| lag > STALE_AFTER) => Missing::Stale,
            (true, _) => Missing::NotFound,
        }
    }

    /// Returns whether an object that is not known may be told of any moment.
    pub(super) fn is_following(&self, now: Instant) -> bool {
        self.trouble.is_none() && self.missing(now) != Missing::Stale
    }

    fn hear(&mut self, now: Instant) {
        self.heard = Some(now);
        self.trouble = None;
    }
}

/// The task that follows one kind.
pub(super) struct Watch {
    kind: Kind,
    source: Source,
    owners: Arc<Owners>,
    failures: u32,
    /// The right that was said to lack.
    lacking: Option<&'static str>,
}

/// Where the objects come from. Of an answer only what [`Arrived`] has is kept, from the first byte on.
struct Source {
    client: Client,
    kind: Kind,
}

type Events = BoxStream<'static, kube::Result<WatchEvent<Arrived>>>;

/// A step that failed, and what it was, as rights are named.
struct Failed {
    verb: &'static str,
    error: kube::Error,
}

impl Watch {
    pub(super) fn new(client: Client, kind: Kind, owners: Arc<Owners>) -> Self {
        let source = Source { client, kind };
        Self { kind, source, owners, failures: 0, lacking: None }
    }

    /// Follows the objects until it is dropped.
    pub(super) async fn run(mut self) {
        let mut version = None;
        loop {
            let pause = match self.step(&mut version).await {
                Ok(()) => PAUSE,
                Err(failed) => self.fail(&failed, &mut version),
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Lists if nothing is known yet, else follows one watch to its end.
    async fn step(&mut self, version: &mut Option<String>) -> Result<(), Failed> {
        let from = match version {
            Some(version) => version.clone(),
            None => version.insert(self.list().await?).clone(),
        };
        let failed = |error| Failed { verb: "watch", error };
        let mut events = within(self.source.watch(&from)).await.map_err(failed)?;
        self.heard();
        loop {
            let next = tokio::time::timeout(SILENCE_MAX, events.next()).await;
            let Ok(Some(event)) = next else { return Ok(()) };
            let event = event.map_err(failed)?;
            self.heard();
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    remember(version, object.metadata.resource_version.as_ref());
                    self.owners
                        .change(|state| state.store.apply(self.kind, object, Instant::now()));
                }
                WatchEvent::Deleted(object) => {
                    remember(version, object.metadata.resource_version.as_ref());
                    let uid = object.metadata.uid;
                    self.owners.change(|state| state.store.delete(self.kind, &uid, Instant::now()));
                }
                WatchEvent::Bookmark(bookmark) => {
                    *version = Some(bookmark.metadata.resource_version);
                }
                WatchEvent::Error(status) => return Err(failed(kube::Error::Api(status))),
            }
        }
    }

    /// Takes all there are, and returns the version they are of.
    async fn list(&mut self) -> Result<String, Failed> {
        let failed = |error| Failed { verb: "list", error };
        let generation = self.owners.change(|state| state.store.begin());
        let mut parameters = ListParams::default().limit(PAGE_OBJECTS);
        let (version, count) = loop {
            let page = within(self.source.list(&parameters)).await;
            let ObjectList { metadata, items, .. } = page.map_err(failed)?;
            self.heard();
            let now = Instant::now();
            let count = self.owners.change(|state| {
                for object in items {
                    state.store.apply(self.kind, object, now);
                }
                state.store.count(self.kind)
            });
            match metadata.continue_.filter(|more| !more.is_empty()) {
                Some(more) => parameters = parameters.continue_token(&more),
                None => break (metadata.resource_version.unwrap_or_default(), count),
            }
        };
        self.owners.change(|state| {
            state.store.end(self.kind, generation, Instant::now());
            state.health[self.kind as usize].synced = true;
        });
        info!(resource = self.kind.resource(), count, "know the cluster's objects");
        Ok(version)
    }

    fn heard(&mut self) {
        if self.failures > 0 {
            info!(resource = self.kind.resource(), "the Kubernetes API answers again");
        }
        self.failures = 0;
        self.lacking = None;
        self.owners.state().health[self.kind as usize].hear(Instant::now());
    }

    /// Notes what went wrong, and returns how long to wait.
    fn fail(&mut self, failed: &Failed, version: &mut Option<String>) -> Duration {
        let Failed { verb, error } = failed;
        let resource = self.kind.resource();
        let code = match error {
            kube::Error::Api(status) => status.code,
            _ => 0,
        };
        if code == 410 {
            debug!(resource, "the watch is too far behind, listing again");
            *version = None;
            return PAUSE;
        }
        self.failures = self.failures.saturating_add(1);
        self.owners.metrics.failures.with_label_values(&[self.kind.name()]).inc();
        let trouble = if code == 403 { Trouble::Forbidden } else { Trouble::Unreachable };
        self.owners.state().health[self.kind as usize].trouble = Some(trouble);
        if code == 403 {
            // Once: it lacks until somebody grants it.
            if self.lacking.replace(verb) != Some(verb) {
                error!(verb, resource, error = %ErrorChain(error),
                    "not allowed to `{verb}` `{resource}` in all namespaces: owners of pods stay unknown");
            }
            return FORBIDDEN_PAUSE;
        }
        if self.failures == 1 || self.failures.is_multiple_of(20) {
            warn!(resource, failures = self.failures, error = %ErrorChain(error),
                "failed to {verb} objects of the cluster, will retry");
        }
        DELAYS.after(self.failures)
    }
}

/// Bounds the time until the API server has answered.
async fn within<T>(request: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, request).await;
    answer.unwrap_or_else(|_| Err(kube::Error::Service("the answer took too long".into())))
}

fn remember(version: &mut Option<String>, newer: Option<&String>) {
    if let Some(newer) = newer {
        *version = Some(newer.clone());
    }
}

impl Source {
    async fn list(&self, parameters: &ListParams) -> kube::Result<ObjectList<Arrived>> {
        let request = Request::new(self.kind.path());
        let request = match self.kind {
            // The node is not in a pod's metadata.
            Kind::Pod => request.list(parameters),
            Kind::ReplicaSet | Kind::Job => request.list_metadata(parameters),
        };
        self.client.request(request.map_err(kube::Error::BuildRequest)?).await
    }

    async fn watch(&self, version: &str) -> kube::Result<Events> {
        let parameters = WatchParams::default().timeout(WATCH_SECONDS);
        let request = Request::new(self.kind.path());
        let request = match self.kind {
            Kind::Pod => request.watch(&parameters, version),
            Kind::ReplicaSet | Kind::Job => request.watch_metadata(&parameters, version),
        };
        let events = self.client.request_events(request.map_err(kube::Error::BuildRequest)?);
        Ok(events.await?.boxed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_has_the_reason_that_fits() {
        let now = Instant::now();
        let check = |health: Health, after: Duration| health.missing(now + after).code();
        let synced = Health { synced: true, heard: Some(now), trouble: None };
        assert_eq!(check(Health::default(), Duration::ZERO), "not_synced");
        assert_eq!(check(synced, Duration::ZERO), "not_found");
        assert_eq!(check(synced, STALE_AFTER * 2), "stale");
        let unreachable = Some(Trouble::Unreachable);
        let never = Health { trouble: unreachable, ..Health::default() };
        assert_eq!(check(never, Duration::ZERO), "unreachable");
        // Out for a moment: what was known still holds.
        assert_eq!(check(Health { trouble: unreachable, ..synced }, Duration::ZERO), "not_found");
        let forbidden = Health { trouble: Some(Trouble::Forbidden), ..Health::default() };
        assert_eq!(check(forbidden, Duration::ZERO), "forbidden");
        assert!(synced.is_following(now) && !forbidden.is_following(now));
    }
}
