//! The several answers about one container, put together.

use std::collections::HashMap;

use alert::{Labels, Mount};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    super::{
        containerd::Known,
        image::ImageWords,
        metadata::{HostNamespaces, Metadata, Pod, Probes, first, labels, long_text, mounts, name},
        probes,
    },
    protocol::{
        ContainerStatus, ContainerStatusResponse, ImageFacts, ListedContainer, SandboxStatus,
        SandboxStatusResponse, StatusMount,
    },
};

/// Name of a container that only holds a pod's namespaces.
const SANDBOX_NAME: &str = "POD";
/// `NamespaceMode.NODE`
const OF_NODE: i32 = 2;

/// The answers about one container, each absent where the runtime has none.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) listed: Option<ListedContainer>,
    pub(super) status: Option<ContainerStatusResponse>,
    /// Of the container's pod, or of the container if it is a sandbox itself.
    pub(super) sandbox: Option<SandboxStatusResponse>,
    pub(super) containerd: Option<Known>,
    pub(super) image: Option<ImageFacts>,
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

/// What the verbose status of a sandbox tells of its network: containerd at the top, CRI-O in an
/// annotation.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SandboxInfo<'a> {
    #[serde(borrow)]
    cni_result: Option<&'a RawValue>,
    runtime_spec: Option<SandboxSpecification>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SandboxSpecification {
    annotations: HashMap<String, String>,
}

impl Answers {
    /// Returns whether any runtime knows the container.
    pub(super) fn known(&self) -> bool {
        self.listed.is_some() || self.sandbox.is_some() || self.containerd.is_some()
    }

    /// Returns the reference by which the runtime's image service knows the image.
    pub(super) fn image_reference(&self) -> Option<String> {
        let status = self.status();
        let candidates = [
            self.listed.as_ref().map(|listed| &listed.image_ref),
            self.listed.as_ref().and_then(|listed| Some(&listed.image.as_ref()?.image)),
            status.map(|status| &status.image_ref),
            self.containerd.as_ref().map(|known| &known.container.image),
        ];
        candidates.into_iter().flatten().find(|text| !text.is_empty()).cloned()
    }

    /// Puts the answers together.
    pub(super) fn metadata(&self, runtime: &str) -> Metadata {
        let is_sandbox = self.is_sandbox();
        let told = self.listed.as_ref().and_then(|listed| listed.metadata.as_ref());
        let own_name = told
            .map(|told| told.name.as_str())
            .or(self.annotation("io.kubernetes.cri.container-name"))
            .or(self.label("io.kubernetes.container.name"))
            .or(is_sandbox.then_some(SANDBOX_NAME))
            .or(self.label("nerdctl/name"));
        let own_labels = match (&self.listed, &self.containerd) {
            (Some(listed), _) => labels(&listed.labels),
            (None, Some(known)) if !is_sandbox => labels(&known.container.labels),
            _ => Labels::new(),
        };
        Metadata {
            name: own_name.and_then(name),
            image: self.image_words().image(),
            runtime: name(runtime),
            privileged: self.privileged(),
            mounts: self.mounts(),
            host: self.host(),
            probes: self.probes(own_name.unwrap_or_default()),
            created_ns: self.created_ns(),
            labels: own_labels,
            cni: self.cni(),
            ip: None,
            pod: self.pod(is_sandbox).known(),
            absent: None,
        }
    }

    fn pod(&self, is_sandbox: bool) -> Pod {
        let sandbox = self.sandbox();
        let of_pod = sandbox.and_then(|sandbox| sandbox.metadata.as_ref());
        let listed_label = |name: &str| self.listed.as_ref()?.labels.get(name).map(String::as_str);
        let named = |name: &str| [listed_label(name), self.label(name)];
        let word = |told: Option<&str>, label: &str, annotation: &str| {
            let [listed, own] = named(label);
            first([told, listed, own, self.annotation(annotation)])
        };
        let labels = match (sandbox, &self.containerd) {
            (Some(sandbox), _) => labels(&sandbox.labels),
            (None, Some(known)) if is_sandbox => labels(&known.container.labels),
            _ => Labels::new(),
        };
        Pod {
            name: word(
                of_pod.map(|pod| pod.name.as_str()),
                "io.kubernetes.pod.name",
                "io.kubernetes.cri.sandbox-name",
            ),
            namespace: word(
                of_pod.map(|pod| pod.namespace.as_str()),
                "io.kubernetes.pod.namespace",
                "io.kubernetes.cri.sandbox-namespace",
            ),
            uid: word(
                of_pod.map(|pod| pod.uid.as_str()),
                "io.kubernetes.pod.uid",
                "io.kubernetes.cri.sandbox-uid",
            ),
            ip: first([sandbox.and_then(|it| Some(it.network.as_ref()?.ip.as_str()))]),
            labels,
            sandbox_id: first([
                self.listed.as_ref().map(|listed| listed.pod_sandbox_id.as_str()),
                sandbox.map(|sandbox| sandbox.id.as_str()),
                self.annotation("io.kubernetes.cri.sandbox-id"),
            ]),
        }
    }

