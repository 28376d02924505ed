//! The state, as it is now.

use std::sync::Arc;

use alert::{Finding, Notification, NotificationId};
use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Api, ApiError,
    document::{Answer, Missing},
    error,
    extract::{Name, Parameters},
    types::{
        DeadLetterView, FindingsQuery, GroupView, JournalStatus, Ledger, List, OutputStatus, Page,
        Status,
    },
};

/// Longest part of a list.
const LIMIT_MAX: usize = 1000;

/// Which part of a list.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    offset: usize,
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// As [`FindingsQuery`], without the nesting a query string cannot have.
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
    offset: usize,
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl Part {
    fn page(self) -> Result<Page, ApiError> {
        let limit = self.limit.unwrap_or(Page::default().limit);
        if limit == 0 || limit > LIMIT_MAX {
            return Err(ApiError::Invalid(format!("`limit` must be 1 to {LIMIT_MAX}")));
        }
        Ok(Page { offset: self.offset, limit })
    }
}

/// Returns a list that knows whether there is more; `items` were asked for with one too many.
fn list<T>(page: Page, mut items: Vec<T>) -> Json<List<T>> {
    let more = items.len() > page.limit;
    items.truncate(page.limit);
    Json(List { items, next: more.then_some(page.offset.saturating_add(page.limit)) })
}

fn one_more(page: Page) -> Page {
    Page { limit: page.limit + 1, ..page }
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
    responses(Answer<List<OutputStatus>>),
)]
pub(super) async fn outputs(State(api): State<Arc<Api>>) -> Json<List<OutputStatus>> {
    Json(List { items: api.dispatcher.status(), next: None })
}

/// Returns the account of every alert's end.
#[utoipa::path(
    get, path = "/ledger", operation_id = "ledger", tag = "router",
    responses(Answer<Ledger>),
)]
pub(super) async fn ledger(State(api): State<Arc<Api>>) -> Result<Json<Ledger>, ApiError> {
    Ok(Json(api.core.ask(|state| state.pipeline.ledger()).await?))
}

/// Returns open groups, the most recently active first.
#[utoipa::path(
    get, path = "/groups", operation_id = "groups", tag = "findings",
    params(Part), responses(Answer<List<GroupView>>),
)]
pub(super) async fn groups(
    State(api): State<Arc<Api>>,
    Parameters(part): Parameters<Part>,
) -> Result<Json<List<GroupView>>, ApiError> {
    let page = part.page()?;
    let groups = api.core.ask(move |state| state.pipeline.groups(one_more(page))).await?;
    Ok(list(page, groups))
}

/// Returns live findings, the most recently seen first.
#[utoipa::path(
    get, path = "/findings", operation_id = "findings", tag = "findings",
    params(FindingsPart), responses(Answer<List<Finding>>),
)]
pub(super) async fn findings(
    State(api): State<Arc<Api>>,
    Parameters(part): Parameters<FindingsPart>,
) -> Result<Json<List<Finding>>, ApiError> {
    let page = Part { offset: part.offset, limit: part.limit }.page()?;
    let priority_min = part.priority_min.map(|text| text.parse()).transpose();
    let query = FindingsQuery {
        rule: part.rule,
        score_min: part.score_min,
        priority_min: priority_min
            .map_err(|error: alert::UnknownPriority| ApiError::Invalid(error.to_string()))?,
        group: part.group.map(|text| error::id(&text, "group")).transpose()?,
        page: one_more(page),
    };
    let findings = api.core.ask(move |state| state.pipeline.findings(&query)).await?;
    Ok(list(page, findings))
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
    params(Part), responses(Answer<List<DeadLetterView>>),
)]
pub(super) async fn dead_letters(
    State(api): State<Arc<Api>>,
    Parameters(part): Parameters<Part>,
) -> Result<Json<List<DeadLetterView>>, ApiError> {
    let page = part.page()?;
    let letters = api.core.ask(move |state| state.pipeline.dead_letters(one_more(page))).await?;
    Ok(list(page, letters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_there_can_be_is_a_page() {
        let page = Page { offset: usize::MAX, limit: 1 };
        assert_eq!(list(page, Vec::<u8>::new()).0.next, None);
        assert_eq!(list(page, vec![1, 2]).0.next, Some(usize::MAX));
    }
}
