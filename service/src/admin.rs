//! What operators and orchestrators ask every daemon: is it alive, is it ready, its metrics, and a
//! log level that changes while it runs.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use prometheus::{
    IntGauge, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use crate::{metrics, telemetry::LevelHandle};

/// Named reasons why a daemon is not ready. Ready means able to do its duty, not merely alive.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Readiness {
    /// Says that `check` fails, and why.
    pub fn fail(&self, check: &'static str, reason: impl Into<String>) {
        self.lock().insert(check, reason.into());
    }

    /// Says that `check` holds.
    pub fn pass(&self, check: &'static str) {
        self.lock().remove(check);
    }

    /// Returns what is wrong; nothing when ready.
    pub fn failures(&self) -> BTreeMap<&'static str, String> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `saker_ready`, found out when somebody asks.
struct Ready {
    readiness: Readiness,
    gauge: IntGauge,
}

impl Collector for Ready {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.gauge.set(i64::from(self.readiness.failures().is_empty()));
        self.gauge.collect()
    }
}

#[derive(Clone)]
struct Admin {
    registry: Registry,
    readiness: Readiness,
    level: LevelHandle,
}

/// Returns the routes `/live`, `/ready`, `/metrics` and `/log-level`, and makes readiness a metric.
/// Changing the level is a write: whoever mounts this decides who may.
pub fn router(registry: Registry, readiness: Readiness, level: LevelHandle) -> Router {
    register_ready(&registry, &readiness);
    Router::new()
        .route("/live", get(|| async { "alive\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(exposition))
        .route("/log-level", get(level_now).put(set_level))
        .with_state(Admin { registry, readiness, level })
}

fn register_ready(registry: &Registry, readiness: &Readiness) {
    let registered = IntGauge::new("saker_ready", "1 when `/ready` says so.").and_then(|gauge| {
        registry.register(Box::new(Ready { readiness: readiness.clone(), gauge }))
    });
    if let Err(error) = registered {
        tracing::error!(%error, "failed to register a metric");
    }
}

async fn ready(State(admin): State<Admin>) -> impl IntoResponse {
    let failures = admin.readiness.failures();
    let status = if failures.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(serde_json::json!({ "ready": failures.is_empty(), "failures": failures })))
}

async fn exposition(State(admin): State<Admin>) -> impl IntoResponse {
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], metrics::render(&admin.registry))
}

async fn level_now(State(admin): State<Admin>) -> String {
    admin.level.get() + "\n"
}

async fn set_level(State(admin): State<Admin>, level: String) -> impl IntoResponse {
    match admin.level.set(level.trim()) {
        Ok(()) => (StatusCode::OK, admin.level.get() + "\n"),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn get(readiness: &Readiness, path: &str) -> (StatusCode, String) {
        let router = router(Registry::new(), readiness.clone(), LevelHandle::default());
        let response =
            router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn not_ready_says_why_and_stays_alive() {
        let readiness = Readiness::default();
        assert_eq!(get(&readiness, "/ready").await.0, StatusCode::OK);
        readiness.fail("journal", "the disk is full");
        let (status, body) = get(&readiness, "/ready").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("the disk is full"), "{body}");
        assert!(get(&readiness, "/metrics").await.1.contains("saker_ready 0"));
        assert_eq!(get(&readiness, "/live").await.0, StatusCode::OK);
        readiness.pass("journal");
        assert_eq!(get(&readiness, "/ready").await.0, StatusCode::OK);
        assert!(get(&readiness, "/metrics").await.1.contains("saker_ready 1"));
    }
}
