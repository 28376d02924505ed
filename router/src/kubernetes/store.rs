//! Pods and what owns them, as little of each as resolves an owner.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use hashbrown::HashMap;
use serde::Deserialize;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Pod,
    ReplicaSet,
    Job,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Pod, Self::ReplicaSet, Self::Job];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::ReplicaSet => "ReplicaSet",
            Self::Job => "Job",
        }
    }

    /// Returns where the API server has those of all namespaces.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Pod => "/api/v1/pods",
            Self::ReplicaSet => "/apis/apps/v1/replicasets",
            Self::Job => "/apis/batch/v1/jobs",
        }
    }

    /// Returns the name permissions have for it.
    pub(super) const fn resource(self) -> &'static str {
        match self {
            Self::Pod => "pods",
            Self::ReplicaSet => "replicasets.apps",
            Self::Job => "jobs.batch",
        }
    }

    /// Returns the watched kind that stands between a pod and its workload, if a controller's kind
    /// is one.
    fn between(name: &str) -> Option<Self> {
        [Self::ReplicaSet, Self::Job].into_iter().find(|kind| kind.name() == name)
    }
}

/// What is read of an object; all else is passed over while it is parsed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Arrived {
    pub(super) metadata: Metadata,
    spec: Spec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) uid: String,
    pub(super) resource_version: Option<String>,
    name: String,
    namespace: String,
    owner_references: Vec<OwnerReference>,
    annotations: Annotations,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct OwnerReference {
    kind: Box<str>,
    name: Box<str>,
    uid: Box<str>,
    controller: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Annotations {
    /// The UID a kubelet gave a static pod whose mirror this is.
    #[serde(rename = "kubernetes.io/config.mirror")]
    mirror: Option<Box<str>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    node_name: Option<Box<str>>,
}

#[derive(Debug)]
struct Object {
    /// `namespace/name`.
    place: Arc<str>,
    node: Option<Box<str>>,
    controller: Option<Controller>,
    /// Another name a kubelet knows a static pod by.
    alias: Option<Box<str>>,
    /// The listing it was last seen in or after.
    generation: u32,
    deleted: bool,
}

#[derive(Debug)]
struct Controller {
    kind: Box<str>,
    name: Box<str>,
    uid: Box<str>,
}

/// Whose pod it is and where it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) node: Option<String>,
    /// Kind and name, or the watch that did not tell of what stands between.
    pub(super) workload: Result<(String, String), Kind>,
}

/// How an alert names its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PodKey<'a> {
    Uid(&'a str),
    Place { namespace: &'a str, name: &'a str },
}

#[derive(Debug)]
pub(super) struct Store {
    /// Objects by UID, of each [`Kind`].
    objects: [HashMap<Box<str>, Object>; Kind::ALL.len()],
    /// UIDs of pods by `namespace/name`.
    places: HashMap<Arc<str>, Box<str>>,
    /// UIDs of static pods by the one their kubelet gave them.
    aliases: HashMap<Box<str>, Box<str>>,
    /// What was deleted, oldest first.
    deleted: VecDeque<(Instant, Kind, Box<str>)>,
    generation: u32,
    objects_max: usize,
    kept: Duration,
    /// Objects there was no room for, since somebody last asked.
    pub(super) refused: u64,
}

impl Store {
    pub(super) fn new(objects_max: usize, kept: Duration) -> Self {
        Self {
            objects: Kind::ALL.map(|_| HashMap::new()),
            places: HashMap::new(),
            aliases: HashMap::new(),
            deleted: VecDeque::new(),
            generation: 0,
            objects_max,
            kept,
            refused: 0,
        }
    }

    pub(super) fn count(&self, kind: Kind) -> usize {
        self.objects[kind as usize].len()
    }

    /// Begins a listing; what it does not hold was deleted unseen.
    pub(super) fn begin(&mut self) -> u32 {
        self.generation += 1;
        self.generation
    }

    /// Ends a listing that was begun as `generation`.
    pub(super) fn end(&mut self, kind: Kind, generation: u32, now: Instant) {
        let unseen = self.objects[kind as usize]
            .iter()
            .filter(|(_, object)| object.generation < generation && !object.deleted);
        let unseen: Vec<Box<str>> = unseen.map(|(uid, _)| uid.clone()).collect();
        for uid in unseen {
            self.delete(kind, &uid, now);
        }
    }

