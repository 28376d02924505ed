//! The containers of this machine, each shared by its processes, and what their runtime tells of them.
//!
//! A container is known by the path of its cgroup at once; names, image and pod are asked of its
//! runtime by another thread. Until the answer comes it is *awaited*. What only containerd can tell
//! to be a container at all (`/default/web`) counts as one while it is awaited, and no longer if the
//! answer is that it is none.

mod describe;
mod notice;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use alert::{Container, EventKind, Missing, container_key};
use hashbrown::HashMap;

pub(crate) use self::notice::{NOTICES, Notice};
use self::{
    describe::{describe, lacks},
    notice::Notices,
};
use super::cgroup::{Identity, candidate, identify};
use crate::runtime::{Answer, Lookups, Request, Wanted};

/// Containers remembered; beyond it those no process is in are forgotten.
const CONTAINERS_MAX: usize = 4096;

/// The containers seen.
#[derive(Debug, Default)]
pub(crate) struct Containers {
    by_key: HashMap<Box<str>, Entry>,
    awaited: usize,
    lookups: Option<Lookups>,
    notices: Notices,
}

#[derive(Debug)]
struct Entry {
    container: Arc<Container>,
    awaited: bool,
    standing: Standing,
    /// Its cgroup is gone; it stays while a process names it.
    removed: bool,
    /// Whether its runtime told all it knows.
    described: bool,
}

/// Whether it is a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Certain,
    /// Only containerd can tell.
    Claimed,
    /// It is none: what is in it is the host's.
    Denied,
}

/// What holds for a container from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) key: Box<str>,
    /// `None`: it is none, and its processes are the host's.
    pub(crate) container: Option<Arc<Container>>,
}

impl Containers {
    /// Asks `lookups` about every new container.
    pub(crate) fn asking(lookups: Lookups) -> Self {
        Self { lookups: Some(lookups), ..Self::default() }
    }

    /// Keeps notices of these kinds for [`notice`](Self::notice).
    pub(crate) fn want_notices(&mut self, kinds: &[EventKind]) {
        self.notices.want(kinds);
    }

    /// Returns the next container that came or went.
    pub(crate) fn notice(&mut self) -> Option<Notice> {
        self.notices.next()
    }

    /// Returns how many notices of each kind found no room.
    pub(crate) fn notices_lost(&self) -> [u64; NOTICES.len()] {
        self.notices.lost()
    }

    /// Returns the container one of these cgroup paths names, or `None` for the host.
    pub(crate) fn of(&mut self, paths: &[&str]) -> Option<Arc<Container>> {
        match paths.iter().find_map(|path| identify(path)) {
            Some(found) => Some(self.certain(&found)),
            None => {
                self.lookups.as_ref()?;
                let (namespace, name) = paths.iter().find_map(|path| candidate(path))?;
                self.claimed(namespace, name)
            }
        }
    }

    fn certain(&mut self, found: &Identity<'_>) -> Arc<Container> {
        let key = container_key(found.id, found.user, found.outer, None);
        if let Some(known) = self.by_key.get(&*key) {
            return Arc::clone(&known.container);
        }
        let pod = found.pod.as_ref();
        let container = Container {
            id: found.id.into(),
            outer_id: found.outer.map(Into::into),
            user: found.user,
            runtime: found.runtime.map(Into::into),
            pod_uid: pod.map(|pod| pod.uid.as_str().into()),
            pod_qos: pod.map(|pod| pod.qos),
            ..Container::default()
        };
        if !found.asked {
            let name = Some(found.id.into());
            let mut container = Container { name, ..container };
            lacks(&mut container, Missing::NotFound);
            return self.remember(container, Standing::Certain, false);
        }
        let wanted = Wanted {
            key: key.into(),
            id: found.id.into(),
            namespace: None,
            runtime: found.runtime,
            outer: found.outer.map(Into::into),
            user: found.user,
            pod: pod.is_some(),
        };
        self.insert(container, wanted, Standing::Certain)
    }

    /// Returns what may be a container, until it is known to be none.
    fn claimed(&mut self, namespace: &str, name: &str) -> Option<Arc<Container>> {
        let key = container_key(name, None, None, Some(namespace));
        if let Some(known) = self.by_key.get(&*key) {
            return (known.standing != Standing::Denied).then(|| Arc::clone(&known.container));
        }
        let container = Container {
            id: name.into(),
            namespace: Some(namespace.into()),
            runtime: Some("containerd".into()),
            ..Container::default()
        };
        let wanted = Wanted {
            key: key.into(),
            id: name.into(),
            namespace: Some(namespace.into()),
            runtime: Some("containerd"),
            ..Wanted::default()
        };
        let container = self.insert(container, wanted, Standing::Claimed);
        // One that cannot be asked about is none.
        self.awaits(Some(&container)).then_some(container)
    }

    fn insert(
        &mut self,
        mut container: Container,
        wanted: Wanted,
        standing: Standing,
    ) -> Arc<Container> {
        if self.by_key.len() >= CONTAINERS_MAX {
            self.forget(|_| true);
        }
        let full = self.by_key.len() >= CONTAINERS_MAX;
        let refused = match &self.lookups {
            None => Some(Missing::NoSocket),
            Some(_) if full => Some(Missing::HoldFull),
            Some(lookups) if lookups.ask(Request::Describe(wanted)) => None,
            Some(_) => Some(Missing::HoldFull),
        };
        if let Some(reason) = refused {
            lacks(&mut container, reason);
        }
        match (standing, refused) {
            // Asked about again when it is seen again.
            (Standing::Claimed, Some(_)) => Arc::new(container),
            _ => self.remember(container, standing, refused.is_none()),
        }
    }

