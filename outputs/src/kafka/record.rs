//! What a notification becomes on the topic: keys, headers and values. Pure.

use alert::{Alert, Finding, GroupState, Notification};
use rdkafka::message::{Header, OwnedHeaders};
use serde_json::Value;

use super::{Key, Payload};
use crate::DeliveryError;

/// Header values longer than this are cut: they are for filters, the value has it all.
const HEADER_CHARS_MAX: usize = 256;

/// How many findings are kept, step by step, when a notification is too large.
const FINDINGS_KEPT: [usize; 3] = [10, 3, 1];

/// To how many characters texts are cut, and how many fields and tags are kept, step by step, when
/// that was not enough.
const CHARS_AND_ITEMS_KEPT: [(usize, usize); 6] =
    [(2_048, usize::MAX), (256, usize::MAX), (64, usize::MAX), (64, 50), (64, 10), (64, 0)];

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) key: Option<String>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) value: Vec<u8>,
}

impl Record {
    pub(super) fn headers(&self) -> OwnedHeaders {
        let headers = OwnedHeaders::new_with_capacity(self.headers.len());
        self.headers.iter().fold(headers, |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value.as_bytes()) })
        })
    }
}

/// Returns the records that tell of a notification: one, or one for each listed finding.
pub(super) fn records(
    payload: Payload,
    key: Key,
    bytes_max: usize,
    notification: &Notification,
) -> Result<Vec<Record>, DeliveryError> {
    if payload == Payload::Alert && !notification.findings.is_empty() {
        let one = |finding| of_finding(key, bytes_max, notification, finding);
        return notification.findings.iter().map(one).collect();
    }
    Ok(vec![of_notification(key, bytes_max, notification)?])
}

fn of_notification(
    key: Key,
    bytes_max: usize,
    notification: &Notification,
) -> Result<Record, DeliveryError> {
    let (value, whole) = notification_value(notification, bytes_max)?;
    let mut headers = common_headers("notification", notification, whole);
    if let Some(finding) = notification.top() {
        add_finding_headers(&mut headers, finding);
    }
    Ok(Record { key: key_text(key, notification, notification.top()), headers, value })
}

fn of_finding(
    key: Key,
    bytes_max: usize,
    notification: &Notification,
    finding: &Finding,
) -> Result<Record, DeliveryError> {
    let (value, whole) = alert_value(&finding.sample, bytes_max)?;
    let mut headers = common_headers("alert", notification, whole);
    add_finding_headers(&mut headers, finding);
    headers.push(("saker-alert-id", finding.sample.id.to_string()));
    headers.push(("saker-count", finding.count.to_string()));
    Ok(Record { key: key_text(key, notification, Some(finding)), headers, value })
}

fn key_text(key: Key, notification: &Notification, finding: Option<&Finding>) -> Option<String> {
    match key {
        Key::None => None,
        Key::Group => Some(notification.group.to_string()),
        Key::Fingerprint => finding.map(|finding| finding.fingerprint.to_string()),
        Key::Hostname => finding.map(|finding| cut(&finding.sample.hostname, HEADER_CHARS_MAX)),
    }
}

fn common_headers(
    payload: &str,
    notification: &Notification,
    whole: bool,
) -> Vec<(&'static str, String)> {
    let state = match notification.state {
        GroupState::Open => "open",
        GroupState::Closed => "closed",
    };
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("saker-payload", payload.to_owned()),
        ("saker-notification-id", notification.id.to_string()),
        ("saker-group-id", notification.group.to_string()),
        ("saker-sequence", notification.sequence.to_string()),
        ("saker-state", state.to_owned()),
        ("saker-route", cut(&notification.route, HEADER_CHARS_MAX)),
        ("saker-score", notification.score.to_string()),
    ];
    if !whole {
        headers.push(("saker-truncated", "true".to_owned()));
    }
    headers
}