    fn status(&self) -> Option<&ContainerStatus> {
        self.status.as_ref()?.status.as_ref()
    }

    fn sandbox(&self) -> Option<&SandboxStatus> {
        self.sandbox.as_ref()?.status.as_ref()
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        self.containerd.as_ref()?.specification.annotation(name)
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.containerd.as_ref()?.container.labels.get(name).map(String::as_str)
    }

    fn is_sandbox(&self) -> bool {
        self.listed.is_none()
            && (self.label("io.cri-containerd.kind") == Some("sandbox")
                || self.annotation("io.kubernetes.cri.container-type") == Some("sandbox")
                || (self.containerd.is_none() && self.sandbox.is_some()))
    }

    /// CRI's own word, and for what CRI does not know, that of the specification.
    fn privileged(&self) -> Option<bool> {
        let told = || {
            let info = self.status.as_ref()?.info.get("info")?;
            let info: Info = serde_json::from_str(info).ok()?;
            let nested = info.config.and_then(|config| config.linux);
            info.privileged.or(nested.map(|linux| linux.security_context.privileged))
        };
        told().or_else(|| self.containerd.as_ref()?.specification.privileged())
    }

    fn mounts(&self) -> Option<Vec<Mount>> {
        match (self.status(), &self.containerd) {
            (Some(status), _) => Some(mounts(status.mounts.iter().map(StatusMount::mount))),
            (None, Some(known)) => Some(known.specification.mounts()),
            (None, None) => None,
        }
    }

    fn host(&self) -> HostNamespaces {
        let linux = self.sandbox().and_then(|sandbox| sandbox.linux.as_ref());
        match linux.and_then(|linux| linux.namespaces.as_ref()?.options.as_ref()) {
            Some(options) => HostNamespaces {
                pid: Some(options.pid == OF_NODE),
                network: Some(options.network == OF_NODE),
                ipc: Some(options.ipc == OF_NODE),
            },
            None => {
                self.containerd.as_ref().map(|known| known.specification.host()).unwrap_or_default()
            }
        }
    }

    fn probes(&self, container: &str) -> Probes {
        let sandbox = self.sandbox();
        let annotation = sandbox.and_then(|sandbox| sandbox.annotations.get(probes::APPLIED));
        annotation.map(|text| probes::applied(text, container)).unwrap_or_default()
    }

    fn created_ns(&self) -> Option<u64> {
        let told = self.status().map(|status| status.created_at);
        let own = || {
            let time = self.containerd.as_ref()?.container.created_at.as_ref()?;
            time.seconds.checked_mul(1_000_000_000)?.checked_add(time.nanoseconds.into())
        };
        u64::try_from(told.or_else(own)?).ok().filter(|time| *time > 0)
    }

    fn cni(&self) -> Option<Box<str>> {
        let info = self.sandbox.as_ref()?.info.get("info")?;
        let info: SandboxInfo<'_> = serde_json::from_str(info).ok()?;
        let annotated = || {
            let annotations = &info.runtime_spec.as_ref()?.annotations;
            annotations.get("io.kubernetes.cri-o.CNIResult").map(String::as_str)
        };
        let told = info.cni_result.map(RawValue::get).filter(|text| *text != "null");
        told.or_else(annotated).and_then(long_text)
    }

