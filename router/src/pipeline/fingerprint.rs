//! Decides which alerts are repeats of one finding.
//!
//! Of *what* happened *where*: source, cluster, rule, namespace, workload, container, image,
//! program, parent, command line, class of user, and the destination of a connection. Never of time,
//! pid, terminal or formatted text. The digest is SHA-256, so that nobody can write a command line
//! whose alerts would hide as repeats of another's.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use alert::{Alert, Fingerprint};
use aws_lc_rs::digest;
use hashbrown::HashMap;

use super::{
    config::FingerprintRule,
    facts::{self, Facts, Key},
    normalise, notice,
};

/// The parts of the general recipe, in the order they are digested.
const PARTS: [&str; 17] = [
    "source",
    "rule",
    "k8s.cluster.name",
    "k8s.ns.name",
    "workload",
    "container.name",
    "container.image.repository",
    "proc.exepath",
    "proc.pexepath",
    "proc.cmdline",
    "user class",
    "destination",
    "ka.user.name",
    "ka.verb",
    "ka.target.resource",
    "ka.target.name",
    "hostname",
];

/// How the fields begin that hold labels.
const LABEL: &str = "label.";
/// Stands where a part's number would, so that no label set can pass for parts.
const LABEL_SET: u8 = 0xff;

/// The mask of parts has 32 bits, two of which are the source and the rule.
pub(super) const OWN_FIELDS_MAX: usize = 30;
/// Lists of names remembered; they are made again when needed.
const NAMES_MAX: usize = 4096;

/// A fingerprint and the names of the fields it was made of.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) fingerprint: Fingerprint,
    pub(super) fields: Arc<[Box<str>]>,
}

/// Makes fingerprints by the general recipe or a rule's own.
#[derive(Debug, Default)]
pub(super) struct Fingerprints {
    /// A rule's keys and a number for its recipe, from 1; the general recipe is 0.
    own: HashMap<Box<str>, (u32, Vec<Key>)>,
    /// Lists of names already made, by recipe and which parts were present.
    names: HashMap<(u32, u32), Arc<[Box<str>]>>,
    /// What a fingerprint made of labels is said to be made of.
    label_names: Arc<[Box<str>]>,
    message: Vec<u8>,
    value: String,
}

impl Fingerprints {
    pub(super) fn new(rules: &[FingerprintRule]) -> Self {
        let of_silences = notice::IDENTITY.map(Key::parse).into();
        let ours = [(notice::ENDS.into(), (u32::MAX, of_silences))];
        let own = rules.iter().zip(1..).map(|(rule, recipe)| {
            let keys = rule.fields.iter().take(OWN_FIELDS_MAX).map(|name| Key::parse(name));
            (rule.rule.as_str().into(), (recipe, keys.collect()))
        });
        let label_names = [format!("{LABEL}*").into()].into();
        Self { own: ours.into_iter().chain(own).collect(), label_names, ..Self::default() }
    }

    pub(super) fn identify(&mut self, alert: &Alert, facts: &Facts<'_>) -> Identity {
        self.message.clear();
        if alert.ends.is_some() {
            labels(alert, &mut self.message);
            let fields = self.label_names.clone();
            return Identity { fingerprint: digest(&self.message), fields };
        }
        let (recipe, mask) = match self.own.get(alert.rule.as_str()) {
            Some((recipe, keys)) => {
                (*recipe, own(keys, alert, facts, &mut self.value, &mut self.message))
            }
            None => (0, general(alert, facts, &mut self.message)),
        };
        Identity {
            fingerprint: digest(&self.message),
            fields: self.names(&alert.rule, recipe, mask),
        }
    }

    fn names(&mut self, rule: &str, recipe: u32, mask: u32) -> Arc<[Box<str>]> {
        if let Some(names) = self.names.get(&(recipe, mask)) {
            return names.clone();
        }
        let all: Vec<&str> = match self.own.get(rule) {
            Some((_, keys)) => {
                PARTS[..2].iter().copied().chain(keys.iter().map(Key::name)).collect()
            }
            None => PARTS.to_vec(),
        };
        let present = all.iter().enumerate().filter(|(index, _)| mask & (1 << index) != 0);
        let names: Arc<[Box<str>]> = present.map(|(_, name)| Box::from(*name)).collect();
        if self.names.len() >= NAMES_MAX {
            self.names.clear();
        }
        self.names.insert((recipe, mask), names.clone());
        names
    }
}

/// Appends the label set of an alert that has an end: what says that it is over has nothing else in
/// common with it for sure. A rule's own recipe does not count, as it could make one of two.
fn labels(alert: &Alert, message: &mut Vec<u8>) {
    message.push(LABEL_SET);
    let labels = alert.fields.range(LABEL.to_owned()..);
    for (name, value) in labels.take_while(|(name, _)| name.starts_with(LABEL)) {
        for text in [Cow::Borrowed(name.as_str()), facts::text(value)] {
            message.extend_from_slice(&(text.len() as u64).to_be_bytes());
            message.extend_from_slice(text.as_bytes());
        }
    }
}

