//! The responder's part of the configuration file: off by default, strict, and checked whole before
//! anything starts.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rules::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, de::IgnoredAny};
use service::{
    access::Auth,
    config::{ConfigError, Document, HumanBytes, HumanDuration, SafeUrl, Secret},
    server::ServerLimits,
    telemetry::Logs,
    tls::ServerTls,
};

use crate::action::{Action, Mode};

/// Environment variables that start with this override the file.
const ENVIRONMENT_PREFIX: &str = "SAKER_";
const RULES_MAX: usize = 1000;
const NAME_CHARS_MAX: usize = 64;
/// Longest time a containment lasts without a person's word.
const TTL_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// The file all of Saker shares; each program reads its part.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    response: ResponseConfig,
    logs: Logs,
    #[serde(rename = "agent")]
    _agent: Option<IgnoredAny>,
    #[serde(rename = "router")]
    _router: Option<IgnoredAny>,
    #[serde(rename = "outputs")]
    _outputs: Option<IgnoredAny>,
    #[serde(rename = "routes")]
    _routes: Option<IgnoredAny>,
    #[serde(rename = "silences")]
    _silences: Option<IgnoredAny>,
    #[serde(rename = "fingerprints")]
    _fingerprints: Option<IgnoredAny>,
    #[serde(rename = "score")]
    _score: Option<IgnoredAny>,
    #[serde(rename = "limits")]
    _limits: Option<IgnoredAny>,
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
    /// Actions under way at once.
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

/// One thing to do about some alerts.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseRule {
    /// Unique; written beside everything it does.
    pub name: String,
    /// A condition in the rule language. Where a missing field makes it undecidable, nothing is
    /// done.
    #[serde(rename = "match")]
    #[schemars(with = "String")]
    pub condition: Condition,
    pub action: Action,
    /// The ceiling of this rule.
    #[serde(default = "auto")]
    pub mode: Mode,
    /// Whether to collect evidence first.
    #[serde(default)]
    pub evidence: EvidencePolicy,
    /// For `kill_pod`: seconds the pod has to end. Absent: what the pod itself asks for.
    #[serde(default)]
    pub grace: Option<HumanDuration>,
    /// For `kill_pod`: delete the pod when eviction is not possible for another reason than a
    /// PodDisruptionBudget.
    #[serde(default)]
    pub allow_delete: bool,
    /// For `kill_pod` and `isolate_pod`: pods of the workload that must stay ready, a number or a
    /// share of the wanted ones such as `50%`.
    #[serde(default)]
    #[schemars(with = "String")]
    pub min_healthy: MinHealthy,
    /// For `kill_pod`: also pods that no controller replaces.
    #[serde(default)]
    pub allow_standalone: bool,
    /// For `label_pod`: labels to set.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// For `label_pod` and `isolate_pod`: how long it lasts.
    #[serde(default = "hour")]
    pub ttl: HumanDuration,
}

const fn auto() -> Mode {
    Mode::Auto
}

const fn hour() -> HumanDuration {
    HumanDuration(Duration::from_secs(3600))
}

/// Whether evidence comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvidencePolicy {
    None,
    /// What can be had in time; then it goes on.
    #[default]
    BestEffort,
    /// Without it nothing is done.
    Require,
}

/// Pods of a workload that must stay ready after the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinHealthy {
    Count(u32),
    /// Of the wanted pods, rounded up.
    Percent(u32),
}

impl Default for MinHealthy {
    fn default() -> Self {
        Self::Count(0)
    }
}

impl MinHealthy {
    /// Returns how many must stay ready of so many wanted ones.
    pub fn floor(self, desired: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let share = (u64::from(desired) * u64::from(percent)).div_ceil(100);
                u32::try_from(share).unwrap_or(u32::MAX)
            }
        }
    }
}

impl std::str::FromStr for MinHealthy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is neither a number nor a share such as `50%`");
        match text.trim().strip_suffix('%') {
            None => text.trim().parse().map(Self::Count).map_err(|_| wrong()),
            Some(percent) => match percent.trim().parse() {
                Ok(percent) if percent <= 100 => Ok(Self::Percent(percent)),
                _ => Err(wrong()),
            },
        }
    }
}

impl<'de> Deserialize<'de> for MinHealthy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u32),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(count) => Ok(Self::Count(count)),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

/// How old an event may be when it is acted on.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Freshness {
    /// For killing.
    pub kill: HumanDuration,
    /// For labels and isolation.
    pub contain: HumanDuration,
    /// For collecting evidence.
    pub observe: HumanDuration,
    /// How far in the future an event may lie: clocks differ.
    pub skew: HumanDuration,
}

