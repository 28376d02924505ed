//! The way of one request: who sends it, its body, the alerts in it, the journal.

use std::{net::IpAddr, sync::Arc, time::Instant};

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request};
use alert::Alert;
use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use journal::AppendError;
use service::server::{Peer, PeerNames, PeerUris};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::{
    Ingest, Terms, address,
    certificate::Names,
    decode::{self, Encoding, Refusal},
    input::{Bounds, Decoded, Input},
    limits::{self, Load},
    refused,
    senders::{Admission, Sender, Shown},
    sequences::Sequence,
};
use crate::core::Place;

/// Bodies from this size on are looked at beside the runtime's own threads.
const INLINE_BYTES_MAX: usize = 64 << 10;

const ACCEPTED: HeaderName = HeaderName::from_static("saker-accepted");

/// A body, with all that is needed to make alerts of it.
struct Work {
    admission: Admission,
    input: &'static Input,
    encoding: Encoding,
    body: Bytes,
    bounds: Bounds,
    /// The memory that was asked for to do it.
    room: OwnedSemaphorePermit,
}

/// The alerts of a request, and who sent it.
struct Taken {
    sender: Sender,
    decoded: Decoded,
    /// Size of the body as it was sent.
    bytes: usize,
    /// In use until the journal has answered.
    _room: OwnedSemaphorePermit,
}

impl Ingest {
    /// Admits a request, reads its alerts, makes them durable and answers.
    /// `name` is the one in the path of an input that has several.
    pub(super) async fn take(
        &self,
        request: Request,
        input: &'static Input,
        name: Option<String>,
    ) -> Response {
        let started = Instant::now();
        let (head, body) = request.into_parts();
        let response = match self.accept(&head, body, input, name).await {
            Ok(count) => {
                self.metrics.answered(200, None);
                ([(ACCEPTED, HeaderValue::from(count))], ()).into_response()
            }
            Err(refusal) => self.refuse(&head.headers, refusal, input.wording),
        };
        self.metrics.seconds.observe(started.elapsed().as_secs_f64());
        response
    }

    /// Returns how many alerts of a request are durable: all, or it says why not.
    async fn accept(
        &self,
        head: &request::Parts,
        body: Body,
        input: &'static Input,
        name: Option<String>,
    ) -> Result<usize, Refusal> {
        if head.method != ::http::Method::POST {
            let error = "send alerts with POST";
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", error));
        }
        let terms = self.terms.load_full();
        let peer = head.extensions.get::<Peer>().map(|peer| peer.0.ip());
        let address = address::origin(peer, &head.headers, &terms.config.trusted_proxies);
        let input_name = match &name {
            Some(name) => format!("{}/{name}", input.name),
            None => input.name.to_owned(),
        };
        let admission = self.admit(head, address, &terms, &input_name)?;
        let sequence = Sequence::read(&head.headers)?;
        let known = match &admission {
            Admission::Known(sender) => Some(self.payer(sender, address, &terms)?),
            Admission::Signed { .. } => None,
        };
        let headers = if input.reads_headers { head.headers.clone() } else { HeaderMap::new() };
        let bounds = Bounds { name, headers, ..Bounds::new(&terms, self.stamp.now()) };
        let read = self.read(&head.headers, body, admission, input, bounds);
        let Taken { sender, decoded, bytes, _room } = read.await.inspect_err(|_| {
            // What is no alert costs its sender something all the same.
            if let Some(payer) = &known {
                self.limits.spend(payer, &terms, Load { alerts: 1, bytes: 0 });
            }
        })?;
        let payer = known.map_or_else(|| self.payer(&sender, address, &terms), Ok)?;
        self.limits.spend(&payer, &terms, Load { alerts: decoded.alerts.len(), bytes });
        let count = decoded.alerts.len();
        if let Some(sequence) = &sequence {
            sequence.check(count)?;
        }
        let name = sender.name.as_deref();
        let counts = refused::counts(&decoded.alerts);
        let appended = async {
            let place = self.place_in_time(&decoded.alerts, &terms).await?;
            self.append(decoded.alerts, place, name, input.name).await.map_err(refusal)
        };
        appended.await.inspect_err(|refusal| self.refused.count(counts, refusal.reason))?;
        if let Some(sequence) = sequence {
            self.note(name, sequence, count);
        }
        decoded.invalid.map_or(Ok(count), Err)
    }