    fn remember(
        &mut self,
        container: Container,
        standing: Standing,
        awaited: bool,
    ) -> Arc<Container> {
        let container = Arc::new(container);
        if self.by_key.len() < CONTAINERS_MAX {
            self.awaited += usize::from(awaited);
            if !awaited {
                self.notices.note(EventKind::Container, &container);
            }
            let entry = Entry {
                container: Arc::clone(&container),
                awaited,
                standing,
                removed: false,
                described: false,
            };
            self.by_key.insert(container.key().into(), entry);
        }
        container
    }

    /// Takes note of a cgroup that was made; if it is a container's, its look-up begins.
    pub(crate) fn made(&mut self, path: &str) {
        self.of(&[path]);
        if let Some(entry) = own_key(path).and_then(|key| self.by_key.get_mut(&*key))
            && std::mem::take(&mut entry.removed)
            && entry.is_told()
        {
            // It was stopped, and started again.
            self.notices.note(EventKind::Container, &entry.container);
        }
    }

    /// Takes note of a cgroup that is gone.
    pub(crate) fn removed(&mut self, path: &str) {
        if let Some(entry) = own_key(path).and_then(|key| self.by_key.get_mut(&*key))
            // Each hierarchy tells of its own.
            && !std::mem::replace(&mut entry.removed, true)
            && entry.is_told()
        {
            self.notices.note(EventKind::ContainerRemoved, &entry.container);
        }
    }

    /// Forgets containers that are gone and that no process is in, once they were told of.
    pub(crate) fn tick(&mut self) {
        self.forget(|entry| entry.removed && !entry.awaited);
    }

    fn forget(&mut self, which: impl Fn(&Entry) -> bool) {
        let Self { by_key, awaited, lookups, .. } = self;
        by_key.retain(|key, entry| {
            let keep = Arc::strong_count(&entry.container) > 1 || !which(entry);
            if !keep {
                *awaited -= usize::from(entry.awaited);
                if let Some(lookups) = lookups {
                    lookups.ask(Request::Forget(key.clone()));
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
                .and_then(|container| self.by_key.get(&*container.key()))
                .is_some_and(|entry| entry.awaited)
    }

    /// Returns the next answer that came in.
    pub(crate) fn answer(&self) -> Option<Answer> {
        self.lookups.as_ref()?.answer()
    }

    pub(crate) fn lookups(&self) -> Option<&Lookups> {
        self.lookups.as_ref()
    }

    /// Returns what holds for the container of this key now.
    pub(crate) fn known(&self, key: &str) -> Option<Word> {
        self.by_key.get(key).map(|entry| entry.word(key))
    }

    /// Takes in an answer; returns what holds from now on, if the container is still known.
    pub(crate) fn learn(&mut self, answer: Answer) -> Option<Word> {
        match answer.result {
            Ok(metadata) => self.change(&answer.key, |entry| {
                entry.standing = Standing::Certain;
                entry.described = metadata.absent.is_none();
                describe(Arc::make_mut(&mut entry.container), metadata);
            }),
            Err(reason) => self.give_up(&answer.key, reason),
        }
    }

    /// Waits no longer for this container; an answer that comes later is still taken in.
    pub(crate) fn give_up(&mut self, key: &str, reason: Missing) -> Option<Word> {
        self.change(key, |entry| {
            if entry.standing == Standing::Claimed {
                entry.standing = Standing::Denied;
            }
            lacks(Arc::make_mut(&mut entry.container), reason);
        })
    }

    fn change(&mut self, key: &str, change: impl FnOnce(&mut Entry)) -> Option<Word> {
        let entry = self.by_key.get_mut(key)?;
        let (told, described) = (entry.is_told(), entry.described);
        self.awaited -= usize::from(std::mem::take(&mut entry.awaited));
        change(entry);
        let Entry { container, removed, .. } = &*entry;
        if entry.is_told() && !told {
            self.notices.note(EventKind::Container, container);
            if *removed {
                self.notices.note(EventKind::ContainerRemoved, container);
            }
        } else if entry.described && !described && !removed {
            // Once more, with all that is known after all.
            self.notices.note(EventKind::Container, container);
        }
        Some(entry.word(key))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.values().filter(|entry| entry.standing != Standing::Denied).count()
    }
}

/// Returns the key of the container whose own cgroup this is.
fn own_key(path: &str) -> Option<Box<str>> {
    let key = match (identify(path), candidate(path)) {
        (Some(found), _) if found.whole => {
            container_key(found.id, found.user, found.outer, None).into()
        }
        (None, Some((namespace, name))) if path.ends_with(&format!("/{namespace}/{name}")) => {
            container_key(name, None, None, Some(namespace)).into()
        }
        _ => return None,
    };
    Some(key)
}

impl Entry {
    /// Returns whether it is a container and its wait is over: whoever wants to know was told.
    fn is_told(&self) -> bool {
        self.standing == Standing::Certain && !self.awaited
    }

    fn word(&self, key: &str) -> Word {
        let is_one = self.standing != Standing::Denied;
        Word { key: key.into(), container: is_one.then(|| Arc::clone(&self.container)) }
    }
}
