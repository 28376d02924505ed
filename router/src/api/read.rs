//! The state, as it is now.

use std::sync::Arc;

use alert::{Finding, Notification, NotificationId};
use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use serde::Deserialize;

use super::{
    Api, ApiError, error,
    types::{
        DeadLetterView, FindingsQuery, GroupView, JournalStatus, Ledger, List, OutputStatus, Page,
        Status,
    },
};

/// Longest part of a list.
const LIMIT_MAX: usize = 1000;

/// Which part of a list.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Part {
    offset: usize,
    limit: Option<usize>,
}

/// As [`FindingsQuery`], without the nesting a query string cannot have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FindingsPart {
    rule: Option<String>,
    score_min: u8,
    priority_min: Option<String>,
    group: Option<String>,
    offset: usize,
    limit: Option<usize>,
}

type Asked<T> = Result<Query<T>, QueryRejection>;

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

pub(super) async fn outputs(State(api): State<Arc<Api>>) -> Json<List<OutputStatus>> {
    Json(List { items: api.dispatcher.status(), next: None })
}

pub(super) async fn ledger(State(api): State<Arc<Api>>) -> Result<Json<Ledger>, ApiError> {
    Ok(Json(api.core.ask(|state| state.pipeline.ledger()).await?))
}

pub(super) async fn groups(
    State(api): State<Arc<Api>>,
    query: Asked<Part>,
) -> Result<Json<List<GroupView>>, ApiError> {
    let page = query?.page()?;
    let groups = api.core.ask(move |state| state.pipeline.groups(one_more(page))).await?;
    Ok(list(page, groups))
}

pub(super) async fn findings(
    State(api): State<Arc<Api>>,
    query: Asked<FindingsPart>,
) -> Result<Json<List<Finding>>, ApiError> {
    let Query(part) = query?;
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

pub(super) async fn notification(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<Json<Notification>, ApiError> {
    let id: NotificationId = error::id(&id, "notification")?;
    let found = api.core.ask(move |state| state.pipeline.notification(id)).await?;
    let found = found.ok_or_else(|| {
        ApiError::NotFound(format!("undelivered or dead-lettered notification {id}"))
    })?;
    Ok(Json(Arc::unwrap_or_clone(found)))
}

pub(super) async fn dead_letters(
    State(api): State<Arc<Api>>,
    query: Asked<Part>,
) -> Result<Json<List<DeadLetterView>>, ApiError> {
    let page = query?.page()?;
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
