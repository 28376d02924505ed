//! Lets in who may use the API, and remembers who that was.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use service::{access::Role, problem::Problem};

use super::Api;

/// Reading needs a viewer, everything else an admin.
pub(super) async fn guard(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let role = if reads { Role::Viewer } else { Role::Admin };
    let admitted = api.auth.load().admit(request.uri().authority(), request.headers());
    match admitted.and_then(|caller| caller.may(role).map(|()| caller)) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refused) => Problem::from(refused).into_response(),
    }
}

/// As [`guard`], for paths whoever reaches them may read: probes and metrics.
pub(super) async fn guard_writes(state: State<Arc<Api>>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    guard(state, request, next).await
}
