//! The client of every HTTP kind, and the one place that says what a status means.

use std::{path::PathBuf, time::Duration};

use jiff::{SignedDuration, Timestamp};
use reqwest::{
    Certificate, Identity, Method, RequestBuilder, StatusCode,
    header::{DATE, HeaderMap, RETRY_AFTER},
    redirect::{Attempt, Policy},
};
use schemars::JsonSchema;
use serde::Deserialize;
use templates::Escape;
use url::Url;

use crate::{BuildContext, BuildError, DeliveryError};

/// How a destination proves itself to us, and we to it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file with the authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM file with the client certificate, for mutual TLS.
    pub certificate: Option<PathBuf>,
    /// PEM file with the client certificate's key.
    pub key: Option<PathBuf>,
}

impl Tls {
    /// Checks that a certificate comes with its key.
    pub fn validate(&self) -> Result<(), String> {
        match (&self.certificate, &self.key) {
            (Some(_), None) => Err("`tls.certificate` needs `tls.key`".into()),
            (None, Some(_)) => Err("`tls.key` needs `tls.certificate`".into()),
            _ => Ok(()),
        }
    }
}

/// An HTTP client that bounds what it waits for and reads, and whose errors hold no secret.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    inner: reqwest::Client,
    secrets: Secrets,
}

/// A response, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// What the headers or the body ask us to wait.
    pub(crate) retry_after: Option<Duration>,
    /// The body's first [`BODY_BYTES_MAX`].
    pub(crate) body: Vec<u8>,
}

/// Most of a response's body that is read.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Most of a response's body that an error quotes.
const EXCERPT_CHARS_MAX: usize = 200;
/// Longest wait a destination can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(10);
const REDIRECTS_MAX: usize = 3;

impl Client {
    /// Makes a client. Proxies come from the environment (`HTTPS_PROXY`, `NO_PROXY`).
    pub(crate) fn new(
        context: &BuildContext,
        tls: &Tls,
        secrets: Secrets,
    ) -> Result<Self, BuildError> {
        service::tls::install_crypto_provider();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("saker/", env!("CARGO_PKG_VERSION")))
            .timeout(context.attempt_timeout)
            .connect_timeout(context.attempt_timeout.min(CONNECT_TIMEOUT_MAX))
            .redirect(Policy::custom(follow_same_origin))
            .referer(false)
            // The dispatcher retries, and counts it.
            .retry(reqwest::retry::never());
        if let Some(ca) = &tls.ca {
            let pem = read(context, ca)?;
            let authorities = Certificate::from_pem_bundle(&pem)
                .map_err(|error| BuildError::caused(unusable(ca), error))?;
            if authorities.is_empty() {
                return Err(BuildError::new(format!("{}: no certificate in it", unusable(ca))));
            }
            builder = builder.tls_certs_only(authorities);
        }
        if let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) {
            let mut pem = read(context, certificate)?;
            pem.push(b'\n');
            pem.extend(read(context, key)?);
            let identity = Identity::from_pem(&pem)
                .map_err(|error| BuildError::caused(unusable(certificate), error))?;
            builder = builder.identity(identity);
        }
        let inner = builder
            .build()
            .map_err(|error| BuildError::caused("failed to make the HTTP client", error))?;
        Ok(Self { inner, secrets })
    }

    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.inner.request(method, url)
    }

    /// Sends a request and returns the answer, whatever its status; only a peer that cannot be
    /// reached or does not answer is an error.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Answer, DeliveryError> {
        let mut response = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        let mut retry_after = header_retry_after(response.headers());
        let mut body = Vec::new();
        while body.len() < BODY_BYTES_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let room = BODY_BYTES_MAX - body.len();
                    body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                }
                Ok(None) => break,
                // A success whose body was lost is not one we can tell: try again.
                Err(error) if status.is_success() => return Err(self.unreachable(error)),
                Err(_) => break,
            }
        }
        if retry_after.is_none() {
            retry_after = body_retry_after(&body);
        }
        Ok(Answer { status, retry_after, body })
    }

    /// Sends a request and returns the answer if its status says that it was taken.
    pub(crate) async fn deliver(&self, request: RequestBuilder) -> Result<Answer, DeliveryError> {
        let answer = self.send(request).await?;
        self.judge(&answer)?;
        Ok(answer)
    }

    /// Says what a status means.
    pub(crate) fn judge(&self, answer: &Answer) -> Result<(), DeliveryError> {
        let status = answer.status;
        if status.is_success() {
            return Ok(());
        }
        let reason = self.describe(answer);
        match status.as_u16() {
            408 | 425 | 429 => {
                Err(DeliveryError::Unavailable { reason, retry_after: answer.retry_after })
            }
            500..=599 if status != StatusCode::NOT_IMPLEMENTED => {
                Err(DeliveryError::Unavailable { reason, retry_after: answer.retry_after })
            }
            401 | 403 | 407 => Err(DeliveryError::Denied { reason }),
            410 => Err(DeliveryError::Gone { reason: format!("{reason}; it wants no more") }),
            // Only a redirect to elsewhere gets here: the configured address is wrong.
            300..=399 => Err(DeliveryError::Denied {
                reason: format!("{reason}; redirects to another address are not followed"),
            }),
            _ => Err(DeliveryError::Rejected { reason }),
        }
    }

    /// Returns the status and the body's beginning, without secrets or controls.
    pub(crate) fn describe(&self, answer: &Answer) -> String {
        let name = answer.status.canonical_reason().unwrap_or_default();
        let status = format!("{} {name}", answer.status.as_u16());
        let body = String::from_utf8_lossy(&answer.body);
        match self.excerpt(body.trim()) {
            excerpt if excerpt.is_empty() => status.trim_end().to_owned(),
            excerpt => format!("{}: {excerpt}", status.trim_end()),
        }
    }

    /// Returns the beginning of what a peer said, fit for a log.
    pub(crate) fn excerpt(&self, text: &str) -> String {
        let text = Escape::Line.apply(&self.secrets.redact(text));
        match text.char_indices().nth(EXCERPT_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }

    fn unreachable(&self, error: reqwest::Error) -> DeliveryError {
        let what = if error.is_timeout() {
            "no answer in time"
        } else if error.is_connect() {
            "failed to connect"
        } else {
            "the connection failed"
        };
        // The URL is a credential for some kinds.
        let error = error.without_url();
        let mut reason = what.to_owned();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            reason = format!("{reason}: {cause}");
            source = cause.source();
        }
        DeliveryError::Unavailable { reason: self.excerpt(&reason), retry_after: None }
    }
}

