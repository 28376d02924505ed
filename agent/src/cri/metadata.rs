//! What runtimes tell of a container, put together from their several answers and bounded.

use std::collections::{BTreeMap, HashMap};

use alert::Labels;
use serde::Deserialize;

use super::protocol::{
    ContainerStatusResponse, ContainerdContainer, ImageFacts, ListedContainer, SandboxStatus,
};

const LABELS_MAX: usize = 64;
/// Kubernetes allows a prefix of 253, a slash and 63.
const LABEL_NAME_BYTES_MAX: usize = 317;
const LABEL_BYTES_MAX: usize = 256;
const NAME_BYTES_MAX: usize = 253;
const IMAGE_BYTES_MAX: usize = 512;
/// Name of a container that only holds a pod's namespaces.
const SANDBOX_NAME: &str = "POD";

/// All that is known about a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) name: Option<Box<str>>,
    pub(crate) image: Image,
    pub(crate) runtime: Option<Box<str>>,
    pub(crate) privileged: Option<bool>,
    pub(crate) labels: Labels,
    pub(crate) pod: Option<Pod>,
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

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) name: Option<Box<str>>,
    pub(crate) namespace: Option<Box<str>>,
    pub(crate) uid: Option<Box<str>>,
    pub(crate) ip: Option<Box<str>>,
    pub(crate) labels: Labels,
}

/// The answers about one container, each absent where the runtime has none.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) listed: Option<ListedContainer>,
    pub(super) status: Option<ContainerStatusResponse>,
    /// Of the container's pod, or of the container if it is a sandbox itself.
    pub(super) sandbox: Option<SandboxStatus>,
    pub(super) containerd: Option<ContainerdContainer>,
    pub(super) image: Option<ImageFacts>,
}

/// The parts of an OCI specification that containerd's CRI plugin writes for others to read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Specification {
    annotations: HashMap<String, String>,
}

