//! The API of orders: who may, what is asked, what is answered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alert::{
    ProcessKey,
    order::{
        ContainerReport, KillOrder, KillOutcome, KillReport, ProcessReport, Scope, WatchOrder,
        WatchReport,
    },
};
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, de::DeserializeOwned};
use service::{
    ErrorChain,
    problem::Problem,
    server::{Peer, PeerNames},
};
use tokio::sync::OwnedSemaphorePermit;
use tracing::{info, warn};

use super::{
    Actions, kill,
    orders::{self, Turn},
    report,
    watch::WatchError,
};

const BODY_BYTES_MAX: usize = 16 << 10;
const ID_BYTES_MAX: usize = 128;
const CONTAINERS_MAX: usize = 64;
const CONTAINER_DIGITS: usize = 64;

/// Returns the API, behind the question who asks; `events` is for others than orders are.
pub(super) fn routes(actions: Actions, events: Option<Router>) -> Router {
    let watched = middleware::from_fn_with_state(actions.clone(), admit_watcher);
    let events = events.map(|events| events.layer(watched)).unwrap_or_default();
    Router::new()
        .route("/v1/processes/{pid}", get(process))
        .route("/v1/containers/{id}/processes", get(container))
        .route("/v1/kill", post(kill))
        .route("/v1/watch", post(begin_watch))
        .route("/v1/watch/{id}", get(watch))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is no such order"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this is asked another way")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(actions.clone(), admit))
        .with_state(actions)
        .merge(events)
}

/// Lets through whom the configuration names for orders.
async fn admit(State(actions): State<Actions>, request: Request, next: Next) -> Response {
    match is_named(&request, &actions.0.config.clients) {
        true => next.run(request).await,
        false => forbidden(&actions, &request, "your certificate may not give orders here"),
    }
}

/// Lets through whom the configuration names for events.
async fn admit_watcher(State(actions): State<Actions>, request: Request, next: Next) -> Response {
    match is_named(&request, &actions.0.config.watchers) {
        true => next.run(request).await,
        false => forbidden(&actions, &request, "your certificate may not ask for events here"),
    }
}

fn is_named(request: &Request, names: &[String]) -> bool {
    let shown = request.extensions().get::<PeerNames>();
    let client = shown.and_then(PeerNames::first).unwrap_or_default();
    names.iter().any(|may| may == client && !client.is_empty())
}

fn forbidden(actions: &Actions, request: &Request, why: &str) -> Response {
    let names = request.extensions().get::<PeerNames>().cloned().unwrap_or_default();
    let client = names.first().unwrap_or_default();
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.to_string());
    warn!(client, peer, path = request.uri().path(), why, "a client was refused");
    actions.0.metrics.count("none", "forbidden");
    Problem::new(StatusCode::FORBIDDEN, why).into_response()
}

/// Why an order was not carried out, for the count and for the client.
struct Failed(&'static str, Problem);

impl Failed {
    fn invalid(detail: impl Into<String>) -> Self {
        Self("invalid", Problem::new(StatusCode::BAD_REQUEST, detail))
    }

    fn gone(detail: impl Into<String>) -> Self {
        Self("gone", Problem::new(StatusCode::NOT_FOUND, detail))
    }

    fn busy(detail: impl Into<String>) -> Self {
        Self("busy", Problem::new(StatusCode::TOO_MANY_REQUESTS, detail))
    }

    fn internal(detail: impl Into<String>) -> Self {
        Self("failed", Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail))
    }
}

impl Actions {
    /// Logs and counts the end of an order other than a kill.
    fn told<T>(
        &self,
        action: &'static str,
        client: &PeerNames,
        about: &str,
        result: Result<T, Failed>,
    ) -> Result<Json<T>, Problem> {
        let client = client.first().unwrap_or_default();
        match result {
            Ok(report) => {
                info!(action, client, about, outcome = "done", "order");
                self.0.metrics.count(action, "done");
                Ok(Json(report))
            }
            Err(Failed(outcome, problem)) => {
                info!(action, client, about, outcome, detail = problem.detail, "order");
                self.0.metrics.count(action, outcome);
                Err(problem)
            }
        }
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, Failed> {
        let permit = Arc::clone(&self.0.at_once).try_acquire_owned();
        permit.map_err(|_| Failed::busy("too many orders at once"))
    }

    /// Does what blocks on a thread of its own.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(Self) -> T + Send + 'static,
    ) -> Result<T, Failed> {
        let permit = self.permit()?;
        let actions = self.clone();
        let work = tokio::task::spawn_blocking(move || {
            let _held = permit;
            work(actions)
        });
        work.await.map_err(|error| Failed::internal(error.to_string()))
    }
}

