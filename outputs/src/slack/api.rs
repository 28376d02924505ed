//! Slack's protocol: a call, and what its errors mean.

use reqwest::{Method, RequestBuilder, StatusCode, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use url::Url;

use service::config::{SafeUrl, Secret};

use crate::{
    DeliveryError,
    http::{Answer, Client},
};

const API: &str = "https://slack.com/api/";

/// Returns the Web API's address, ending in a slash.
pub(super) fn base(url: Option<&SafeUrl>) -> Result<Url, String> {
    let text = url.map_or(API, |url| url.expose().as_str());
    let slash = if text.ends_with('/') { "" } else { "/" };
    Url::parse(&format!("{text}{slash}")).map_err(|error| format!("`api_url`: {error}"))
}

/// Why a call failed, where that changes what we do next within the attempt.
#[derive(Debug)]
pub(super) enum Error {
    /// The message to edit or to answer is no longer there, or can no longer be edited.
    Gone(DeliveryError),
    /// We cannot write to the channel.
    Channel(DeliveryError),
    /// Slack takes the message if it is shorter.
    TooLong(DeliveryError),
    Other(DeliveryError),
}

impl From<Error> for DeliveryError {
    fn from(error: Error) -> Self {
        match error {
            Error::Gone(error)
            | Error::Channel(error)
            | Error::TooLong(error)
            | Error::Other(error) => error,
        }
    }
}

/// What Slack answers with HTTP status 200.
#[derive(Debug, Deserialize)]
pub(super) struct Posted {
    ok: bool,
    #[serde(default)]
    error: Option<String>,
    pub(super) channel: Option<String>,
    pub(super) ts: Option<String>,
}

/// Calls methods of the Web API.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) http: &'a Client,
    pub(super) api: &'a Url,
    pub(super) token: &'a Secret,
}

impl Call<'_> {
    pub(super) async fn method(
        &self,
        method: &str,
        body: &impl Serialize,
    ) -> Result<Posted, Error> {
        let url = self.api.join(method).map_err(|error| rejected(error.to_string()))?;
        let request = self.http.request(Method::POST, url).bearer_auth(self.token.expose());
        let answer = self.http.send(json(request, body)?).await.map_err(Error::Other)?;
        self.http.judge(&answer).map_err(Error::Other)?;
        match serde_json::from_slice::<Posted>(&answer.body) {
            Ok(posted) if posted.ok => Ok(posted),
            Ok(posted) => {
                let code = posted.error.unwrap_or_default();
                Err(meaning(&code, self.http.excerpt(&code), &answer))
            }
            // Something between us and Slack answered.
            Err(_) => Err(Error::Other(DeliveryError::Unavailable {
                reason: format!("the answer is not Slack's: {}", self.http.describe(&answer)),
                retry_after: answer.retry_after,
            })),
        }
    }
}

/// Posts through an incoming webhook, which answers with a status and a word.
pub(super) async fn webhook(
    http: &Client,
    url: &SafeUrl,
    body: &impl Serialize,
) -> Result<(), Error> {
    let request = json(http.request(Method::POST, url.expose().clone()), body)?;
    let answer = http.send(request).await.map_err(Error::Other)?;
    let code = String::from_utf8_lossy(&answer.body).trim().to_owned();
    match (http.judge(&answer), answer.status) {
        (Ok(()), _) => Ok(()),
        // The webhook was removed: no notification will be taken.
        (Err(_), StatusCode::NOT_FOUND) => {
            Err(Error::Other(DeliveryError::Denied { reason: http.describe(&answer) }))
        }
        (Err(DeliveryError::Rejected { .. }), _) => {
            Err(meaning(&code, http.describe(&answer), &answer))
        }
        (Err(error), _) => Err(Error::Other(error)),
    }
}

fn json(request: RequestBuilder, body: &impl Serialize) -> Result<RequestBuilder, Error> {
    let body = serde_json::to_vec(body).map_err(|error| rejected(error.to_string()))?;
    Ok(request.header(CONTENT_TYPE, "application/json; charset=utf-8").body(body))
}

fn rejected(reason: String) -> Error {
    Error::Other(DeliveryError::Rejected { reason })
}

/// Says what Slack's error word means.
fn meaning(code: &str, reason: String, answer: &Answer) -> Error {
    match code {
        "message_not_found" | "cant_update_message" | "edit_window_closed" | "thread_not_found" => {
            Error::Gone(DeliveryError::Rejected { reason })
        }
        "msg_too_long"
        | "msg_blocks_too_long"
        | "invalid_blocks"
        | "invalid_blocks_format"
        | "too_many_blocks" => Error::TooLong(DeliveryError::Rejected { reason }),
        "ratelimited"
        | "rate_limited"
        | "message_limit_exceeded"
        | "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "rollup_error"
        | "team_added_to_org"
        | "accesslimited" => {
            Error::Other(DeliveryError::Unavailable { reason, retry_after: answer.retry_after })
        }
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "missing_scope"
        | "no_permission"
        | "not_allowed_token_type"
        | "access_denied"
        | "org_login_required"
        | "ekm_access_denied"
        | "team_access_not_granted"
        | "two_factor_setup_required"
        | "action_prohibited"
        | "invalid_token"
        | "no_service"
        | "no_service_id"
        | "no_team"
        | "team_disabled" => Error::Other(DeliveryError::Denied { reason }),
        // A person must put it right: until then no notification would be taken.
        "channel_not_found"
        | "is_archived"
        | "channel_is_archived"
        | "not_in_channel"
        | "channel_type_not_supported"
        | "restricted_action"
        | "posting_to_general_channel_denied"
        | "restricted_action_read_only_channel"
        | "restricted_action_non_threadable_channel" => {
            Error::Channel(DeliveryError::Denied { reason })
        }
        _ => Error::Other(DeliveryError::Rejected { reason }),
    }
}
