//! What the pipeline reads of an alert, gathered in one pass over its fields.

use std::borrow::Cow;

use alert::{Alert, Fingerprint};
use serde_json::Value;

use super::normalise;

/// The fields that tell what an alert is about. Absent, null and empty are the same.
#[derive(Debug, Default)]
pub(super) struct Facts<'a> {
    pub(super) cluster: Option<&'a str>,
    pub(super) namespace: Option<&'a str>,
    owner_kind: Option<&'a str>,
    owner_name: Option<&'a str>,
    deployment: Option<&'a str>,
    replica_set: Option<&'a str>,
    pod: Option<&'a str>,
    pub(super) container: Option<&'a str>,
    pub(super) image: Option<&'a str>,
    exe_path: Option<&'a str>,
    exe_name: Option<&'a str>,
    parent_path: Option<&'a str>,
    parent_name: Option<&'a str>,
    pub(super) command_line: Option<&'a str>,
    user_id: Option<&'a Value>,
    user_name: Option<&'a str>,
    server_ip: Option<&'a str>,
    remote_ip: Option<&'a str>,
    server_port: Option<&'a Value>,
    remote_port: Option<&'a Value>,
    connection: Option<&'a str>,
    pub(super) audit_user: Option<&'a str>,
    pub(super) audit_verb: Option<&'a str>,
    pub(super) audit_resource: Option<&'a str>,
    audit_target: Option<&'a str>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(alert: &'a Alert) -> Self {
        let mut facts = Self::default();
        for (name, value) in &alert.fields {
            let text = value.as_str().filter(|text| !text.is_empty() && *text != "<NA>");
            match name.as_str() {
                "k8s.cluster.name" | "cluster" => facts.cluster = text.or(facts.cluster),
                "k8s.ns.name" | "k8smeta.ns.name" | "ka.target.namespace" => {
                    facts.namespace = text.or(facts.namespace);
                }
                "k8s.workload.kind" => facts.owner_kind = text,
                "k8s.workload.name" => facts.owner_name = text,
                "k8s.deployment.name" | "k8smeta.deployment.name" => {
                    facts.deployment = text.or(facts.deployment);
                }
                "k8s.rs.name" | "k8smeta.rs.name" => facts.replica_set = text.or(facts.replica_set),
                "k8s.pod.name" | "k8smeta.pod.name" | "ka.target.pod.name" => {
                    facts.pod = text.or(facts.pod);
                }
                "container.name" => facts.container = text,
                "container.image.repository" => facts.image = text,
                "proc.exepath" => facts.exe_path = text,
                "proc.name" => facts.exe_name = text,
                "proc.pexepath" => facts.parent_path = text,
                "proc.pname" => facts.parent_name = text,
                "proc.cmdline" => facts.command_line = text,
                "user.uid" => facts.user_id = Some(value).filter(|value| !value.is_null()),
                "user.name" => facts.user_name = text,
                "fd.sip" => facts.server_ip = text,
                "fd.rip" => facts.remote_ip = text,
                "fd.sport" => facts.server_port = Some(value).filter(|value| !value.is_null()),
                "fd.rport" => facts.remote_port = Some(value).filter(|value| !value.is_null()),
                "fd.name" => facts.connection = text.filter(|text| text.contains("->")),
                "ka.user.name" => facts.audit_user = text,
                "ka.verb" => facts.audit_verb = text,
                "ka.target.resource" => facts.audit_resource = text,
                "ka.target.name" => facts.audit_target = text,
                _ => {}
            }
        }
        facts
    }

    /// Returns the workload: the owner as Kubernetes knows it, such as `Deployment/web`, else the
    /// deployment, else what the replica set's or pod's name says of its owner.
    pub(super) fn workload(&self) -> Option<Cow<'a, str>> {
        if let (Some(kind), Some(name)) = (self.owner_kind, self.owner_name) {
            return Some(format!("{kind}/{name}").into());
        }
        self.deployment
            .or_else(|| self.replica_set.map(normalise::replica_owner))
            .or_else(|| self.pod.map(normalise::pod_owner))
            .map(Cow::Borrowed)
    }

    pub(super) fn is_kubernetes(&self) -> bool {
        self.namespace.is_some() || self.pod.is_some() || self.audit_verb.is_some()
    }

    pub(super) fn exe(&self) -> Option<&'a str> {
        self.exe_path.or(self.exe_name)
    }

    pub(super) fn parent(&self) -> Option<&'a str> {
        self.parent_path.or(self.parent_name)
    }

    pub(super) fn audit_target(&self) -> Option<&'a str> {
        self.audit_target.map(normalise::pod_owner)
    }

    /// Returns `root` or `non-root`.
    pub(super) fn user_class(&self) -> Option<&'static str> {
        let is_root = match (self.user_id, self.user_name) {
            (Some(id), _) => id.as_u64() == Some(0) || id.as_str() == Some("0"),
            (None, Some(name)) => name == "root",
            (None, None) => return None,
        };
        Some(if is_root { "root" } else { "non-root" })
    }

    /// Returns the other end of a connection as text: address and port.
    pub(super) fn destination(&self) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
        if let Some(ip) = self.server_ip.or(self.remote_ip) {
            let port = self.server_port.or(self.remote_port).map_or(Cow::Borrowed(""), text);
            return Some((ip.into(), port));
        }
        let (_, destination) = self.connection?.split_once("->")?;
        let (ip, port) = destination.rsplit_once(':')?;
        Some((ip.trim_matches(['[', ']']).into(), port.into()))
    }
}

/// Returns a JSON value as a person would write it; null is empty.
pub(super) fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// Returns the longest prefix of `text` of at most `bytes_max` bytes, marked with `…` if it is not
/// all.
pub(super) fn cut(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(bytes_max.saturating_sub('…'.len_utf8()));
    Cow::Owned(format!("{}…", &text[..end]))
}

/// What routes group by and fingerprint rules name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Rule,
    Source,
    Hostname,
    Priority,
    Workload,
    Fingerprint,
    Field(Box<str>),
}

impl Key {
    pub(super) fn parse(name: &str) -> Self {
        match name {
            "rule" => Self::Rule,
            "source" => Self::Source,
            "hostname" => Self::Hostname,
            "priority" => Self::Priority,
            "workload" => Self::Workload,
            "fingerprint" => Self::Fingerprint,
            field => Self::Field(field.into()),
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Rule => "rule",
            Self::Source => "source",
            Self::Hostname => "hostname",
            Self::Priority => "priority",
            Self::Workload => "workload",
            Self::Fingerprint => "fingerprint",
            Self::Field(name) => name,
        }
    }

    /// Appends the alert's value; nothing when it has none.
    pub(super) fn write(
        &self,
        alert: &Alert,
        facts: &Facts<'_>,
        fingerprint: Option<Fingerprint>,
        out: &mut String,
    ) {
        match self {
            Self::Rule => out.push_str(&alert.rule),
            Self::Source => out.push_str(&alert.source),
            Self::Hostname => out.push_str(&alert.hostname),
            Self::Priority => out.push_str(alert.priority.name()),
            Self::Workload => out.push_str(&facts.workload().unwrap_or_default()),
            Self::Fingerprint => {
                if let Some(fingerprint) = fingerprint {
                    out.push_str(&fingerprint.to_string());
                }
            }
            Self::Field(name) => {
                if let Some(value) = alert.fields.get(&**name) {
                    out.push_str(&text(value));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_text_keeps_whole_characters_and_says_so() {
        assert_eq!(cut("ключ", 8), "ключ");
        assert_eq!(cut("ключи", 8), "кл…");
        assert_eq!(cut("abc", 1), "…");
    }
}