    /// Takes what is needed of an object.
    pub(super) fn apply(&mut self, kind: Kind, arrived: Arrived, now: Instant) {
        let Arrived { metadata, spec } = arrived;
        let Metadata { uid, name, namespace, owner_references, annotations, .. } = metadata;
        if !self.objects[kind as usize].contains_key(uid.as_str()) && !self.has_room(now) {
            self.refused += 1;
            return;
        }
        let controller = owner_references.into_iter().find(|owner| owner.controller);
        let object = Object {
            place: format!("{namespace}/{name}").into(),
            node: spec.node_name,
            controller: controller.map(|OwnerReference { kind, name, uid, .. }| Controller {
                kind,
                name,
                uid,
            }),
            alias: annotations.mirror.filter(|_| kind == Kind::Pod),
            generation: self.generation,
            deleted: false,
        };
        if kind == Kind::Pod {
            self.places.insert(Arc::clone(&object.place), uid.as_str().into());
            if let Some(alias) = &object.alias {
                self.aliases.insert(alias.clone(), uid.as_str().into());
            }
        }
        self.objects[kind as usize].insert(uid.into(), object);
    }

    /// Notes that an object is gone; it is known for a while longer.
    pub(super) fn delete(&mut self, kind: Kind, uid: &str, now: Instant) {
        if let Some(object) = self.objects[kind as usize].get_mut(uid)
            && !object.deleted
        {
            object.deleted = true;
            self.deleted.push_back((now, kind, uid.into()));
        }
    }

    /// Forgets what was deleted long enough ago.
    pub(super) fn expire(&mut self, now: Instant) {
        while self.deleted.front().is_some_and(|(at, ..)| now.duration_since(*at) >= self.kept) {
            self.forget_oldest();
        }
    }

    /// Makes room for one object more if need be, at the cost of what was deleted first.
    fn has_room(&mut self, now: Instant) -> bool {
        self.expire(now);
        while self.objects.iter().map(HashMap::len).sum::<usize>() >= self.objects_max {
            if !self.forget_oldest() {
                return false;
            }
        }
        true
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((_, kind, uid)) = self.deleted.pop_front() else { return false };
        let objects = &mut self.objects[kind as usize];
        // It may have come back: an object restored from a backup keeps its UID.
        if objects.get(&uid).is_some_and(|object| object.deleted)
            && let Some(object) = objects.remove(&uid)
            && kind == Kind::Pod
        {
            if self.places.get(&object.place).is_some_and(|known| *known == uid) {
                self.places.remove(&object.place);
            }
            if let Some(alias) = &object.alias {
                self.aliases.remove(alias);
            }
        }
        true
    }

    /// Returns the owner of a pod, or `None` when the pod is not known.
    pub(super) fn resolve(&self, key: PodKey<'_>) -> Option<Owner> {
        let pods = &self.objects[Kind::Pod as usize];
        let pod = match key {
            PodKey::Uid(uid) => pods.get(uid).or_else(|| pods.get(self.aliases.get(uid)?))?,
            PodKey::Place { namespace, name } => {
                pods.get(self.places.get(format!("{namespace}/{name}").as_str())?)?
            }
        };
        let (namespace, name) = pod.place.split_once('/')?;
        Some(Owner {
            namespace: namespace.to_owned(),
            pod: name.to_owned(),
            node: pod.node.as_deref().map(str::to_owned),
            workload: self.workload(name, pod.controller.as_ref()),
        })
    }

