//! One request, one answer, in a bounded time and a bounded memory.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{
    Method, Request, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};
use http_body_util::BodyExt;
use kube::client::Body;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::failure::{self, chain};
use crate::cluster::ClusterError;

/// Largest answer. A page of a list is the largest there is.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Largest refusal that is read.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// Objects per page of a list.
const PAGE_OBJECTS: &str = "500";

/// Parts of a query.
pub(super) type Query<'a> = [(&'a str, &'a str)];

/// What a request that changes something carries.
#[derive(Clone, Copy, Debug)]
pub(super) enum Payload<'a> {
    Json(&'a Value),
    MergePatch(&'a Value),
}

/// The way to the API server.
pub(super) struct Link {
    client: kube::Client,
    timeout: Duration,
}

impl Link {
    pub(super) const fn new(client: kube::Client, timeout: Duration) -> Self {
        Self { client, timeout }
    }

    /// Reads one object. No resource version is named, so the API server asks a quorum.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Query<'_>,
    ) -> Result<T, ClusterError> {
        self.read(Method::GET, path, query, None).await
    }

    /// Asks by a POST that changes nothing, such as a review of our rights.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        question: &Value,
    ) -> Result<T, ClusterError> {
        self.read(Method::POST, path, &[], Some(Payload::Json(question))).await
    }

    /// Reads a list page by page, and hands over each object until `take` returns false.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Query<'_>,
        mut take: impl FnMut(T) -> bool,
    ) -> Result<(), ClusterError> {
        let mut next = String::new();
        loop {
            let mut query = query.to_vec();
            query.push(("limit", PAGE_OBJECTS));
            if !next.is_empty() {
                query.push(("continue", &next));
            }
            let page: Result<Page<T>, _> = self.get(path, &query).await;
            let page = match page {
                // 410: the first pages are too old for the next one. The whole list must be read
                // again, which is the caller's to decide.
                Err(ClusterError::NotFound) if !next.is_empty() => {
                    let reason = "a list changed while it was read".to_owned();
                    return Err(ClusterError::Busy { status: 410, reason, retry_after: None });
                }
                page => page?,
            };
            for item in page.items {
                if !take(item) {
                    return Ok(());
                }
            }
            next = page.metadata.next;
            if next.is_empty() {
                return Ok(());
            }
        }
    }

    /// Sends one request that changes something. The status alone tells success: an answer whose
    /// body is lost did take effect.
    pub(super) async fn change(
        &self,
        method: Method,
        path: &str,
        query: &Query<'_>,
        payload: Payload<'_>,
    ) -> Result<(), ClusterError> {
        let deadline = Instant::now() + self.timeout;
        let response = self.send(deadline, method, path, query, Some(payload)).await?;
        // Read, so that the connection can be used again; what it says does not matter.
        drop(body(response, deadline, ANSWER_BYTES_MAX).await);
        Ok(())
    }

    /// Opens an answer to be read piece by piece, until a deadline.
    pub(super) async fn open(&self, path: &str, query: &Query<'_>) -> Result<Pieces, ClusterError> {
        let deadline = Instant::now() + self.timeout;
        let response = self.send(deadline, Method::GET, path, query, None).await?;
        Ok(Pieces { stream: response.into_body(), deadline })
    }

    async fn read<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &Query<'_>,
        payload: Option<Payload<'_>>,
    ) -> Result<T, ClusterError> {
        let deadline = Instant::now() + self.timeout;
        let response = self.send(deadline, method, path, query, payload).await?;
        let bytes = body(response, deadline, ANSWER_BYTES_MAX).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| ClusterError::Unknown(format!("an odd answer: {}", chain(&error))))
    }

    /// Sends one request, and returns the answer when its status is a success.
    async fn send(
        &self,
        deadline: Instant,
        method: Method,
        path: &str,
        query: &Query<'_>,
        payload: Option<Payload<'_>>,
    ) -> Result<Response<Body>, ClusterError> {
        let request = build(method, path, query, payload)?;
        let response = match timeout_at(deadline, self.client.send(request)).await {
            Ok(answered) => answered.map_err(|error| failure::of_request(&error))?,
            // A connection would have failed earlier, by its own, shorter time-out.
            Err(_) => return Err(ClusterError::Unknown("no answer in time".to_owned())),
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let headers = response.headers().clone();
        // The status is known; without the body only the words are missing.
        let said = body(response, deadline, REFUSAL_BYTES_MAX).await.unwrap_or_default();
        Err(failure::of_answer(status, &headers, &said))
    }
}

#[derive(Debug, Deserialize)]
struct Page<T> {
    items: Vec<T>,
    #[serde(default)]
    metadata: PageMetadata,
}

#[derive(Debug, Default, Deserialize)]
struct PageMetadata {
    #[serde(rename = "continue", default)]
    next: String,
}

/// An answer that is read piece by piece.
pub(super) struct Pieces {
    stream: Body,
    deadline: Instant,
}

impl Pieces {
    /// Returns the next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ClusterError> {
        let mut pieces = (&mut self.stream).into_data_stream();
        match timeout_at(self.deadline, pieces.next()).await {
            Err(_) => Err(ClusterError::Unknown("no whole answer in time".to_owned())),
            Ok(None) => Ok(None),
            Ok(Some(Ok(piece))) => Ok(Some(piece)),
            Ok(Some(Err(error))) => Err(ClusterError::Unknown(chain(&error))),
        }
    }
}

async fn body(
    response: Response<Body>,
    deadline: Instant,
    bytes_max: usize,
) -> Result<Vec<u8>, ClusterError> {
    let mut pieces = Pieces { stream: response.into_body(), deadline };
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await? {
        if bytes.len() + piece.len() > bytes_max {
            return Err(ClusterError::Unknown(format!("an answer of more than {bytes_max} bytes")));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn build(
    method: Method,
    path: &str,
    query: &Query<'_>,
    payload: Option<Payload<'_>>,
) -> Result<Request<Body>, ClusterError> {
    let mut address = path.to_owned();
    if !query.is_empty() {
        let mut encoded = url::form_urlencoded::Serializer::new(String::new());
        encoded.extend_pairs(query);
        address = format!("{path}?{}", encoded.finish());
    }
    let request = Request::builder().method(method).uri(address).header(ACCEPT, "application/json");
    let request = match payload {
        None => request.body(Body::empty()),
        Some(payload) => {
            let (kind, value) = match payload {
                Payload::Json(value) => ("application/json", value),
                Payload::MergePatch(value) => ("application/merge-patch+json", value),
            };
            request.header(CONTENT_TYPE, kind).body(Body::from(value.to_string().into_bytes()))
        }
    };
    request.map_err(|error| ClusterError::Refused {
        status: StatusCode::BAD_REQUEST.as_u16(),
        reason: chain(&error),
    })
}