    fn image_words(&self) -> ImageWords<'_> {
        let of_list = self.listed.as_ref().and_then(|listed| listed.image.as_ref());
        let of_status = self.status().and_then(|status| status.image.as_ref());
        let facts = self.image.as_ref();
        let known = self.containerd.as_ref();
        let names = [
            of_list.map(|image| image.user_specified_image.as_str()),
            self.annotation("io.kubernetes.cri.image-name"),
            of_list.map(|image| image.image.as_str()),
            known.map(|known| known.container.image.as_str()),
            of_status.map(|image| image.image.as_str()),
            facts.and_then(|facts| facts.repo_tags.first()).map(String::as_str),
        ];
        let ids = [
            facts.map(|facts| facts.id.as_str()),
            self.listed.as_ref().map(|listed| listed.image_ref.as_str()),
            of_list.map(|image| image.image.as_str()),
        ];
        ImageWords {
            names: names.into_iter().flatten().collect(),
            ids: ids.into_iter().flatten().collect(),
            digests: facts.map(|facts| &facts.repo_digests[..]).unwrap_or_default(),
            // The kubelet's image may never have been in a registry: then its name stands for
            // whatever was imported.
            digest: known.filter(|_| facts.is_none()).and_then(|known| known.digest.as_deref()),
        }
    }
}

impl StatusMount {
    fn mount(&self) -> Mount {
        Mount {
            source: self.host_path.as_str().into(),
            destination: self.container_path.as_str().into(),
            mode: "".into(),
            writable: !self.readonly,
            propagation: match self.propagation {
                0 => "private",
                1 => "rslave",
                2 => "rshared",
                _ => "",
            }
            .into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            super::{containerd::Container, specification::Specification},
            protocol::{
                ContainerMetadata, ImageSpec, NamespaceOptions, SandboxLinux, SandboxMetadata,
                SandboxNamespaces, SandboxNetwork,
            },
        },
        *,
    };

