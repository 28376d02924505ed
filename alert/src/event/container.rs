//! The container a process runs in, and the pod the container belongs to.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

/// The container a process runs in. Absent parts were not to be had: [`Container::missing`] tells why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Container {
    /// Whole id, usually 64 hex digits.
    pub id: Box<str>,
    /// Whole id of the container it runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outer_id: Option<Box<str>>,
    /// The user, other than root, whose own runtime made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
    /// Where containerd knows it, if its id is a name that a person chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Box<str>>,
    pub runtime: Option<Box<str>>,
    pub name: Option<Box<str>>,
    pub image: Option<Box<str>>,
    pub image_repository: Option<Box<str>>,
    pub image_tag: Option<Box<str>>,
    /// `sha256:…` of the image's manifest in its registry.
    pub image_digest: Option<Box<str>>,
    /// `sha256:…` of the image's configuration.
    pub image_id: Option<Box<str>>,
    pub privileged: Option<bool>,
    /// Labels of the container itself, without those of the runtime.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    pub pod_name: Option<Box<str>>,
    pub pod_namespace: Option<Box<str>>,
    pub pod_uid: Option<Box<str>>,
    pub pod_ip: Option<Box<str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_labels: Labels,
    pub pod_qos: Option<PodQos>,
    /// What of the host or of volumes it sees, in the runtime's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_pid: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_network: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_ipc: Option<bool>,
    /// Command of the container's health check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness_probe: Option<Box<str>>,
    /// What the network plugin says, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cni: Option<Box<str>>,
    /// When the runtime made it, nanoseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_ns: Option<u64>,
    /// Whole id of the pod's sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox_id: Option<Box<str>>,
    /// Reasons by the name of the field that is absent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<Box<str>, Missing>,
}

impl Container {
    /// Returns what tells it from every other container of the machine. The id alone does not: within
    /// a container, or in a user's own part of the cgroups, anybody may claim the id of another.
    pub fn key(&self) -> Cow<'_, str> {
        container_key(&self.id, self.user, self.outer_id.as_deref(), self.namespace.as_deref())
    }

    /// Returns the id as it is shown: its first 12 digits, or the whole name that it is.
    pub fn short_id(&self) -> &str {
        match self.id.get(..12) {
            Some(short) if self.id.bytes().all(|byte| byte.is_ascii_hexdigit()) => short,
            _ => &self.id,
        }
    }
}

/// Returns the [`Container::key`] of the container with these.
pub fn container_key<'a>(
    id: &'a str,
    user: Option<u32>,
    outer_id: Option<&str>,
    namespace: Option<&str>,
) -> Cow<'a, str> {
    if user.is_none() && outer_id.is_none() && namespace.is_none() {
        return Cow::Borrowed(id);
    }
    let user = user.map_or_else(String::new, |user| user.to_string());
    let (outer, namespace) = (outer_id.unwrap_or_default(), namespace.unwrap_or_default());
    // None of them holds a slash.
    Cow::Owned(format!("{user}/{outer}/{namespace}/{id}"))
}

/// A directory or file mounted into a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mount {
    pub source: Box<str>,
    pub destination: Box<str>,
    pub mode: Box<str>,
    pub writable: bool,
    pub propagation: Box<str>,
}

/// Labels by name.
pub type Labels = BTreeMap<Box<str>, Box<str>>;

/// How Kubernetes treats a pod when the machine runs short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PodQos {
    Guaranteed,
    Burstable,
    #[serde(rename = "besteffort")]
    BestEffort,
}

impl PodQos {
    /// Returns the value of `saker.pod.qos`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guaranteed => "guaranteed",
            Self::Burstable => "burstable",
            Self::BestEffort => "besteffort",
        }
    }
}

/// Why something about a container is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// No container runtime has its socket where we look.
    NoSocket,
    /// There is a socket, and we may not use it.
    SocketDenied,
    /// The runtime does not know it.
    NotFound,
    /// The runtime did not answer in time.
    Timeout,
    /// Too many events were waiting for the runtime's answers.
    HoldFull,
    /// The container belongs to no pod.
    NotKubernetes,
    /// The runtime answered with an error.
    RuntimeError,
}

impl Missing {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::NoSocket,
        Self::SocketDenied,
        Self::NotFound,
        Self::Timeout,
        Self::HoldFull,
        Self::NotKubernetes,
        Self::RuntimeError,
    ];

    /// Returns its code in `saker.container.missing`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSocket => "no_socket",
            Self::SocketDenied => "socket_denied",
            Self::NotFound => "not_found",
            Self::Timeout => "timeout",
            Self::HoldFull => "hold_full",
            Self::NotKubernetes => "not_kubernetes",
            Self::RuntimeError => "runtime_error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_claims_the_id_of_another_has_a_key_of_its_own() {
        let real = Container { id: "a1".into(), ..Container::default() };
        let of_user = Container { user: Some(1000), ..real.clone() };
        let inside = Container { outer_id: Some("b2".into()), ..real.clone() };
        let named = Container { namespace: Some("default".into()), ..real.clone() };
        let mut keys = [&real, &of_user, &inside, &named].map(Container::key).to_vec();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 4);
        assert_eq!(real.key(), "a1");
    }

    #[test]
    fn only_digits_are_shortened() {
        let short = |id: &str| Container { id: id.into(), ..Container::default() }.short_id().len();
        assert_eq!(short(&"0".repeat(64)), 12);
        assert_eq!(short("a-machine-with-a-long-name"), 26);
    }
}