/// Texts that must not appear in an error, even when the peer sends them back.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

impl Secrets {
    /// Adds a password, token or key.
    pub(crate) fn with(mut self, secret: &str) -> Self {
        if secret.len() >= 4 {
            self.0.push(secret.to_owned());
        }
        // The longest first, so that no rest of a longer one is left.
        self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        self
    }

    /// Adds what may be secret in an address: the user, the path and its longer pieces, the query.
    pub(crate) fn with_url(self, url: &Url) -> Self {
        let pieces = url.path().split('/').filter(|piece| piece.len() >= 8);
        let values: Vec<String> = url.query_pairs().map(|(_, value)| value.into_owned()).collect();
        let mut secrets = self.with(url.path()).with(url.query().unwrap_or_default());
        secrets = secrets.with(url.username()).with(url.password().unwrap_or_default());
        secrets = pieces.fold(secrets, Self::with);
        values.iter().fold(secrets, |secrets, value| secrets.with(value))
    }

    fn redact(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }
}

/// Follows what keeps the method and body (307, 308) on the same origin, and nothing else.
fn follow_same_origin(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let same =
        attempt.previous().last().is_some_and(|from| from.origin() == attempt.url().origin());
    let keeps_body = matches!(attempt.status().as_u16(), 307 | 308);
    if same && keeps_body && attempt.previous().len() <= REDIRECTS_MAX {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

fn read(context: &BuildContext, path: &std::path::Path) -> Result<Vec<u8>, BuildError> {
    std::fs::read(context.directory.join(path))
        .map_err(|error| BuildError::caused(format!("failed to read {}", path.display()), error))
}

fn unusable(path: &std::path::Path) -> String {
    format!("{} is no usable PEM file", path.display())
}

/// Reads `Retry-After`: seconds, or a date, which counts from the response's own `Date`.
fn header_retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return seconds_retry_after(text.parse().ok()?);
    }
    let at = http_date(text)?;
    let date = headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(http_date);
    let wait = at.duration_since(date.unwrap_or_else(service::clock::now));
    Some(Duration::try_from(wait.max(SignedDuration::ZERO)).ok()?.min(RETRY_AFTER_MAX))
}

/// Reads `retry_after` of a JSON body: seconds, possibly a fraction.
fn body_retry_after(body: &[u8]) -> Option<Duration> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    seconds_retry_after(body.get("retry_after")?.as_f64()?)
}

fn seconds_retry_after(seconds: f64) -> Option<Duration> {
    let bounded = seconds.min(RETRY_AFTER_MAX.as_secs_f64());
    Duration::try_from_secs_f64(bounded).ok()
}

/// Reads the three forms of RFC 9110 §5.6.7.
fn http_date(text: &str) -> Option<Timestamp> {
    let forms = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    forms.iter().find_map(|form| {
        let civil = jiff::civil::DateTime::strptime(form, text).ok()?;
        civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&'static str, &'static str)], expect: Option<u64>) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        assert_eq!(header_retry_after(&headers), expect.map(Duration::from_secs), "{pairs:?}");
    }

    #[test]
    fn retry_after_is_read_in_all_its_forms() {
        let now = ("date", "Sun, 06 Nov 1994 08:49:07 GMT");
        check(&[("retry-after", "120")], Some(120));
        check(&[("retry-after", " 3 ")], Some(3));
        check(&[now, ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], Some(30));
        check(&[now, ("retry-after", "Sunday, 06-Nov-94 08:49:37 GMT")], Some(30));
        check(&[now, ("retry-after", "Sun Nov  6 08:49:37 1994")], Some(30));
        check(&[now, ("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT")], Some(0));
        assert_eq!(body_retry_after(br#"{"retry_after": 0.5}"#), Some(Duration::from_millis(500)));
    }

    #[test]
    fn a_retry_after_that_makes_no_sense_is_bounded_or_ignored() {
        check(&[("retry-after", "99999999999")], Some(86_400));
        check(&[("retry-after", "inf")], None);
        check(&[("retry-after", "-5")], None);
        check(&[("retry-after", "NaN")], None);
        check(&[("retry-after", "soon")], None);
        check(&[], None);
        assert_eq!(body_retry_after(br#"{"retry_after": "x"}"#), None);
    }

    #[test]
    fn secrets_are_redacted_wherever_a_peer_repeats_them() {
        let url = Url::parse("https://bob:hunter22@h.example/services/T0/Bsecretpiece?key=abcdef");
        let secrets = Secrets::default().with("token-1").with_url(&url.unwrap());
        for said in ["x token-1", "/services/T0/Bsecretpiece", "Bsecretpiece", "abcdef", "hunter22"]
        {
            let shown = secrets.redact(said);
            assert!(shown.contains("***") && !shown.contains("secret"), "{shown}");
        }
    }
}

#[cfg(test)]
mod tls_tests;
