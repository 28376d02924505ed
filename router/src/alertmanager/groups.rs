//! `GET /api/v2/alerts/groups`: what fires, by group and by who hears of it.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::Serialize;

use super::{
    Reading,
    alerts::{self, Gettable, Receiver},
    answer::Refusal,
    filter::{Filter, Parameters},
};

/// Groups looked up in one turn of the core's thread.
const GROUPS_AT_ONCE: usize = 500;

/// Alertmanager's `alertGroup`.
#[derive(Debug, Serialize)]
pub(super) struct AlertGroup {
    labels: BTreeMap<String, String>,
    receiver: Receiver,
    alerts: Vec<Gettable>,
}

pub(super) async fn list(
    State(reading): State<Arc<Reading>>,
    parameters: Parameters,
) -> Result<Json<Vec<AlertGroup>>, Refusal> {
    let filter = Filter::read(parameters)?;
    let mut by_group: BTreeMap<_, Vec<Gettable>> = BTreeMap::new();
    for alert in alerts::firing(&reading, &filter).await? {
        for group in &alert.groups {
            by_group.entry(*group).or_default().push(alert.clone());
        }
    }
    let ids: Vec<_> = by_group.keys().copied().collect();
    let mut groups = Vec::new();
    for ids in ids.chunks(GROUPS_AT_ONCE) {
        let ids = ids.to_vec();
        let look = move |state: &crate::core::State| {
            ids.iter().filter_map(|id| state.pipeline.group(*id)).collect::<Vec<_>>()
        };
        groups.extend(reading.api.core.ask(look).await?);
    }
    let mut listed = Vec::new();
    for group in groups {
        let labels = group.labels.into_iter().map(|(name, value)| {
            (name.strip_prefix("label.").map_or(name.clone(), str::to_owned), value)
        });
        let labels: BTreeMap<_, _> = labels.collect();
        let alerts = by_group.remove(&group.id).unwrap_or_default();
        for output in group.outputs.iter().filter(|told| filter.takes_receiver(&told.output)) {
            let receiver = Receiver { name: output.output.to_string() };
            listed.push(AlertGroup { labels: labels.clone(), receiver, alerts: alerts.clone() });
        }
    }
    Ok(Json(listed))
}
