//! Whom the responder speaks to: the cluster, the agents, the router.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;
use service::config::{HumanDuration, SafeUrl, Secret};

/// How to reach the cluster.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KubernetesConfig {
    /// Absent: the pod's own service account.
    pub kubeconfig: Option<PathBuf>,
    /// Time for one request.
    pub timeout: HumanDuration,
    /// Our own namespace; absent: the service account's.
    pub namespace: Option<String>,
    /// Label selector of the agents' pods.
    pub agent_selector: String,
    /// Whether something enforces NetworkPolicies. Without it an isolation is reported as not
    /// verified.
    pub network_policies_enforced: bool,
}

impl Default for KubernetesConfig {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            timeout: HumanDuration(Duration::from_secs(10)),
            namespace: None,
            agent_selector: "app.kubernetes.io/component=agent".to_owned(),
            network_policies_enforced: false,
        }
    }
}

/// How to reach the agents. Without certificates they are not asked for anything.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AgentsConfig {
    pub port: u16,
    /// DNS name in the agents' certificates.
    pub name: String,
    /// PEM file of the authorities their certificates come from.
    pub ca: Option<PathBuf>,
    /// PEM file of our own certificate.
    pub certificate: Option<PathBuf>,
    /// PEM file of its key.
    pub key: Option<PathBuf>,
    /// Addresses of agents by their host name, where no cluster tells them.
    pub addresses: BTreeMap<String, SocketAddr>,
    /// Time for one question; orders have it on top of their own.
    pub timeout: HumanDuration,
}

impl Default for AgentsConfig {
    fn default() -> Self {
        Self {
            port: 2804,
            name: "saker-agent".to_owned(),
            ca: None,
            certificate: None,
            key: None,
            addresses: BTreeMap::new(),
            timeout: HumanDuration(Duration::from_secs(5)),
        }
    }
}

/// Where to bring news for people: a router's input.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TellConfig {
    /// For example `https://saker-router:2801`.
    pub url: SafeUrl,
    /// Sent as a bearer token.
    #[serde(default)]
    pub token: Option<Secret>,
    /// PEM file of the authorities to trust instead of the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// PEM file of our own certificate.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// PEM file of its key.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Time for one alert, answer included.
    #[serde(default = "ten_seconds")]
    pub timeout: HumanDuration,
}

const fn ten_seconds() -> HumanDuration {
    HumanDuration(Duration::from_secs(10))
}
