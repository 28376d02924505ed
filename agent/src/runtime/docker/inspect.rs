//! What `docker inspect` tells, in the words of Docker's API from version 1.12 on.

use std::collections::HashMap;

use alert::Mount;
use serde::Deserialize;

use super::super::{
    image::{ImageWords, is_hash},
    metadata::{
        HostNamespaces, Metadata, Pod, Probes, command, first, labels, mounts, name, time_ns,
    },
    probes::applied,
};

/// The label in which cri-dockerd and its ancestors kept what was applied.
const APPLIED: &str = "annotation.kubectl.kubernetes.io/last-applied-configuration";

/// A container. Go writes `null` for whatever is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Container {
    name: Option<String>,
    created: Option<String>,
    /// Hash of the image's configuration.
    image: Option<String>,
    config: Option<Config>,
    host_config: Option<HostConfig>,
    mounts: Option<Vec<MountPoint>>,
    network_settings: Option<NetworkSettings>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Config {
    image: Option<String>,
    labels: Option<HashMap<String, String>>,
    healthcheck: Option<Healthcheck>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Healthcheck {
    test: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct HostConfig {
    privileged: Option<bool>,
    network_mode: Option<String>,
    pid_mode: Option<String>,
    ipc_mode: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct MountPoint {
    source: Option<String>,
    destination: Option<String>,
    mode: Option<String>,
    #[serde(rename = "RW")]
    writable: bool,
    propagation: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NetworkSettings {
    #[serde(rename = "IPAddress")]
    address: Option<String>,
    #[serde(rename = "Networks")]
    networks: Option<HashMap<String, Option<Network>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Network {
    #[serde(rename = "IPAddress")]
    address: Option<String>,
}

/// An image.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Image {
    repo_tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
}

impl Image {
    pub(super) fn read(json: &[u8]) -> Self {
        serde_json::from_slice(json).unwrap_or_default()
    }
}

impl Container {
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// Returns the hash by which its image is asked about.
    pub(super) fn image_id(&self) -> Option<&str> {
        self.image.as_deref().filter(|id| is_hash(id))
    }

    /// Puts it together with what is known of its image.
    pub(super) fn metadata(&self, image: &Image, runtime: &str) -> Metadata {
        let nothing = HashMap::new();
        let config = self.config.as_ref();
        let own = config.and_then(|config| config.labels.as_ref()).unwrap_or(&nothing);
        let label = |name: &str| own.get(name).map(String::as_str);
        // The kubelet's containers are called `k8s_NAME_POD_…` by Docker.
        let of_kubelet = label("io.kubernetes.container.name");
        let own_name = of_kubelet.or(self.name.as_deref().map(|name| name.trim_start_matches('/')));
        let pod = Pod {
            name: first([label("io.kubernetes.pod.name")]),
            namespace: first([label("io.kubernetes.pod.namespace")]),
            uid: first([label("io.kubernetes.pod.uid")]),
            sandbox_id: first([label("io.kubernetes.sandbox.id")]),
            ..Pod::default()
        };
        let probes = label(APPLIED)
            .zip(of_kubelet)
            .map(|(text, container)| applied(text, container))
            .unwrap_or_default();
        Metadata {
            name: own_name.and_then(name),
            image: self.image_words(image).image(),
            runtime: name(runtime),
            privileged: self.host_config.as_ref().and_then(|host| host.privileged),
            mounts: Some(mounts(self.mounts.iter().flatten().map(MountPoint::mount))),
            host: self.host(),
            probes: Probes { health: self.health(), ..probes },
            created_ns: self.created.as_deref().and_then(time_ns),
            labels: labels(own),
            cni: None,
            ip: self.address(),
            pod: pod.known(),
            absent: None,
        }
    }

    fn image_words<'a>(&'a self, image: &'a Image) -> ImageWords<'a> {
        let written = self.config.as_ref().and_then(|config| config.image.as_deref());
        let tags = image.repo_tags.iter().flatten().map(String::as_str);
        ImageWords {
            names: written.into_iter().chain(tags).collect(),
            ids: self.image.as_deref().into_iter().collect(),
            digests: image.repo_digests.as_deref().unwrap_or_default(),
            digest: None,
        }
    }

    fn host(&self) -> HostNamespaces {
        let Some(host) = &self.host_config else { return HostNamespaces::default() };
        let is_host = |mode: &Option<String>| Some(mode.as_deref() == Some("host"));
        HostNamespaces {
            pid: is_host(&host.pid_mode),
            network: is_host(&host.network_mode),
            ipc: is_host(&host.ipc_mode),
        }
    }

    fn health(&self) -> Option<Box<str>> {
        let test = self.config.as_ref()?.healthcheck.as_ref()?.test.as_ref()?;
        match test.split_first()? {
            (kind, words) if kind == "CMD" => command(words),
            (kind, [script, ..]) if kind == "CMD-SHELL" => command(&["/bin/sh", "-c", script]),
            _ => None,
        }
    }

    /// Returns the address in the default network, or in the first of the others by name.
    fn address(&self) -> Option<Box<str>> {
        let settings = self.network_settings.as_ref()?;
        let mut networks: Vec<_> = settings.networks.iter().flatten().collect();
        networks.sort_by_key(|(name, _)| name.as_str());
        let others = networks.iter().map(|(_, it)| it.as_ref()?.address.as_deref());
        first(std::iter::once(settings.address.as_deref()).chain(others))
    }
}

impl MountPoint {
    fn mount(&self) -> Mount {
        let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
        Mount {
            source: text(&self.source),
            destination: text(&self.destination),
            mode: text(&self.mode),
            writable: self.writable,
            propagation: text(&self.propagation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "sha256:8e646c958ddc7583400f7cc19dbeb9a28f430b5a60fbfb39882a1b769684f412";

    /// What Docker 20.10 answered for a container with a mount, a label, a check and a network.
    const DOCKER: &str = r#"{
        "Id": "84dd9640bc451a6bb19247fe5221ddceb973d662e188199ab4d6804826d46c2d",
        "Created": "2026-11-27T04:06:12.628064683Z",
        "State": {"Status": "running", "Pid": 15236},
        "Image": "sha256:8e646c958ddc7583400f7cc19dbeb9a28f430b5a60fbfb39882a1b769684f412",
        "Name": "/web",
        "ExecIDs": null,
        "HostConfig": {"NetworkMode": "shop", "IpcMode": "private", "PidMode": "host",
                       "Privileged": true, "CapAdd": null},
        "Mounts": [{"Type": "bind", "Source": "/srv", "Destination": "/data", "Mode": "ro",
                    "RW": false, "Propagation": "rprivate"}],
        "Config": {"Hostname": "84dd9640bc45", "Image": "localhost/busybox:1", "Env": null,
                   "Healthcheck": {"Test": ["CMD-SHELL", "test -e /ok"], "Interval": 1000000000},
                   "Labels": {"app": "web"}},
        "NetworkSettings": {"IPAddress": "", "Networks": {
            "shop": {"IPAMConfig": null, "IPAddress": "172.18.0.2"}, "empty": null}}
    }"#;

    #[test]
    fn a_container_of_docker_is_told_with_its_image() {
        let image = Image::read(
            br#"{"RepoTags": ["localhost/busybox:1"], "RepoDigests": ["localhost/busybox@sha256:2"]}"#,
        );
        let told = Container::read(DOCKER.as_bytes()).unwrap().metadata(&image, "docker");
        assert_eq!(told.name.as_deref(), Some("web"));
        assert_eq!(told.image.name.as_deref(), Some("localhost/busybox:1"));
        assert_eq!(told.image.tag.as_deref(), Some("1"));
        assert_eq!(told.image.digest.as_deref(), Some("sha256:2"));
        assert_eq!(told.image.id.as_deref(), Some(HASH));
        assert_eq!(told.privileged, Some(true));
        let mount = &told.mounts.unwrap()[0];
        assert_eq!((&*mount.mode, mount.writable, &*mount.propagation), ("ro", false, "rprivate"));
        assert_eq!((told.host.pid, told.host.network), (Some(true), Some(false)));
        assert_eq!(told.probes.health.as_deref(), Some("/bin/sh -c test -e /ok"));
        assert_eq!(told.labels, [("app".into(), "web".into())].into());
        assert_eq!(told.ip.as_deref(), Some("172.18.0.2"));
        assert_eq!(told.created_ns, Some(1_795_752_372_628_064_683));
        assert_eq!(told.pod, None);
    }

    #[test]
    fn a_pod_s_container_in_docker_is_told_by_its_labels() {
        let json = r#"{"Name": "/k8s_main_web-1_shop_u_0", "Config": {"Labels": {
            "io.kubernetes.container.name": "main",
            "io.kubernetes.pod.name": "web-1",
            "io.kubernetes.pod.namespace": "shop",
            "io.kubernetes.pod.uid": "u",
            "io.kubernetes.sandbox.id": "5a"
        }}}"#;
        let told = Container::read(json.as_bytes()).unwrap().metadata(&Image::default(), "docker");
        assert_eq!(told.name.as_deref(), Some("main"));
        let pod = told.pod.unwrap();
        assert_eq!((pod.name.as_deref(), pod.namespace.as_deref()), (Some("web-1"), Some("shop")));
        assert_eq!((pod.uid.as_deref(), pod.sandbox_id.as_deref()), (Some("u"), Some("5a")));
    }

    #[test]
    fn an_answer_of_nulls_tells_nothing_and_one_that_is_none_is_refused() {
        let nulls = r#"{"Name": null, "Config": null, "HostConfig": null, "Mounts": null,
                        "NetworkSettings": null, "Image": null, "Created": null}"#;
        let told = Container::read(nulls.as_bytes()).unwrap().metadata(&Image::default(), "docker");
        assert_eq!((told.name, told.privileged), (None, None));
        assert!(Container::read(b"busy").is_none());
    }
}
