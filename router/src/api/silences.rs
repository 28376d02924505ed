//! Silences, by the API.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
};
use jiff::SignedDuration;
use service::access::Caller;
use uuid::Uuid;

use super::{
    Api, ApiError, error,
    types::{By, List, NewSilence, Silence, SilenceId, SilenceView},
};
use crate::{pipeline::DecisionKind, record::Record};

const COMMENT_CHARS_MAX: usize = 1000;

pub(super) async fn list(State(api): State<Arc<Api>>) -> Result<Json<List<SilenceView>>, ApiError> {
    let items = api.core.ask(|state| state.pipeline.silences()).await?;
    Ok(Json(List { items, next: None }))
}

pub(super) async fn add(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<(StatusCode, Json<SilenceView>), ApiError> {
    let at = service::clock::now();
    let silence = silence(error::body(&body)?, &caller, at)?;
    let id = silence.id.clone();
    let decisions = api.core.submit(&Record::SilenceAdded { at, silence }).await?;
    for decision in decisions {
        if let DecisionKind::SilenceRefused { reason, .. } = decision.kind {
            return Err(ApiError::Refused(reason));
        }
    }
    let view = find(&api, id).await?;
    let view = view.ok_or_else(|| ApiError::Refused("the silence is over already".into()))?;
    Ok((StatusCode::CREATED, Json(view)))
}

pub(super) async fn expire(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<SilenceView>, ApiError> {
    let by = error::author(&caller, &error::body::<By>(&body)?.by)?;
    let id = SilenceId(id);
    let missing = || ApiError::NotFound(format!("silence `{}`", id.0.escape_debug()));
    let known = find(&api, id.clone()).await?.ok_or_else(missing)?;
    if known.configured {
        let reason = "this silence is from the configuration file: remove it there";
        return Err(ApiError::Refused(reason.into()));
    }
    let at = service::clock::now();
    api.core.submit(&Record::SilenceExpired { at, id: id.clone(), by }).await?;
    find(&api, id.clone()).await?.map(Json).ok_or_else(missing)
}

async fn find(api: &Api, id: SilenceId) -> Result<Option<SilenceView>, ApiError> {
    let find = move |state: &crate::core::State| {
        state.pipeline.silences().into_iter().find(|view| view.silence.id == id)
    };
    Ok(api.core.ask(find).await?)
}

fn silence(new: NewSilence, caller: &Caller, at: jiff::Timestamp) -> Result<Silence, ApiError> {
    let condition = error::condition("match", &new.condition)?;
    let starts = new.starts.unwrap_or(at);
    let ends = match (new.ends, new.duration) {
        (Some(ends), None) => ends,
        (None, Some(duration)) => after(starts, duration.0)?,
        _ => return Err(ApiError::Invalid("give either `ends` or `duration`".into())),
    };
    Ok(Silence {
        id: SilenceId(Uuid::now_v7().to_string()),
        condition,
        starts: new.starts,
        ends,
        author: error::author(caller, &new.author)?,
        comment: error::text("comment", &new.comment, COMMENT_CHARS_MAX)?,
    })
}

fn after(starts: jiff::Timestamp, duration: Duration) -> Result<jiff::Timestamp, ApiError> {
    SignedDuration::try_from(duration)
        .and_then(|duration| starts.checked_add(duration))
        .map_err(|_| ApiError::Invalid("`duration` is too long".into()))
}
