//! Writes that a client may send again, because it never saw the answer: the header
//! `Idempotency-Key` of the IETF's draft.
//!
//! Answers are kept in memory. After a restart the writes themselves are safe to repeat: a silence
//! takes its id from the key, everything else says what is to be rather than what to add.

mod table;

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use prometheus::{IntCounter, Registry};
use service::{access::Caller, problem::Problem};
use uuid::{Builder, Uuid};

use self::table::{Answer, Begun, Name, Table};
use super::{ApiError, BODY_BYTES_MAX};
use crate::machine::Machine;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const KEY_BYTES_MAX: usize = 128;
/// In an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The keys that were used.
#[derive(Debug)]
pub(super) struct Idempotency {
    table: Mutex<Table>,
    forgotten: IntCounter,
    machine: Arc<dyn Machine>,
}

/// The name of what a caller asks once, for handlers that add something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Once(Name);

impl Once {
    /// Returns the id of what is added.
    pub(super) fn id(self) -> Uuid {
        Builder::from_custom_bytes(self.0.to_be_bytes()).into_uuid()
    }
}

impl Idempotency {
    pub(super) fn new(
        machine: Arc<dyn Machine>,
        registry: &Registry,
    ) -> Result<Arc<Self>, prometheus::Error> {
        let forgotten = IntCounter::new(
            "saker_router_idempotency_forgotten_total",
            "Answers to writes with an `Idempotency-Key` that were forgotten before their time, as \
             there were too many.",
        )?;
        registry.register(Box::new(forgotten.clone()))?;
        Ok(Arc::new(Self { table: Mutex::default(), forgotten, machine }))
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what is asked, and keeps the answer unless it says that nothing was done.
    async fn answer(self: Arc<Self>, name: Name, request: Request, next: Next) -> Response {
        let mut under_way = UnderWay { idempotency: &self, name, answer: None };
        let (parts, body) = next.run(request).await.into_parts();
        // Answers to writes are in memory already, and bounded by what a request may change.
        let body = match to_bytes(body, usize::MAX).await {
            Ok(body) => body,
            Err(error) => {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                return Problem::new(status, error.to_string()).into_response();
            }
        };
        if !may_be_tried_again(parts.status) {
            let content = parts.headers.get(header::CONTENT_TYPE).cloned();
            let body = body.clone();
            under_way.answer = Some(Answer { status: parts.status, content, body });
        }
        drop(under_way);
        Response::from_parts(parts, Body::from(body))
    }
}

/// Ends a request, however it ends.
struct UnderWay<'a> {
    idempotency: &'a Idempotency,
    name: Name,
    answer: Option<Answer>,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let Self { idempotency, name, answer } = self;
        let now = idempotency.machine.instant();
        let forgotten = idempotency.table().end(now, *name, answer.take());
        idempotency.forgotten.inc_by(forgotten);
    }
}

/// Sees to it that a write with a key is done once.
pub(super) async fn once(
    State(idempotency): State<Arc<Idempotency>>,
    request: Request,
    next: Next,
) -> Response {
    let writes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    if !writes.contains(request.method()) {
        return next.run(request).await;
    }
    match key(request.headers()) {
        Ok(None) => next.run(request).await,
        Ok(Some(key)) => with_key(idempotency, &key, request, next).await,
        Err(error) => error.into_response(),
    }
}

async fn with_key(
    idempotency: Arc<Idempotency>,
    key: &str,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return ApiError::TooLarge.into_response();
    };
    let caller = parts.extensions.get::<Caller>().and_then(Caller::token).unwrap_or_default();
    let method = parts.method.as_str();
    let name = [caller, key, method, parts.uri.path()].map(str::as_bytes);
    let (name, asked) = (digest(&name), digest(&[&body]));
    let now = idempotency.machine.instant();
    let begun = idempotency.table().begin(now, name, asked);
    match begun {
        Begun::First => {
            parts.extensions.insert(Once(name));
            let request = Request::from_parts(parts, Body::from(body));
            // A task of its own: it goes on when the client does not wait for the answer.
            let answer = tokio::spawn(idempotency.answer(name, request, next));
            answer.await.unwrap_or_else(|error| {
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
            })
        }
        Begun::Again(answer) => again(answer),
        Begun::UnderWay => {
            ApiError::Conflict("a request with this key is under way").into_response()
        }
        Begun::Other => {
            ApiError::Refused("this key was used with another body".into()).into_response()
        }
    }
}

fn again(answer: Answer) -> Response {
    let mut response = (answer.status, answer.body).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    if let Some(content) = answer.content {
        headers.insert(header::CONTENT_TYPE, content);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// Whether a status says that nothing was done, and that it may be later.
fn may_be_tried_again(status: StatusCode) -> bool {
    let nothing_done = [StatusCode::TOO_MANY_REQUESTS, StatusCode::METHOD_NOT_ALLOWED];
    status.is_server_error() || nothing_done.contains(&status)
}

/// Returns the key of a request. It is a text in quotes, as structured fields have them; without the
/// quotes it is taken too.
fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let fits = |text: &&str| {
        (1..=KEY_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\,;".contains(&byte))
    };
    let text = value.to_str().unwrap_or_default().trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    match Some(text).filter(fits) {
        Some(text) if values.next().is_none() => Ok(Some(text.to_owned())),
        _ => Err(ApiError::Invalid(format!(
            "`Idempotency-Key` must be one text of 1 to {KEY_BYTES_MAX} visible characters other \
             than quotes, backslashes, commas and semicolons"
        ))),
    }
}

/// Returns the first half of the parts' digest.
fn digest(parts: &[&[u8]]) -> u128 {
    let mut digest = Context::new(&SHA256);
    for part in parts {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let digest = digest.finish();
    digest.as_ref().iter().take(16).fold(0, |half, byte| half << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_text_with_or_without_quotes() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(KEY, value.parse().unwrap());
            }
            key(&headers).map_err(|_| ())
        };
        let is = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["8e03978e-40d5-43dd"]), is("8e03978e-40d5-43dd"));
        assert_eq!(read(&["\"8e03978e-40d5-43dd\""]), is("8e03978e-40d5-43dd"));
        for wrong in ["", "\"\"", "\"", "a b", "a\"b", "\"a\";b=c", &"k".repeat(129)] {
            assert_eq!(read(&[wrong]), Err(()), "{wrong}");
        }
        assert_eq!(read(&["a", "b"]), Err(()));
    }

    #[test]
    fn what_differs_only_in_where_a_part_ends_is_not_the_same() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
    }
}