impl Default for Freshness {
    fn default() -> Self {
        let seconds = |seconds| HumanDuration(Duration::from_secs(seconds));
        Self { kill: seconds(60), contain: seconds(300), observe: seconds(600), skew: seconds(5) }
    }
}

/// What is never acted on, besides what the program itself protects: `kube-system`, `kube-public`,
/// `kube-node-lease`, our own namespace and pods, static pods, `system-` priority classes, and pods
/// with the label or annotation `saker.dev/protected: "true"`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Protected {
    pub namespaces: BTreeSet<String>,
    /// Pods with any of these labels.
    pub labels: BTreeMap<String, String>,
}

/// So many actions in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    pub actions_max: u32,
    pub per: HumanDuration,
}

/// What all actions together may do, whatever the alerts say. Spent budgets leave it to people.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Budgets {
    /// For each workload.
    pub workload: Budget,
    /// For each namespace.
    pub namespace: Budget,
    /// For the whole cluster. Each listed namespace has an equal share that no other can spend.
    pub cluster: Budget,
}

impl Default for Budgets {
    fn default() -> Self {
        let budget = |actions_max, seconds| Budget {
            actions_max,
            per: HumanDuration(Duration::from_secs(seconds)),
        };
        Self { workload: budget(1, 600), namespace: budget(3, 3600), cluster: budget(10, 3600) }
    }
}

/// When doing it again does not help.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CoolDown {
    /// The same action on the same target within this time is the same response.
    pub target: HumanDuration,
    /// A workload acted on this often within `within`, and which raises alerts again, is left to
    /// people.
    pub breaker_actions: u32,
    pub within: HumanDuration,
}

impl Default for CoolDown {
    fn default() -> Self {
        let seconds = |seconds| HumanDuration(Duration::from_secs(seconds));
        Self { target: seconds(600), breaker_actions: 2, within: seconds(1800) }
    }
}

/// What waits for a person.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Approval {
    /// Without an answer for so long, it is over.
    pub expires: HumanDuration,
    /// Plans that wait at once; further ones are denied.
    pub pending_max: usize,
}

impl Default for Approval {
    fn default() -> Self {
        Self { expires: HumanDuration(Duration::from_secs(900)), pending_max: 100 }
    }
}

/// A time in which nothing is done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    pub reason: String,
    #[schemars(with = "String")]
    pub starts: Timestamp,
    #[schemars(with = "String")]
    pub ends: Timestamp,
    /// All if empty.
    #[serde(default)]
    pub namespaces: BTreeSet<String>,
}

/// How to reach the cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, Deserialize, JsonSchema)]
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

/// Bounds of what is collected.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvidenceConfig {
    /// One document: a log, a manifest.
    pub document_bytes_max: HumanBytes,
    /// All evidence on disk; when it is full, the oldest goes.
    pub bytes_max: HumanBytes,
    /// Time for all documents of a response together.
    pub timeout: HumanDuration,
}

impl Default for EvidenceConfig {
    fn default() -> Self {
        Self {
            document_bytes_max: HumanBytes(2 << 20),
            bytes_max: HumanBytes(1 << 30),
            timeout: HumanDuration(Duration::from_secs(10)),
        }
    }
}

/// Bounds of the audit.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// Size at which a new file is begun.
    pub file_bytes_max: HumanBytes,
    /// All files. When they are full nothing is done any more until a person takes files away.
    pub bytes_max: HumanBytes,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { file_bytes_max: HumanBytes(64 << 20), bytes_max: HumanBytes(4 << 30) }
    }
}

