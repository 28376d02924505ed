//! What operators and the command line ask of a running router, as JSON under `/api/v1`.
//!
//! An answer to a write means that it is durable and took effect. Lists are bounded; a live tail
//! that cannot keep up misses alerts and is told how many.

mod auth;
pub(crate) mod error;
mod explain;
mod read;
mod replay;
mod silences;
mod tail;
pub mod types;
mod windows;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{delete, get, post, put},
};
use jiff::Timestamp;
use prometheus::Registry;
use service::{access::Auth, admin::Readiness, telemetry::LevelHandle};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::{error::ApiError, types::ConfigStatus};
use crate::{core::Handle, dispatch::Dispatcher, live::Live, responder::Responder};

/// Largest body of a request.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Searches of the decision log at once: each reads a disk.
const EXPLANATIONS_MAX: usize = 2;
/// Live tails at once.
const TAILS_MAX: usize = 64;

/// What the API speaks of.
#[derive(Debug)]
pub struct Api {
    pub(crate) core: Handle,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) responder: Arc<Responder>,
    pub(crate) live: Live,
    pub(crate) auth: ArcSwap<Auth>,
    pub(crate) config: ArcSwap<ConfigStatus>,
    pub(crate) started: Timestamp,
    pub(crate) stop: CancellationToken,
    explanations: Semaphore,
    tails: Arc<Semaphore>,
}

impl Api {
    pub(crate) fn new(
        core: Handle,
        dispatcher: Arc<Dispatcher>,
        responder: Arc<Responder>,
        live: Live,
        auth: Auth,
        config: ConfigStatus,
        stop: CancellationToken,
    ) -> Self {
        Self {
            core,
            dispatcher,
            responder,
            live,
            auth: ArcSwap::from_pointee(auth),
            config: ArcSwap::from_pointee(config),
            started: service::clock::now(),
            stop,
            explanations: Semaphore::new(EXPLANATIONS_MAX),
            tails: Arc::new(Semaphore::new(TAILS_MAX)),
        }
    }

    /// Returns whether the journal takes alerts.
    pub(crate) fn ready(&self) -> bool {
        let stat = self.core.journal().stat();
        !stat.full && stat.failure.is_none()
    }
}

/// Returns the API's routes, and those every daemon has.
pub fn routes(
    api: Arc<Api>,
    registry: Registry,
    readiness: Readiness,
    logs: LevelHandle,
) -> Router {
    let routes = Router::new()
        .route("/status", get(read::status))
        .route("/outputs", get(read::outputs))
        .route("/ledger", get(read::ledger))
        .route("/groups", get(read::groups))
        .route("/findings", get(read::findings))
        .route("/notifications/{id}", get(read::notification))
        .route("/explain/{alert}", get(explain::explain))
        .route("/deadletters", get(read::dead_letters))
        .route("/deadletters/replay", post(replay::all))
        .route("/deadletters/{id}/replay", post(replay::one))
        .route("/silences", get(silences::list).post(silences::add))
        .route("/silences/preview", post(silences::preview))
        .route("/silences/{id}", delete(silences::expire).get(silences::show).put(silences::put))
        .route("/windows", get(windows::list))
        .route("/windows/{name}", put(windows::put).delete(windows::remove))
        .route("/tail", get(tail::tail))
        .fallback(|| async { ApiError::NotFound("such path".into()) })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&api), auth::guard))
        .with_state(Arc::clone(&api));
    let admin = service::admin::router(registry, readiness, logs)
        .layer(middleware::from_fn_with_state(api, auth::guard_writes));
    Router::new().nest("/api/v1", routes).merge(admin)
}