fn add_finding_headers(headers: &mut Vec<(&'static str, String)>, finding: &Finding) {
    let sample = &finding.sample;
    headers.push(("rule", cut(&sample.rule, HEADER_CHARS_MAX)));
    headers.push(("priority", sample.priority.to_string()));
    headers.push(("source", cut(&sample.source, HEADER_CHARS_MAX)));
    headers.push(("hostname", cut(&sample.hostname, HEADER_CHARS_MAX)));
    headers.push(("saker-fingerprint", finding.fingerprint.to_string()));
}

/// Returns the notification's JSON and whether it is whole.
fn notification_value(
    notification: &Notification,
    bytes_max: usize,
) -> Result<(Vec<u8>, bool), DeliveryError> {
    let json = |notification: &Notification| serde_json::to_vec(notification).map_err(unwritable);
    let value = json(notification)?;
    if value.len() <= bytes_max {
        return Ok((value, true));
    }
    let mut smaller = notification.clone();
    for kept in FINDINGS_KEPT {
        smaller.findings.truncate(kept);
        let value = json(&smaller)?;
        if value.len() <= bytes_max {
            return Ok((value, false));
        }
    }
    for (chars_max, items_max) in CHARS_AND_ITEMS_KEPT {
        for label in smaller.labels.values_mut() {
            *label = cut(label, chars_max);
        }
        for finding in &mut smaller.findings {
            shrink(&mut finding.sample, chars_max, items_max);
        }
        let value = json(&smaller)?;
        if value.len() <= bytes_max {
            return Ok((value, false));
        }
    }
    Err(too_large(bytes_max))
}

/// Returns the alert in Falco's JSON and whether it is whole.
fn alert_value(alert: &Alert, bytes_max: usize) -> Result<(Vec<u8>, bool), DeliveryError> {
    let json = |alert: &Alert| {
        let mut value = Vec::new();
        alert::wire::write_falco(alert, &mut value);
        value
    };
    let value = json(alert);
    if value.len() <= bytes_max {
        return Ok((value, true));
    }
    let mut smaller = alert.clone();
    for (chars_max, items_max) in CHARS_AND_ITEMS_KEPT {
        shrink(&mut smaller, chars_max, items_max);
        let value = json(&smaller);
        if value.len() <= bytes_max {
            return Ok((value, false));
        }
    }
    Err(too_large(bytes_max))
}

fn shrink(alert: &mut Alert, chars_max: usize, items_max: usize) {
    alert.tags.truncate(items_max);
    while alert.fields.len() > items_max {
        alert.fields.pop_last();
    }
    for text in [&mut alert.rule, &mut alert.source, &mut alert.hostname, &mut alert.output] {
        *text = cut(text, chars_max);
    }
    for tag in &mut alert.tags {
        *tag = cut(tag, chars_max);
    }
    for value in alert.fields.values_mut() {
        cut_value(value, chars_max);
    }
}

/// Cuts a text; a list or an object is replaced by the cut text of its JSON.
fn cut_value(value: &mut Value, chars_max: usize) {
    match value {
        Value::String(text) => *text = cut(text, chars_max),
        Value::Array(_) | Value::Object(_) => {
            let text = value.to_string();
            if text.chars().nth(chars_max).is_some() {
                *value = Value::String(cut(&text, chars_max));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(chars_max - 1).chain(['…']).collect(),
    }
}

fn unwritable(error: serde_json::Error) -> DeliveryError {
    DeliveryError::Rejected { reason: format!("it cannot be written as JSON: {error}") }
}

fn too_large(bytes_max: usize) -> DeliveryError {
    DeliveryError::Rejected {
        reason: format!("it does not fit into `record_bytes_max` ({bytes_max} bytes), even cut"),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;
    use templates::samples;

    use super::*;

    fn print(records: &[Record]) -> String {
        let mut text = String::new();
        for record in records {
            text += &format!("key: {}\n", record.key.as_deref().unwrap_or("none"));
            for (name, value) in &record.headers {
                text += &format!("{name}: {}\n", value.escape_debug());
            }
            let value: Value = serde_json::from_slice(&record.value).unwrap();
            text += &format!("{value:#}\n");
        }
        text
    }

    #[test]
    fn records_of_every_sample_are_as_agreed() {
        for (name, notification) in samples::all() {
            let records =
                records(Payload::Notification, Key::Group, 16_384, &notification).unwrap();
            expect_file![format!("../../golden/kafka/{name}.txt")].assert_eq(&print(&records));
        }
        let records = records(Payload::Alert, Key::Hostname, 16_384, &samples::grouped()).unwrap();
        expect_file!["../../golden/kafka/alerts.txt"].assert_eq(&print(&records));
    }

    #[test]
    fn whatever_the_notification_the_value_fits_or_it_is_rejected() {
        for (name, notification) in samples::all() {
            for payload in [Payload::Notification, Payload::Alert] {
                for bytes_max in [1_024, 4_096, 100_000] {
                    match records(payload, Key::None, bytes_max, &notification) {
                        Ok(records) => assert!(
                            records.iter().all(|record| record.value.len() <= bytes_max),
                            "{name}"
                        ),
                        Err(DeliveryError::Rejected { .. }) => {}
                        Err(error) => panic!("{name}: {error}"),
                    }
                }
            }
        }
    }

    #[test]
    fn a_key_is_what_was_asked_for() {
        let notification = samples::typical();
        for (key, expected) in [
            (Key::Group, Some("0000000000090011")),
            (Key::Fingerprint, Some("51ab0000000000000000000000000001")),
            (Key::Hostname, Some("node-3")),
            (Key::None, None),
        ] {
            let records = records(Payload::Notification, key, 100_000, &notification).unwrap();
            assert_eq!(records[0].key.as_deref(), expected, "{key:?}");
        }
    }
}