fn digest(message: &[u8]) -> Fingerprint {
    let digest = digest::digest(&digest::SHA256, message);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    Fingerprint(u128::from_be_bytes(bytes))
}

/// Appends every part the alert has, each with its number and length; returns which it had.
fn general(alert: &Alert, facts: &Facts<'_>, message: &mut Vec<u8>) -> u32 {
    let mut parts = Parts { message, mask: 0 };
    parts.text(0, Some(&alert.source));
    parts.text(1, Some(&alert.rule));
    parts.text(2, facts.cluster);
    parts.text(3, facts.namespace);
    parts.text(4, facts.workload().as_deref());
    parts.text(5, facts.container);
    parts.text(6, facts.image);
    parts.normalised(7, facts.exe());
    parts.normalised(8, facts.parent());
    parts.normalised(9, facts.command_line);
    parts.text(10, facts.user_class());
    if let Some((ip, port)) = facts.destination() {
        parts.add(11, |out| {
            network(&ip, out);
            out.push(b' ');
            out.extend_from_slice(port.as_bytes());
        });
    }
    parts.text(12, facts.audit_user);
    parts.text(13, facts.audit_verb);
    parts.text(14, facts.audit_resource);
    parts.text(15, facts.audit_target());
    if !facts.is_kubernetes() {
        parts.text(16, Some(&alert.hostname));
    }
    parts.mask
}

/// The same for a rule's own list of fields.
fn own(
    keys: &[Key],
    alert: &Alert,
    facts: &Facts<'_>,
    value: &mut String,
    message: &mut Vec<u8>,
) -> u32 {
    let mut parts = Parts { message, mask: 0 };
    parts.text(0, Some(&alert.source));
    parts.text(1, Some(&alert.rule));
    for (index, key) in keys.iter().enumerate() {
        value.clear();
        key.write(alert, facts, None, value);
        match key {
            Key::Field(name) if is_normalised(name) => parts.normalised(index + 2, Some(value)),
            Key::Field(name) if name.ends_with("pod.name") => {
                parts.text(index + 2, Some(normalise::pod_owner(value)));
            }
            _ => parts.text(index + 2, Some(value)),
        }
    }
    parts.mask
}

fn is_normalised(field: &str) -> bool {
    matches!(field, "proc.cmdline" | "proc.pcmdline" | "proc.exepath" | "proc.pexepath")
}

struct Parts<'m> {
    message: &'m mut Vec<u8>,
    mask: u32,
}

