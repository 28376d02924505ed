//! What an OCI runtime specification tells: mounts, namespaces, privileges, and annotations that
//! runtimes leave in it for others.

use std::collections::HashMap;

use alert::Mount;
use serde::Deserialize;

use super::metadata::{HostNamespaces, mounts};

/// The parts of a specification that are read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Specification {
    pub(super) annotations: HashMap<String, String>,
    process: Process,
    mounts: Vec<SpecifiedMount>,
    linux: Option<Linux>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Process {
    capabilities: Option<Capabilities>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Capabilities {
    bounding: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SpecifiedMount {
    destination: String,
    source: String,
    r#type: String,
    options: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Linux {
    namespaces: Option<Vec<Namespace>>,
    masked_paths: Option<Vec<String>>,
    readonly_paths: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Namespace {
    r#type: String,
}

impl Specification {
    /// Returns what can be read of a specification; one that cannot tells nothing.
    pub(super) fn read(json: &[u8]) -> Self {
        serde_json::from_slice(json).unwrap_or_default()
    }

    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).map(String::as_str)
    }

    /// Returns whether it has what privileged containers have: nothing of `/proc` is hidden from it,
    /// and it may administer the system. The specification itself has no word for it.
    pub(super) fn privileged(&self) -> Option<bool> {
        let linux = self.linux.as_ref()?;
        let hides = |paths: &Option<Vec<String>>| paths.as_ref().is_some_and(|it| !it.is_empty());
        let capabilities = self.process.capabilities.as_ref();
        let administers =
            capabilities.is_some_and(|set| set.bounding.iter().any(|name| name == "CAP_SYS_ADMIN"));
        Some(administers && !hides(&linux.masked_paths) && !hides(&linux.readonly_paths))
    }

    /// Returns what it sees of the host's files. What every container has, such as `/proc`, is no
    /// part of it.
    pub(super) fn mounts(&self) -> Vec<Mount> {
        let bound = self.mounts.iter().filter(|mount| {
            let mut options = mount.options.iter().flatten();
            mount.r#type == "bind" || options.any(|option| option == "bind" || option == "rbind")
        });
        mounts(bound.map(SpecifiedMount::mount))
    }

    /// Returns which namespaces it shares with the host: those it has none of its own of.
    pub(super) fn host(&self) -> HostNamespaces {
        let namespaces = self.linux.as_ref().and_then(|linux| linux.namespaces.as_ref());
        let shares = |kind: &str| Some(!namespaces?.iter().any(|own| own.r#type == kind));
        HostNamespaces { pid: shares("pid"), network: shares("network"), ipc: shares("ipc") }
    }
}

impl SpecifiedMount {
    fn mount(&self) -> Mount {
        let options = || self.options.iter().flatten().map(String::as_str);
        let propagation = options().find(|option| {
            matches!(*option, "private" | "rprivate" | "slave" | "rslave" | "shared" | "rshared")
        });
        let read_only = options().any(|option| option == "ro");
        Mount {
            source: self.source.as_str().into(),
            destination: self.destination.as_str().into(),
            mode: if read_only { "ro" } else { "" }.into(),
            writable: !read_only,
            // As mount(8) has it where nothing is said.
            propagation: propagation.unwrap_or("rprivate").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `ctr run --mount type=bind,src=/srv,dst=/data,options=rbind:ro` of containerd 1.6 writes it.
    const CTR: &str = r#"{
        "ociVersion": "1.0.2-dev",
        "process": {"capabilities": {"bounding": ["CAP_CHOWN", "CAP_KILL"]}},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"]},
            {"destination": "/data", "type": "bind", "source": "/srv", "options": ["rbind", "ro"]},
            {"destination": "/x", "source": "/y", "options": ["rbind", "rslave", "rw"]}
        ],
        "annotations": {"io.kubernetes.cri.sandbox-name": "web-1"},
        "linux": {
            "namespaces": [{"type": "pid"}, {"type": "mount"}],
            "maskedPaths": ["/proc/kcore"]
        }
    }"#;

    #[test]
    fn only_what_is_of_the_host_is_a_mount() {
        let spec = Specification::read(CTR.as_bytes());
        let mount =
            |source: &str, destination: &str, mode: &str, writable, propagation: &str| Mount {
                source: source.into(),
                destination: destination.into(),
                mode: mode.into(),
                writable,
                propagation: propagation.into(),
            };
        assert_eq!(
            spec.mounts(),
            [
                mount("/srv", "/data", "ro", false, "rprivate"),
                mount("/y", "/x", "", true, "rslave")
            ]
        );
        assert_eq!(spec.annotation("io.kubernetes.cri.sandbox-name"), Some("web-1"));
    }

    #[test]
    fn a_namespace_it_has_none_of_is_the_host_s() {
        let host = Specification::read(CTR.as_bytes()).host();
        assert_eq!((host.pid, host.network, host.ipc), (Some(false), Some(true), Some(true)));
        assert_eq!(Specification::read(b"{}").host(), HostNamespaces::default());
    }

    #[test]
    fn privileged_is_one_that_may_administer_and_from_which_nothing_is_hidden() {
        let check = |json: &str, expected| {
            assert_eq!(Specification::read(json.as_bytes()).privileged(), expected, "{json}");
        };
        check(CTR, Some(false));
        let administers = r#""process":{"capabilities":{"bounding":["CAP_SYS_ADMIN"]}}"#;
        check(&format!(r#"{{{administers},"linux":{{}}}}"#), Some(true));
        check(
            &format!(r#"{{{administers},"linux":{{"maskedPaths":["/proc/kcore"]}}}}"#),
            Some(false),
        );
        check(r#"{"linux":{}}"#, Some(false));
        check("{}", None);
        check("no JSON", None);
    }
}
