//! Silences, by the API.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
};
use jiff::{SignedDuration, Timestamp};
use service::access::Caller;
use uuid::Uuid;

use super::{
    Api, ApiError, error, past,
    types::{By, List, NewSilence, Preview, Silence, SilenceId, SilenceView},
};
use crate::{pipeline::Matcher, silences};

const COMMENT_CHARS_MAX: usize = 1000;
const ID_CHARS_MAX: usize = 128;

pub(super) async fn list(State(api): State<Arc<Api>>) -> Result<Json<List<SilenceView>>, ApiError> {
    Ok(Json(List { items: silences::all(&api.core).await?, next: None }))
}

pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<Json<SilenceView>, ApiError> {
    silences::find(&api.core, &SilenceId(id)).await.map(Json)
}

pub(super) async fn add(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<(StatusCode, Json<SilenceView>), ApiError> {
    let id = Uuid::now_v7().to_string();
    let silence = silence(id, error::body(&body)?, &caller, service::clock::now())?;
    let view = silences::put(&api.core, silence).await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Changes a silence in place; adds it if there is none with this id.
pub(super) async fn put(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<SilenceView>, ApiError> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    if id.is_empty() || id.len() > ID_CHARS_MAX || !id.chars().all(fits) {
        let rule = "letters, digits, `_`, `.` and `-`, at most 128";
        return Err(ApiError::Invalid(format!("the id of a silence has {rule}")));
    }
    let silence = silence(id, error::body(&body)?, &caller, service::clock::now())?;
    silences::put(&api.core, silence).await.map(Json)
}

pub(super) async fn preview(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<Preview>, ApiError> {
    let now = service::clock::now();
    let silence = silence("preview".to_owned(), error::body(&body)?, &caller, now)?;
    silence.check_at(now).map_err(ApiError::Refused)?;
    let mut preview = silences::preview(&api.core, &silence).await?;
    preview.past = past::would_have_hidden(&api, silence).await?;
    Ok(Json(preview))
}

pub(super) async fn expire(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<SilenceView>, ApiError> {
    let by = error::author(&caller, &error::body::<By>(&body)?.by)?;
    silences::end(&api.core, SilenceId(id), by).await.map(Json)
}

fn silence(
    id: String,
    new: NewSilence,
    caller: &Caller,
    at: Timestamp,
) -> Result<Silence, ApiError> {
    let condition = new.condition.as_deref().map(|text| error::condition("match", text));
    let matchers = new.matchers.iter().map(|text| Matcher::parse_all(text));
    let matchers: Result<Vec<_>, _> = matchers.collect();
    let matchers = matchers.map_err(|why| ApiError::Invalid(format!("`matchers`: {why}")))?;
    let starts = new.starts.unwrap_or(at);
    let ends = match (new.ends, new.duration) {
        (Some(ends), None) => ends,
        (None, Some(duration)) => after(starts, duration.0)?,
        _ => return Err(ApiError::Invalid("give either `ends` or `duration`".into())),
    };
    Ok(Silence {
        id: SilenceId(id),
        condition: condition.transpose()?,
        matchers: matchers.concat(),
        times: new.times,
        starts: new.starts,
        ends,
        author: error::author(caller, &new.author)?,
        comment: error::text("comment", &new.comment, COMMENT_CHARS_MAX)?,
    })
}

fn after(starts: Timestamp, duration: Duration) -> Result<Timestamp, ApiError> {
    SignedDuration::try_from(duration)
        .and_then(|duration| starts.checked_add(duration))
        .map_err(|_| ApiError::Invalid("`duration` is too long".into()))
}
