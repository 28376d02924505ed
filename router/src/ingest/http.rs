//! The routes, and the way of one request.

use std::{any::Any, sync::Arc, time::Instant};

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use alert::{Alert, AlertId, Fields, Priority};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::{any, post},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use jiff::Timestamp;
use journal::AppendError;
use serde::Serialize;
use service::server::PeerNames;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use tower_http::catch_panic::CatchPanicLayer;

use super::{
    Ingest, alertmanager,
    auth::Admission,
    decode::{self, Encoding, Refusal},
    input::{self, Bounds, Decoded, Input, Wording},
};

/// Bodies from this size on are decoded beside the runtime's own threads.
const INLINE_BYTES_MAX: usize = 64 << 10;

const ACCEPTED: HeaderName = HeaderName::from_static("saker-accepted");

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
    ingest.take(request, &input::FALCO).await
}

async fn test(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    let read = async |ingest: &Ingest, _: &HeaderMap, _| {
        Ok((Decoded::whole(vec![test_alert(ingest.stamp.now())]), None))
    };
    ingest.answer(request, &input::FALCO, read).await
}

async fn alertmanager_alerts(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    ingest.take(request, &alertmanager::API).await
}

async fn alertmanager_webhook(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    ingest.take(request, &alertmanager::WEBHOOK).await
}

/// The alert `/test` makes, as falcosidekick's.
fn test_alert(now: Timestamp) -> Alert {
    let fields = [("proc.name", "falcosidekick"), ("user.name", "falcosidekick")];
    Alert {
        id: AlertId::random(),
        time: now,
        received: now,
        rule: "Test rule".to_owned(),
        priority: Priority::Debug,
        source: "internal".to_owned(),
        hostname: "saker".to_owned(),
        output: "This is a test from saker".to_owned(),
        tags: vec!["example".to_owned(), "test".to_owned()],
        fields: fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect::<Fields>(),
        ends: None,
    }
}

/// The alerts of a request, and the memory that was asked for to read them.
type Taken = (Decoded, Option<OwnedSemaphorePermit>);

impl Ingest {
    /// Takes the alerts of a request's body.
    async fn take(&self, request: Request, input: &'static Input) -> Response {
        let read = async |ingest: &Self, headers: &HeaderMap, body| {
            ingest.read(headers, body, input).await
        };
        self.answer(request, input, read).await
    }