impl ResponseConfig {
    /// Reads the responder's part of the file, and how to log.
    pub fn load(path: Option<&Path>) -> Result<(Self, Logs), ConfigError> {
        let (file, document) = service::config::load_located::<File>(path, ENVIRONMENT_PREFIX)?;
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

    /// Checks what the types cannot say.
    pub fn check(&self, document: &Document) -> Result<(), ConfigError> {
        let fail = |path: &str, message: String, hint: Option<&str>| {
            Err(document.error(path, message, hint))
        };
        if !self.api.ip().is_loopback() && self.auth.tokens.is_empty() {
            let hint = "add `response.auth.tokens`, or listen on 127.0.0.1";
            let message = "the API would be open to the network without a token";
            return fail("response.api", message.into(), Some(hint));
        }
        let verified = self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        if !verified && !self.listen.ip().is_loopback() {
            let hint = "add `response.tls` with `client_ca`, or listen on 127.0.0.1";
            let message = "whoever reaches this port could have pods killed";
            return fail("response.listen", message.into(), Some(hint));
        }
        for (action, policy) in &self.actions {
            if policy.namespaces.iter().any(|name| name.contains('*')) {
                let path = format!("response.actions.{action}.namespaces");
                return fail(&path, "there is no wildcard: name each namespace".into(), None);
            }
            if policy.mode > Mode::Off && policy.namespaces.is_empty() {
                let path = format!("response.actions.{action}");
                let hint = "list `namespaces`, or leave the mode `off`";
                return fail(&path, "it may act nowhere".into(), Some(hint));
            }
        }
        let shares = u32::try_from(self.namespaces().len()).unwrap_or(u32::MAX);
        if shares > self.budgets.cluster.actions_max {
            let message = format!(
                "{} action(s) cannot be shared by {shares} namespaces: each needs at least one",
                self.budgets.cluster.actions_max
            );
            return fail("response.budgets.cluster", message, None);
        }
        for (name, budget) in [
            ("workload", self.budgets.workload),
            ("namespace", self.budgets.namespace),
            ("cluster", self.budgets.cluster),
        ] {
            if budget.per.0.is_zero() {
                let path = format!("response.budgets.{name}.per");
                return fail(&path, "must be more than 0".into(), None);
            }
        }
        let acts = self.responses.iter().any(|rule| self.may_act(rule));
        let pods =
            self.responses.iter().any(|rule| self.may_act(rule) && !rule.action.on_process());
        if pods && self.kubernetes.is_none() {
            let hint = "add `kubernetes: {}` for the pod's own service account";
            return fail(
                "response",
                "pods cannot be acted on without `kubernetes`".into(),
                Some(hint),
            );
        }
        let keyed = self.agents.certificate.is_some() && self.agents.key.is_some();
        let orders =
            self.responses.iter().any(|rule| self.may_act(rule) && rule.action.on_process());
        if acts && orders && !(keyed && self.agents.ca.is_some()) {
            let message =
                "agents take orders only over mutual TLS: `ca`, `certificate` and `key` are needed";
            return fail("response.agents", message.into(), None);
        }
        self.check_rules(document)
    }

    fn may_act(&self, rule: &ResponseRule) -> bool {
        let policy = self.actions.get(&rule.action).map_or(Mode::Off, |policy| policy.mode);
        self.mode.min(policy).min(rule.mode) > Mode::Off
    }

    fn check_rules(&self, document: &Document) -> Result<(), ConfigError> {
        let mut names = BTreeSet::new();
        if self.responses.len() > RULES_MAX {
            let message = format!("more than {RULES_MAX} rules");
            return Err(document.error("response.responses", message, None));
        }
        for (index, rule) in self.responses.iter().enumerate() {
            let path = format!("response.responses[{index}]");
            let fail = |key: &str, message: &str| {
                Err(document.error(&format!("{path}.{key}"), message, None))
            };
            let printable =
                rule.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
            if rule.name.is_empty() || rule.name.len() > NAME_CHARS_MAX || !printable {
                return fail("name", "must have 1 to 64 letters, digits, `-`, `_` or `.`");
            }
            if !names.insert(rule.name.as_str()) {
                return fail("name", "another rule has this name");
            }
            if rule.ttl.0.is_zero() || rule.ttl.0 > TTL_MAX {
                return fail("ttl", "must be more than 0 and at most 7d");
            }
            if rule.action == Action::LabelPod && rule.labels.is_empty() {
                return fail("labels", "`label_pod` needs labels to set");
            }
            if rule.action != Action::LabelPod && !rule.labels.is_empty() {
                return fail("labels", "only `label_pod` sets labels");
            }
            if let Some(key) = rule.labels.keys().find(|key| !own_label(key)) {
                let message = format!(
                    "`{key}` is none of ours: use a key that starts with `saker.dev/`, so that a \
                     selector of yours is never changed"
                );
                return fail("labels", &message);
            }
            if rule.allow_delete && rule.action != Action::KillPod {
                return fail("allow_delete", "only `kill_pod` deletes");
            }
        }
        Ok(())
    }
}

fn own_label(key: &str) -> bool {
    key.strip_prefix("saker.dev/").is_some_and(|name| {
        (1..=63).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && name != "response"
            && name != "protected"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ResponseConfig, String> {
        let read = service::config::read::<File>(
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
