//! The containers of this machine, each shared by its processes, and what their runtime tells of them.
//!
//! A container is known by the path of its cgroup at once; names, image and pod are asked of its
//! runtime by another thread. Until the answer comes it is *awaited*.

use std::sync::Arc;

use alert::{Container, Missing};
use hashbrown::HashMap;

use super::cgroup::identify;
use crate::cri::{Answer, Lookups, Metadata, Request};

/// Containers remembered; beyond it those no process is in are forgotten.
const CONTAINERS_MAX: usize = 4096;

/// Fields that only a runtime can fill.
const OF_CONTAINER: [&str; 5] = [
    "container.name",
    "container.image",
    "container.image.repository",
    "container.image.digest",
    "container.image.id",
];
/// Those of a pod.
const OF_POD: [&str; 3] = ["k8s.ns.name", "k8s.pod.name", "k8s.pod.uid"];

/// The containers seen.
#[derive(Debug, Default)]
pub(crate) struct Containers {
    by_id: HashMap<Box<str>, Entry>,
    awaited: usize,
    lookups: Option<Lookups>,
}

#[derive(Debug)]
struct Entry {
    container: Arc<Container>,
    awaited: bool,
    /// Its cgroup is gone; it stays while a process names it.
    removed: bool,
}

impl Containers {
    /// Asks `lookups` about every new container.
    pub(crate) fn asking(lookups: Lookups) -> Self {
        Self { lookups: Some(lookups), ..Self::default() }
    }

    /// Returns the container the first of these cgroup paths names, or `None` for the host.
    pub(crate) fn of(&mut self, paths: &[&str]) -> Option<Arc<Container>> {
        let found = paths.iter().find_map(|path| identify(path))?;
        if let Some(known) = self.by_id.get(found.id) {
            return Some(Arc::clone(&known.container));
        }
        let mut container = Container {
            id: found.id.into(),
            runtime: found.runtime.map(Into::into),
            ..Container::default()
        };
        if let Some(pod) = found.pod {
            container.pod_uid = Some(pod.uid.into());
            container.pod_qos = Some(pod.qos);
        }
        Some(self.insert(container))
    }

    fn insert(&mut self, mut container: Container) -> Arc<Container> {
        if self.by_id.len() >= CONTAINERS_MAX {
            self.forget(|_| true);
        }
        let full = self.by_id.len() >= CONTAINERS_MAX;
        let request =
            Request::Describe { id: container.id.clone(), pod: container.pod_uid.is_some() };
        let refused = match &self.lookups {
            None => Some(Missing::NoSocket),
            Some(_) if full => Some(Missing::HoldFull),
            Some(lookups) if lookups.ask(request) => None,
            Some(_) => Some(Missing::HoldFull),
        };
        if let Some(reason) = refused {
            lacks(&mut container, reason);
        }
        let container = Arc::new(container);
        if !full {
            let awaited = refused.is_none();
            self.awaited += usize::from(awaited);
            let entry = Entry { container: Arc::clone(&container), awaited, removed: false };
            self.by_id.insert(container.id.clone(), entry);
        }
        container
    }

    /// Takes note of a cgroup that was made; if it is a container's, its look-up begins.
    pub(crate) fn made(&mut self, path: &str) {
        if self.of(&[path]).is_some()
            && let Some(found) = identify(path)
            && let Some(entry) = self.by_id.get_mut(found.id)
        {
            entry.removed = false;
        }
    }

    /// Takes note of a cgroup that is gone.
    pub(crate) fn removed(&mut self, path: &str) {
        if let Some(found) = identify(path).filter(|found| found.whole)
            && let Some(entry) = self.by_id.get_mut(found.id)
        {
            entry.removed = true;
        }
    }

    /// Forgets containers that are gone and that no process is in.
    pub(crate) fn tick(&mut self) {
        self.forget(|entry| entry.removed);
    }

    fn forget(&mut self, which: impl Fn(&Entry) -> bool) {
        let Self { by_id, awaited, lookups } = self;
        by_id.retain(|id, entry| {
            let keep = Arc::strong_count(&entry.container) > 1 || !which(entry);
            if !keep {
                *awaited -= usize::from(entry.awaited);
                if let Some(lookups) = lookups {
                    lookups.ask(Request::Forget { id: id.clone() });
                }
            }
            keep
        });
    }

