//! The responder's other end: one attempt to bring it a batch.

use std::{sync::Arc, time::Duration};

use http::header::CONTENT_TYPE;
use reqwest::{StatusCode, Url};
use service::{
    ErrorChain,
    client::{self, ClientError, Files, RenewedClient},
};

use super::ResponderConfig;

/// How to reach the responder, and the client that does.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(super) config: ResponderConfig,
    url: Url,
    client: RenewedClient,
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
    pub(crate) fn new(config: ResponderConfig) -> Result<Arc<Self>, ClientError> {
        let mut url = config.url.expose().clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v1", "alerts"]);
        }
        let files = Files {
            authorities: config.ca.clone(),
            certificate: config.certificate.clone(),
            key: config.key.clone(),
        };
        let agent = concat!("saker-router/", env!("CARGO_PKG_VERSION"));
        let make = move |client: reqwest::ClientBuilder| client.user_agent(agent).no_proxy();
        let client = RenewedClient::new(files, config.timeout.0, make)?;
        Ok(Arc::new(Self { config, url, client }))
    }

    /// Brings a batch.
    pub(super) async fn post(&self, body: Vec<u8>) -> Answer {
        let request = self.client.post(self.url.clone());
        let request = request.header(CONTENT_TYPE, "application/x-ndjson").body(body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                self.client.renew();
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
}