/// The parts of a runtime's verbose status that differ by runtime: containerd nests what CRI-O tells
/// at the top.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Info {
    privileged: Option<bool>,
    config: Option<InfoConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InfoConfig {
    linux: Option<InfoLinux>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InfoLinux {
    security_context: SecurityContext,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SecurityContext {
    /// Left out when false.
    privileged: bool,
}

impl Answers {
    /// Returns whether any runtime knows the container.
    pub(super) fn known(&self) -> bool {
        self.listed.is_some() || self.sandbox.is_some() || self.containerd.is_some()
    }

    /// Returns the reference by which the runtime's image service knows the image.
    pub(super) fn image_reference(&self) -> Option<String> {
        let status = self.status.as_ref().and_then(|status| status.status.as_ref());
        let candidates = [
            self.listed.as_ref().map(|listed| &listed.image_ref),
            self.listed.as_ref().and_then(|listed| Some(&listed.image.as_ref()?.image)),
            status.map(|status| &status.image_ref),
            self.containerd.as_ref().map(|own| &own.image),
        ];
        candidates.into_iter().flatten().find(|text| !text.is_empty()).cloned()
    }

    /// Puts the answers together.
    pub(super) fn metadata(&self, runtime: Option<&str>) -> Metadata {
        let annotations = self.annotations();
        let annotation = |name: &str| annotations.get(name).map(String::as_str);
        let of_containerd = self.containerd.as_ref().map(|own| &own.labels);
        let label = |name: &str| of_containerd?.get(name).map(String::as_str);
        let listed_label = |name: &str| self.listed.as_ref()?.labels.get(name).map(String::as_str);
        let is_sandbox = self.listed.is_none()
            && (label("io.cri-containerd.kind") == Some("sandbox")
                || annotation("io.kubernetes.cri.container-type") == Some("sandbox")
                || (self.containerd.is_none() && self.sandbox.is_some()));

        let told = self.listed.as_ref().and_then(|listed| listed.metadata.as_ref());
        let name = told
            .map(|told| told.name.as_str())
            .or(annotation("io.kubernetes.cri.container-name"))
            .or(label("io.kubernetes.container.name"))
            .or(is_sandbox.then_some(SANDBOX_NAME));

        let sandbox = self.sandbox.as_ref();
        let of_pod = sandbox.and_then(|sandbox| sandbox.metadata.as_ref());
        let pod = Pod {
            name: first([
                of_pod.map(|pod| pod.name.as_str()),
                listed_label("io.kubernetes.pod.name"),
                label("io.kubernetes.pod.name"),
                annotation("io.kubernetes.cri.sandbox-name"),
            ]),
            namespace: first([
                of_pod.map(|pod| pod.namespace.as_str()),
                listed_label("io.kubernetes.pod.namespace"),
                label("io.kubernetes.pod.namespace"),
                annotation("io.kubernetes.cri.sandbox-namespace"),
            ]),
            uid: first([
                of_pod.map(|pod| pod.uid.as_str()),
                listed_label("io.kubernetes.pod.uid"),
                label("io.kubernetes.pod.uid"),
                annotation("io.kubernetes.cri.sandbox-uid"),
            ]),
            ip: first([sandbox
                .and_then(|sandbox| sandbox.network.as_ref())
                .map(|network| network.ip.as_str())]),
            labels: match (sandbox, of_containerd) {
                (Some(sandbox), _) => labels(&sandbox.labels),
                (None, Some(own)) if is_sandbox => labels(own),
                _ => Labels::new(),
            },
        };
        let own_labels = match (&self.listed, of_containerd) {
            (Some(listed), _) => labels(&listed.labels),
            (None, Some(own)) if !is_sandbox => labels(own),
            _ => Labels::new(),
        };
        Metadata {
            name: bounded(name, NAME_BYTES_MAX),
            image: self.image(annotation("io.kubernetes.cri.image-name")),
            runtime: bounded(runtime, NAME_BYTES_MAX),
            privileged: self.privileged(),
            labels: own_labels,
            pod: (pod != Pod::default()).then_some(pod),
        }
    }

    fn annotations(&self) -> HashMap<String, String> {
        let spec = self.containerd.as_ref().and_then(|own| own.spec.as_ref());
        let parsed =
            spec.and_then(|spec| serde_json::from_slice::<Specification>(&spec.value).ok());
        parsed.unwrap_or_default().annotations
    }

    fn privileged(&self) -> Option<bool> {
        let info = self.status.as_ref()?.info.get("info")?;
        let info: Info = serde_json::from_str(info).ok()?;
        let nested = info.config.and_then(|config| config.linux);
        info.privileged.or(nested.map(|linux| linux.security_context.privileged))
    }

    fn image(&self, annotated: Option<&str>) -> Image {
        let status = self.status.as_ref().and_then(|status| status.status.as_ref());
        let of_list = self.listed.as_ref().and_then(|listed| listed.image.as_ref());
        let of_status = status.and_then(|status| status.image.as_ref());
        let facts = self.image.as_ref();
        let candidates = [
            of_list.map(|image| image.user_specified_image.as_str()),
            annotated,
            of_list.map(|image| image.image.as_str()),
            self.containerd.as_ref().map(|own| own.image.as_str()),
            of_status.map(|image| image.image.as_str()),
            facts.and_then(|facts| facts.repo_tags.first()).map(String::as_str),
        ];
        let written = candidates.into_iter().flatten().filter(|name| !name.is_empty());
        let name = written.clone().find(|name| !is_hash(name));
        let parts = name.map(ImageName::parse).unwrap_or_default();
        let id = [
            facts.map(|facts| facts.id.as_str()),
            self.listed.as_ref().map(|listed| listed.image_ref.as_str()),
            of_list.map(|image| image.image.as_str()),
        ];
        let digests = facts.map(|facts| &facts.repo_digests[..]).unwrap_or_default();
        let digests = || digests.iter().filter_map(|name| name.rsplit_once('@'));
        // An image may have come from several registries: the one it is named after counts.
        let digest = parts
            .digest
            .or_else(|| digests().find(|(of, _)| Some(*of) == parts.repository).map(|(_, d)| d))
            .or_else(|| digests().next().map(|(_, digest)| digest));
        Image {
            name: bounded(name.or_else(|| written.clone().next()), IMAGE_BYTES_MAX),
            repository: bounded(parts.repository, IMAGE_BYTES_MAX),
            tag: bounded(parts.tag, IMAGE_BYTES_MAX),
            digest: bounded(digest, IMAGE_BYTES_MAX),
            id: bounded(id.into_iter().flatten().find(|id| is_hash(id)), IMAGE_BYTES_MAX),
        }
    }
}

/// `REPOSITORY[:TAG][@DIGEST]` taken apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ImageName<'a> {
    repository: Option<&'a str>,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> ImageName<'a> {
    fn parse(name: &'a str) -> Self {
        let (name, digest) = match name.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (name, None),
        };
        // A colon before a slash belongs to the registry's port.
        match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => {
                Self { repository: Some(repository), tag: Some(tag), digest }
            }
            _ => Self { repository: Some(name), tag: None, digest },
        }
    }
}