    const HASH: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn sandbox() -> SandboxStatusResponse {
        let options = NamespaceOptions { network: OF_NODE, pid: 0, ipc: 0 };
        let applied = r#"{"spec":{"containers":[{"name":"main","livenessProbe":{"exec":{"command":["true"]}}}]}}"#;
        let status = SandboxStatus {
            id: "5a".to_owned(),
            metadata: Some(SandboxMetadata {
                name: "web-1".to_owned(),
                uid: "u".to_owned(),
                namespace: "shop".to_owned(),
            }),
            network: Some(SandboxNetwork { ip: "10.244.0.7".to_owned() }),
            linux: Some(SandboxLinux {
                namespaces: Some(SandboxNamespaces { options: Some(options) }),
            }),
            labels: map(&[("app", "web"), ("io.kubernetes.pod.uid", "u")]),
            annotations: map(&[(probes::APPLIED, applied)]),
        };
        let info = map(&[("info", r#"{"pid":7,"cniResult":{"Interfaces":{"eth0":{}}}}"#)]);
        SandboxStatusResponse { status: Some(status), info }
    }

    /// As containerd 1.6 answers the kubelet's container: CRI has the hash, containerd the name.
    fn answers() -> Answers {
        let mount = StatusMount {
            container_path: "/host".to_owned(),
            host_path: "/".to_owned(),
            readonly: true,
            propagation: 1,
        };
        Answers {
            listed: Some(ListedContainer {
                metadata: Some(ContainerMetadata { name: "main".to_owned() }),
                pod_sandbox_id: "5a".to_owned(),
                image: Some(ImageSpec { image: HASH.to_owned(), ..ImageSpec::default() }),
                image_ref: HASH.to_owned(),
                labels: map(&[("io.kubernetes.pod.name", "web-1")]),
                ..ListedContainer::default()
            }),
            status: Some(ContainerStatusResponse {
                status: Some(ContainerStatus {
                    created_at: 5,
                    mounts: vec![mount],
                    ..ContainerStatus::default()
                }),
                info: map(&[]),
            }),
            sandbox: Some(sandbox()),
            containerd: Some(Known {
                container: Container {
                    image: "localhost/busybox:1".to_owned(),
                    ..Container::default()
                },
                ..Known::default()
            }),
            image: Some(ImageFacts {
                id: HASH.to_owned(),
                repo_tags: vec!["localhost/busybox:1".to_owned()],
                repo_digests: vec!["localhost/busybox@sha256:2".to_owned()],
            }),
        }
    }

    #[test]
    fn a_hash_is_replaced_by_the_name_containerd_has() {
        let metadata = answers().metadata("containerd");
        assert_eq!(metadata.name.as_deref(), Some("main"));
        assert_eq!(metadata.image.name.as_deref(), Some("localhost/busybox:1"));
        assert_eq!(metadata.image.repository.as_deref(), Some("localhost/busybox"));
        assert_eq!(metadata.image.tag.as_deref(), Some("1"));
        assert_eq!(metadata.image.digest.as_deref(), Some("sha256:2"));
        assert_eq!(metadata.image.id.as_deref(), Some(HASH));
        assert!(metadata.labels.is_empty());
    }

    #[test]
    fn a_container_of_a_pod_is_told_with_all_that_is_the_pod_s() {
        let metadata = answers().metadata("containerd");
        let pod = metadata.pod.unwrap();
        assert_eq!((pod.name.as_deref(), pod.namespace.as_deref()), (Some("web-1"), Some("shop")));
        assert_eq!(pod.ip.as_deref(), Some("10.244.0.7"));
        assert_eq!(pod.sandbox_id.as_deref(), Some("5a"));
        assert_eq!(pod.labels, [("app".into(), "web".into())].into());
        assert_eq!(metadata.host.network, Some(true));
        assert_eq!(metadata.host.pid, Some(false));
        assert_eq!(metadata.probes.liveness.as_deref(), Some("true"));
        assert_eq!(metadata.cni.as_deref(), Some(r#"{"Interfaces":{"eth0":{}}}"#));
        assert_eq!(metadata.created_ns, Some(5));
        let mount = &metadata.mounts.unwrap()[0];
        assert_eq!((&*mount.source, &*mount.destination), ("/", "/host"));
        assert_eq!((mount.writable, &*mount.propagation), (false, "rslave"));
    }

    /// While a sandbox is being started only containerd itself has heard of it.
    #[test]
    fn a_sandbox_is_known_from_containerd_alone() {
        let specification = br#"{"annotations":{"io.kubernetes.cri.sandbox-uid":"u"}}"#;
        let answers = Answers {
            containerd: Some(Known {
                container: Container {
                    labels: map(&[
                        ("io.cri-containerd.kind", "sandbox"),
                        ("io.kubernetes.pod.name", "web-1"),
                        ("io.kubernetes.pod.namespace", "shop"),
                        ("app", "web"),
                    ]),
                    image: "localhost/pause:1".to_owned(),
                    ..Container::default()
                },
                specification: Specification::read(specification),
                digest: None,
            }),
            ..Answers::default()
        };
        let metadata = answers.metadata("containerd");
        assert_eq!(metadata.name.as_deref(), Some("POD"));
        assert_eq!(metadata.image.repository.as_deref(), Some("localhost/pause"));
        let pod = metadata.pod.unwrap();
        assert_eq!(pod.uid.as_deref(), Some("u"));
        assert_eq!(pod.labels, [("app".into(), "web".into())].into());
    }

    /// As containerd knows a container of nerdctl's.
    #[test]
    fn a_container_of_no_pod_is_known_from_containerd_alone() {
        let specification = br#"{
            "mounts": [{"destination": "/d", "source": "/s", "type": "bind"}],
            "linux": {"namespaces": [{"type": "pid"}]}
        }"#;
        let answers = Answers {
            containerd: Some(Known {
                container: Container {
                    labels: map(&[("nerdctl/name", "web"), ("app", "web")]),
                    image: "docker.io/library/nginx:1.27".to_owned(),
                    ..Container::default()
                },
                specification: Specification::read(specification),
                digest: Some("sha256:9".to_owned()),
            }),
            ..Answers::default()
        };
        let metadata = answers.metadata("containerd");
        assert_eq!(metadata.name.as_deref(), Some("web"));
        assert_eq!(metadata.image.tag.as_deref(), Some("1.27"));
        assert_eq!(metadata.image.digest.as_deref(), Some("sha256:9"));
        assert_eq!(metadata.privileged, Some(false));
        assert_eq!(&*metadata.mounts.unwrap()[0].source, "/s");
        assert_eq!(metadata.host.network, Some(true));
        assert_eq!(metadata.labels, [("app".into(), "web".into())].into());
        assert_eq!(metadata.pod, None);
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
    fn what_a_network_plugin_says_is_found_where_cri_o_has_it() {
        let info =
            r#"{"runtimeSpec":{"annotations":{"io.kubernetes.cri-o.CNIResult":"{\"a\":1}"}}}"#;
        let sandbox = SandboxStatusResponse { status: None, info: map(&[("info", info)]) };
        let answers = Answers { sandbox: Some(sandbox), ..Answers::default() };
        assert_eq!(answers.cni().as_deref(), Some(r#"{"a":1}"#));
    }
}
