//! Who may use the API. Without tokens: whoever reaches it, unless a web page of another origin
//! made their browser do so.

use std::{net::IpAddr, sync::Arc};

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::Secret;

use super::{Api, ApiError};

/// Rules of access to the API.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// Bearer tokens. Without any, the API asks for none, and must listen on a loopback address.
    pub tokens: Vec<Token>,
    /// Names besides `localhost` and addresses by which browsers may reach the API when there are
    /// no tokens.
    pub hosts: Vec<String>,
}

/// A bearer token and what it allows.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Who has it; written beside what they do.
    pub name: String,
    pub token: Secret,
    pub role: Role,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May read.
    Viewer,
    /// May also silence and replay.
    Admin,
}

/// Who asks, if a token said so.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) Option<String>);

impl Caller {
    /// Returns the author for the record: who they say they are, and by which token.
    pub(super) fn author(&self, said: &str) -> Result<String, ApiError> {
        match &self.0 {
            Some(token) if said.trim().is_empty() => Ok(token.clone()),
            Some(token) => Ok(format!("{} ({token})", super::error::text("by", said, 100)?)),
            None => super::error::text("by", said, 100),
        }
    }
}

pub(super) async fn guard(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Response {
    match check(&api.auth.load(), request.method(), request.uri().authority(), request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

/// As [`guard`], for paths whoever reaches them may read: probes and metrics.
pub(super) async fn guard_writes(state: State<Arc<Api>>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    guard(state, request, next).await
}

fn check(
    auth: &Auth,
    method: &Method,
    authority: Option<&Authority>,
    headers: &HeaderMap,
) -> Result<Caller, ApiError> {
    if auth.tokens.is_empty() {
        same_origin(auth, authority, headers)?;
        return Ok(Caller(None));
    }
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or(ApiError::Unauthorized)?;
    let token = auth
        .tokens
        .iter()
        .find(|token| equal(token.token.expose(), given))
        .ok_or(ApiError::Unauthorized)?;
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if !reads && token.role < Role::Admin {
        return Err(ApiError::Forbidden("this token only allows to read".into()));
    }
    Ok(Caller(Some(token.name.clone())))
}

/// Compares digests, so that the time it takes says nothing.
fn equal(secret: &str, given: &str) -> bool {
    let of = |text: &str| digest::digest(&digest::SHA256, text.as_bytes());
    verify_slices_are_equal(of(secret).as_ref(), of(given).as_ref()).is_ok()
}

/// Refuses what a web page of another site could send: its `Host` is a name somebody pointed here
/// (DNS rebinding), or its `Origin` is not ours.
fn same_origin(
    auth: &Auth,
    authority: Option<&Authority>,
    headers: &HeaderMap,
) -> Result<(), ApiError> {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or(authority.map(Authority::as_str))
        .ok_or_else(|| ApiError::Forbidden("a `Host` header is needed".into()))?;
    let name = host.parse::<Authority>().map(|host| host.host().to_owned());
    let name = name.map_err(|_| ApiError::Forbidden("the `Host` header is malformed".into()))?;
    let known = name.eq_ignore_ascii_case("localhost")
        || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
        || auth.hosts.iter().any(|known| known.eq_ignore_ascii_case(&name));
    if !known {
        return Err(ApiError::Forbidden(
            "this host name is not in `router.auth.hosts`, and there are no tokens".into(),
        ));
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let ours = origin.split_once("://").is_some_and(|(_, origin)| origin == host);
    if ours { Ok(()) } else { Err(ApiError::Forbidden("this origin is not the API's own".into())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(auth: &Auth, method: &Method, headers: &[(&'static str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        match check(auth, method, None, &map) {
            Ok(_) => 200,
            Err(error) => error.into_response().status().as_u16(),
        }
    }

    #[test]
    fn without_tokens_a_foreign_web_page_is_refused() {
        let auth = Auth { hosts: vec!["saker.example".into()], ..Auth::default() };
        let get = |headers: &[_]| verdict(&auth, &Method::GET, headers);
        assert_eq!(get(&[("host", "127.0.0.1:2802")]), 200);
        assert_eq!(get(&[("host", "[::1]:2802")]), 200);
        assert_eq!(get(&[("host", "localhost:2802")]), 200);
        assert_eq!(get(&[("host", "saker.example")]), 200);
        assert_eq!(get(&[("host", "rebound.example:2802")]), 403);
        assert_eq!(get(&[]), 403);
        let local = ("host", "localhost:2802");
        assert_eq!(get(&[local, ("origin", "http://localhost:2802")]), 200);
        assert_eq!(get(&[local, ("origin", "http://evil.example")]), 403);
        assert_eq!(get(&[local, ("origin", "null")]), 403);
    }

    #[test]
    fn a_token_allows_what_its_role_says() {
        let tokens = r#"{"tokens": [
            {"name": "eve", "token": "v", "role": "viewer"},
            {"name": "ann", "token": "a", "role": "admin"}
        ]}"#;
        let auth: Auth = serde_json::from_str(tokens).unwrap();
        let with = |method: &Method, value| verdict(&auth, method, &[("authorization", value)]);
        assert_eq!(verdict(&auth, &Method::GET, &[]), 401);
        assert_eq!(with(&Method::GET, "Bearer x"), 401);
        assert_eq!(with(&Method::GET, "Basic a"), 401);
        assert_eq!(with(&Method::GET, "Bearer v"), 200);
        assert_eq!(with(&Method::POST, "bearer v"), 403);
        assert_eq!(with(&Method::DELETE, "Bearer a"), 200);
    }
}
