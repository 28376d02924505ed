//! Puts owner, node and cluster on alerts, and waits a little for what is not known yet.

use std::time::{Duration, Instant};

use alert::Alert;
use hashbrown::HashMap;
use tokio::time::timeout_at;

use super::{
    Owners, State,
    store::{Kind, Owner, PodKey},
    watch::Missing,
};

/// Why an alert of a pod has no owner.
pub(crate) const OWNER_MISSING: &str = "saker.owner.missing";
/// Longest name Kubernetes gives anything; what is longer is not looked for.
const NAME_BYTES_MAX: usize = 253;
/// A pod that was waited for in vain is not waited for again before this.
const MISSED_FOR: Duration = Duration::from_secs(10);
/// Pods of which this is remembered.
const MISSED_MAX: usize = 4096;

/// Pods that were waited for in vain.
#[derive(Debug, Default)]
pub(super) struct Missed(HashMap<Box<str>, Instant>);

impl Missed {
    fn contains(&self, key: PodKey<'_>, now: Instant) -> bool {
        let at = self.0.get(name(key).as_str());
        at.is_some_and(|at| now.duration_since(*at) < MISSED_FOR)
    }

    fn insert(&mut self, key: PodKey<'_>, now: Instant) {
        if self.0.len() >= MISSED_MAX {
            self.0.retain(|_, at| now.duration_since(*at) < MISSED_FOR);
            if self.0.len() >= MISSED_MAX {
                self.0.clear();
            }
        }
        self.0.insert(name(key).into(), now);
    }
}

fn name(key: PodKey<'_>) -> String {
    match key {
        PodKey::Uid(uid) => uid.to_owned(),
        PodKey::Place { namespace, name } => format!("{namespace}/{name}"),
    }
}

/// Whether alerts may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    Left,
    /// They have waited.
    Spent,
    /// Too many others do.
    None,
}

/// What is known of an alert's pod.
enum Found {
    /// Everything.
    Whole(Owner),
    /// The pod but not its workload, or nothing; and whether that may change in a moment.
    Part { owner: Option<Owner>, missing: Missing, is_awaited: bool },
}

impl Owners {
    /// Completes those alerts that name a pod.
    pub(crate) async fn complete(&self, alerts: &mut [Alert]) {
        let mut changed = self.changed.subscribe();
        let mut open: Vec<&mut Alert> =
            alerts.iter_mut().filter(|alert| pod_key(alert).is_some()).collect();
        self.pass(&mut open, Patience::Left);
        if open.is_empty() {
            return;
        }
        let Ok(_waiter) = self.waiters.try_acquire() else {
            self.metrics.waits.with_label_values(&["full"]).inc();
            return self.pass(&mut open, Patience::None);
        };
        let deadline = tokio::time::Instant::now() + self.config.wait.0;
        while !open.is_empty() && timeout_at(deadline, changed.changed()).await.is_ok() {
            self.pass(&mut open, Patience::Left);
        }
        let end = if open.is_empty() { "found" } else { "timeout" };
        self.metrics.waits.with_label_values(&[end]).inc();
        self.pass(&mut open, Patience::Spent);
    }

    /// Completes what can be completed; while there is patience left, not what may still be known
    /// in a moment.
    fn pass(&self, open: &mut Vec<&mut Alert>, patience: Patience) {
        let now = Instant::now();
        let mut state = self.state();
        open.retain_mut(|alert| {
            let Some(key) = pod_key(alert) else { return false };
            let found = state.find(key, now);
            if matches!(found, Found::Part { is_awaited: true, .. }) {
                match patience {
                    Patience::Left => return true,
                    Patience::Spent => state.missed.insert(key, now),
                    Patience::None => {}
                }
            }
            self.write(alert, found);
            false
        });
    }

    fn write(&self, alert: &mut Alert, found: Found) {
        let (owner, missing) = match found {
            Found::Whole(owner) => (Some(owner), None),
            Found::Part { owner, missing, .. } => (owner, Some(missing)),
        };
        let mut contradicted = false;
        let mut set = |field: &str, value: &str| {
            contradicted |= text(alert, field).is_some_and(|claimed| claimed != value);
            alert.fields.insert(field.to_owned(), value.into());
        };
        if let Some(owner) = &owner {
            set("k8s.ns.name", &owner.namespace);
            set("k8s.pod.name", &owner.pod);
            if let Some(node) = &owner.node {
                set("k8s.node.name", node);
            }
            if let Some(cluster) = &self.config.cluster {
                set("k8s.cluster.name", cluster);
            }
            if let Ok((kind, name)) = &owner.workload {
                set("k8s.workload.kind", kind);
                set("k8s.workload.name", name);
                if kind == "Deployment" {
                    set("k8s.deployment.name", name);
                } else {
                    contradicted |= alert.fields.remove("k8s.deployment.name").is_some();
                }
            }
        } else if let Some(cluster) = &self.config.cluster
            && text(alert, "k8s.cluster.name").is_none()
        {
            alert.fields.insert("k8s.cluster.name".to_owned(), cluster.as_str().into());
        }
        if let Some(missing) = missing {
            alert.fields.insert(OWNER_MISSING.to_owned(), missing.code().into());
        }
        let result = missing.map_or("found", Missing::code);
        self.metrics.owners.with_label_values(&[result]).inc();
        if contradicted {
            self.metrics.contradictions.inc();
        }
    }
}

impl State {
    fn find(&self, key: PodKey<'_>, now: Instant) -> Found {
        let owner = self.store.resolve(key);
        let unknown = match &owner {
            Some(Owner { workload: Ok(_), .. }) => None,
            Some(Owner { workload: Err(between), .. }) => Some(*between),
            None => Some(Kind::Pod),
        };
        match (owner, unknown) {
            (Some(owner), None) => Found::Whole(owner),
            (owner, unknown) => {
                let health = self.health[unknown.unwrap_or(Kind::Pod) as usize];
                let is_awaited = health.is_following(now) && !self.missed.contains(key, now);
                Found::Part { owner, missing: health.missing(now), is_awaited }
            }
        }
    }
}

/// Returns how the alert names its pod, if it does so in a way Kubernetes could.
fn pod_key(alert: &Alert) -> Option<PodKey<'_>> {
    let bounded = |field| text(alert, field).filter(|name| name.len() <= NAME_BYTES_MAX);
    if let Some(uid) = bounded("k8s.pod.uid") {
        return Some(PodKey::Uid(uid));
    }
    let (namespace, name) = (bounded("k8s.ns.name")?, bounded("k8s.pod.name")?);
    let is_plain = !namespace.contains('/') && !name.contains('/');
    is_plain.then_some(PodKey::Place { namespace, name })
}

/// Returns a field's text. Absent, empty and Falco's `<NA>` are the same.
fn text<'a>(alert: &'a Alert, field: &str) -> Option<&'a str> {
    alert.text(field).filter(|text| !text.is_empty() && *text != "<NA>")
}
