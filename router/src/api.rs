//! What operators and the command line ask of a running router, as JSON under `/api/v1`.
//!
//! An answer to a write means that it is durable and took effect. Lists are bounded; a live tail
//! that cannot keep up misses alerts and is told how many.

mod auth;
mod cursor;
mod deadletters;
mod document;
pub(crate) mod error;
mod explain;
mod extract;
mod idempotency;
mod past;
mod read;
mod silences;
mod tail;
pub mod types;
mod windows;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::{Router, extract::DefaultBodyLimit, middleware};
use jiff::Timestamp;
use prometheus::Registry;
use service::{access::Auth, admin::Readiness, telemetry::LevelHandle};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{error::ApiError, idempotency::Idempotency, types::ConfigStatus};
use crate::{
    core::Handle, dispatch::Dispatcher, history::History, live::Live, responder::Responder,
};

/// Largest body of a request.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Searches of the decision log and the history at once: each reads a disk.
const SEARCHES_MAX: usize = 4;
/// Live tails at once.
const TAILS_MAX: usize = 64;

/// What the API speaks of.
#[derive(Debug)]
pub struct Api {
    pub(crate) core: Handle,
    /// Absent if none is kept.
    pub(crate) history: Option<Arc<History>>,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) responder: Arc<Responder>,
    pub(crate) live: Live,
    pub(crate) auth: ArcSwap<Auth>,
    pub(crate) config: ArcSwap<ConfigStatus>,
    pub(crate) started: Timestamp,
    pub(crate) stop: CancellationToken,
    searches: Semaphore,
    tails: Arc<Semaphore>,
}

/// The parts of a router that its API speaks of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) core: Handle,
    pub(crate) history: Option<Arc<History>>,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) responder: Arc<Responder>,
    pub(crate) live: Live,
}

impl Api {
    pub(crate) fn new(
        parts: Parts,
        auth: Auth,
        config: ConfigStatus,
        stop: CancellationToken,
    ) -> Self {
        let Parts { core, history, dispatcher, responder, live } = parts;
        Self {
            core,
            history,
            dispatcher,
            responder,
            live,
            auth: ArcSwap::from_pointee(auth),
            config: ArcSwap::from_pointee(config),
            started: service::clock::now(),
            stop,
            searches: Semaphore::new(SEARCHES_MAX),
            tails: Arc::new(Semaphore::new(TAILS_MAX)),
        }
    }

    /// Returns whether the journal takes alerts, at least those that may use its reserve.
    pub(crate) fn ready(&self) -> bool {
        let stat = self.core.journal().stat();
        !stat.exhausted && stat.failure.is_none()
    }
}

/// Returns the API's routes, and those every daemon has.
pub fn routes(
    api: Arc<Api>,
    registry: Registry,
    readiness: Readiness,
    logs: LevelHandle,
) -> Result<Router, prometheus::Error> {
    let once = Idempotency::new(Arc::clone(api.core.machine()), &registry)?;
    let (routes, _) = described().split_for_parts();
    let routes = routes
        .fallback(|| async { ApiError::NotFound("such path".into()) })
        .method_not_allowed_fallback(|| async { ApiError::Method })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(once, idempotency::once))
        .layer(middleware::from_fn_with_state(Arc::clone(&api), auth::guard))
        .with_state(Arc::clone(&api));
    let admin = service::admin::router(registry, readiness, logs)
        .layer(middleware::from_fn_with_state(api, auth::guard_writes));
    Ok(Router::new().nest("/api/v1", routes).merge(admin))
}

/// Returns the API's own routes, with their descriptions: no path is served without one.
fn described() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(document::openapi))
        .routes(routes!(read::status))
        .routes(routes!(read::outputs))
        .routes(routes!(read::ledger))
        .routes(routes!(past::ledger))
        .routes(routes!(past::alerts))
        .routes(routes!(past::changes))
        .routes(routes!(read::groups))
        .routes(routes!(read::inhibitions))
        .routes(routes!(read::findings))
        .routes(routes!(read::notification))
        .routes(routes!(explain::explain))
        .routes(routes!(read::dead_letters))
        .routes(routes!(deadletters::replay_all))
        .routes(routes!(deadletters::purge_all))
        .routes(routes!(deadletters::purge_one))
        .routes(routes!(deadletters::replay_one))
        .routes(routes!(silences::list, silences::add))
        .routes(routes!(silences::preview))
        .routes(routes!(silences::show, silences::put, silences::expire))
        .routes(routes!(windows::list))
        .routes(routes!(windows::put, windows::remove))
        .routes(routes!(tail::tail))
}
