//! Brings spooled alerts to the router, in batches, until it says it has them.

mod stream;

use std::{
    fs::{self, OpenOptions},
    io::Write,
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use reqwest::{
    StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::value::RawValue;
use service::{
    client::{self, ClientError, Files, RenewedClient},
    retry,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::spool::{Outlet, Spooled};

/// Which alerts of the spool a batch holds: the router counts those that are missing.
const SEQUENCE: &str = "saker-sequence";
const DELAYS: retry::Delays =
    retry::Delays { min: Duration::from_millis(200), max: Duration::from_secs(30) };
/// The dead letters' file is begun anew at this size; one older one is kept.
const DEAD_LETTERS_BYTES_MAX: u64 = 16 << 20;

/// How to reach the router.
#[derive(Clone)]
pub struct UplinkOptions {
    pub url: Url,
    pub token: Option<String>,
    /// Read again after a failed connection.
    pub identity: Files,
    /// For one batch, answer included.
    pub timeout: Duration,
    pub batch_alerts_max: usize,
    pub batch_bytes_max: usize,
}

impl std::fmt::Debug for UplinkOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UplinkOptions").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// What became of the alerts, readable from any task.
#[derive(Debug, Default)]
pub struct UplinkCounts {
    pub delivered: AtomicU64,
    pub batches: AtomicU64,
    pub failures: AtomicU64,
    pub dead_letters: AtomicU64,
    /// Why the last attempt failed; empty after one that did not.
    pub trouble: ArcSwapOption<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    #[error("the router's token cannot be sent in a header")]
    Token,
    #[error("failed to set up the client for the router")]
    Client(#[from] ClientError),
}

/// The task that empties a spool.
#[derive(Debug)]
pub struct Uplink {
    client: RenewedClient,
    options: UplinkOptions,
    outlet: Outlet,
    /// What the router counts this spool's alerts under.
    stream: Option<String>,
    counts: Arc<UplinkCounts>,
}

/// The router's answer to a batch.
#[derive(Debug)]
enum Answer {
    Accepted,
    /// The router will never take this batch as it is.
    Refused {
        status: StatusCode,
        reason: String,
    },
    /// Later it may.
    Unavailable {
        retry_after: Option<Duration>,
        why: String,
    },
}

impl Uplink {
    /// Sets up the client; reaches out to nobody yet.
    pub fn new(outlet: Outlet, options: UplinkOptions) -> Result<Self, UplinkError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("zstd"));
        if let Some(token) = &options.token {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| UplinkError::Token)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let agent = concat!("saker-agent/", env!("CARGO_PKG_VERSION"));
        let make = move |client: reqwest::ClientBuilder| {
            client.user_agent(agent).default_headers(headers.clone())
        };
        let client = RenewedClient::new(options.identity.clone(), options.timeout, make)?;
        let stream = stream::of(outlet.dir()).inspect_err(|error| {
            warn!(%error, "the spool has no name: the router cannot tell if alerts of it are lost");
        });
        Ok(Self { client, options, outlet, stream: stream.ok(), counts: Arc::default() })
    }

    pub fn counts(&self) -> Arc<UplinkCounts> {
        Arc::clone(&self.counts)
    }

    /// Delivers until `drain` is cancelled and nothing is left, or the router is not to be had.
    ///
    /// Dropping the future ends it at once. What is not acknowledged stays in the spool; the router
    /// may get the last batch again, with the same ids.
    pub async fn run(self, drain: CancellationToken) {
        let mut more = self.outlet.watch();
        let mut alerts_max = self.options.batch_alerts_max;
        let mut failures = 0;
        loop {
            more.mark_unchanged();
            let batch = match self.peek(alerts_max).await {
                Ok(batch) => batch,
                Err(why) => {
                    failures += 1;
                    self.trouble(failures, why);
                    if pause(DELAYS.after(failures), &drain).await.is_break() {
                        return;
                    }
                    continue;
                }
            };
            let Some(last) = batch.last() else {
                tokio::select! {
                    biased;
                    changed = more.changed() => match changed {
                        Ok(()) => continue,
                        Err(_) => return,
                    },
                    () = drain.cancelled() => return,
                }
            };
            let next = last.sequence + 1;
            match self.post(&batch).await {
                Answer::Accepted => {
                    if failures > 0 {
                        info!(attempts = failures + 1, "the router takes alerts again");
                    }
                    failures = 0;
                    self.counts.trouble.store(None);
                    self.counts.batches.fetch_add(1, Ordering::Relaxed);
                    self.counts.delivered.fetch_add(batch.len() as u64, Ordering::Relaxed);
                    self.commit(next).await;
                    alerts_max = (alerts_max * 2).min(self.options.batch_alerts_max);
                }
                Answer::Refused { status, reason } => {
                    failures = 0;
                    if let [alert] = &batch[..] {
                        self.bury(alert, status, &reason).await;
                        self.commit(next).await;
                    } else {
                        // One of them is to blame: the halves tell which.
                        alerts_max = batch.len() / 2;
                    }
                }
                Answer::Unavailable { retry_after, why } => {
                    failures += 1;
                    self.trouble(failures, why);
                    let delay = retry_after.unwrap_or_else(|| DELAYS.after(failures));
                    if pause(delay, &drain).await.is_break() {
                        return;
                    }
                }
            }
        }
    }

    async fn peek(&self, alerts_max: usize) -> Result<Vec<Spooled>, String> {
        let (outlet, bytes_max) = (self.outlet.clone(), self.options.batch_bytes_max);
        let peeked = tokio::task::spawn_blocking(move || outlet.peek(alerts_max, bytes_max)).await;
        match peeked {
            Ok(Ok(alerts)) => Ok(alerts),
            Ok(Err(error)) => Err(format!("failed to read the spool: {error}")),
            Err(error) => Err(format!("failed to read the spool: {error}")),
        }
    }

    /// A commit that fails is made good by the next: until then the router may get alerts twice.
    async fn commit(&self, sequence: u64) {
        let outlet = self.outlet.clone();
        let committed = tokio::task::spawn_blocking(move || outlet.commit(sequence)).await;
        if let Ok(Err(error)) = committed {
            error!(%error, "failed to move the spool's cursor, alerts may be delivered again");
        }
    }

    async fn post(&self, batch: &[Spooled]) -> Answer {
        let mut text = Vec::with_capacity(batch.iter().map(|alert| alert.json.len() + 1).sum());
        for alert in batch {
            text.extend_from_slice(&alert.json);
            text.push(b'\n');
        }
        let body = match zstd::encode_all(&text[..], 1) {
            Ok(body) => body,
            Err(error) => {
                let why = format!("failed to compress a batch: {error}");
                return Answer::Unavailable { retry_after: None, why };
            }
        };
        let mut request = self.client.post(self.options.url.clone()).body(body);
        if let (Some(stream), Some(first), Some(last)) = (&self.stream, batch.first(), batch.last())
        {
            let numbers = format!("{stream} {}-{}", first.sequence, last.sequence);
            request = request.header(SEQUENCE, numbers);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                self.client.renew();
                // The address may hold a password.
                let error = service::ErrorChain(&error.without_url()).to_string();
                return Answer::Unavailable { retry_after: None, why: error };
            }
        };
        let answer = client::Answer::read(response).await;
        let status = answer.status;
        if status.is_success() {
            return Answer::Accepted;
        }
        match answer.blames_request() {
            true => Answer::Refused { status, reason: answer.text },
            false => Answer::Unavailable {
                retry_after: answer.retry_after,
                why: format!("router answered {status}: {}", answer.text),
            },
        }
    }

    fn trouble(&self, failures: u32, why: String) {
        self.counts.failures.fetch_add(1, Ordering::Relaxed);
        // Once when it begins, then now and then: the status tells the rest.
        if failures == 1 || failures.is_multiple_of(20) {
            let pending = self.outlet.pending();
            warn!(failures, pending, error = %why, "the router does not take alerts, will retry");
        }
        self.counts.trouble.store(Some(Arc::new(why)));
    }

    /// Puts an alert the router will never take aside, for a person.
    async fn bury(&self, alert: &Spooled, status: StatusCode, reason: &str) {
        self.counts.dead_letters.fetch_add(1, Ordering::Relaxed);
        let path = self.outlet.dir().join("dead-letters.ndjson");
        warn!(file = %path.display(), %status, reason, "the router refuses an alert, put aside");
        let line = dead_letter(&alert.json, status, reason, service::clock::now());
        let written = tokio::task::spawn_blocking(move || append(path, &line)).await;
        if let Ok(Err(error)) = written {
            error!(%error, alert = %String::from_utf8_lossy(&alert.json).escape_debug(),
                "failed to put the alert aside");
        }
    }
}

fn dead_letter(json: &[u8], status: StatusCode, reason: &str, time: Timestamp) -> Vec<u8> {
    let alert = serde_json::from_slice::<&RawValue>(json).ok();
    let letter = serde_json::json!({
        "time": time,
        "status": status.as_u16(),
        "reason": reason,
        "alert": alert.map_or_else(|| String::from_utf8_lossy(json).into(), |raw| {
            serde_json::from_str(raw.get()).unwrap_or(serde_json::Value::Null)
        }),
    });
    format!("{letter}\n").into_bytes()
}

fn append(path: PathBuf, line: &[u8]) -> std::io::Result<()> {
    if fs::metadata(&path).is_ok_and(|file| file.len() > DEAD_LETTERS_BYTES_MAX) {
        fs::rename(&path, path.with_extension("ndjson.1"))?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    file.write_all(line)?;
    file.sync_data()
}

/// Waits; breaks off when there is no time to wait.
async fn pause(delay: Duration, drain: &CancellationToken) -> ControlFlow<()> {
    match tokio::time::timeout(delay, drain.cancelled()).await {
        Ok(()) => ControlFlow::Break(()),
        Err(_) => ControlFlow::Continue(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_that_is_no_json_is_kept_as_text() {
        let now = Timestamp::UNIX_EPOCH;
        let line = dead_letter(b"{\"a\":1}", StatusCode::BAD_REQUEST, "no", now);
        assert_eq!(
            String::from_utf8_lossy(&line),
            "{\"alert\":{\"a\":1},\"reason\":\"no\",\"status\":400,\"time\":\"1970-01-01T00:00:00Z\"}\n"
        );
        let line = dead_letter(b"\xff{", StatusCode::BAD_REQUEST, "no", now);
        assert!(String::from_utf8_lossy(&line).contains("\"alert\":\"\u{fffd}{\""));
    }
}
