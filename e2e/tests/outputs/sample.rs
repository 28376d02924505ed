//! A notification to deliver, and an output to deliver it with.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alert::{
    Alert, AlertId, Finding, Fingerprint, GroupId, GroupState, Notification, NotificationId,
    Priority,
};
use jiff::Timestamp;
use outputs::{BuildContext, Delivery, DeliveryError, KINDS, Output, Parts, Receipt};
use serde_json::{Value, json};

pub(crate) fn notification(id: u64) -> Notification {
    let time: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
    Notification {
        id: NotificationId(id),
        group: GroupId(0xabc),
        sequence: 1,
        state: GroupState::Open,
        route: "soc".to_owned(),
        output: "under test".to_owned(),
        labels: BTreeMap::from([("rule".to_owned(), "Shell in a container".to_owned())]),
        priority: Priority::Critical,
        score: 80,
        lane: None,
        alerts_count: 3,
        alerts_new_count: 3,
        findings_count: 2,
        findings_hidden_count: 0,
        first_seen: time,
        last_seen: time,
        created: time,
        findings: vec![finding(1, "node-1"), finding(2, "node-2")],
        storm: None,
    }
}

fn finding(number: u128, hostname: &str) -> Finding {
    let time: Timestamp = "2026-11-20T10:00:00.123456789Z".parse().unwrap();
    let fields = json!({ "proc.name": "bash", "proc.cmdline": "bash -c 'id; rm -rf /'" });
    Finding {
        fingerprint: Fingerprint(number),
        count: 2,
        first_seen: time,
        last_seen: time,
        score: 80,
        ended: None,
        score_items: Vec::new(),
        sample: Alert {
            id: AlertId::from_u128(number),
            time,
            received: time,
            rule: "Shell in a container".to_owned(),
            priority: Priority::Critical,
            source: "syscall".to_owned(),
            hostname: hostname.to_owned(),
            output: "A shell was started (command=bash)".to_owned(),
            tags: vec!["container".to_owned(), "shell".to_owned()],
            fields: fields.as_object().unwrap().clone().into_iter().collect(),
            ends: None,
        },
    }
}

/// Builds an output as the router does, from its kind's name and configuration.
pub(crate) fn build(kind: &str, config: Value) -> Arc<dyn Output> {
    build_with(kind, config, Duration::from_secs(15))
}

/// As [`build`], for attempts that can only time out.
pub(crate) fn build_impatient(kind: &str, config: Value) -> Arc<dyn Output> {
    build_with(kind, config, Duration::from_secs(3))
}

fn build_with(kind: &str, config: Value, attempt_timeout: Duration) -> Arc<dyn Output> {
    service::tls::install_crypto_provider();
    let kind = KINDS.iter().find(|descriptor| descriptor.name == kind).unwrap();
    let mut deserializer = <dyn erased_serde::Deserializer<'_>>::erase(config);
    let configured = (kind.parse)(&mut deserializer).unwrap();
    let (output, directory) = ("under test".to_owned(), "/".into());
    configured.build(&BuildContext { output, directory, attempt_timeout }).unwrap()
}

pub(crate) async fn deliver(
    output: &Arc<dyn Output>,
    notification: &Notification,
    parts: &[(&'static str, &str)],
    previous: Option<&Receipt>,
) -> Result<Receipt, DeliveryError> {
    let parts = Parts(parts.iter().map(|&(name, text)| (name, text.to_owned())).collect());
    deliver_parts(output, notification, &parts, previous).await
}

pub(crate) async fn deliver_parts(
    output: &Arc<dyn Output>,
    notification: &Notification,
    parts: &Parts,
    previous: Option<&Receipt>,
) -> Result<Receipt, DeliveryError> {
    output.deliver(&Delivery { notification, parts, previous, attempt: 1 }).await
}
