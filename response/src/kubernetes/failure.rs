//! What a failed request means for its target.
//!
//! | seen | meaning |
//! | --- | --- |
//! | no connection: refused, no address, TLS, connect time-out; no credentials | not sent |
//! | anything after that without a status: reset, closed, time-out | unknown |
//! | 401, 403 | denied, but refused when an admission webhook says so |
//! | 404, 410 | not found |
//! | 409, 422 about the UID | conflict |
//! | 429 with the cause DisruptionBudget | disruption |
//! | other 429, 5xx | busy |
//! | all other answers | refused |

use std::{error::Error, time::Duration};

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use hyper_util::client::legacy;
use serde::Deserialize;

use crate::cluster::ClusterError;

/// Most of a text of the API server that is kept: objects' names and admission webhooks' words are
/// in it.
const TEXT_BYTES_MAX: usize = 1024;

/// Longest wait the API server can ask of us.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// The part of `meta/v1.Status` that decides.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    message: String,
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Details {
    causes: Vec<Cause>,
    retry_after_seconds: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cause {
    reason: String,
    field: String,
}

/// Reads an answer that is not a success.
pub(super) fn of_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ClusterError {
    let said: Status = serde_json::from_slice(body).unwrap_or_else(|_| Status {
        message: String::from_utf8_lossy(body).into_owned(),
        details: None,
    });
    let details = said.details.unwrap_or_default();
    let reason = bounded(&said.message);
    let code = status.as_u16();
    match code {
        403 if said.message.starts_with("admission webhook ") => {
            ClusterError::Refused { status: code, reason }
        }
        401 | 403 => ClusterError::Denied(reason),
        404 | 410 => ClusterError::NotFound,
        409 => ClusterError::Conflict(reason),
        422 if details.causes.iter().any(|cause| cause.field == "metadata.uid") => {
            ClusterError::Conflict(reason)
        }
        429 if details.causes.iter().any(|cause| cause.reason == "DisruptionBudget") => {
            ClusterError::Disruption(reason)
        }
        429 | 500.. => {
            let header =
                headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            let told = Some(details.retry_after_seconds).filter(|seconds| *seconds > 0);
            let retry_after = header.or(told).map(Duration::from_secs);
            let retry_after = retry_after.map(|wait| wait.min(RETRY_AFTER_MAX));
            ClusterError::Busy { status: code, reason, retry_after }
        }
        _ => ClusterError::Refused { status: code, reason },
    }
}

/// Reads the failure of a request that brought no answer.
pub(super) fn of_request(error: &kube::Error) -> ClusterError {
    let text = chain(error);
    // Credentials are made, and the request is built, before anything is sent.
    if matches!(error, kube::Error::Auth(_) | kube::Error::BuildRequest(_)) {
        return ClusterError::NotSent(text);
    }
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(now) = cause {
        if now.downcast_ref::<legacy::Error>().is_some_and(legacy::Error::is_connect) {
            return ClusterError::NotSent(text);
        }
        cause = now.source();
    }
    ClusterError::Unknown(text)
}

/// Returns the error and its causes on one bounded line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(now) = cause {
        let next = now.to_string();
        // kube repeats the cause in its own text.
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = now.source();
    }
    bounded(&text)
}

/// Returns a text of somebody else's as one line that is not too long.
fn bounded(text: &str) -> String {
    let mut line: String = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(TEXT_BYTES_MAX)
        .collect();
    if line.len() > TEXT_BYTES_MAX || text.len() > line.len() {
        line.truncate(line.floor_char_boundary(TEXT_BYTES_MAX));
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answered(status: u16, body: &serde_json::Value) -> ClusterError {
        let status = StatusCode::from_u16(status).unwrap();
        of_answer(status, &HeaderMap::new(), body.to_string().as_bytes())
    }

    #[test]
    fn a_disruption_budget_is_told_by_its_cause_alone() {
        let budget = json!({ "details": { "causes": [{ "reason": "DisruptionBudget" }] } });
        assert!(matches!(answered(429, &budget), ClusterError::Disruption(_)));
        let hint = json!({ "message": "DisruptionBudget", "details": { "retryAfterSeconds": 7 } });
        let ClusterError::Busy { status: 429, retry_after, .. } = answered(429, &hint) else {
            panic!("not busy");
        };
        assert_eq!(retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn every_status_has_one_meaning() {
        let empty = json!({});
        let named = |status| match answered(status, &empty) {
            ClusterError::NotSent(_) => "not sent",
            ClusterError::Unknown(_) => "unknown",
            ClusterError::Denied(_) => "denied",
            ClusterError::NotFound => "not found",
            ClusterError::Conflict(_) => "conflict",
            ClusterError::Disruption(_) => "disruption",
            ClusterError::Busy { .. } => "busy",
            ClusterError::Refused { .. } => "refused",
        };
        let statuses = [301, 400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 503, 504];
        let told: Vec<_> =
            statuses.into_iter().map(|code| format!("{code} {}", named(code))).collect();
        assert_eq!(
            told.join(", "),
            "301 refused, 400 refused, 401 denied, 403 denied, 404 not found, 409 conflict, \
             410 not found, 413 refused, 422 refused, 429 busy, 500 busy, 503 busy, 504 busy"
        );
    }

    #[test]
    fn an_admission_webhooks_no_is_not_a_missing_right() {
        let said = json!({ "message": "admission webhook \"a.example\" denied the request: no" });
        let ClusterError::Refused { status: 403, reason } = answered(403, &said) else {
            panic!("not refused");
        };
        assert_eq!(reason, "admission webhook \"a.example\" denied the request: no");
    }

    #[test]
    fn a_hostile_text_is_one_bounded_line() {
        let said = json!({ "message": format!("a\nb\u{1b}[31m{}", "é".repeat(5000)) });
        let ClusterError::Refused { reason, .. } = answered(400, &said) else {
            panic!("not refused");
        };
        assert!(reason.starts_with("a b [31m"), "{reason}");
        assert!(reason.len() <= TEXT_BYTES_MAX + '…'.len_utf8() && reason.ends_with('…'));
    }
}
