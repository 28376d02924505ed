//! Errors as RFC 9457 has them.

use axum::{
    extract::rejection::{BytesRejection, PathRejection, QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use journal::{AppendError, ReadError};
use rules::Condition;
use serde::de::DeserializeOwned;
use service::{ErrorChain, access::Caller, problem::Problem};

use super::BODY_BYTES_MAX;
use crate::{
    core::{Stopped, SubmitError},
    history::PartError,
};

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("{0}")]
    Invalid(String),
    #[error("there is no {0}")]
    NotFound(String),
    /// It is well formed, but the router's state does not allow it.
    #[error("{0}")]
    Refused(String),
    #[error("the body has more than {BODY_BYTES_MAX} bytes")]
    TooLarge,
    #[error("{0}")]
    Conflict(&'static str),
    #[error("this path has no such method")]
    Method,
    #[error("{0}")]
    Busy(&'static str),
    #[error("the journal takes no records: {0}")]
    Journal(AppendError),
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error("failed to read the decision log: {}", ErrorChain(.0))]
    Read(#[from] ReadError),
    #[error("failed to read the history: {}", ErrorChain(.0))]
    History(#[from] PartError),
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Append(error) => Self::Journal(error),
            SubmitError::Stopped(stopped) => Self::Stopped(stopped),
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::Invalid(rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::Invalid(rejection.body_text())
    }
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            _ => Self::Invalid(rejection.body_text()),
        }
    }
}

impl ApiError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Journal(_) | Self::Stopped(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Read(_) | Self::History(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        Problem::new(self.status(), self.to_string()).into_response()
    }
}

/// Reads a body; an empty one stands for `{}`.
pub(crate) fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes).map_err(|error| ApiError::Invalid(format!("body: {error}")))
}

/// Reads an id that is part of the path.
pub(crate) fn id<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: &str,
    what: &str,
) -> Result<T, ApiError> {
    text.parse().map_err(|error| ApiError::Invalid(format!("{what} id: {error}")))
}

/// Reads a condition; the answer shows where it is wrong.
pub(crate) fn condition(name: &str, text: &str) -> Result<Condition, ApiError> {
    let parsed = Condition::parse(text);
    parsed.map_err(|diagnostic| ApiError::Invalid(format!("`{name}`: {diagnostic}")))
}

/// Checks a text a person wrote.
pub(crate) fn text(name: &str, text: &str, chars_max: usize) -> Result<String, ApiError> {
    service::problem::text(name, text, chars_max).map_err(ApiError::Invalid)
}

/// Returns who is on record for a change.
pub(crate) fn author(caller: &Caller, said: &str) -> Result<String, ApiError> {
    caller.author(said).map_err(ApiError::Invalid)
}
