//! Delivers dead letters again, or gives them up.

use std::sync::Arc;

use alert::NotificationId;
use axum::{Extension, Json, extract::State};
use jiff::Timestamp;
use service::access::Caller;
use tracing::info;

use super::{
    Api, ApiError,
    document::{Answer, Missing},
    error,
    extract::{Body, Name},
    types::{By, DeadLetterView, PurgeAll, Purged, Refused, ReplayAll, ReplayOne, Replayed},
};
use crate::{core::State as Core, pipeline::DecisionKind, record::Record};

/// Dead letters one request changes at most; the answer is short of them when there are more.
const CHANGES_MAX: usize = 10_000;
/// Dead letters journaled at once.
const BATCH: usize = 256;

/// Delivers a dead letter again.
#[utoipa::path(
    post, path = "/deadletters/{id}/replay", operation_id = "replay_dead_letter",
    tag = "dead letters",
    params(("id" = String, Path, description = "Of the notification.", example = "00000000000000aa")),
    request_body(content = ReplayOne, example = json!({ "by": "ann", "to": "log" })),
    responses(Answer<Replayed>, Missing),
)]
pub(super) async fn replay_one(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Name(id): Name,
    Body(ReplayOne { by, to }): Body<ReplayOne>,
) -> Result<Json<Replayed>, ApiError> {
    let by = error::author(&caller, &by)?;
    let to = configured(&api, to)?;
    Ok(Json(replay(&api, vec![known(&api, &id).await?], by, to).await?))
}

/// Delivers dead letters again, at most 10000 at a time.
#[utoipa::path(
    post, path = "/deadletters/replay", operation_id = "replay_dead_letters", tag = "dead letters",
    request_body(content = ReplayAll, example = json!({ "by": "ann", "output": "soc" })),
    responses(Answer<Replayed>),
)]
pub(super) async fn replay_all(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Body(ReplayAll { by, output, before, to }): Body<ReplayAll>,
) -> Result<Json<Replayed>, ApiError> {
    let by = error::author(&caller, &by)?;
    let to = configured(&api, to)?;
    let ids = chosen(&api, output, before).await?;
    Ok(Json(replay(&api, ids, by, to).await?))
}

/// Gives a dead letter up. Its alerts stay counted as dead-lettered.
#[utoipa::path(
    delete, path = "/deadletters/{id}", operation_id = "purge_dead_letter", tag = "dead letters",
    params(("id" = String, Path, description = "Of the notification.", example = "00000000000000aa")),
    request_body(content = By, example = json!({ "by": "ann" })),
    responses(Answer<Purged>, Missing),
)]
pub(super) async fn purge_one(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Name(id): Name,
    Body(By { by }): Body<By>,
) -> Result<Json<Purged>, ApiError> {
    let by = error::author(&caller, &by)?;
    Ok(Json(purge(&api, vec![known(&api, &id).await?], by).await?))
}

/// Gives dead letters up, at most 10000 at a time.
#[utoipa::path(
    post, path = "/deadletters/purge", operation_id = "purge_dead_letters", tag = "dead letters",
    request_body(
        content = PurgeAll,
        example = json!({ "by": "ann", "output": "soc", "before": "2026-11-21T08:00:00Z" }),
    ),
    responses(Answer<Purged>),
)]
pub(super) async fn purge_all(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Body(PurgeAll { by, output, before }): Body<PurgeAll>,
) -> Result<Json<Purged>, ApiError> {
    let by = error::author(&caller, &by)?;
    let ids = chosen(&api, output, before).await?;
    Ok(Json(purge(&api, ids, by).await?))
}

/// Returns the output that is to take them, if one is named and there is one.
fn configured(api: &Api, to: Option<String>) -> Result<Option<String>, ApiError> {
    let Some(to) = to else { return Ok(None) };
    if api.dispatcher.status().iter().any(|output| output.name == to) {
        return Ok(Some(to));
    }
    Err(ApiError::Refused(format!("there is no output `{}`", to.escape_debug())))
}

/// Returns the id of a dead letter there is.
async fn known(api: &Api, id: &str) -> Result<NotificationId, ApiError> {
    let id: NotificationId = error::id(id, "notification")?;
    let known = api.core.ask(move |state| letters(state).any(|it| it.notification == id)).await?;
    if known { Ok(id) } else { Err(ApiError::NotFound(format!("dead letter {id}"))) }
}

/// Returns those of an output that died before a time; all without these.
async fn chosen(
    api: &Api,
    output: Option<String>,
    before: Option<Timestamp>,
) -> Result<Vec<NotificationId>, ApiError> {
    let chosen = api.core.ask(move |state| {
        letters(state)
            .filter(|letter| output.as_deref().is_none_or(|output| *letter.output == *output))
            .filter(|letter| before.is_none_or(|before| letter.at < before))
            .map(|letter| letter.notification)
            .take(CHANGES_MAX)
            .collect()
    });
    Ok(chosen.await?)
}

fn letters(state: &Core) -> impl Iterator<Item = DeadLetterView> {
    state.pipeline.all_dead_letters()
}

async fn purge(
    api: &Api,
    notifications: Vec<NotificationId>,
    by: String,
) -> Result<Purged, ApiError> {
    let mut purged = Purged::default();
    for batch in notifications.chunks(BATCH) {
        let at = service::clock::now();
        let record = |id: &NotificationId| Record::Purged { at, notification: *id, by: by.clone() };
        let records: Vec<_> = batch.iter().map(record).collect();
        let sequences = api.core.append(&records).await?;
        let decisions = api
            .core
            .ask(move |state| sequences.flat_map(|at| state.answer(at)).collect::<Vec<_>>())
            .await?;
        for decision in decisions {
            if let DecisionKind::Purged { notification, alerts, .. } = decision.kind {
                purged.notifications.push(notification);
                purged.alerts += alerts;
            }
        }
    }
    info!(
        notifications = purged.notifications.len(),
        alerts = purged.alerts,
        by,
        "dead letters were purged"
    );
    Ok(purged)
}

async fn replay(
    api: &Api,
    notifications: Vec<NotificationId>,
    by: String,
    to: Option<String>,
) -> Result<Replayed, ApiError> {
    let mut replayed = Replayed::default();
    for batch in notifications.chunks(BATCH) {
        let at = service::clock::now();
        let records: Vec<_> = batch
            .iter()
            .map(|notification| Record::Replayed {
                at,
                notification: *notification,
                by: by.clone(),
                to: to.clone(),
            })
            .collect();
        let sequences = api.core.append(&records).await?;
        let refusals = api
            .core
            .ask(move |state| sequences.flat_map(|at| state.answer(at)).collect::<Vec<_>>())
            .await?;
        let refused = refusals.into_iter().filter_map(|decision| match decision.kind {
            DecisionKind::ReplayRefused { notification, reason, .. } => {
                Some(Refused { notification, reason })
            }
            _ => None,
        });
        replayed.refused.extend(refused);
        replayed.notifications.extend_from_slice(batch);
    }
    let refused = &replayed.refused;
    replayed.notifications.retain(|id| !refused.iter().any(|refused| refused.notification == *id));
    Ok(replayed)
}
