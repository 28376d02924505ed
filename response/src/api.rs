//! What operators ask and order, as JSON under `/api/v1`. An answer to a write means that it is
//! durable.

pub mod types;

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response as HttpResponse},
    routing::{get, post},
};
use prometheus::Registry;
use serde::de::DeserializeOwned;
use service::{
    access::{Caller, Role},
    admin::Readiness,
    problem::{self, Problem},
    telemetry::LevelHandle,
};

use self::types::{By, Choice, List, Mode, Status, Stop};
use crate::{
    book::Response,
    engine::{DecideError, Engine},
    plan::ResponseId,
};

const BODY_BYTES_MAX: usize = 64 << 10;
const COMMENT_CHARS_MAX: usize = 1000;
/// Responses in one list.
const LIST_MAX: usize = 1000;
const LIST_DEFAULT: usize = 100;

#[derive(Clone)]
struct Api {
    engine: Arc<Engine>,
}

/// Returns the API's routes, and those every daemon has.
pub fn routes(
    engine: Arc<Engine>,
    registry: Registry,
    readiness: Readiness,
    logs: LevelHandle,
) -> Router {
    let api = Api { engine };
    let routes = Router::new()
        .route("/status", get(status))
        .route("/stop", post(stop))
        .route("/resume", post(resume))
        .route("/responses", get(list))
        .route("/responses/{id}", get(show))
        .route("/responses/{id}/approve", post(approve))
        .route("/responses/{id}/deny", post(deny))
        .route("/responses/{id}/undo", post(undo))
        .route("/responses/{id}/evidence/{name}", get(evidence))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is no such path") })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(api.clone(), guard))
        .with_state(api.clone());
    let admin = service::admin::router(registry, readiness, logs)
        .layer(middleware::from_fn_with_state(api, guard_writes));
    Router::new().nest("/api/v1", routes).merge(admin)
}

/// Reading needs a viewer, a word about a response a responder.
async fn guard(State(api): State<Api>, mut request: Request, next: Next) -> HttpResponse {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let role = if reads { Role::Viewer } else { Role::Responder };
    // Of the configuration in force: a token that was taken away opens nothing.
    let config = api.engine.config();
    let admitted = config.auth.admit(request.uri().authority(), request.headers());
    match admitted.and_then(|caller| caller.may(role).map(|()| caller)) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refused) => Problem::from(refused).into_response(),
    }
}

/// As [`guard`], for paths whoever reaches them may read: probes and metrics.
async fn guard_writes(state: State<Api>, request: Request, next: Next) -> HttpResponse {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    guard(state, request, next).await
}

type Answer<T> = Result<Json<T>, Problem>;

