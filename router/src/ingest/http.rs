//! The routes, and how a refusal is worded.

use std::{any::Any, sync::Arc};

use ::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::{
    Router,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::{any, post},
};
use serde::Serialize;
use tower_http::catch_panic::CatchPanicLayer;

use super::{
    Ingest, alertmanager,
    cloudevents::CLOUDEVENTS,
    decode::Refusal,
    input::{self, Wording},
    json::JSON,
};

/// Returns falcosidekick's routes: a POST to any path but these is alerts.
pub fn routes(ingest: Arc<Ingest>) -> Router {
    let panicked = ingest.clone();
    Router::new()
        .route("/ping", any(async || "pong\n"))
        .route("/healthz", any(health))
        .route("/metrics", any(metrics))
        .route("/test", any(test))
        .route("/alertmanager", any(alertmanager_webhook))
        .route("/api/v2/alerts", post(alertmanager_alerts))
        .route("/cloudevents", any(cloudevents))
        .route("/json/{name}", any(mapped))
        .fallback(receive)
        .layer(CatchPanicLayer::custom(move |_: Box<dyn Any + Send>| {
            let refusal =
                Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "panic", "an error of the router");
            panicked.refuse(&HeaderMap::new(), refusal, Wording::Object)
        }))
        .with_state(ingest)
}

async fn health() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], "{\"status\": \"ok\"}\n")
}

async fn metrics(State(ingest): State<Arc<Ingest>>) -> impl IntoResponse {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], service::metrics::render(&ingest.registry))
}

async fn receive(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    ingest.take(request, &input::FALCO, None).await
}

async fn test(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    ingest.take(request, &input::TEST, None).await
}

async fn alertmanager_alerts(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    ingest.take(request, &alertmanager::API, None).await
}

async fn cloudevents(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    ingest.take(request, &CLOUDEVENTS, None).await
}

async fn mapped(
    State(ingest): State<Arc<Ingest>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    ingest.take(request, &JSON, Some(name)).await
}

async fn alertmanager_webhook(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    ingest.take(request, &alertmanager::WEBHOOK, None).await
}

impl Ingest {
    /// Counts a refusal and words it: as JSON, or as text for whoever asks for text.
    pub(super) fn refuse(
        &self,
        headers: &HeaderMap,
        refusal: Refusal,
        wording: Wording,
    ) -> Response {
        self.metrics.answered(refusal.status.as_u16(), Some(refusal.reason));
        tracing::debug!(
            status = refusal.status.as_u16(),
            reason = refusal.reason,
            error = refusal.error,
            index = refusal.index,
            "request refused"
        );
        #[derive(Serialize)]
        struct Answer<'a> {
            error: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            field: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            index: Option<usize>,
        }
        let wants_text = headers
            .get(header::ACCEPT)
            .is_some_and(|accept| accept.as_bytes().starts_with(b"text/"));
        let (kind, mut text) = if wording == Wording::String {
            ("application/json", serde_json::to_string(&refusal.error).unwrap_or_default())
        } else if wants_text {
            let place = refusal.index.map(|index| format!("alert {index}: ")).unwrap_or_default();
            ("text/plain; charset=utf-8", format!("{place}{}", refusal.error))
        } else {
            let (field, index) = (refusal.field.as_deref(), refusal.index);
            let answer = Answer { error: &refusal.error, field, index };
            ("application/json", serde_json::to_string(&answer).unwrap_or_default())
        };
        text.push('\n');
        let mut response = (refusal.status, [(header::CONTENT_TYPE, kind)], text).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = refusal.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        match refusal.status {
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // What is left of the body would be taken for the next request.
            StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}
