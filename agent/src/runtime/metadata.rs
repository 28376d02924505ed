//! What is known of a container, whichever runtime told it, within bounds.

use std::collections::{BTreeMap, HashMap};

use alert::{Labels, Missing, Mount};

const LABELS_MAX: usize = 64;
/// Kubernetes allows a prefix of 253, a slash and 63.
const LABEL_NAME_BYTES_MAX: usize = 317;
const LABEL_BYTES_MAX: usize = 256;
const NAME_BYTES_MAX: usize = 253;
const MOUNTS_MAX: usize = 128;
const PATH_BYTES_MAX: usize = 1024;
/// A command of a probe, or what a network plugin says.
const TEXT_BYTES_MAX: usize = 4096;
/// Labels by which runtimes and the kubelet talk to themselves.
const OWN_LABELS: [&str; 6] = [
    "io.kubernetes.",
    "io.cri-containerd.",
    "io.containerd.",
    "annotation.io.kubernetes.",
    "nerdctl/",
    "io.buildah.",
];

/// All that is known about a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) name: Option<Box<str>>,
    pub(crate) image: Image,
    pub(crate) runtime: Option<Box<str>>,
    pub(crate) privileged: Option<bool>,
    /// `None` where the source does not tell mounts.
    pub(crate) mounts: Option<Vec<Mount>>,
    pub(crate) host: HostNamespaces,
    pub(crate) probes: Probes,
    pub(crate) created_ns: Option<u64>,
    pub(crate) labels: Labels,
    pub(crate) cni: Option<Box<str>>,
    /// Its address, where it is in no pod.
    pub(crate) ip: Option<Box<str>>,
    pub(crate) pod: Option<Pod>,
    /// Why no runtime told the rest, where all this is from its files.
    pub(crate) absent: Option<Missing>,
}

/// An image by all its names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Image {
    /// As written in the pod, else as the runtime calls it.
    pub(crate) name: Option<Box<str>>,
    pub(crate) repository: Option<Box<str>>,
    pub(crate) tag: Option<Box<str>>,
    pub(crate) digest: Option<Box<str>>,
    pub(crate) id: Option<Box<str>>,
}

/// Which namespaces of the host it is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostNamespaces {
    pub(crate) pid: Option<bool>,
    pub(crate) network: Option<bool>,
    pub(crate) ipc: Option<bool>,
}

/// Commands that are run in it to see how it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Probes {
    pub(crate) health: Option<Box<str>>,
    pub(crate) liveness: Option<Box<str>>,
    pub(crate) readiness: Option<Box<str>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) name: Option<Box<str>>,
    pub(crate) namespace: Option<Box<str>>,
    pub(crate) uid: Option<Box<str>>,
    pub(crate) ip: Option<Box<str>>,
    pub(crate) labels: Labels,
    pub(crate) sandbox_id: Option<Box<str>>,
}

impl Pod {
    /// Returns the pod, or `None` if nothing is known of one.
    pub(super) fn known(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }
}

/// Returns the first that is not empty, as a name.
pub(super) fn first<'a>(candidates: impl IntoIterator<Item = Option<&'a str>>) -> Option<Box<str>> {
    let found = candidates.into_iter().flatten().find(|text| !text.is_empty())?;
    Some(cut(found, NAME_BYTES_MAX))
}

/// Returns a name, cut; nothing for an empty one.
pub(super) fn name(text: &str) -> Option<Box<str>> {
    first([Some(text)])
}

/// Returns a long text, cut; nothing for an empty one.
pub(super) fn long_text(text: &str) -> Option<Box<str>> {
    (!text.is_empty()).then(|| cut(text, TEXT_BYTES_MAX))
}

/// Returns a command as one text.
pub(super) fn command<T: AsRef<str>>(words: &[T]) -> Option<Box<str>> {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    long_text(&words.join(" "))
}

/// Returns the text, cut to a bound in bytes.
pub(super) fn cut(text: &str, bytes_max: usize) -> Box<str> {
    match text.len() > bytes_max {
        false => text.into(),
        true => format!("{}…", &text[..text.floor_char_boundary(bytes_max)]).into(),
    }
}

/// Returns the labels people gave, the first so many by name.
pub(super) fn labels(all: &HashMap<String, String>) -> Labels {
    let given: BTreeMap<&String, &String> = all
        .iter()
        .filter(|(name, _)| {
            name.len() <= LABEL_NAME_BYTES_MAX
                && !OWN_LABELS.iter().any(|own| name.starts_with(own))
        })
        .collect();
    given
        .into_iter()
        .take(LABELS_MAX)
        .map(|(name, value)| (name.as_str().into(), cut(value, LABEL_BYTES_MAX)))
        .collect()
}

/// Returns the mounts within bounds, in the runtime's order.
pub(super) fn mounts(all: impl IntoIterator<Item = Mount>) -> Vec<Mount> {
    let bounded = |mount: Mount| Mount {
        source: cut(&mount.source, PATH_BYTES_MAX),
        destination: cut(&mount.destination, PATH_BYTES_MAX),
        mode: cut(&mount.mode, NAME_BYTES_MAX),
        propagation: cut(&mount.propagation, NAME_BYTES_MAX),
        ..mount
    };
    all.into_iter().take(MOUNTS_MAX).map(bounded).collect()
}

/// Returns nanoseconds since 1970 of a time as runtimes write it; nothing for one before that.
pub(super) fn time_ns(text: &str) -> Option<u64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(time.as_nanosecond()).ok().filter(|time| *time > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_hostile_pod_says_is_bounded() {
        let mut all: HashMap<String, String> =
            (0..1000).map(|number| (format!("l{number:04}"), "v".repeat(5000))).collect();
        all.insert("n".repeat(10_000), "v".to_owned());
        let kept = labels(&all);
        assert_eq!(kept.len(), LABELS_MAX);
        assert!(kept.values().all(|value| value.len() <= LABEL_BYTES_MAX + '…'.len_utf8()));
        assert!(name(&"ä".repeat(4000)).unwrap().len() <= NAME_BYTES_MAX + 3);
        let path: Box<str> = "p".repeat(9000).into();
        let mount = Mount { source: path.clone(), destination: path, ..Mount::default() };
        let kept = mounts(std::iter::repeat_n(mount, 1000));
        assert_eq!(kept.len(), MOUNTS_MAX);
        assert!(kept.iter().all(|mount| mount.source.len() <= PATH_BYTES_MAX + 3));
    }

    #[test]
    fn labels_of_runtimes_are_left_out() {
        let all = [("app", "web"), ("io.kubernetes.pod.uid", "u"), ("nerdctl/name", "n")];
        let all = all.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(labels(&all), [("app".into(), "web".into())].into());
    }

    #[test]
    fn times_of_runtimes_are_read() {
        assert_eq!(time_ns("1970-01-01T00:00:01.5Z"), Some(1_500_000_000));
        assert_eq!(time_ns("0001-01-01T00:00:00Z"), None);
        assert_eq!(time_ns("soon"), None);
    }
}
