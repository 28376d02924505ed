//! What the history has: alerts, and the account of a span.

use std::{sync::Arc, time::Instant};

use axum::{Json, extract::State};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Api, ApiError,
    document::{Answer, Broken, Busy, Missing},
    error,
    extract::Parameters,
    types::{ChangesPage, PastPage, SpanLedger},
};
use crate::{
    history::{AlertFilter, Asked, ChangeFilter, PartError, QUERY_TIME_MAX},
    pipeline::{PastPreview, ReasonKind, Silence},
};

/// Longest part of a list.
const LIMIT_MAX: usize = 1000;
const LIMIT: usize = 100;
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Which alerts; all that are given must hold.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Decided then or later.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Decided before.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    rule: Option<String>,
    /// This severe or more: a level of Falco's.
    #[param(example = "Warning")]
    priority_min: Option<String>,
    source: Option<String>,
    hostname: Option<String>,
    /// `routed`, or the reason why nobody was told.
    verdict: Option<String>,
    /// Of the finding.
    #[param(pattern = "^[0-9a-f]{1,32}$")]
    fingerprint: Option<String>,
    /// In the condition language.
    #[param(example = "proc.name = sh")]
    condition: Option<String>,
    /// `next` of the part before.
    #[param(value_type = Option<String>, pattern = "^[0-9]{1,20}$")]
    before: Option<u64>,
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Which changes; all that are given must hold.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct WantedChanges {
    /// Made then or later.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Made before.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Made by this person, or by `configuration`.
    by: Option<String>,
    /// `next` of the part before.
    before: Option<String>,
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Span {
    /// From the beginning of what is known if absent.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Until now if absent.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// Returns alerts of the past, the newest first.
#[utoipa::path(
    get, path = "/alerts", operation_id = "alerts", tag = "past",
    params(Wanted), responses(Answer<PastPage>, Missing, Busy, Broken),
)]
pub(super) async fn alerts(
    State(api): State<Arc<Api>>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<PastPage>, ApiError> {
    let condition = wanted.condition.as_deref().filter(|text| !text.trim().is_empty());
    let condition = condition.map(|text| error::condition("condition", text)).transpose()?;
    let limit = checked(wanted.limit)?;
    let filter = wanted.filter()?;
    let page = ask(&api, move |asked| asked.alerts(filter, condition.as_ref(), limit)).await?;
    Ok(Json(page))
}

/// Returns what people changed, the newest first.
#[utoipa::path(
    get, path = "/changes", operation_id = "changes", tag = "past",
    params(WantedChanges), responses(Answer<ChangesPage>, Missing, Busy, Broken),
)]
pub(super) async fn changes(
    State(api): State<Arc<Api>>,
    Parameters(wanted): Parameters<WantedChanges>,
) -> Result<Json<ChangesPage>, ApiError> {
    let WantedChanges { from, until, by, before, limit } = wanted;
    let limit = checked(limit)?;
    let before = before.map(|text| text.parse()).transpose();
    let before = before.map_err(|why| ApiError::Invalid(format!("`before`: {why}")))?;
    let filter = ChangeFilter { from, until, by, before };
    Ok(Json(ask(&api, move |asked| asked.changes(&filter, limit)).await?))
}

/// Returns the account of a span, by source and output.
#[utoipa::path(
    get, path = "/ledger/span", operation_id = "ledger_of_span", tag = "past",
    params(Span), responses(Answer<SpanLedger>, Missing, Busy, Broken),
)]
pub(super) async fn ledger(
    State(api): State<Arc<Api>>,
    Parameters(Span { from, until }): Parameters<Span>,
) -> Result<Json<SpanLedger>, ApiError> {
    let from = from.unwrap_or(Timestamp::UNIX_EPOCH);
    // The minute that is under way belongs to it.
    let until = until.unwrap_or_else(|| service::clock::now() + MINUTE);
    if until <= from {
        return Err(ApiError::Invalid("`until` must be after `from`".to_owned()));
    }
    let ledger = ask(&api, move |asked| asked.ledger(from, until)).await??;
    let nothing = || ApiError::NotFound("history yet: it begins with the next alert".to_owned());
    ledger.map(Json).ok_or_else(nothing)
}

fn checked(limit: Option<usize>) -> Result<usize, ApiError> {
    let limit = limit.unwrap_or(LIMIT);
    if limit == 0 || limit > LIMIT_MAX {
        return Err(ApiError::Invalid(format!("`limit` must be 1 to {LIMIT_MAX}")));
    }
    Ok(limit)
}

impl Wanted {
    fn filter(self) -> Result<AlertFilter, ApiError> {
        if let Some(verdict) = &self.verdict {
            let mut known = ReasonKind::ALL.iter().map(|reason| reason.name());
            if verdict != "routed" && known.all(|name| name != verdict) {
                let known: Vec<&str> = ReasonKind::ALL.iter().map(|it| it.name()).collect();
                let known = known.join(", ");
                return Err(ApiError::Invalid(format!(
                    "`verdict` must be routed or one of {known}"
                )));
            }
        }
        let priority_min = self.priority_min.map(|text| text.parse()).transpose();
        let fingerprint = self.fingerprint.map(|text| u128::from_str_radix(&text, 16)).transpose();
        Ok(AlertFilter {
            from: self.from,
            until: self.until,
            rule: self.rule,
            priority_min: priority_min
                .map_err(|error: alert::UnknownPriority| ApiError::Invalid(error.to_string()))?,
            source: self.source,
            hostname: self.hostname,
            verdict: self.verdict,
            fingerprint: fingerprint
                .map_err(|error| ApiError::Invalid(format!("`fingerprint`: {error}")))?,
            before: self.before,
        })
    }
}

/// Returns what a silence would have hidden in the last week; `None` if there is no history.
pub(super) async fn would_have_hidden(
    api: &Api,
    silence: Silence,
) -> Result<Option<PastPreview>, ApiError> {
    if api.history.is_none() {
        return Ok(None);
    }
    let since = service::clock::now() - WEEK;
    ask(api, move |asked| asked.would_have_hidden(&silence, since)).await.map(Some)
}

/// Asks the history; it takes a thread for as long as that takes.
async fn ask<T: Send + 'static>(
    api: &Api,
    question: impl FnOnce(Asked) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let Some(history) = api.history.clone() else {
        return Err(ApiError::NotFound("history: `router.history.days_max` is 0".to_owned()));
    };
    let _permit =
        api.searches.try_acquire().map_err(|_| ApiError::Busy("other searches are under way"))?;
    let answer = tokio::task::spawn_blocking(move || {
        let asked = history.open(Instant::now() + QUERY_TIME_MAX);
        asked.map_err(PartError::Folder).map(question)
    });
    Ok(answer.await.map_err(|error| ApiError::Refused(error.to_string()))??)
}
