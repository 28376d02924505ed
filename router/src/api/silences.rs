//! Silences, by the API.

use std::{sync::Arc, time::Duration};

use axum::{Extension, Json, extract::State, http::StatusCode};
use jiff::{SignedDuration, Timestamp};
use service::access::Caller;
use uuid::Uuid;

use super::{
    Api, ApiError,
    cursor::{self, Wanted},
    document::{Answer, Broken, Busy, Created, Missing, Unprocessable},
    error,
    extract::{Body, Name, Parameters},
    idempotency::Once,
    past,
    types::{By, List, NewSilence, Preview, Silence, SilenceId, SilenceView},
};
use crate::{pipeline::Matcher, silences};

const COMMENT_CHARS_MAX: usize = 1000;
const ID_CHARS_MAX: usize = 128;

/// Returns silences, also those that ended within the last day.
#[utoipa::path(
    get, path = "/silences", operation_id = "silences", tag = "silences",
    params(Wanted), responses(Answer<List<SilenceView>>),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<List<SilenceView>>, ApiError> {
    cursor::named(silences::all(&api.core).await?, &wanted, |view| &view.silence.id.0)
}

/// Returns one silence.
#[utoipa::path(
    get, path = "/silences/{id}", operation_id = "silence", tag = "silences",
    params(("id" = String, Path, example = "0196f0a0-0000-7000-8000-000000000000")), responses(Answer<SilenceView>, Missing),
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Name(id): Name,
) -> Result<Json<SilenceView>, ApiError> {
    silences::find(&api.core, &SilenceId(id)).await.map(Json)
}

/// Adds a silence.
#[utoipa::path(
    post, path = "/silences", operation_id = "add_silence", tag = "silences",
    request_body(
        content = NewSilence,
        example = json!({
            "match": "rule = \"Terminal shell in container\" and k8s.ns.name = test",
            "duration": "2h", "author": "ann", "comment": "we test",
        }),
    ),
    responses(Created<SilenceView>, Unprocessable),
)]
pub(super) async fn add(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    once: Option<Extension<Once>>,
    Body(new): Body<NewSilence>,
) -> Result<(StatusCode, Json<SilenceView>), ApiError> {
    let id = once.map_or_else(Uuid::now_v7, |Extension(once)| once.id()).to_string();
    let lasts = new.duration.is_some();
    let silence = silence(id, new, &caller, service::clock::now())?;
    if once.is_some()
        && let Some(view) = added_before(&api, &silence, lasts).await?
    {
        return Ok((StatusCode::CREATED, Json(view)));
    }
    let view = silences::put(&api.core, silence).await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Returns a silence that was added with the same key before a restart.
async fn added_before(
    api: &Api,
    asked: &Silence,
    lasts: bool,
) -> Result<Option<SilenceView>, ApiError> {
    let view = match silences::find(&api.core, &asked.id).await {
        Ok(view) => view,
        Err(ApiError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let known = view.history.first().map_or(&view.silence, |former| &former.silence);
    // A duration was counted from when it was first asked for.
    let ends = if lasts { known.ends } else { asked.ends };
    if *known == (Silence { ends, ..asked.clone() }) {
        return Ok(Some(view));
    }
    Err(ApiError::Refused("this key was used for another silence".into()))
}

/// Changes a silence in place; adds it if there is none with this id.
#[utoipa::path(
    put, path = "/silences/{id}", operation_id = "put_silence", tag = "silences",
    params(("id" = String, Path, example = "0196f0a0-0000-7000-8000-000000000000")),
    request_body(
        content = NewSilence,
        example = json!({
            "match": "rule = \"Terminal shell in container\" and k8s.ns.name = test",
            "duration": "2h", "author": "ann", "comment": "we test",
        }),
    ),
    responses(Answer<SilenceView>, Unprocessable),
)]
pub(super) async fn put(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Name(id): Name,
    Body(new): Body<NewSilence>,
) -> Result<Json<SilenceView>, ApiError> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    if id.is_empty() || id.len() > ID_CHARS_MAX || !id.chars().all(fits) {
        let rule = "letters, digits, `_`, `.` and `-`, at most 128";
        return Err(ApiError::Invalid(format!("the id of a silence has {rule}")));
    }
    let silence = silence(id, new, &caller, service::clock::now())?;
    silences::put(&api.core, silence).await.map(Json)
}

/// Returns what a silence would hide, and would have hidden.
#[utoipa::path(
    post, path = "/silences/preview", operation_id = "preview_silence", tag = "silences",
    request_body(
        content = NewSilence,
        example = json!({
            "match": "rule = \"Terminal shell in container\" and k8s.ns.name = test",
            "duration": "2h", "author": "ann", "comment": "we test",
        }),
    ),
    responses(Answer<Preview>, Missing, Unprocessable, Busy, Broken),
)]
pub(super) async fn preview(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewSilence>,
) -> Result<Json<Preview>, ApiError> {
    let now = service::clock::now();
    let silence = silence("preview".to_owned(), new, &caller, now)?;
    silence.check_at(now).map_err(ApiError::Refused)?;
    let mut preview = silences::preview(&api.core, &silence).await?;
    preview.past = past::would_have_hidden(&api, silence).await?;
    Ok(Json(preview))
}

/// Ends a silence.
#[utoipa::path(
    delete, path = "/silences/{id}", operation_id = "end_silence", tag = "silences",
    params(("id" = String, Path, example = "0196f0a0-0000-7000-8000-000000000000")),
    request_body(content = By, example = json!({ "by": "ann" })),
    responses(Answer<SilenceView>, Missing, Unprocessable),
)]
pub(super) async fn expire(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Name(id): Name,
    Body(By { by }): Body<By>,
) -> Result<Json<SilenceView>, ApiError> {
    let by = error::author(&caller, &by)?;
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
