//! Who may use an API. Without tokens: whoever reaches it, unless a web page of another origin made
//! their browser do so.

use std::net::IpAddr;

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use axum::http::{HeaderMap, StatusCode, header, uri::Authority};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::Secret,
    problem::{self, Problem},
};

/// Longest name a caller may give.
const AUTHOR_CHARS_MAX: usize = 100;

/// Rules of access to an API.
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

/// What a caller may do; each role may do all that those before it may.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May read.
    Viewer,
    /// May also decide about responses.
    Responder,
    /// May also silence, replay and change what is in force.
    Admin,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name of their token; without tokens everyone who gets this far is trusted, and nameless.
    token: Option<String>,
    role: Role,
}

/// A request is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("a bearer token is needed")]
    Unauthorized,
    #[error("{0}")]
    Forbidden(String),
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let status = match refused {
            Refused::Unauthorized => StatusCode::UNAUTHORIZED,
            Refused::Forbidden(_) => StatusCode::FORBIDDEN,
        };
        Self::new(status, refused.to_string())
    }
}

impl Caller {
    /// Returns the name of their token; `None` where there are no tokens.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Returns whether this caller may do what needs `role`.
    pub fn may(&self, role: Role) -> Result<(), Refused> {
        if self.role >= role {
            return Ok(());
        }
        let allows = match self.role {
            Role::Viewer => "this token only allows to read",
            Role::Responder | Role::Admin => "this token does not allow that",
        };
        Err(Refused::Forbidden(allows.into()))
    }

    /// Returns the author for the record: who they say they are, and by which token. The error says
    /// what is wrong with the name.
    pub fn author(&self, said: &str) -> Result<String, String> {
        match &self.token {
            Some(token) if said.trim().is_empty() => Ok(token.clone()),
            Some(token) => {
                Ok(format!("{} ({token})", problem::text("by", said, AUTHOR_CHARS_MAX)?))
            }
            None => problem::text("by", said, AUTHOR_CHARS_MAX),
        }
    }
}

impl Auth {
    /// Returns who asks, if they are let in. `authority` is the request line's, as HTTP/2 has it.
    pub fn admit(
        &self,
        authority: Option<&Authority>,
        headers: &HeaderMap,
    ) -> Result<Caller, Refused> {
        if self.tokens.is_empty() {
            same_origin(self, authority, headers)?;
            return Ok(Caller { token: None, role: Role::Admin });
        }
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or(Refused::Unauthorized)?;
        let token = self
            .tokens
            .iter()
            .find(|token| equal(token.token.expose(), given))
            .ok_or(Refused::Unauthorized)?;
        Ok(Caller { token: Some(token.name.clone()), role: token.role })
    }
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
) -> Result<(), Refused> {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or(authority.map(Authority::as_str))
        .ok_or_else(|| Refused::Forbidden("a `Host` header is needed".into()))?;
    let name = host.parse::<Authority>().map(|host| host.host().to_owned());
    let name = name.map_err(|_| Refused::Forbidden("the `Host` header is malformed".into()))?;
    let known = name.eq_ignore_ascii_case("localhost")
        || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
        || auth.hosts.iter().any(|known| known.eq_ignore_ascii_case(&name));
    if !known {
        return Err(Refused::Forbidden(
            "this host name is not in `auth.hosts`, and there are no tokens".into(),
        ));
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let ours = origin.split_once("://").is_some_and(|(_, origin)| origin == host);
    if ours { Ok(()) } else { Err(Refused::Forbidden("this origin is not the API's own".into())) }
}

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use super::*;

    fn verdict(auth: &Auth, method: &Method, headers: &[(&'static str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let role = if *method == Method::GET { Role::Viewer } else { Role::Admin };
        match auth.admit(None, &map).and_then(|caller| caller.may(role)) {
            Ok(()) => 200,
            Err(refused) => Problem::from(refused).status,
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
