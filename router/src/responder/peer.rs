//! The responder's other end: one attempt to bring it a batch.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, Url};
use service::{
    ErrorChain,
    client::{self, FileError, Identity},
};

use super::ResponderConfig;

/// The client for the responder could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("failed to set up the client for the responder")]
    Client(#[from] reqwest::Error),
}

/// How to reach the responder, and the client that does.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(super) config: ResponderConfig,
    url: Url,
    client: ArcSwap<Client>,
}

/// The responder's answer to a batch.
#[derive(Debug)]
pub(super) enum Answer {
    Accepted,
    /// It does not take this batch as it is.
    Refused {
        why: String,
    },
    /// Later it may.
    Unavailable {
        retry_after: Option<Duration>,
        why: String,
    },
}

impl Peer {
    /// Reads the certificates and sets up the client; reaches out to nobody yet.
    pub(crate) fn new(config: ResponderConfig) -> Result<Arc<Self>, PeerError> {
        let mut url = config.url.expose().clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v1", "alerts"]);
        }
        let client = ArcSwap::from_pointee(make(&config)?);
        Ok(Arc::new(Self { config, url, client }))
    }

    /// Brings a batch.
    pub(super) async fn post(&self, body: Vec<u8>) -> Answer {
        let request = self.client.load().post(self.url.clone());
        let request = request.header(CONTENT_TYPE, "application/x-ndjson").body(body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                self.renew();
                // The address may hold a password.
                let why = ErrorChain(&error.without_url()).to_string();
                return Answer::Unavailable { retry_after: None, why };
            }
        };
        let answer = client::Answer::read(response).await;
        if answer.status == StatusCode::OK {
            return Answer::Accepted;
        }
        let why = format!("the responder answered {}: {}", answer.status, answer.text);
        match answer.blames_request() {
            true => Answer::Refused { why },
            false => Answer::Unavailable { retry_after: answer.retry_after, why },
        }
    }

    /// Reads the certificates again: that they have expired may be why there is no connection.
    fn renew(&self) {
        match make(&self.config) {
            Ok(client) => self.client.store(Arc::new(client)),
            Err(error) => {
                tracing::debug!(error = %ErrorChain(&error), "the old certificates stay in use")
            }
        }
    }
}

fn make(config: &ResponderConfig) -> Result<Client, PeerError> {
    let ResponderConfig { ca, certificate, key, timeout, .. } = config;
    let identity = Identity::read(ca.as_deref(), certificate.as_deref(), key.as_deref())?;
    let client = identity
        .client(timeout.0)?
        .user_agent(concat!("saker-router/", env!("CARGO_PKG_VERSION")))
        .no_proxy();
    Ok(client.build()?)
}
