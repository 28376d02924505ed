//! Alertmanager's API (version 2) beside the input: what fires, who hears of it, silences. So that
//! `amtool`, and what else was made for Alertmanager, works here unchanged.
//!
//! It is on the port alerts come in by, where its users look for it, but it is the operators' API:
//! the tokens are theirs. Errors are JSON strings, as there.

mod alerts;
mod answer;
mod filter;
mod groups;
mod silences;
mod status;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::Method,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use service::{
    access::{Auth, Caller, Refused, Role},
    server::Peer,
};
use tokio::sync::Semaphore;

use self::answer::Refusal;
use crate::api::Api;

const BODY_BYTES_MAX: usize = 64 << 10;
/// Lists of alerts made at once: each is a copy of much of the state.
const LISTS_MAX: usize = 2;

/// What the routes share.
#[derive(Debug)]
struct Reading {
    api: Arc<Api>,
    lists: Semaphore,
}

/// Returns the routes. `POST /api/v2/alerts` is among those of ingest.
pub(crate) fn routes(api: Arc<Api>) -> Router {
    let reading = Arc::new(Reading { api, lists: Semaphore::new(LISTS_MAX) });
    Router::new()
        .route("/api/v2/alerts", get(alerts::list))
        .route("/api/v2/alerts/groups", get(groups::list))
        .route("/api/v2/status", get(status::status))
        .route("/api/v2/receivers", get(status::receivers))
        .route("/api/v2/silences", get(silences::list).post(silences::put))
        .route("/api/v2/silence/{id}", get(silences::show).delete(silences::end))
        .route_layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&reading), guard))
        .route("/-/healthy", get(async || "OK"))
        .route("/-/ready", get(status::ready))
        .with_state(reading)
}

async fn guard(State(reading): State<Arc<Reading>>, mut request: Request, next: Next) -> Response {
    match admit(&reading.api.auth.load(), &request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refused) => Refusal::from(refused).into_response(),
    }
}

/// Returns who asks. Reading needs a viewer of `router.auth`, everything else an admin. Without tokens
/// there, only this machine may do either, as with the API on its own port.
fn admit(auth: &Auth, request: &Request) -> Result<Caller, Refused> {
    let is_near = |peer: &Peer| peer.0.ip().to_canonical().is_loopback();
    if auth.tokens.is_empty() && !request.extensions().get::<Peer>().is_some_and(is_near) {
        let why = "other machines need a token of `router.auth.tokens`";
        return Err(Refused::Forbidden(why.to_owned()));
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let role = if reads { Role::Viewer } else { Role::Admin };
    let caller = auth.admit(request.uri().authority(), request.headers())?;
    caller.may(role).map(|()| caller)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn asked(auth: &Auth, method: &str, peer: &str) -> Result<(), Refused> {
        let request = Request::builder().method(method).uri("/api/v2/silences");
        let request = request.header("host", "localhost").extension(Peer(peer.parse().unwrap()));
        admit(auth, &request.body(Body::empty()).unwrap()).map(drop)
    }

    #[test]
    fn without_tokens_only_this_machine_may_read_and_silence() {
        let open = Auth::default();
        for near in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(asked(&open, "GET", near), Ok(()));
            assert_eq!(asked(&open, "POST", near), Ok(()));
        }
        for far in ["10.0.0.1:1", "[2001:db8::1]:1"] {
            assert!(matches!(asked(&open, "GET", far), Err(Refused::Forbidden(_))));
        }
        let tokens = r#"{"tokens": [{"name": "a", "token": "t", "role": "admin"}]}"#;
        let closed: Auth = serde_json::from_str(tokens).unwrap();
        assert_eq!(asked(&closed, "GET", "127.0.0.1:1"), Err(Refused::Unauthorized));
    }
}
