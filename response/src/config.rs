//! The responder's part of the configuration file: off by default, strict, and checked whole before
//! anything starts.

mod bounds;
mod check;
mod peers;
mod rule;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::Deserialize;
use service::{
    access::Auth, config::ConfigError, server::ServerLimits, telemetry::Logs, tls::ServerTls,
};

pub use self::{
    bounds::{
        Approval, AuditConfig, Budget, Budgets, CoolDown, EvidenceConfig, Freeze, Freshness,
        Protected,
    },
    peers::{AgentsConfig, KubernetesConfig, TellConfig},
    rule::{EvidencePolicy, MinHealthy, ResponseRule},
};
use crate::action::{Action, Mode};

/// Environment variables that start with this override the file.
const ENVIRONMENT_PREFIX: &str = "SAKER_";

/// This program's part of the file that all of Saker shares.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    response: ResponseConfig,
    logs: Logs,
}

/// Which alerts are acted on, how far, and within which bounds.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResponseConfig {
    /// Where the router brings alerts.
    pub listen: SocketAddr,
    /// TLS for `listen`, with `client_ca`; needed unless it is a loopback address.
    pub tls: Option<ServerTls>,
    /// First DNS names of the certificates that may bring alerts.
    pub senders: BTreeSet<String>,
    /// Who must have given an alert to the router for it to be acted on: its `saker.sender`.
    pub trusted_sources: BTreeSet<String>,
    /// Where the API, health and metrics are.
    pub api: SocketAddr,
    /// TLS for `api`; plain HTTP if absent.
    pub api_tls: Option<ServerTls>,
    /// Who may use the API.
    pub auth: Auth,
    /// Folder of the audit and the evidence.
    pub data: PathBuf,
    /// The ceiling of everything.
    pub mode: Mode,
    /// The ceiling of each action, and the namespaces it may touch; an absent action is off.
    pub actions: BTreeMap<Action, ActionPolicy>,
    /// What to do about which alerts. All that match apply.
    pub responses: Vec<ResponseRule>,
    pub freshness: Freshness,
    pub protected: Protected,
    pub budgets: Budgets,
    pub cool_down: CoolDown,
    pub approval: Approval,
    /// Times in which nothing is done.
    pub freezes: Vec<Freeze>,
    /// The cluster; without it only processes can be acted on.
    pub kubernetes: Option<KubernetesConfig>,
    pub agents: AgentsConfig,
    /// The router that brings people news of responses; without one only API and audit tell.
    pub router: Option<TellConfig>,
    pub evidence: EvidenceConfig,
    pub audit: AuditConfig,
    /// New plans a minute; alerts beyond are counted and written down in one line a minute.
    pub plans_per_minute_max: u32,
    /// Actions carried out at once; one whose end is only awaited is none.
    pub concurrency: usize,
    /// Bounds of the connections to each of the two ports.
    pub connections: ServerLimits,
}

impl Default for ResponseConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 2805)),
            tls: None,
            senders: BTreeSet::from(["saker-router".to_owned()]),
            trusted_sources: BTreeSet::from(["saker-agent".to_owned()]),
            api: SocketAddr::from(([127, 0, 0, 1], 2806)),
            api_tls: None,
            auth: Auth::default(),
            data: PathBuf::from("/var/lib/saker-responder"),
            mode: Mode::Off,
            actions: BTreeMap::new(),
            responses: Vec::new(),
            freshness: Freshness::default(),
            protected: Protected::default(),
            budgets: Budgets::default(),
            cool_down: CoolDown::default(),
            approval: Approval::default(),
            freezes: Vec::new(),
            kubernetes: None,
            agents: AgentsConfig::default(),
            router: None,
            evidence: EvidenceConfig::default(),
            audit: AuditConfig::default(),
            plans_per_minute_max: 120,
            concurrency: 2,
            connections: ServerLimits::default(),
        }
    }
}

/// How far an action may go, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ActionPolicy {
    pub mode: Mode,
    /// Each by its name: there is no wildcard. For processes outside of pods: `host`.
    pub namespaces: BTreeSet<String>,
}

impl ResponseConfig {
    /// Reads the responder's part of the file, and how to log.
    pub fn load(path: Option<&Path>) -> Result<(Self, Logs), ConfigError> {
        let (file, document) = service::config::load_part::<File>(path, ENVIRONMENT_PREFIX)?;
        file.response.check(&document)?;
        Ok((file.response, file.logs))
    }

