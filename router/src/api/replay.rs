//! Delivers dead letters again.

use std::sync::Arc;

use alert::NotificationId;
use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State},
};
use service::access::Caller;

use super::{
    Api, ApiError, error,
    types::{By, Page, Refused, ReplayAll, Replayed},
};
use crate::{pipeline::DecisionKind, record::Record};

/// Dead letters one request replays at most; the answer is short of them when there are more.
const REPLAYS_MAX: usize = 10_000;
/// Dead letters journaled at once.
const BATCH: usize = 256;

pub(super) async fn one(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Replayed>, ApiError> {
    let by = error::author(&caller, &error::body::<By>(&body)?.by)?;
    let id: NotificationId = error::id(&id, "notification")?;
    let known = api
        .core
        .ask(move |state| {
            let all = Page { offset: 0, limit: usize::MAX };
            state.pipeline.dead_letters(all).iter().any(|letter| letter.notification == id)
        })
        .await?;
    if !known {
        return Err(ApiError::NotFound(format!("dead letter {id}")));
    }
    Ok(Json(replay(&api, vec![id], by).await?))
}

pub(super) async fn all(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<Replayed>, ApiError> {
    let ReplayAll { by, output } = error::body(&body)?;
    let by = error::author(&caller, &by)?;
    let ids = api
        .core
        .ask(move |state| {
            let all = Page { offset: 0, limit: usize::MAX };
            let letters = state.pipeline.dead_letters(all).into_iter();
            letters
                .filter(|letter| output.as_deref().is_none_or(|output| *letter.output == *output))
                .map(|letter| letter.notification)
                .take(REPLAYS_MAX)
                .collect()
        })
        .await?;
    Ok(Json(replay(&api, ids, by).await?))
}

async fn replay(
    api: &Api,
    notifications: Vec<NotificationId>,
    by: String,
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
