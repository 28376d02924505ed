//! What is told when containers come and go: the text that Falco's events of that kind carry.

use std::{collections::VecDeque, sync::Arc};

use alert::{Container, EventKind, Labels, Mount};
use serde_json::{Value, json};

use super::CONTAINERS_MAX;

/// The kinds of event there are of containers.
pub(crate) const NOTICES: [EventKind; 2] = [EventKind::Container, EventKind::ContainerRemoved];

/// Notices that may wait to be taken. They are taken after every record and every answer, so only
/// those of the containers a start finds are ever many.
const NOTICES_MAX: usize = 2 * CONTAINERS_MAX;

/// A container came, or went.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notice {
    pub(crate) kind: EventKind,
    pub(crate) container: Arc<Container>,
}

/// The notices that wait, of the kinds somebody wants.
#[derive(Debug, Default)]
pub(super) struct Notices {
    wanted: Vec<EventKind>,
    waiting: VecDeque<Notice>,
    lost: [u64; NOTICES.len()],
}

impl Notices {
    /// Keeps those of these kinds from now on.
    pub(super) fn want(&mut self, kinds: &[EventKind]) {
        self.wanted = kinds.iter().copied().filter(|kind| kind.is_notice()).collect();
    }

    /// Notes one; beyond the bound it is lost, and counted.
    pub(super) fn note(&mut self, kind: EventKind, container: &Arc<Container>) {
        if !self.wanted.contains(&kind) {
            return;
        }
        if self.waiting.len() < NOTICES_MAX {
            return self.waiting.push_back(Notice { kind, container: Arc::clone(container) });
        }
        let counted = NOTICES.iter().zip(&mut self.lost).filter(|(of, _)| **of == kind);
        counted.for_each(|(_, lost)| *lost += 1);
    }

    pub(super) fn next(&mut self) -> Option<Notice> {
        self.waiting.pop_front()
    }

    /// Returns how many of each kind were lost.
    pub(super) fn lost(&self) -> [u64; NOTICES.len()] {
        self.lost
    }
}

impl Notice {
    /// Returns `evt.arg.json`, with the names Falco gives; what is not known is empty.
    pub(crate) fn json(&self) -> Box<str> {
        let of = &*self.container;
        let text = |text: &Option<Box<str>>| text.as_deref().unwrap_or_default().to_owned();
        let container = json!({
            "type": type_number(of.runtime.as_deref().unwrap_or_default()),
            "id": of.short_id(),
            "full_id": of.id,
            "name": text(&of.name),
            "image": text(&of.image),
            "imagerepo": text(&of.image_repository),
            "imagetag": text(&of.image_tag),
            "imagedigest": text(&of.image_digest),
            "imageid": text(&of.image_id).trim_start_matches("sha256:"),
            "cni_json": text(&of.cni),
            "created_time": of.created_ns.unwrap_or_default() / 1_000_000_000,
            "host_ipc": of.host_ipc.unwrap_or_default(),
            "host_network": of.host_network.unwrap_or_default(),
            "host_pid": of.host_pid.unwrap_or_default(),
            "ip": text(&of.pod_ip),
            "is_pod_sandbox": of.sandbox_id.as_ref().is_some_and(|sandbox| *sandbox == of.id),
            "labels": labels(of),
            "pod_sandbox_id": text(&of.sandbox_id),
            "pod_sandbox_labels": of.pod_labels,
            "privileged": of.privileged.unwrap_or_default(),
            "Mounts": mounts(of),
        });
        json!({ "container": container }).to_string().into()
    }
}

/// Returns the labels, with those by which the kubelet says whose the container is.
fn labels(of: &Container) -> Labels {
    let pod = [
        ("io.kubernetes.pod.name", &of.pod_name),
        ("io.kubernetes.pod.namespace", &of.pod_namespace),
        ("io.kubernetes.pod.uid", &of.pod_uid),
        ("io.kubernetes.sandbox.id", &of.sandbox_id),
    ];
    let pod = pod.into_iter().filter_map(|(name, value)| Some((name.into(), value.clone()?)));
    of.labels.clone().into_iter().chain(pod).collect()
}

fn mounts(of: &Container) -> Vec<Value> {
    let one = |mount: &Mount| {
        json!({
            "Source": mount.source,
            "Destination": mount.destination,
            "Mode": mount.mode,
            "RW": mount.writable,
            "Propagation": mount.propagation,
        })
    };
    of.mounts.iter().map(one).collect()
}

/// Returns the number Falco has for a runtime.
fn type_number(runtime: &str) -> u16 {
    match runtime {
        "docker" => 0,
        "lxc" => 1,
        "containerd" => 7,
        "cri-o" => 8,
        "podman" => 11,
        // `CT_UNKNOWN`
        _ => 0xffff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice() -> Notice {
        let mount = Mount { source: "/srv".into(), writable: true, ..Mount::default() };
        let container = Container {
            id: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".into(),
            runtime: Some("podman".into()),
            name: Some("web\n\"1\"".into()),
            image_id: Some("sha256:8e".into()),
            pod_namespace: Some("shop".into()),
            mounts: vec![mount],
            ..Container::default()
        };
        Notice { kind: EventKind::Container, container: Arc::new(container) }
    }

    #[test]
    fn the_text_is_json_with_the_names_of_falco() {
        let text: Value = serde_json::from_str(&notice().json()).unwrap();
        let container = &text["container"];
        assert_eq!(container["type"], 11);
        assert_eq!(container["id"], "0123456789ab");
        assert_eq!(container["name"], "web\n\"1\"");
        assert_eq!(container["imageid"], "8e");
        assert_eq!(container["privileged"], false);
        assert_eq!(container["Mounts"][0]["RW"], true);
        assert_eq!(container["labels"]["io.kubernetes.pod.namespace"], "shop");
    }

    #[test]
    fn what_nobody_wants_is_not_kept_and_what_is_wanted_only_so_long() {
        let mut notices = Notices::default();
        notices.note(EventKind::Container, &notice().container);
        assert_eq!(notices.next(), None);
        notices.want(&[EventKind::Execve, EventKind::Container]);
        notices.note(EventKind::ContainerRemoved, &notice().container);
        for _ in 0..NOTICES_MAX + 10 {
            notices.note(EventKind::Container, &notice().container);
        }
        assert_eq!(std::iter::from_fn(|| notices.next()).count(), NOTICES_MAX);
        assert_eq!(notices.lost(), [10, 0]);
    }
}
