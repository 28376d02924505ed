//! What would be done to whom, made from one alert and one rule. Pure: it asks nobody.

use std::{collections::BTreeMap, fmt, str::FromStr};

use alert::{Alert, AlertId, Priority, ProcessKey};
use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    action::{Action, Mode},
    cluster::PodRef,
    config::{EvidencePolicy, ResponseRule},
};

const OUTPUT_CHARS_MAX: usize = 500;
const TEXT_CHARS_MAX: usize = 253;
/// Stands for the namespace of what is in no pod.
pub const HOST: &str = "host";

/// Number of a response, as `R-7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResponseId(pub u64);

impl fmt::Display for ResponseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R-{}", self.0)
    }
}

impl FromStr for ResponseId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_prefix("R-").or_else(|| text.strip_prefix("r-"));
        number.and_then(|number| number.parse().ok()).map(Self).ok_or("it looks like `R-7`")
    }
}

impl Serialize for ResponseId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ResponseId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One action on one target because of one alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub rule: String,
    pub action: Action,
    /// The lowest of all modes that applied when it was made.
    pub mode: Mode,
    pub target: Target,
    pub parameters: Parameters,
    pub cause: Cause,
}

/// What the alert says is to be acted on. Claims: gates hold them against what is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target {
    /// Name of the machine, and so of the node.
    pub hostname: String,
    pub pod: Option<PodClaim>,
    pub process: Option<ProcessClaim>,
    /// Id of the container, whole or its first twelve digits.
    pub container: Option<String>,
}

/// A pod as an alert names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PodClaim {
    pub namespace: String,
    pub name: String,
    pub uid: Option<String>,
}

/// A process as an alert names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessClaim {
    pub key: ProcessKey,
    pub name: String,
    pub executable: String,
}

/// What the rule says of the action.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u64>,
    #[serde(default)]
    pub allow_delete: bool,
    #[serde(default)]
    pub allow_standalone: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
    #[serde(default)]
    pub evidence: Evidence,
}

/// Whether evidence comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    #[default]
    None,
    BestEffort,
    Required,
}

/// The alert behind a plan, as far as a person deciding needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    pub alert: AlertId,
    pub rule: String,
    pub priority: Priority,
    pub source: String,
    pub output: String,
    /// When it happened; a replay keeps it.
    pub time: Timestamp,
    /// Who gave it to the router.
    pub sender: Option<String>,
    /// The silence that hides it from people.
    pub silence: Option<String>,
    /// The workload the router found, for alerts whose pod is gone.
    pub workload: Option<String>,
}

/// What the target turned out to be, read from where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    pub pod: Option<PodRef>,
    pub node: Option<String>,
    /// The alert's container: name and whole id.
    pub container: Option<(String, String)>,
    pub image_id: Option<String>,
    /// `Deployment/web`.
    pub workload: Option<String>,
    pub ready: Option<u32>,
    pub desired: Option<u32>,
}

impl Plan {
    /// Returns the plan for an alert the rule matches, in this mode.
    pub fn new(rule: &ResponseRule, mode: Mode, alert: &Alert, silence: Option<String>) -> Self {
        let text = |field: &str| alert.text(field).filter(|text| !text.is_empty());
        let bounded = |text: &str| cut(text, TEXT_CHARS_MAX);
        let container = text("container.full_id").or_else(|| text("container.id"));
        let pod = text("k8s.ns.name").zip(text("k8s.pod.name"));
        let seconds = |duration: service::config::HumanDuration| duration.0.as_secs();
        Self {
            rule: rule.name.clone(),
            action: rule.action,
            mode,
            target: Target {
                hostname: bounded(&alert.hostname),
                pod: pod.map(|(namespace, name)| PodClaim {
                    namespace: bounded(namespace),
                    name: bounded(name),
                    uid: text("k8s.pod.uid").map(bounded),
                }),
                process: process(alert),
                container: container.filter(|id| is_container_id(id)).map(str::to_owned),
            },
            parameters: Parameters {
                grace_seconds: rule.grace.map(seconds),
                allow_delete: rule.allow_delete,
                allow_standalone: rule.allow_standalone,
                labels: rule.labels.clone(),
                ttl_seconds: rule.action.undone_by_ttl().then(|| seconds(rule.ttl)),
                evidence: match rule.evidence {
                    _ if rule.action == Action::SnapshotEvidence => Evidence::Required,
                    EvidencePolicy::None => Evidence::None,
                    EvidencePolicy::BestEffort => Evidence::BestEffort,
                    EvidencePolicy::Require => Evidence::Required,
                },
            },
            cause: Cause {
                alert: alert.id,
                rule: bounded(&alert.rule),
                priority: alert.priority,
                source: bounded(&alert.source),
                output: cut(&alert.output, OUTPUT_CHARS_MAX),
                time: alert.time,
                sender: text("saker.sender").map(bounded),
                silence: silence.as_deref().map(bounded),
                workload: text("k8s.workload.kind")
                    .zip(text("k8s.workload.name"))
                    .map(|(kind, name)| bounded(&format!("{kind}/{name}"))),
            },
        }
    }

    /// Returns the namespace whose rules apply.
    pub fn namespace(&self) -> &str {
        self.target.pod.as_ref().map_or(HOST, |pod| &pod.namespace)
    }