    /// Waits until the pipeline is near enough, but not for ever.
    async fn place_in_time(&self, alerts: &[Alert], terms: &Terms) -> Result<Place, Refusal> {
        let machine = self.stamp.machine();
        let patience = terms.config.backlog_timeout;
        let waited = machine.until(machine.instant() + patience.0, self.place(alerts)).await;
        let refused = |reason, seconds, error| Refusal {
            retry_after_seconds: Some(seconds),
            ..Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason, error)
        };
        let Some(placed) = waited else {
            let error = format!("the pipeline is behind, and did not come near within {patience}");
            return Err(refused("backlog", 1, error));
        };
        placed.map_err(|stopped| refused("journal", 30, stopped.to_string()))
    }

    /// Returns whose rate a request is held to, if there is something left of it.
    fn payer(
        &self,
        sender: &Sender,
        address: Option<IpAddr>,
        terms: &Terms,
    ) -> Result<String, Refusal> {
        let payer = match (&sender.name, address) {
            (Some(name), _) => name.clone(),
            (None, Some(address)) => limits::anonymous(address),
            (None, None) => "unknown".to_owned(),
        };
        self.limits
            .check(&payer, terms)
            .inspect_err(|_| self.metrics.limited(sender.name.as_deref()))?;
        Ok(payer)
    }

    /// Notes the numbers of alerts that are durable.
    fn note(&self, sender: Option<&str>, sequence: Sequence, alerts: usize) {
        let finding = self.sequences.note(sender, sequence, alerts, self.stamp.now());
        self.metrics.numbered(sender, finding);
        if finding.lost > 0 {
            tracing::debug!(sender, lost = finding.lost, "a sender's alerts never came");
        }
    }

    /// Returns who sends a request, as far as its head tells.
    fn admit(
        &self,
        head: &request::Parts,
        address: Option<IpAddr>,
        terms: &Terms,
        input: &str,
    ) -> Result<Admission, Refusal> {
        let names = head.extensions.get::<PeerNames>();
        let uris = head.extensions.get::<PeerUris>();
        let shown = Shown {
            address,
            names: Names {
                dns: names.map(|names| &*names.0).unwrap_or_default(),
                uris: uris.map(|uris| &*uris.0).unwrap_or_default(),
            },
            headers: &head.headers,
            now: self.stamp.now(),
            tolerance: terms.config.signature_tolerance.0,
        };
        let admission = terms.senders.admit(&shown, input)?;
        let has_secret = match &admission {
            Admission::Known(sender) => sender.has_secret,
            Admission::Signed { .. } => true,
        };
        // Any web page could have the browser of somebody near send alerts.
        if !has_secret && head.headers.contains_key(header::ORIGIN) {
            let error = "a web page may not send alerts without a token or a signature; leave out the Origin header";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "origin", error));
        }
        Ok(admission)
    }

    async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        admission: Admission,
        input: &'static Input,
        mut bounds: Bounds,
    ) -> Result<Taken, Refusal> {
        let terms = Arc::clone(&bounds.terms);
        let config = &terms.config;
        let encoding = encoding(headers)?;
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let length = length.and_then(|value| value.parse().ok()).unwrap_or(0);
        let body_bytes_max = config.body_bytes_max.0;
        if length > body_bytes_max {
            return Err(too_large(&terms));
        }
        let collected = timeout(config.body_timeout.0, self.collect(body, &terms)).await;
        let (body, mut room) = collected.map_err(|_| {
            let error = format!("the body took longer than {}", config.body_timeout);
            Refusal::new(StatusCode::REQUEST_TIMEOUT, "timeout", error)
        })??;
        self.metrics.bytes.inc_by(body.len() as u64);
        // A body may have taken its time.
        bounds.received = self.stamp.now();
        let inline = encoding == Encoding::Identity && body.len() <= INLINE_BYTES_MAX;
        if encoding != Encoding::Identity {
            room.merge(self.room_for(terms.decoded_bytes_max())?);
        }
        let work = Work { admission, input, encoding, body, bounds, room };
        if inline {
            return work.run();
        }
        tokio::task::spawn_blocking(move || work.run()).await.unwrap_or_else(|_| {
            let error = "an error of the router";
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "panic", error))
        })
    }

    /// Reads a body into memory that was asked for first.
    async fn collect(
        &self,
        mut body: Body,
        terms: &Terms,
    ) -> Result<(Bytes, OwnedSemaphorePermit), Refusal> {
        let mut room = self.room_for(0)?;
        let mut first: Option<Bytes> = None;
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| {
                let error = "the body ended early";
                Refusal::new(StatusCode::BAD_REQUEST, "malformed", error)
            })?;
            let Ok(data) = frame.into_data() else { continue };
            room.merge(self.room_for(data.len())?);
            if room.num_permits() as u64 > terms.config.body_bytes_max.0 {
                return Err(too_large(terms));
            }
            match &first {
                None => first = Some(data),
                Some(start) => {
                    if rest.is_empty() {
                        rest.extend_from_slice(start);
                    }
                    rest.extend_from_slice(&data);
                }
            }
        }
        let body = if rest.is_empty() { first.unwrap_or_default() } else { rest.freeze() };
        Ok((body, room))
    }

    fn room_for(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.room.clone().try_acquire_many_owned(permits).map_err(|_| Refusal {
            retry_after_seconds: Some(1),
            ..Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "overload",
                "too many bodies are being read at once",
            )
        })
    }
}