    /// Admits a request, reads its alerts, makes them durable and answers.
    async fn answer<F>(&self, request: Request, input: &'static Input, read: F) -> Response
    where
        F: AsyncFnOnce(&Self, &HeaderMap, Body) -> Result<Taken, Refusal>,
    {
        let started = Instant::now();
        let (head, body) = request.into_parts();
        let taken = async {
            if head.method != ::http::Method::POST {
                let error = "send alerts with POST";
                return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", error));
            }
            // Without tokens any web page could have the browser of somebody near send alerts.
            if self.tokens.is_empty() && head.headers.contains_key(header::ORIGIN) {
                let error = "a web page may not send alerts unless `tokens` are configured; leave out the Origin header";
                return Err(Refusal::new(StatusCode::FORBIDDEN, "origin", error));
            }
            let admission = self.tokens.admit(&head.headers);
            if admission == Admission::Refused {
                let error = "a known bearer token is required";
                return Err(Refusal::new(StatusCode::UNAUTHORIZED, "auth", error));
            }
            let sender = sender(head.extensions.get::<PeerNames>(), admission);
            // The memory asked for is in use until the journal has answered.
            let (decoded, _room) = read(self, &head.headers, body).await?;
            let count = decoded.alerts.len();
            let appended = self.append(decoded.alerts, sender.as_deref(), input.name).await;
            appended.map_err(refusal)?;
            decoded.invalid.map_or(Ok(count), Err)
        };
        let response = match taken.await {
            Ok(count) => {
                self.metrics.answered(200, None);
                ([(ACCEPTED, HeaderValue::from(count))], ()).into_response()
            }
            Err(refusal) => self.refuse(&head.headers, refusal, input.wording),
        };
        self.metrics.seconds.observe(started.elapsed().as_secs_f64());
        response
    }

    async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        input: &'static Input,
    ) -> Result<Taken, Refusal> {
        let encoding = encoding(headers)?;
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let length = length.and_then(|value| value.parse().ok()).unwrap_or(0);
        if length > self.config.body_bytes_max.0 {
            return Err(self.too_large());
        }
        let collected = timeout(self.config.body_timeout.0, self.collect(body)).await;
        let (body, mut room) = collected.map_err(|_| {
            let error = format!("the body took longer than {}", self.config.body_timeout);
            Refusal::new(StatusCode::REQUEST_TIMEOUT, "timeout", error)
        })??;
        self.metrics.bytes.inc_by(body.len() as u64);

        let bounds = Bounds {
            alerts_max: self.config.alerts_max,
            received: self.stamp.now(),
            alertmanager: Arc::clone(&self.alertmanager),
        };
        if encoding == Encoding::Identity && body.len() <= INLINE_BYTES_MAX {
            return Ok(((input.decode)(&body, &bounds)?, Some(room)));
        }
        let decoded_bytes_max =
            usize::try_from(self.config.decoded_bytes_max.0).unwrap_or(usize::MAX);
        if encoding != Encoding::Identity {
            room.merge(self.room_for(decoded_bytes_max)?);
        }
        let decoding = tokio::task::spawn_blocking(move || {
            let decoded = if encoding == Encoding::Identity {
                (input.decode)(&body, &bounds)?
            } else {
                let body = decode::decompress(&body, encoding, decoded_bytes_max)?;
                (input.decode)(&body, &bounds)?
            };
            Ok((decoded, Some(room)))
        });
        decoding.await.unwrap_or_else(|_| {
            let error = "an error of the router";
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "panic", error))
        })
    }

    /// Reads a body into memory that was asked for first.
    async fn collect(&self, mut body: Body) -> Result<(Bytes, OwnedSemaphorePermit), Refusal> {
        let mut room = self.room_for(0)?;
        let mut first: Option<Bytes> = None;
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| {
                let error = "the body ended early";
                Refusal::new(StatusCode::BAD_REQUEST, "malformed", error)
            })?;
            let Ok(data) = frame.into_data() else { continue };
            room.merge(self.room_for(data.len())?);
            if room.num_permits() as u64 > self.config.body_bytes_max.0 {
                return Err(self.too_large());
            }
            match &first {
                None => first = Some(data),
                Some(start) => {
                    if rest.is_empty() {
                        rest.extend_from_slice(start);
                    }
                    rest.extend_from_slice(&data);
                }
            }
        }
        let body = if rest.is_empty() { first.unwrap_or_default() } else { rest.freeze() };
        Ok((body, room))
    }

    fn room_for(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.room.clone().try_acquire_many_owned(permits).map_err(|_| Refusal {
            retry_after_seconds: Some(1),
            ..Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "overload",
                "too many bodies are being read at once",
            )
        })
    }

    fn too_large(&self) -> Refusal {
        let error = format!("the body is larger than {}", self.config.body_bytes_max);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error)
    }

    /// Counts a refusal and words it: as JSON, or as text for whoever asks for text.
    fn refuse(&self, headers: &HeaderMap, refusal: Refusal, wording: Wording) -> Response {
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

/// Returns who sent a request: the name its certificate proves, else the name of its token.
fn sender(names: Option<&PeerNames>, admission: Admission<'_>) -> Option<String> {
    match (names.and_then(PeerNames::first), admission) {
        (Some(name), _) => Some(name.to_owned()),
        (None, Admission::Token(name)) => Some(format!("token:{name}")),
        (None, Admission::Anyone | Admission::Refused) => None,
    }
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let unknown = || {
        let error = "the body's Content-Encoding is unknown; send gzip, zstd or none";
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding", error)
    };
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    let Some(value) = values.next() else { return Ok(Encoding::Identity) };
    if values.next().is_some() {
        return Err(unknown());
    }
    value.to_str().ok().and_then(Encoding::from_header).ok_or_else(unknown)
}

fn refusal(error: AppendError) -> Refusal {
    let unavailable = |reason, seconds| Refusal {
        retry_after_seconds: Some(seconds),
        ..Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason, error.to_string())
    };
    match error {
        AppendError::Full => unavailable("full", 5),
        AppendError::Failed | AppendError::Closed => unavailable("journal", 30),
        AppendError::TooLarge => {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error.to_string())
        }
    }
}
