//! `POST /api/v2/alerts`: an array of alerts, as Prometheus sends them.

use std::time::Duration;

use alert::{Alert, AlertId, Fields, wire::cut};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Bounds, Decoded, Refusal, decode, each,
    labels::{Texts, add_annotations, add_labels},
};

/// Go's zero time, `0001-01-01T00:00:00Z`, stands for a time that is not known.
const ZERO_TIME_SECOND: i64 = -62_135_596_800;
const NAME_BYTES_MAX: usize = 512;
const TEXT_BYTES_MAX: usize = 64 << 10;

/// An alert of Alertmanager's API.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
pub(super) struct Postable {
    pub(super) labels: Option<Texts>,
    pub(super) annotations: Option<Texts>,
    pub(super) starts_at: Option<String>,
    pub(super) ends_at: Option<String>,
    #[serde(rename = "generatorURL")]
    pub(super) generator_url: Option<String>,
}

pub(super) fn read(body: &[u8], bounds: &Bounds) -> Result<Decoded, Refusal> {
    let text = decode::text(body)?;
    let items: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|error| Refusal::malformed(format!("the body is no JSON array: {error}")))?;
    each(&items, bounds, |item, bounds| {
        let alert: Postable =
            serde_json::from_str(item.get()).map_err(|error| format!("no alert: {error}"))?;
        let ends = time("endsAt", alert.ends_at.as_deref())?;
        let starts = time("startsAt", alert.starts_at.as_deref())?;
        let timeout = bounds.alertmanager().resolve_timeout.0;
        let ends =
            ends.unwrap_or_else(|| after(starts.unwrap_or_default().max(bounds.received), timeout));
        let starts = starts.unwrap_or(bounds.received.min(ends));
        if ends < starts {
            return Err("start time must be before end time".to_owned());
        }
        alert.read((starts, ends), bounds)
    })
}

impl Postable {
    /// Returns it as an alert that goes on from its start to its end.
    pub(super) fn read(
        &self,
        (starts, ends): (Timestamp, Timestamp),
        bounds: &Bounds,
    ) -> Result<Alert, String> {
        let none = Texts::default();
        let labels = self.labels.as_ref().unwrap_or(&none);
        let annotations = self.annotations.as_ref().unwrap_or(&none);
        let mut fields = Fields::new();
        add_labels(labels, &mut fields)?;
        add_annotations(annotations, &mut fields)?;
        if let Some(url) = self.generator_url.as_ref().filter(|url| !url.is_empty()) {
            let url = cut(url.clone(), TEXT_BYTES_MAX);
            fields.insert("generator_url".to_owned(), url.into());
        }
        let short = |text: &str| cut(text.to_owned(), NAME_BYTES_MAX);
        let output = ["summary", "description", "message"];
        let output = output.into_iter().find_map(|name| annotations.get(name));
        Ok(Alert {
            id: AlertId::random(),
            time: starts,
            received: bounds.received,
            rule: labels.get("alertname").map_or_else(|| "unnamed".to_owned(), short),
            priority: bounds.alertmanager().priority(labels.get("severity")),
            source: "alertmanager".to_owned(),
            hostname: labels.get("instance").map(short).unwrap_or_default(),
            output: cut(output.unwrap_or_default().to_owned(), TEXT_BYTES_MAX),
            tags: Vec::new(),
            fields,
            ends: Some(ends),
        })
    }
}

/// Reads a time; the zero time is as good as none.
pub(super) fn time(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, String> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let time: Timestamp = text
        .parse()
        .map_err(|_| format!("`{name}` is no RFC 3339 time such as 2026-11-21T08:00:00Z"))?;
    Ok(Some(time).filter(|time| time.as_second() != ZERO_TIME_SECOND))
}

/// Returns the time this long after another, or the last one there is.
pub(super) fn after(time: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    time.checked_add(wait).unwrap_or(Timestamp::MAX)
}