impl Parts<'_> {
    fn text(&mut self, part: usize, text: Option<&str>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.add(part, |out| out.extend_from_slice(text.as_bytes()));
        }
    }

    fn normalised(&mut self, part: usize, text: Option<&str>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.add(part, |out| normalise::command_line(text, out));
        }
    }

    /// Appends number, length and content, so that no content can pass for another part.
    fn add(&mut self, part: usize, write: impl FnOnce(&mut Vec<u8>)) {
        self.mask |= 1 << part;
        self.message.push(part as u8);
        let start = self.message.len();
        self.message.extend_from_slice(&[0; 4]);
        write(self.message);
        let length = (self.message.len() - start - 4) as u32;
        self.message[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// Appends the /24 of an IPv4 and the /48 of an IPv6 address; what is no address stays.
fn network(ip: &str, out: &mut Vec<u8>) {
    match ip.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => out.extend_from_slice(&ip.octets()[..3]),
        Ok(IpAddr::V6(ip)) => out.extend_from_slice(&ip.octets()[..6]),
        Err(_) => out.extend_from_slice(ip.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pipeline::tests::alert_with;

    fn identify(rules: &[FingerprintRule], fields: serde_json::Value) -> Identity {
        let alert = alert_with(fields);
        Fingerprints::new(rules).identify(&alert, &Facts::of(&alert))
    }

    /// Compares the fingerprints of a pod's alert with and without some fields changed.
    fn check(change: serde_json::Value, expect_same: bool) {
        let mut fields = json!({
            "k8s.ns.name": "shop", "k8s.pod.name": "web-7d4b9c6f5d-x2x4z", "container.name": "app",
            "container.image.repository": "shop/web", "proc.exepath": "/bin/sh",
            "proc.pexepath": "/bin/runc", "proc.cmdline": "sh -c id 1", "user.uid": 0,
            "fd.sip": "10.1.2.3", "fd.sport": 443, "proc.pid": 1, "proc.tty": 2,
        });
        let before = identify(&[], fields.clone()).fingerprint;
        for (name, value) in change.as_object().unwrap() {
            fields[name] = value.clone();
        }
        assert_eq!(before == identify(&[], fields).fingerprint, expect_same, "{change}");
    }

    #[test]
    fn what_differs_between_two_runs_does_not_count() {
        check(json!({"proc.pid": 99, "proc.tty": 0, "evt.time": 5}), true);
        check(json!({"k8s.pod.name": "web-66b6c48dd5-k8vzp"}), true);
        check(json!({"proc.cmdline": "sh  -c id 345"}), true);
        check(json!({"fd.sip": "10.1.2.200"}), true);
        check(json!({"user.uid": "0"}), true);
    }

    #[test]
    fn what_tells_findings_apart_counts() {
        check(json!({"k8s.ns.name": "bank"}), false);
        check(json!({"k8s.pod.name": "api-66b6c48dd5-k8vzp"}), false);
        check(json!({"container.name": "sidecar"}), false);
        check(json!({"container.image.repository": "shop/api"}), false);
        check(json!({"proc.exepath": "/bin/bash"}), false);
        check(json!({"proc.pexepath": "/bin/sshd"}), false);
        check(json!({"proc.cmdline": "sh -c whoami"}), false);
        check(json!({"user.uid": 1000}), false);
        check(json!({"fd.sip": "10.1.3.3"}), false);
        check(json!({"fd.sport": 80}), false);
    }

    #[test]
    fn the_owner_counts_where_it_is_known_and_the_pod_no_longer_does() {
        let pod = |kind: &str, name: &str, pod: &str| {
            let fields = json!({
                "k8s.ns.name": "shop", "k8s.pod.name": pod,
                "k8s.workload.kind": kind, "k8s.workload.name": name,
            });
            identify(&[], fields).fingerprint
        };
        let web = pod("Deployment", "web", "web-7d4b9c6f5d-x2x4z");
        assert_eq!(web, pod("Deployment", "web", "renamed-by-nobody"));
        assert_ne!(web, pod("StatefulSet", "web", "web-0"));
        assert_ne!(web, pod("Deployment", "api", "web-7d4b9c6f5d-x2x4z"));
        // Half an owner is none.
        assert_eq!(pod("", "web", "web-0"), pod("Deployment", "", "web-0"));
    }

    #[test]
    fn without_an_owner_a_fingerprint_is_what_it_always_was() {
        let fields = json!({"k8s.ns.name": "shop", "k8s.pod.name": "web-7d4b9c6f5d-x2x4z"});
        let identity = identify(&[], fields);
        assert_eq!(identity.fingerprint.to_string(), "994a33c12b5aa4359545c0b980d1aac8");
    }

    #[test]
    fn a_connection_is_read_from_its_name_too() {
        let a = identify(&[], json!({"fd.name": "10.0.0.1:4000->1.2.3.4:443"})).fingerprint;
        let b = identify(&[], json!({"fd.name": "10.0.0.1:5000->1.2.3.9:443"})).fingerprint;
        let c = identify(&[], json!({"fd.name": "10.0.0.1:5000->1.2.3.9:80"})).fingerprint;
        assert!(a == b && b != c);
        let v6 = |ip: &str| identify(&[], json!({"fd.rip": ip, "fd.rport": 1})).fingerprint;
        assert!(
            v6("2001:db8:1::1") == v6("2001:db8:1:9::2")
                && v6("2001:db8:2::1") != v6("2001:db8:1::1")
        );
    }

    #[test]
    fn a_part_cannot_pass_for_another() {
        let a = identify(&[], json!({"container.name": "a", "proc.exepath": "b"})).fingerprint;
        let b = identify(&[], json!({"container.name": "ab"})).fingerprint;
        let c = identify(&[], json!({"container.name": "b", "proc.exepath": "a"})).fingerprint;
        assert!(a != b && a != c && b != c);
    }

    #[test]
    fn a_host_alert_counts_its_host_and_says_which_fields_it_used() {
        let identity = identify(&[], json!({"proc.name": "sh", "user.name": "root", "evt.num": 1}));
        assert_eq!(identity.fields.join(","), "source,rule,proc.exepath,user class,hostname");
    }

    #[test]
    fn a_rule_may_have_its_own_fields() {
        let rules =
            [FingerprintRule { rule: "test rule".into(), fields: vec!["user.name".into()] }];
        let a = identify(&rules, json!({"user.name": "ann", "proc.exepath": "/a"}));
        let b = identify(&rules, json!({"user.name": "ann", "proc.exepath": "/b"}));
        let c = identify(&rules, json!({"user.name": "bob", "proc.exepath": "/a"}));
        assert!(a.fingerprint == b.fingerprint && a.fingerprint != c.fingerprint);
        assert_eq!(a.fields.join(","), "source,rule,user.name");
    }
}