    /// Returns what makes two plans the same response: the action and the target, never the alert.
    pub fn key(&self) -> (String, Action, Target) {
        let mut target = self.target.clone();
        if !self.action.on_process() {
            // A pod's other processes and containers are the same pod.
            (target.process, target.container) = (None, None);
        }
        (self.rule.clone(), self.action, target)
    }

    /// Returns what an approval is bound to: any other target or parameter gives another hash.
    pub fn hash(&self, resolved: &Resolved) -> String {
        let bound = (
            &self.rule,
            self.action,
            &self.target,
            &self.parameters,
            &resolved.pod,
            &resolved.node,
            &resolved.container,
        );
        // Maps here are sorted and keys are texts: serde_json cannot refuse them.
        let text = serde_json::to_vec(&bound).expect("a plan serialises");
        hex(digest(&SHA256, &text).as_ref())
    }
}

/// Returns bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// The container of a process counts only with enough digits to be one.
fn is_container_id(id: &str) -> bool {
    (12..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn process(alert: &Alert) -> Option<ProcessClaim> {
    let number = |field: &str| alert.fields.get(field).and_then(serde_json::Value::as_u64);
    let text = |field: &str| cut(alert.text(field).unwrap_or_default(), TEXT_CHARS_MAX);
    Some(ProcessClaim {
        key: ProcessKey {
            pid: i32::try_from(number("proc.pid")?).ok().filter(|pid| *pid > 0)?,
            start_boot_ns: number("saker.proc.start_boot_ns")?,
        },
        name: text("proc.name"),
        executable: text("proc.exepath"),
    })
}

fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) const CONTAINER: &str =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    pub(crate) fn rule(action: &str) -> ResponseRule {
        serde_json::from_value(json!({
            "name": "stop", "match": "rule = shell", "action": action,
        }))
        .unwrap()
    }

    pub(crate) fn alert(change: serde_json::Value) -> Alert {
        let mut fields = json!({
            "k8s.ns.name": "shop", "k8s.pod.name": "web-1", "k8s.pod.uid": "u-1",
            "container.full_id": CONTAINER, "proc.pid": 4711, "proc.name": "sh",
            "saker.proc.start_boot_ns": 99, "saker.sender": "saker-agent",
        });
        for (name, value) in change.as_object().unwrap() {
            fields[name] = value.clone();
        }
        Alert {
            id: AlertId::from_u128(7),
            time: "2026-11-26T10:00:00Z".parse().unwrap(),
            received: "2026-11-26T10:00:00Z".parse().unwrap(),
            rule: "shell".into(),
            priority: Priority::Critical,
            source: "syscall".into(),
            hostname: "node-1".into(),
            output: "a shell".into(),
            tags: Vec::new(),
            fields: serde_json::from_value(fields).unwrap(),
            ends: None,
        }
    }

    #[test]
    fn an_alert_without_a_start_time_names_no_process() {
        let plan = |change| Plan::new(&rule("kill_process"), Mode::Auto, &alert(change), None);
        assert!(plan(json!({})).target.process.is_some());
        for change in [
            json!({ "saker.proc.start_boot_ns": null }),
            json!({ "proc.pid": 0 }),
            json!({ "proc.pid": -1 }),
            json!({ "proc.pid": "4711" }),
            json!({ "proc.pid": u64::MAX }),
        ] {
            assert!(plan(change.clone()).target.process.is_none(), "{change}");
        }
    }

    #[test]
    fn a_container_id_is_hexadecimal_or_nothing() {
        let container = |id: &str| {
            let alert = alert(json!({ "container.full_id": id }));
            Plan::new(&rule("kill_pod"), Mode::Auto, &alert, None).target.container
        };
        assert_eq!(container(&CONTAINER[..12]).as_deref(), Some(&CONTAINER[..12]));
        assert_eq!(container("../../etc/pas"), None);
        assert_eq!(container("0123"), None);
    }

    #[test]
    fn another_target_or_parameter_is_another_hash() {
        let of = |change, action: &str| {
            let plan = Plan::new(&rule(action), Mode::Auto, &alert(change), None);
            plan.hash(&Resolved::default())
        };
        let same = of(json!({}), "kill_pod");
        assert_eq!(same, of(json!({ "proc.cmdline": "x" }), "kill_pod"));
        assert_ne!(same, of(json!({ "k8s.pod.uid": "u-2" }), "kill_pod"));
        assert_ne!(same, of(json!({}), "isolate_pod"));
    }

    #[test]
    fn two_processes_of_a_pod_are_one_pod_and_two_processes() {
        let key = |pid: u32, action: &str| {
            let alert = alert(json!({ "proc.pid": pid }));
            Plan::new(&rule(action), Mode::Auto, &alert, None).key()
        };
        assert_eq!(key(1, "kill_pod"), key(2, "kill_pod"));
        assert_ne!(key(1, "kill_process"), key(2, "kill_process"));
    }

    #[test]
    fn hostile_texts_are_cut() {
        let long = "x".repeat(100_000);
        let alert = alert(json!({ "k8s.pod.name": long, "proc.name": long }));
        let plan = Plan::new(&rule("kill_pod"), Mode::Auto, &alert, None);
        assert!(serde_json::to_vec(&plan).unwrap().len() < 4_000);
    }
}
