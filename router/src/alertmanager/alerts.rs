//! `GET /api/v2/alerts`: what fires.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alert::{Alert, GroupId};
use axum::{Json, extract::State};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Reading,
    answer::Refusal,
    filter::{Filter, Parameters},
};
use crate::pipeline::{Firing, Reason};

/// Alerts in one answer; of more, those that came last are listed.
const ALERTS_MAX: usize = 10_000;
/// Findings looked at in one turn of the core's thread.
const FINDINGS_AT_ONCE: usize = 500;

/// Alertmanager's `gettableAlert`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Gettable {
    annotations: BTreeMap<String, String>,
    ends_at: Timestamp,
    fingerprint: String,
    pub(super) receivers: Vec<Receiver>,
    starts_at: Timestamp,
    status: Status,
    updated_at: Timestamp,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    labels: BTreeMap<String, String>,
    #[serde(skip)]
    pub(super) groups: Vec<GroupId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Receiver {
    pub(super) name: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    state: &'static str,
    silenced_by: Vec<String>,
    inhibited_by: Vec<String>,
    muted_by: Vec<String>,
}

pub(super) async fn list(
    State(reading): State<Arc<Reading>>,
    parameters: Parameters,
) -> Result<Json<Vec<Gettable>>, Refusal> {
    let filter = Filter::read(parameters)?;
    let alerts = firing(&reading, &filter).await?;
    let heard = |alert: &Gettable| {
        let receivers = &alert.receivers;
        receivers.is_empty() && filter.takes_receiver("")
            || receivers.iter().any(|receiver| filter.takes_receiver(&receiver.name))
    };
    Ok(Json(alerts.into_iter().filter(heard).collect()))
}

/// Returns what fires and is asked for, whoever hears of it.
pub(super) async fn firing(reading: &Reading, filter: &Filter) -> Result<Vec<Gettable>, Refusal> {
    let busy = |_| Refusal::busy("too many lists of alerts are being made at once");
    let _permit = reading.lists.try_acquire().map_err(busy)?;
    let (mut alerts, mut seen, mut offset) = (Vec::new(), BTreeSet::new(), 0);
    loop {
        let look =
            move |state: &crate::core::State| state.pipeline.firing(offset, FINDINGS_AT_ONCE);
        let (examined, firing) = reading.api.core.ask(look).await?;
        for firing in firing {
            // What is sent again between two looks moves to the front.
            if !seen.insert(firing.fingerprint) {
                continue;
            }
            alerts.extend(gettable(firing).filter(|alert| is_asked_for(alert, filter)));
            if alerts.len() >= ALERTS_MAX {
                return Ok(alerts);
            }
        }
        if examined < FINDINGS_AT_ONCE {
            return Ok(alerts);
        }
        offset += examined;
    }
}

fn is_asked_for(alert: &Gettable, filter: &Filter) -> bool {
    let Status { state, silenced_by, inhibited_by, .. } = &alert.status;
    (filter.active || *state != "active")
        && (filter.silenced || silenced_by.is_empty())
        && (filter.inhibited || inhibited_by.is_empty())
        && (filter.unprocessed || *state != "unprocessed")
        && filter.takes(&alert.labels)
}

/// Returns a finding as Alertmanager would show it.
fn gettable(firing: Firing) -> Option<Gettable> {
    let alert: Alert = serde_json::from_str(firing.sample.get()).ok()?;
    let texts = |prefix: &str| {
        let fields = alert.fields.iter();
        let texts = fields.filter_map(|(name, value)| {
            Some((name.strip_prefix(prefix)?.to_owned(), value.as_str()?.to_owned()))
        });
        texts.collect()
    };
    let (mut silenced_by, mut inhibited_by) = (Vec::new(), Vec::new());
    match &firing.hidden {
        Some(Reason::Inhibited(by)) => inhibited_by.push(by.source.to_string()),
        Some(Reason::Silence(id)) => silenced_by.push(id.to_string()),
        Some(other) => silenced_by.push(other.to_string()),
        None => {}
    }
    let state = if firing.hidden.is_some() { "suppressed" } else { "active" };
    let receivers = firing.outputs.iter().map(|name| Receiver { name: name.to_string() });
    Some(Gettable {
        annotations: texts("annotation."),
        ends_at: firing.ends,
        fingerprint: firing.fingerprint.to_string(),
        receivers: receivers.collect(),
        starts_at: firing.starts,
        status: Status { state, silenced_by, inhibited_by, muted_by: Vec::new() },
        updated_at: firing.updated,
        generator_url: alert.text("generator_url").unwrap_or_default().to_owned(),
        labels: texts("label."),
        groups: firing.groups,
    })
}