fn is_hash(name: &str) -> bool {
    let digits = name.strip_prefix("sha256:").unwrap_or(name);
    digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn first<const N: usize>(candidates: [Option<&str>; N]) -> Option<Box<str>> {
    let found = candidates.into_iter().flatten().find(|text| !text.is_empty());
    bounded(found, NAME_BYTES_MAX)
}

/// Returns the text, cut; nothing for an empty one.
fn bounded(text: Option<&str>, bytes_max: usize) -> Option<Box<str>> {
    let text = text.filter(|text| !text.is_empty())?;
    Some(cut(text, bytes_max))
}

fn cut(text: &str, bytes_max: usize) -> Box<str> {
    match text.len() > bytes_max {
        false => text.into(),
        true => format!("{}…", &text[..text.floor_char_boundary(bytes_max)]).into(),
    }
}

/// Returns the labels people gave, the first so many by name.
fn labels(all: &HashMap<String, String>) -> Labels {
    let given: BTreeMap<&String, &String> = all
        .iter()
        .filter(|(name, _)| {
            name.len() <= LABEL_NAME_BYTES_MAX
                && !name.starts_with("io.kubernetes.")
                && !name.starts_with("io.cri-containerd.")
        })
        .collect();
    given
        .into_iter()
        .take(LABELS_MAX)
        .map(|(name, value)| (name.as_str().into(), cut(value, LABEL_BYTES_MAX)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::protocol::{Any, ContainerMetadata, ImageSpec, SandboxMetadata, SandboxNetwork},
        *,
    };

    const HASH: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_image_s_name_is_taken_apart() {
        let check = |name, repository, tag, digest| {
            let parsed = ImageName::parse(name);
            assert_eq!(
                (parsed.repository, parsed.tag, parsed.digest),
                (Some(repository), tag, digest)
            );
        };
        check("busybox", "busybox", None, None);
        check("localhost:5000/a/b", "localhost:5000/a/b", None, None);
        check("localhost:5000/a/b:1", "localhost:5000/a/b", Some("1"), None);
        check("a/b:1@sha256:ab", "a/b", Some("1"), Some("sha256:ab"));
        check("a/b@sha256:ab", "a/b", None, Some("sha256:ab"));
    }

    /// As containerd 1.6 answers the kubelet's container: CRI has the hash, containerd the name.
    #[test]
    fn a_hash_is_replaced_by_the_name_containerd_has() {
        let answers = Answers {
            listed: Some(ListedContainer {
                metadata: Some(ContainerMetadata { name: "main".to_owned() }),
                image: Some(ImageSpec { image: HASH.to_owned(), ..ImageSpec::default() }),
                image_ref: HASH.to_owned(),
                labels: map(&[("io.kubernetes.pod.name", "web-1")]),
                ..ListedContainer::default()
            }),
            sandbox: Some(SandboxStatus {
                metadata: Some(SandboxMetadata {
                    name: "web-1".to_owned(),
                    uid: "u".to_owned(),
                    namespace: "shop".to_owned(),
                }),
                network: Some(SandboxNetwork { ip: "10.244.0.7".to_owned() }),
                labels: map(&[("app", "web"), ("io.kubernetes.pod.uid", "u")]),
            }),
            containerd: Some(ContainerdContainer {
                image: "localhost/busybox:1".to_owned(),
                ..ContainerdContainer::default()
            }),
            image: Some(ImageFacts {
                id: HASH.to_owned(),
                repo_tags: vec!["localhost/busybox:1".to_owned()],
                repo_digests: vec![
                    "other@sha256:1".to_owned(),
                    "localhost/busybox@sha256:2".to_owned(),
                ],
            }),
            ..Answers::default()
        };
        let metadata = answers.metadata(Some("containerd"));
        assert_eq!(metadata.name.as_deref(), Some("main"));
        assert_eq!(metadata.image.name.as_deref(), Some("localhost/busybox:1"));
        assert_eq!(metadata.image.repository.as_deref(), Some("localhost/busybox"));
        assert_eq!(metadata.image.tag.as_deref(), Some("1"));
        assert_eq!(metadata.image.digest.as_deref(), Some("sha256:2"));
        assert_eq!(metadata.image.id.as_deref(), Some(HASH));
        assert!(metadata.labels.is_empty());
        let pod = metadata.pod.unwrap();
        assert_eq!((pod.name.as_deref(), pod.namespace.as_deref()), (Some("web-1"), Some("shop")));
        assert_eq!(pod.ip.as_deref(), Some("10.244.0.7"));
        assert_eq!(pod.labels, [("app".into(), "web".into())].into());
    }

    /// While a sandbox is being started only containerd itself has heard of it.
    #[test]
    fn a_sandbox_is_known_from_containerd_alone() {
        let answers = Answers {
            containerd: Some(ContainerdContainer {
                labels: map(&[
                    ("io.cri-containerd.kind", "sandbox"),
                    ("io.kubernetes.pod.name", "web-1"),
                    ("io.kubernetes.pod.namespace", "shop"),
                    ("app", "web"),
                ]),
                image: "localhost/pause:1".to_owned(),
                spec: Some(Any {
                    value: br#"{"annotations":{"io.kubernetes.cri.sandbox-uid":"u"}}"#.to_vec(),
                }),
            }),
            ..Answers::default()
        };
        let metadata = answers.metadata(None);
        assert_eq!(metadata.name.as_deref(), Some("POD"));
        assert_eq!(metadata.image.repository.as_deref(), Some("localhost/pause"));
        let pod = metadata.pod.unwrap();
        assert_eq!(pod.uid.as_deref(), Some("u"));
        assert_eq!(pod.labels, [("app".into(), "web".into())].into());
    }

    #[test]
    fn privileged_is_read_as_each_runtime_tells_it() {
        let check = |info: &str, expected: Option<bool>| {
            let status = ContainerStatusResponse { info: map(&[("info", info)]), status: None };
            let answers = Answers { status: Some(status), ..Answers::default() };
            assert_eq!(answers.privileged(), expected, "{info}");
        };
        check(r#"{"config":{"linux":{"security_context":{"privileged":true}}}}"#, Some(true));
        check(r#"{"config":{"linux":{"security_context":{}}}}"#, Some(false));
        check(r#"{"privileged":true,"pid":7}"#, Some(true));
        check(r#"{"pid":7}"#, None);
        check("no JSON", None);
    }

    #[test]
    fn what_a_hostile_pod_says_is_bounded() {
        let mut all: HashMap<String, String> =
            (0..1000).map(|number| (format!("l{number:04}"), "v".repeat(5000))).collect();
        all.insert("n".repeat(10_000), "v".to_owned());
        let kept = labels(&all);
        assert_eq!(kept.len(), LABELS_MAX);
        assert!(kept.values().all(|value| value.len() <= LABEL_BYTES_MAX + '…'.len_utf8()));
        let listed = ListedContainer {
            metadata: Some(ContainerMetadata { name: "ä".repeat(4000) }),
            ..ListedContainer::default()
        };
        let answers = Answers { listed: Some(listed), ..Answers::default() };
        assert!(answers.metadata(None).name.unwrap().len() <= NAME_BYTES_MAX + 3);
    }
}
