//! The state, as it is now.

use std::sync::Arc;

use alert::{Finding, Notification, NotificationId};
use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Api, ApiError,
    cursor::{self, Wanted},
    document::{Answer, Missing},
    error,
    extract::{Name, Parameters},
    types::{
        DeadLetterView, GroupView, InhibitionView, JournalStatus, Ledger, List, OutputStatus,
        Status,
    },
};
use crate::{
    core::State as Core,
    pipeline::{FindingsQuery, Page},
};

/// As [`FindingsQuery`], flat as a query string is.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct FindingsPart {
    rule: Option<String>,
    #[param(maximum = 255)]
    score_min: u8,
    /// This severe or more: a level of Falco's.
    #[param(example = "Warning")]
    priority_min: Option<String>,
    /// Id of a group they belong to.
    #[param(pattern = "^[0-9a-f]{1,16}$")]
    group: Option<String>,
    /// `next` of the part before.
    cursor: Option<String>,
    /// Items at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Returns how the router is.
#[utoipa::path(
    get, path = "/status", operation_id = "status", tag = "router",
    responses(Answer<Status>),
)]
pub(super) async fn status(State(api): State<Arc<Api>>) -> Result<Json<Status>, ApiError> {
    let (counts, ledger, position) = api
        .core
        .ask(|state| (state.pipeline.counts(), state.pipeline.ledger(), state.position))
        .await?;
    let stat = api.core.journal().stat();
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: api.started,
        ready: api.ready(),
        behind_records: stat.records.end.saturating_sub(position),
        journal: JournalStatus {
            first: stat.records.start,
            next: stat.records.end,
            bytes: stat.bytes,
            bytes_max: stat.bytes_max,
            full: stat.full,
            failure: stat.failure,
        },
        counts,
        ledger_error: ledger.check().err(),
        config: api.config.load().as_ref().clone(),
        outputs: api.dispatcher.status(),
        responder: api.responder.status(position),
    }))
}

/// Returns how the outputs are.
#[utoipa::path(
    get, path = "/outputs", operation_id = "outputs", tag = "router",
    params(Wanted), responses(Answer<List<OutputStatus>>),
)]
pub(super) async fn outputs(
    State(api): State<Arc<Api>>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<List<OutputStatus>>, ApiError> {
    cursor::named(api.dispatcher.status(), &wanted, |output| &output.name)
}

/// Returns the inhibitions in force, and what each holds back now.
#[utoipa::path(
    get, path = "/inhibitions", operation_id = "inhibitions", tag = "findings",
    params(Wanted), responses(Answer<List<InhibitionView>>),
)]
pub(super) async fn inhibitions(
    State(api): State<Arc<Api>>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<List<InhibitionView>>, ApiError> {
    let all = api.core.ask(|state| state.pipeline.inhibitions()).await?;
    cursor::named(all, &wanted, |inhibition| &inhibition.name)
}

/// Returns the account of every alert's end.
#[utoipa::path(
    get, path = "/ledger", operation_id = "ledger", tag = "router",
    responses(Answer<Ledger>),
)]
pub(super) async fn ledger(State(api): State<Arc<Api>>) -> Result<Json<Ledger>, ApiError> {
    Ok(Json(api.core.ask(|state| state.pipeline.ledger()).await?))
}

/// Returns open groups, the most recently opened first.
#[utoipa::path(
    get, path = "/groups", operation_id = "groups", tag = "findings",
    params(Wanted), responses(Answer<List<GroupView>>),
)]
pub(super) async fn groups(
    State(api): State<Arc<Api>>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<List<GroupView>>, ApiError> {
    cursor::part(&api, &wanted, |state, page| state.pipeline.groups(page)).await
}

/// Returns live findings, the most recently opened first.
#[utoipa::path(
    get, path = "/findings", operation_id = "findings", tag = "findings",
    params(FindingsPart), responses(Answer<List<Finding>>),
)]
pub(super) async fn findings(
    State(api): State<Arc<Api>>,
    Parameters(part): Parameters<FindingsPart>,
) -> Result<Json<List<Finding>>, ApiError> {
    let wanted = Wanted { cursor: part.cursor, limit: part.limit };
    let priority_min = part.priority_min.map(|text| text.parse()).transpose();
    let query = FindingsQuery {
        rule: part.rule,
        score_min: part.score_min,
        priority_min: priority_min
            .map_err(|error: alert::UnknownPriority| ApiError::Invalid(error.to_string()))?,
        group: part.group.map(|text| error::id(&text, "group")).transpose()?,
        page: Page::default(),
    };
    let ask =
        move |state: &Core, page| state.pipeline.findings(&FindingsQuery { page, ..query.clone() });
    cursor::part(&api, &wanted, ask).await
}

/// Returns a notification that is undelivered or a dead letter.
#[utoipa::path(
    get, path = "/notifications/{id}", operation_id = "notification", tag = "dead letters",
    params(("id" = String, Path, description = "Of the notification.", example = "00000000000000aa")),
    responses(Answer<Notification>, Missing),
)]
pub(super) async fn notification(
    State(api): State<Arc<Api>>,
    Name(id): Name,
) -> Result<Json<Notification>, ApiError> {
    let id: NotificationId = error::id(&id, "notification")?;
    let found = api.core.ask(move |state| state.pipeline.notification(id)).await?;
    let found = found.ok_or_else(|| {
        ApiError::NotFound(format!("undelivered or dead-lettered notification {id}"))
    })?;
    Ok(Json(Arc::unwrap_or_clone(found)))
}

/// Returns dead letters, the newest first.
#[utoipa::path(
    get, path = "/deadletters", operation_id = "dead_letters", tag = "dead letters",
    params(Wanted), responses(Answer<List<DeadLetterView>>),
)]
pub(super) async fn dead_letters(
    State(api): State<Arc<Api>>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<List<DeadLetterView>>, ApiError> {
    cursor::part(&api, &wanted, |state, page| state.pipeline.dead_letters(page)).await
}
