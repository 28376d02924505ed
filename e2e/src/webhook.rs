//! A receiver of Standard Webhooks that checks every signature itself.
//!
//! Written from the specification, and shares no code with the output it tests.

use std::{
    sync::{Arc, Mutex},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::hmac;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine, prelude::BASE64_STANDARD};

use crate::Http;

/// How old a signature may be, in seconds.
const AGE_MAX_S: u64 = 300;

/// The receiver.
#[derive(Debug)]
pub struct Webhook {
    http: Http,
    shared: Arc<Mutex<Shared>>,
}

/// A call whose signature was good.
#[derive(Clone, Debug)]
pub struct Call {
    pub id: String,
    pub headers: Vec<(String, String)>,
    pub body: serde_json::Value,
    /// When it had been read.
    pub received: Instant,
}

#[derive(Debug, Default)]
struct Shared {
    calls: Vec<Call>,
    refused: Vec<String>,
    failures: Vec<(u16, Option<u32>)>,
}

impl Webhook {
    /// The secret both sides know: 32 bytes in base64, as the specification writes it.
    pub const SECRET: &str = "whsec_c2FrZXItZW5kLXRvLWVuZC10ZXN0LXNlY3JldCE=";

    pub fn start() -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let router = Router::new().route("/hook", post(receive)).with_state(Arc::clone(&shared));
        Self { http: Http::serve(router), shared }
    }

    pub fn url(&self) -> String {
        self.http.url("/hook")
    }

    /// Returns the port of loopback it listens on.
    pub fn port(&self) -> u16 {
        self.http.address.port()
    }

    /// Answers the next call with a status, and with a `Retry-After` in seconds.
    pub fn fail_next(&self, status: u16, retry_after: Option<u32>) {
        self.shared.lock().expect("no panic").failures.push((status, retry_after));
    }

    /// Returns the calls with good signatures, the oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().expect("no panic").calls.clone()
    }

    /// Returns why calls were refused.
    pub fn refused(&self) -> Vec<String> {
        self.shared.lock().expect("no panic").refused.clone()
    }
}

async fn receive(
    State(shared): State<Arc<Mutex<Shared>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut shared = shared.lock().expect("no panic");
    if let Some((status, retry_after)) = shared.failures.pop() {
        let status = StatusCode::from_u16(status).expect("a status");
        let mut response = status.into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert("retry-after", seconds.into());
        }
        return response;
    }
    match verify(&headers, &body) {
        Ok(call) => {
            shared.calls.push(call);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(complaint) => {
            shared.refused.push(complaint.clone());
            (StatusCode::UNAUTHORIZED, complaint).into_response()
        }
    }
}

fn verify(headers: &HeaderMap, body: &[u8]) -> Result<Call, String> {
    let header = |name: &str| {
        let value = headers.get(name).ok_or_else(|| format!("no {name}"))?;
        value.to_str().map(str::to_owned).map_err(|_| format!("{name} is not text"))
    };
    let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
    let sent: u64 = timestamp.parse().map_err(|_| format!("odd timestamp {timestamp:?}"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
    if sent.abs_diff(now) > AGE_MAX_S {
        return Err(format!("timestamp {sent} is too far from {now}"));
    }
    let secret = Webhook::SECRET.strip_prefix("whsec_").expect("the prefix");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &BASE64_STANDARD.decode(secret).expect("base64"));
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    let good = header("webhook-signature")?.split(' ').any(|signature| {
        let bytes =
            signature.strip_prefix("v1,").and_then(|text| BASE64_STANDARD.decode(text).ok());
        bytes.is_some_and(|bytes| hmac::verify(&key, &signed, &bytes).is_ok())
    });
    if !good {
        return Err("no signature fits".to_owned());
    }
    let body = serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?;
    let headers = headers.iter().map(|(name, value)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    Ok(Call { id, headers: headers.collect(), body, received: Instant::now() })
}