    /// Returns whether the runtime's word about this container is still to come. Costs nothing when
    /// no word is.
    pub(crate) fn awaits(&self, container: Option<&Arc<Container>>) -> bool {
        self.awaited > 0
            && container
                .and_then(|container| self.by_id.get(&container.id))
                .is_some_and(|entry| entry.awaited)
    }

    /// Returns the next answer that came in.
    pub(crate) fn answer(&self) -> Option<Answer> {
        self.lookups.as_ref()?.answer()
    }

    pub(crate) fn lookups(&self) -> Option<&Lookups> {
        self.lookups.as_ref()
    }

    /// Returns the container of this id as it is known now.
    pub(crate) fn known(&self, id: &str) -> Option<Arc<Container>> {
        self.by_id.get(id).map(|entry| Arc::clone(&entry.container))
    }

    /// Takes in an answer; returns the container as it is from now on, if it is still known.
    pub(crate) fn learn(&mut self, answer: Answer) -> Option<Arc<Container>> {
        match answer.result {
            Ok(metadata) => self.change(&answer.id, |container| describe(container, metadata)),
            Err(reason) => self.give_up(&answer.id, reason),
        }
    }

    /// Waits no longer for this container; an answer that comes later is still taken in.
    pub(crate) fn give_up(&mut self, id: &str, reason: Missing) -> Option<Arc<Container>> {
        self.change(id, |container| lacks(container, reason))
    }