    /// Returns how far an action may go in a namespace, before a rule and the switch have their say.
    pub fn ceiling(&self, action: Action, namespace: &str) -> Mode {
        match self.actions.get(&action) {
            Some(policy) if policy.namespaces.contains(namespace) => self.mode.min(policy.mode),
            _ => Mode::Off,
        }
    }

    /// Returns the namespaces any action that spends may touch: those that share the cluster's
    /// budget.
    pub fn namespaces(&self) -> BTreeSet<&str> {
        let spending = self
            .actions
            .iter()
            .filter(|(action, policy)| action.spends() && policy.mode > Mode::DryRun);
        spending.flat_map(|(_, policy)| policy.namespaces.iter().map(String::as_str)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ResponseConfig, String> {
        let read = service::config::read_part::<File>(
            "test.yaml",
            text.to_owned(),
            Path::new("."),
            ENVIRONMENT_PREFIX,
            std::iter::empty(),
        );
        let (file, document) = read.map_err(|error| error.to_string())?;
        file.response.check(&document).map_err(|error| error.to_string())?;
        Ok(file.response)
    }

    fn refused(text: &str, words: &str) {
        let error = read(text).expect_err(text);
        assert!(error.contains(words) && error.contains("test.yaml:"), "{text}\n{error}");
    }

    #[test]
    fn without_a_word_nothing_is_done() {
        let config = read("{}").unwrap();
        assert_eq!(config.mode, Mode::Off);
        for action in Action::ALL {
            assert_eq!(config.ceiling(action, "shop"), Mode::Off);
        }
    }

    #[test]
    fn the_lowest_mode_wins_and_only_in_listed_namespaces() {
        let config = read(
            "response: { mode: approve, actions: { label_pod: { mode: auto, namespaces: [shop] } } }",
        )
        .unwrap();
        assert_eq!(config.ceiling(Action::LabelPod, "shop"), Mode::Approve);
        assert_eq!(config.ceiling(Action::LabelPod, "bank"), Mode::Off);
        assert_eq!(config.ceiling(Action::KillPod, "shop"), Mode::Off);
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        refused("response: { listen: 0.0.0.0:2805 }", "could have pods killed");
        refused("response: { api: 0.0.0.0:2806 }", "without a token");
        refused(
            "response: { actions: { kill_pod: { mode: auto, namespaces: ['*'] } } }",
            "no wildcard",
        );
        refused("response: { actions: { kill_pod: { mode: auto } } }", "act nowhere");
        refused("response: { actions: { kill_pd: {} } }", "kill_pd");
        let rule = |extra: &str| {
            format!("response: {{ responses: [ {{ name: a, match: rule = x, {extra} }} ] }}")
        };
        refused(&rule("action: label_pod"), "needs labels");
        refused(&rule("action: label_pod, labels: { app: x }"), "none of ours");
        refused(&rule("action: kill_pod, ttl: 0s"), "more than 0");
        refused(&rule("action: kill_pod, min_healthy: 101%"), "neither");
        refused(&rule("action: kill_process, allow_delete: true"), "only `kill_pod`");
        // A condition with a second `=` in its value is a mistake, not a rule for everything.
        refused(
            "response: { responses: [ { name: a, match: 'proc.cmdline=curl --data=x', action: kill_pod } ] }",
            "match",
        );
    }

    #[test]
    fn every_listed_namespace_has_a_share_of_the_budget() {
        refused(
            "response: { mode: auto, kubernetes: {}, budgets: { cluster: { actions_max: 1, per: 1h } },
               actions: { kill_pod: { mode: auto, namespaces: [a, b] } } }",
            "cannot be shared by 2",
        );
    }

    #[test]
    fn a_share_is_of_the_wanted_pods_and_rounded_up() {
        assert_eq!(MinHealthy::Percent(33).floor(3), 1);
        assert_eq!(MinHealthy::Percent(34).floor(3), 2);
        assert_eq!(MinHealthy::Percent(50).floor(200), 100);
        assert_eq!(MinHealthy::Percent(100).floor(7), 7);
        assert_eq!(MinHealthy::Count(2).floor(200), 2);
        assert_eq!("50%".parse(), Ok(MinHealthy::Percent(50)));
    }
}