impl From<DecideError> for Problem {
    fn from(error: DecideError) -> Self {
        let status = match &error {
            DecideError::Unknown(_) => StatusCode::NOT_FOUND,
            DecideError::NotAwaiting { .. } | DecideError::OtherPlan(_) | DecideError::Expired => {
                StatusCode::CONFLICT
            }
            DecideError::NothingToUndo(_) | DecideError::Stopped => StatusCode::CONFLICT,
            DecideError::Audit(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

async fn status(State(api): State<Api>) -> Json<Status> {
    let config = api.engine.config();
    let failure = api.engine.failure().await;
    let status = api.engine.ask(|book, head| {
        let now = service::clock::now();
        let shares = config.namespaces().len();
        let mut budgets = std::collections::BTreeMap::new();
        for namespace in config.namespaces() {
            let of_cluster = book.spending.left_of_cluster(&config.budgets, shares, namespace, now);
            let own = book.spending.left_of_namespace(&config.budgets, namespace, now);
            budgets.insert(namespace.to_owned(), of_cluster.min(own));
        }
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time: now,
            mode: config.mode,
            actions: config
                .actions
                .iter()
                .map(|(action, policy)| Mode {
                    action: *action,
                    mode: config.mode.min(policy.mode),
                    namespaces: policy.namespaces.iter().cloned().collect(),
                })
                .collect(),
            stopped: book
                .stopped
                .as_ref()
                .map(|(by, reason)| Stop { by: by.clone(), reason: reason.clone() }),
            awaiting: book.count(|response| response.state.name() == "awaiting"),
            in_force: book.count(Response::in_force),
            budgets,
            audit_head: format!("{}:{}", head.sequence, head.hash),
            audit_failure: failure,
        }
    });
    Json(status.await)
}

async fn list(State(api): State<Api>, Query(query): Query<types::Filter>) -> Json<List> {
    let limit = query.limit.unwrap_or(LIST_DEFAULT).min(LIST_MAX);
    let items = api.engine.ask(|book, _| {
        let wanted = |response: &&Response| {
            query.state.as_ref().is_none_or(|state| response.state.name() == state)
                && query.namespace.as_ref().is_none_or(|name| response.plan.namespace() == name)
        };
        book.responses().filter(wanted).take(limit).cloned().collect()
    });
    Json(List { items: items.await })
}

async fn show(State(api): State<Api>, Path(id): Path<String>) -> Answer<Response> {
    let id = number(&id)?;
    let found = api.engine.ask(|book, _| book.get(id).cloned()).await;
    found.map(Json).ok_or_else(|| Problem::from(DecideError::Unknown(id)))
}

async fn approve(
    state: State<Api>,
    caller: Extension<Caller>,
    id: Path<String>,
    body: Bytes,
) -> Answer<Response> {
    decide(state, caller, id, body, true).await
}

async fn deny(
    state: State<Api>,
    caller: Extension<Caller>,
    id: Path<String>,
    body: Bytes,
) -> Answer<Response> {
    decide(state, caller, id, body, false).await
}

async fn decide(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
    approved: bool,
) -> Answer<Response> {
    let id = number(&id)?;
    let choice: Choice = read(&body)?;
    let by = author(&caller, &choice.by)?;
    let comment = choice.comment.as_deref().map(|text| words("comment", text)).transpose()?;
    Ok(Json(api.engine.decide(id, approved, &choice.plan_hash, by, comment).await?))
}

async fn undo(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer<Response> {
    let by: By = read(&body)?;
    Ok(Json(api.engine.undo_now(number(&id)?, &author(&caller, &by.by)?).await?))
}

async fn stop(
    state: State<Api>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer<Status> {
    let Stop { by, reason } = read(&body)?;
    let (by, reason) = (author(&caller, &by)?, words("reason", &reason)?);
    state.engine.switch(true, by, reason).await?;
    Ok(status(state).await)
}

async fn resume(
    state: State<Api>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer<Status> {
    // Stopping is everybody's right who may decide; letting go on is an admin's.
    caller.may(Role::Admin)?;
    let Stop { by, reason } = read(&body)?;
    let (by, reason) = (author(&caller, &by)?, words("reason", &reason)?);
    state.engine.switch(false, by, reason).await?;
    Ok(status(state).await)
}

async fn evidence(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((id, name)): Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    // Logs hold what their programs wrote: more than a viewer is promised.
    caller.may(Role::Responder)?;
    let id = number(&id)?;
    let missing = || Problem::new(StatusCode::NOT_FOUND, "there is no such document");
    let proof = api.engine.ask(|book, _| {
        let documents = book.get(id).map(|response| response.documents.clone());
        documents.into_iter().flatten().find(|document| document.name == name)
    });
    let proof = proof.await.ok_or_else(missing)?;
    let bytes = tokio::task::block_in_place(|| api.engine.store().read(id, &proof));
    let bytes = bytes.map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => Problem::new(StatusCode::CONFLICT, error.to_string()),
        _ => missing(),
    })?;
    // Never as something a browser would run.
    let kind = HeaderValue::from_static("application/octet-stream");
    Ok(([(header::CONTENT_TYPE, kind)], bytes).into_response())
}

fn number(text: &str) -> Result<ResponseId, Problem> {
    text.parse().map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("id: {error}")))
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("body: {error}")))
}

fn words(name: &str, text: &str) -> Result<String, Problem> {
    problem::text(name, text, COMMENT_CHARS_MAX)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error))
}

fn author(caller: &Caller, said: &str) -> Result<String, Problem> {
    caller.author(said).map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error))
}