    fn change(&mut self, id: &str, change: impl FnOnce(&mut Container)) -> Option<Arc<Container>> {
        let entry = self.by_id.get_mut(id)?;
        self.awaited -= usize::from(std::mem::take(&mut entry.awaited));
        change(Arc::make_mut(&mut entry.container));
        Some(Arc::clone(&entry.container))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}

/// Fills in what the runtime told, and why the rest is absent.
fn describe(container: &mut Container, told: Metadata) {
    let Metadata { name, image, runtime, privileged, labels, pod } = told;
    container.name = name;
    container.image = image.name;
    container.image_repository = image.repository;
    container.image_tag = image.tag;
    container.image_digest = image.digest;
    container.image_id = image.id;
    container.privileged = privileged;
    container.labels = labels;
    container.runtime = runtime.or(container.runtime.take());
    let mut of_pod = Missing::NotKubernetes;
    if let Some(pod) = pod {
        of_pod = Missing::NotFound;
        container.pod_name = pod.name;
        container.pod_namespace = pod.namespace;
        // The cgroup's word comes first: it is the kernel's.
        container.pod_uid = container.pod_uid.take().or(pod.uid);
        container.pod_ip = pod.ip;
        container.pod_labels = pod.labels;
    }
    note_missing(container, Missing::NotFound, of_pod);
}

/// Notes why the runtime told nothing. What an earlier answer told stays.
fn lacks(container: &mut Container, reason: Missing) {
    let of_pod = match (reason, &container.pod_uid) {
        (Missing::NotFound, None) => Missing::NotKubernetes,
        _ => reason,
    };
    note_missing(container, reason, of_pod);
}

fn note_missing(container: &mut Container, of_container: Missing, of_pod: Missing) {
    let present = |field: &str| match field {
        "container.name" => container.name.is_some(),
        "container.image" => container.image.is_some(),
        "container.image.repository" => container.image_repository.is_some(),
        "container.image.digest" => container.image_digest.is_some(),
        "container.image.id" => container.image_id.is_some(),
        "k8s.ns.name" => container.pod_namespace.is_some(),
        "k8s.pod.name" => container.pod_name.is_some(),
        _ => container.pod_uid.is_some(),
    };
    let of_container = OF_CONTAINER.map(|field| (field, of_container));
    let of_pod = OF_POD.map(|field| (field, of_pod));
    container.missing = of_container
        .into_iter()
        .chain(of_pod)
        .filter(|(field, _)| !present(field))
        .map(|(field, reason)| (field.into(), reason))
        .collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cri::{Image, Pod};

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "2f6b0c1a-7a8e-4c51-9a33-0d4bb1c7e001";

    fn pod_path() -> String {
        format!("/kubepods/burstable/pod{UID}/{ID}")
    }

    fn told() -> Answer {
        let pod =
            Pod { name: Some("web-1".into()), namespace: Some("shop".into()), ..Pod::default() };
        let image = Image { name: Some("web:1".into()), ..Image::default() };
        let metadata = Metadata { image, pod: Some(pod), ..Metadata::default() };
        Answer { id: ID.into(), result: Ok(metadata) }
    }

    #[test]
    fn processes_of_one_container_share_it() {
        let mut containers = Containers::default();
        let path = format!("/docker/{ID}");
        let first = containers.of(&["/", &path]).unwrap();
        let second = containers.of(&[&path]).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn a_container_is_asked_about_once_when_its_cgroup_is_made() {
        let (lookups, mut asked) = Lookups::unanswered(4);
        let mut containers = Containers::asking(lookups);
        containers.made("/system.slice/cron.service");
        containers.made(&pod_path());
        containers.made(&pod_path());
        let container = containers.of(&[&pod_path()]).unwrap();
        assert!(matches!(asked.try_recv(), Ok(Request::Describe { pod: true, .. })));
        assert!(asked.try_recv().is_err());
        assert!(containers.awaits(Some(&container)));
        assert!(!containers.awaits(None));
        assert!(container.missing.is_empty());
    }

    #[test]
    fn an_answer_fills_in_and_says_what_is_missing() {
        let (lookups, _asked) = Lookups::unanswered(4);
        let mut containers = Containers::asking(lookups);
        let before = containers.of(&[&pod_path()]).unwrap();
        let container = containers.learn(told()).unwrap();
        assert_eq!(container.pod_name.as_deref(), Some("web-1"));
        assert_eq!(container.pod_uid.as_deref(), Some(UID));
        assert_eq!(container.missing.get("container.name"), Some(&Missing::NotFound));
        assert_eq!(container.missing.get("k8s.pod.name"), None);
        assert!(!containers.awaits(Some(&before)));
        assert!(Arc::ptr_eq(&container, &containers.of(&[&pod_path()]).unwrap()));
    }

    #[test]
    fn a_late_answer_replaces_the_reason() {
        let (lookups, _asked) = Lookups::unanswered(4);
        let mut containers = Containers::asking(lookups);
        containers.of(&[&pod_path()]);
        let given_up = containers.give_up(ID, Missing::Timeout).unwrap();
        assert_eq!(given_up.missing.get("k8s.pod.name"), Some(&Missing::Timeout));
        assert_eq!(given_up.missing.get("k8s.pod.uid"), None);
        let learnt = containers.learn(told()).unwrap();
        assert_eq!(learnt.missing.get("k8s.pod.name"), None);
    }

    #[test]
    fn a_container_outside_kubernetes_says_so() {
        let (lookups, _asked) = Lookups::unanswered(4);
        let mut containers = Containers::asking(lookups);
        containers.of(&[&format!("/docker/{ID}")]);
        let container = containers.give_up(ID, Missing::NotFound).unwrap();
        assert_eq!(container.missing.get("container.name"), Some(&Missing::NotFound));
        assert_eq!(container.missing.get("k8s.pod.name"), Some(&Missing::NotKubernetes));
    }

    #[test]
    fn one_that_cannot_be_asked_about_is_not_awaited() {
        let (lookups, _asked) = Lookups::unanswered(1);
        let mut containers = Containers::asking(lookups);
        containers.of(&[&format!("/docker/{}", "a".repeat(64))]);
        let second = containers.of(&[&pod_path()]).unwrap();
        assert!(!containers.awaits(Some(&second)));
        assert_eq!(second.missing.get("k8s.pod.name"), Some(&Missing::HoldFull));
    }

    #[test]
    fn a_container_is_forgotten_when_its_own_cgroup_is_gone_and_no_process_is_in_it() {
        let mut containers = Containers::default();
        let held = containers.of(&[&pod_path()]).unwrap();
        containers.removed(&format!("{}/inner", pod_path()));
        containers.tick();
        containers.removed(&pod_path());
        containers.tick();
        assert_eq!(containers.len(), 1);
        drop(held);
        containers.tick();
        assert_eq!(containers.len(), 0);
    }

    #[test]
    fn no_flood_of_names_makes_the_table_grow() {
        let mut containers = Containers::default();
        let mut held = Vec::new();
        for number in 0..CONTAINERS_MAX + 100 {
            held.extend(containers.of(&[&format!("/docker/{number:064x}")]));
        }
        assert_eq!(containers.len(), CONTAINERS_MAX);
        held.clear();
        containers.of(&[&pod_path()]);
        assert_eq!(containers.len(), 1);
    }
}
