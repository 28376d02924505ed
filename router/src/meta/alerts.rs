//! The alerts that tell of trouble, and of life.

use std::time::Duration;

use alert::{Alert, AlertId, Fields, Priority};
use jiff::{SignedDuration, Timestamp};
use rules::Condition;

use super::trouble::{Kind, Step};
use crate::{machine::Machine, pipeline::ABOUT_OUTPUT};

/// Says that an alert is the router's own, and which; nobody else can send it.
pub(crate) const META: &str = "saker.meta";
/// Trouble that is not said again for this long is over.
pub(super) const ENDS_AFTER: Duration = Duration::from_secs(900);

const SOURCE: &str = "saker";
const HEARTBEAT: &str = "heartbeat";
const HEARTBEAT_RULE: &str = "Saker heartbeat";

/// Returns what holds of heartbeats only.
pub(super) fn heartbeat_condition() -> Option<Condition> {
    Condition::parse(&format!("{META} = {HEARTBEAT}")).ok()
}

/// Returns a sign of life.
pub(super) fn heartbeat(hostname: &str, machine: &dyn Machine) -> Alert {
    let fields = Fields::from([(META.to_owned(), HEARTBEAT.into())]);
    let output = "the router accepts, decides and delivers".to_owned();
    Alert { output, ..alert(HEARTBEAT_RULE, Priority::Informational, fields, hostname, machine) }
}

/// Returns what tells of trouble, or that it is over.
pub(super) fn of_trouble(step: &Step, hostname: &str, machine: &dyn Machine) -> Alert {
    let trouble = &step.trouble;
    let (kind, rule) = (trouble.kind, trouble.kind.rule());
    let mut fields = Fields::from([
        (META.to_owned(), "trouble".into()),
        // What has an end is identified by its labels.
        ("label.alertname".to_owned(), rule.into()),
        ("label.subject".to_owned(), trouble.subject.clone().into()),
        ("annotation.runbook_url".to_owned(), kind.runbook().into()),
    ]);
    let is_of_output =
        matches!(kind, Kind::OutputFailing | Kind::OutputDisabled | Kind::NotificationsWaiting);
    if is_of_output {
        fields.insert(ABOUT_OUTPUT.to_owned(), trouble.subject.clone().into());
    }
    let alert = alert(rule, Priority::Error, fields, hostname, machine);
    let ends = if step.is_over { alert.received } else { after(alert.received, ENDS_AFTER) };
    Alert { output: trouble.summary.clone(), ends: Some(ends), ..alert }
}

fn alert(
    rule: &str,
    priority: Priority,
    fields: Fields,
    hostname: &str,
    machine: &dyn Machine,
) -> Alert {
    let now = machine.now();
    let id = u128::from(machine.seed()) << 64 | u128::from(machine.seed());
    Alert {
        id: AlertId::from_u128(id),
        time: now,
        received: now,
        rule: rule.to_owned(),
        priority,
        source: SOURCE.to_owned(),
        hostname: hostname.to_owned(),
        output: String::new(),
        tags: Vec::new(),
        fields,
        ends: None,
    }
}

fn after(time: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}