impl Work {
    /// Finds out who sent the body, if only a signature tells, and reads the alerts in it.
    fn run(mut self) -> Result<Taken, Refusal> {
        let terms = Arc::clone(&self.bounds.terms);
        let sender = match self.admission {
            Admission::Known(sender) => sender,
            Admission::Signed { signature, candidates } => {
                let sender = terms.senders.prove(&signature, &candidates, &self.body)?;
                self.bounds.origin = Some(signature.identity(&sender, &self.body));
                sender
            }
        };
        self.bounds.sender.clone_from(&sender.name);
        let decode = self.input.decode;
        let decoded = if self.encoding == Encoding::Identity {
            decode(&self.body, &self.bounds)?
        } else {
            let bytes_max = terms.decoded_bytes_max();
            decode(&decode::decompress(&self.body, self.encoding, bytes_max)?, &self.bounds)?
        };
        Ok(Taken { sender, decoded, bytes: self.body.len(), _room: self.room })
    }
}

fn too_large(terms: &Terms) -> Refusal {
    let error = format!("the body is larger than {}", terms.config.body_bytes_max);
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error)
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let unknown = || {
        let error = "the body's Content-Encoding is unknown; send gzip, zstd or none";
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding", error)
    };
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    let Some(value) = values.next() else { return Ok(Encoding::Identity) };
    if values.next().is_some() {
        return Err(unknown());
    }
    value.to_str().ok().and_then(Encoding::from_header).ok_or_else(unknown)
}

fn refusal(error: AppendError) -> Refusal {
    let unavailable = |reason, seconds| Refusal {
        retry_after_seconds: Some(seconds),
        ..Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason, error.to_string())
    };
    match error {
        AppendError::Full => unavailable("full", 5),
        AppendError::Failed | AppendError::Closed => unavailable("journal", 30),
        AppendError::TooLarge => {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error.to_string())
        }
    }
}