    fn workload(
        &self,
        pod: &str,
        controller: Option<&Controller>,
    ) -> Result<(String, String), Kind> {
        let named =
            |controller: &Controller| (controller.kind.to_string(), controller.name.to_string());
        match controller {
            // The mirror of a static pod belongs to its node.
            None => Ok((Kind::Pod.name().to_owned(), pod.to_owned())),
            Some(node) if *node.kind == *"Node" => {
                Ok((Kind::Pod.name().to_owned(), pod.to_owned()))
            }
            Some(controller) => match Kind::between(&controller.kind) {
                None => Ok(named(controller)),
                Some(kind) => {
                    let between = self.objects[kind as usize].get(&controller.uid).ok_or(kind)?;
                    Ok(named(between.controller.as_ref().unwrap_or(controller)))
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arrived(place: &str, uid: &str, owner: Option<(&str, &str, &str)>) -> Arrived {
        let (namespace, name) = place.split_once('/').unwrap();
        let controller =
            |(kind, name, uid)| json!({"kind": kind, "name": name, "uid": uid, "controller": true});
        let other = json!({"kind": "Other", "name": "other", "uid": "o"});
        let owners: Vec<_> = std::iter::once(other).chain(owner.map(controller)).collect();
        let object = json!({
            "metadata": {
                "name": name, "namespace": namespace, "uid": uid, "ownerReferences": owners,
                "managedFields": [{"manager": "kubelet"}], "annotations": {"a": "b"},
            },
            "spec": {"nodeName": "node-1", "containers": []},
            "status": {"phase": "Running"},
        });
        serde_json::from_value(object).unwrap()
    }

    fn store() -> Store {
        Store::new(10, Duration::from_secs(600))
    }

    fn workload(store: &Store, uid: &str) -> String {
        match store.resolve(PodKey::Uid(uid)) {
            None => "unknown".into(),
            Some(Owner { workload: Ok((kind, name)), .. }) => format!("{kind}/{name}"),
            Some(Owner { workload: Err(kind), .. }) => format!("waits for a {}", kind.name()),
        }
    }

    #[test]
    fn a_pods_workload_is_what_controls_its_controller() {
        let (mut store, now) = (store(), Instant::now());
        store.apply(
            Kind::Pod,
            arrived("shop/web-1", "p1", Some(("ReplicaSet", "web-7d", "r1"))),
            now,
        );
        assert_eq!(workload(&store, "p1"), "waits for a ReplicaSet");
        store.apply(
            Kind::ReplicaSet,
            arrived("shop/web-7d", "r1", Some(("Deployment", "web", "d1"))),
            now,
        );
        assert_eq!(workload(&store, "p1"), "Deployment/web");
        store.apply(Kind::Pod, arrived("shop/run-1", "p2", Some(("Job", "run", "j1"))), now);
        store.apply(Kind::Job, arrived("shop/run", "j1", Some(("CronJob", "nightly", "c1"))), now);
        assert_eq!(workload(&store, "p2"), "CronJob/nightly");
    }

    #[test]
    fn what_has_no_further_owner_is_the_workload_itself() {
        let (mut store, now) = (store(), Instant::now());
        store.apply(Kind::Pod, arrived("a/lone", "p1", None), now);
        store.apply(Kind::Pod, arrived("a/db-0", "p2", Some(("StatefulSet", "db", "s1"))), now);
        store.apply(Kind::Pod, arrived("a/bare-1", "p3", Some(("ReplicaSet", "bare", "r1"))), now);
        store.apply(Kind::ReplicaSet, arrived("a/bare", "r1", None), now);
        assert_eq!(workload(&store, "p1"), "Pod/lone");
        assert_eq!(workload(&store, "p2"), "StatefulSet/db");
        assert_eq!(workload(&store, "p3"), "ReplicaSet/bare");
    }

    #[test]
    fn a_static_pod_is_known_by_its_kubelets_name_too() {
        let (mut store, now) = (store(), Instant::now());
        let mut pod = arrived("kube-system/etcd-node-1", "p1", Some(("Node", "node-1", "n1")));
        pod.metadata.annotations.mirror = Some("0a1b".into());
        store.apply(Kind::Pod, pod, now);
        assert_eq!(workload(&store, "0a1b"), "Pod/etcd-node-1");
    }

    #[test]
    fn a_deleted_pod_is_known_for_a_while_and_its_name_is_its_successors() {
        let (mut store, now) = (store(), Instant::now());
        store.apply(Kind::Pod, arrived("a/db-0", "old", Some(("StatefulSet", "db", "s1"))), now);
        store.delete(Kind::Pod, "old", now);
        store.apply(Kind::Pod, arrived("a/db-0", "new", Some(("StatefulSet", "other", "s2"))), now);
        assert_eq!(workload(&store, "old"), "StatefulSet/db");
        store.expire(now + Duration::from_secs(601));
        assert_eq!(workload(&store, "old"), "unknown");
        let named = store.resolve(PodKey::Place { namespace: "a", name: "db-0" }).unwrap();
        assert_eq!(named.workload, Ok(("StatefulSet".into(), "other".into())));
    }

    #[test]
    fn what_a_new_listing_lacks_was_deleted_unseen() {
        let (mut store, now) = (store(), Instant::now());
        let first = store.begin();
        store.apply(Kind::Pod, arrived("a/one", "p1", None), now);
        store.apply(Kind::Pod, arrived("a/two", "p2", None), now);
        store.end(Kind::Pod, first, now);
        let second = store.begin();
        store.apply(Kind::Pod, arrived("a/two", "p2", None), now);
        store.end(Kind::Pod, second, now);
        store.expire(now + Duration::from_secs(601));
        assert_eq!(
            (workload(&store, "p1"), workload(&store, "p2")),
            ("unknown".into(), "Pod/two".into())
        );
    }

    #[test]
    fn a_full_store_gives_up_the_deleted_first_and_then_takes_no_more() {
        let (mut store, now) = (Store::new(2, Duration::from_secs(600)), Instant::now());
        store.apply(Kind::Pod, arrived("a/one", "p1", None), now);
        store.delete(Kind::Pod, "p1", now);
        store.apply(Kind::Pod, arrived("a/two", "p2", None), now);
        store.apply(Kind::Pod, arrived("a/three", "p3", None), now);
        store.apply(Kind::Pod, arrived("a/four", "p4", None), now);
        let known = ["p1", "p2", "p3", "p4"].map(|uid| workload(&store, uid));
        assert_eq!(known, ["unknown", "Pod/two", "Pod/three", "unknown"]);
        assert_eq!(store.refused, 1);
    }
}