#[derive(Deserialize)]
struct Start {
    start_boot_ns: u64,
}

async fn process(
    State(actions): State<Actions>,
    Extension(client): Extension<PeerNames>,
    path: Result<Path<i32>, axum::extract::rejection::PathRejection>,
    start: Result<Query<Start>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<ProcessReport>, Problem> {
    let asked = match (path, start) {
        (Ok(Path(pid)), Ok(Query(Start { start_boot_ns }))) => {
            Ok(ProcessKey { pid, start_boot_ns })
        }
        _ => Err(Failed::invalid("a pid, and `start_boot_ns` as a number, are needed")),
    };
    let about = asked.as_ref().map(|key| key.pid.to_string()).unwrap_or_default();
    let result = async {
        let key = asked?;
        let work =
            move |actions: Actions| report::process(&actions.0.known, key, &actions.0.hostname);
        let gone = || Failed::gone("this process is gone, or another has its pid");
        actions.blocking(work).await?.ok_or_else(gone)
    };
    actions.told("process", &client, &about, result.await)
}

async fn container(
    State(actions): State<Actions>,
    Extension(client): Extension<PeerNames>,
    Path(id): Path<String>,
) -> Result<Json<ContainerReport>, Problem> {
    let asked = container_id(&id);
    let about = if asked.is_ok() { id.clone() } else { String::new() };
    let result = async {
        asked?;
        let work =
            move |actions: Actions| report::container(&actions.0.known, &id, &actions.0.hostname);
        actions.blocking(work).await
    };
    actions.told("container", &client, &about, result.await)
}

async fn begin_watch(
    State(actions): State<Actions>,
    Extension(client): Extension<PeerNames>,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Json<WatchReport>, Problem> {
    let began = Instant::now();
    let order = body_of::<WatchOrder>(body).and_then(|order| {
        if !(1..=CONTAINERS_MAX).contains(&order.containers.len()) {
            return Err(Failed::invalid(format!(
                "1 to {CONTAINERS_MAX} containers can be watched"
            )));
        }
        order.containers.iter().try_for_each(|id| container_id(id))?;
        Ok(order)
    });
    let about = order.as_ref().map(|order| order.containers.join(" ")).unwrap_or_default();
    let result = async {
        let order = order?;
        let begun = actions.blocking(move |actions| {
            actions.0.watches.begin(&order.containers, &actions.0.known, began)
        });
        begun.await?.map_err(|error| match error {
            WatchError::Full => Failed::busy(error.to_string()),
            WatchError::Thread(_) => Failed::internal(ErrorChain(&error).to_string()),
        })
    };
    actions.told("watch", &client, &about, result.await)
}

#[derive(Deserialize)]
struct Wait {
    #[serde(default)]
    wait_ms: u64,
}

async fn watch(
    State(actions): State<Actions>,
    Path(id): Path<String>,
    wait: Result<Query<Wait>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<WatchReport>, Problem> {
    let Ok(Query(Wait { wait_ms })) = wait else {
        return Err(Failed::invalid("`wait_ms` must be a number").1);
    };
    let wait = Duration::from_millis(wait_ms).min(kill::WAIT_MAX);
    // A question about an order, not one more order: it is neither logged nor counted.
    match actions.0.watches.report(&id, wait).await {
        Some(report) => Ok(Json(report)),
        None => Err(Failed::gone("there is no such watch, or no longer").1),
    }
}

async fn kill(
    State(actions): State<Actions>,
    Extension(client): Extension<PeerNames>,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Json<KillReport>, Problem> {
    let began = Instant::now();
    let order = match body_of::<KillOrder>(body).and_then(checked) {
        Ok(order) => order,
        Err(failed) => return actions.told("none", &client, "", Err(failed)),
    };
    let action = match order.scope {
        Scope::Process => "kill_process",
        Scope::Tree => "kill_tree",
    };
    let result = match actions.0.orders.turn(&order, began) {
        Turn::First(sender, answer) => {
            // A task of its own: a client that goes away does not end what it ordered.
            let (carrying, client, order) = (actions.clone(), client.clone(), order.clone());
            tokio::spawn(async move {
                let done = carrying.carry_out(action, &client, order, began).await;
                sender.send_replace(done);
            });
            answer
        }
        Turn::Repeated(answer) => {
            info!(action, order = order.id, client = client.first(), "the order is known");
            actions.0.metrics.count(action, "repeated");
            answer
        }
        Turn::Conflict => {
            let failed = Failed::invalid("another order had this id");
            let problem = Problem::new(StatusCode::CONFLICT, "another order had this id");
            return actions.told(action, &client, &order.id, Err(Failed(failed.0, problem)));
        }
        Turn::Full => {
            let failed = Failed::busy("too many orders in ten minutes");
            return actions.told(action, &client, &order.id, Err(failed));
        }
    };
    match orders::answered(result).await {
        Some(report) => Ok(Json(report)),
        None => Err(Failed::internal("the order failed; what it did is not known").1),
    }
}

impl Actions {
    /// Returns nothing when it failed, and nobody knows at what point.
    async fn carry_out(
        &self,
        action: &'static str,
        client: &PeerNames,
        order: KillOrder,
        began: Instant,
    ) -> Option<KillReport> {
        // Waits for its turn: an order that was taken is carried out.
        let permit = Arc::clone(&self.0.at_once).acquire_owned().await.ok()?;
        let (actions, carried) = (self.clone(), order.clone());
        let work = tokio::task::spawn_blocking(move || {
            let _held = permit;
            actions.kill(&carried, began)
        });
        let report = match work.await {
            Ok(report) => report,
            Err(error) => {
                warn!(action, order = order.id, %error, "an order failed");
                self.0.metrics.count(action, "failed");
                return None;
            }
        };
        let (outcome, reason, detail) = told(&report.outcome);
        let first = report.processes.first();
        info!(
            action,
            order = order.id,
            client = client.first(),
            pid = order.process.pid,
            start_boot_ns = order.process.start_boot_ns,
            container = ?order.container,
            name = ?first.map(|process| &process.name),
            processes = report.processes.len(),
            dead_after_us = report.processes.iter().filter_map(|process| process.dead_after_us).max(),
            outcome,
            reason,
            detail = ?detail,
            "order"
        );
        self.0.metrics.count(action, outcome);
        Some(report)
    }
}

/// Returns an outcome's name, and why.
fn told(outcome: &KillOutcome) -> (&'static str, Option<String>, Option<&str>) {
    match outcome {
        KillOutcome::Dead => ("dead", None, None),
        KillOutcome::Gone => ("gone", None, None),
        KillOutcome::Refused { reason, detail } => {
            ("refused", Some(format!("{reason:?}")), Some(detail))
        }
        KillOutcome::WouldKill => ("would_kill", None, None),
        KillOutcome::Unknown { detail } => ("unknown", None, Some(detail)),
    }
}

fn body_of<T: DeserializeOwned>(
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<T, Failed> {
    let body = body.map_err(|rejection| {
        Failed("invalid", Problem::new(rejection.status(), rejection.body_text()))
    })?;
    serde_json::from_slice(&body).map_err(|error| Failed::invalid(error.to_string()))
}

fn checked(order: KillOrder) -> Result<KillOrder, Failed> {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    if !(1..=ID_BYTES_MAX).contains(&order.id.len()) || !order.id.bytes().all(plain) {
        return Err(Failed::invalid(format!(
            "`id` must have 1 to {ID_BYTES_MAX} letters, digits, `-`, `_`, `.` or `:`"
        )));
    }
    if let Some(id) = &order.container {
        container_id(id)?;
    }
    Ok(order)
}

fn container_id(id: &str) -> Result<(), Failed> {
    if id.len() == CONTAINER_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(Failed::invalid(format!("a container is named by all {CONTAINER_DIGITS} digits of its id")))
}
