//! A real HTTP server for tests: answers as told and keeps what it was sent.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use alert::Notification;
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Method, Response, Uri},
};
use serde_json::Value;

use crate::{BuildContext, Delivery, DeliveryError, Output, Parts, Receipt, kind};

/// What a peer was sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// Listens on a free port until it is dropped.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    pub(crate) async fn start(
        answer: impl Fn(&Request) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&requests), Arc::new(answer));
        let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
            async move {
                let request = Request { method, path: uri.to_string(), headers, body };
                let response = answer(&request);
                kept.lock().unwrap().push(request);
                response
            }
        };
        let app = axum::Router::new()
            .fallback(handler)
            .layer(axum::extract::DefaultBodyLimit::max(16 << 20));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, requests, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns what was sent since the last call.
    pub(crate) fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

pub(crate) fn answer(status: u16, body: impl Into<Body>) -> Response<Body> {
    Response::builder().status(status).body(body.into()).unwrap()
}

/// An output as the router makes one, with its templates.
pub(crate) struct Configured {
    pub(crate) output: Arc<dyn Output>,
    engine: templates::Engine,
}

impl Configured {
    pub(crate) fn new(name: &str, config: &Value) -> Self {
        Self::with_timeout(name, config, Duration::from_secs(10))
    }

    pub(crate) fn with_timeout(name: &str, config: &Value, attempt_timeout: Duration) -> Self {
        let kind = kind(name).unwrap();
        let parsed = parse(name, config).unwrap();
        let context =
            BuildContext { output: "test".into(), directory: PathBuf::from("/"), attempt_timeout };
        let output = parsed.build(&context).unwrap();
        Self { output, engine: templates::Engine::builtin(kind.parts).unwrap() }
    }

    pub(crate) async fn deliver(
        &self,
        notification: &Notification,
        previous: Option<&Receipt>,
    ) -> Result<Receipt, DeliveryError> {
        let parts = Parts::from(self.engine.render(notification));
        let delivery = Delivery { notification, parts: &parts, previous, attempt: 1 };
        let bounded = tokio::time::timeout(Duration::from_secs(30), self.output.deliver(&delivery));
        bounded.await.expect("an attempt ends")
    }
}

pub(crate) fn parse(
    name: &str,
    config: &Value,
) -> Result<Box<dyn crate::Configured>, erased_serde::Error> {
    (kind(name).unwrap().parse)(&mut <dyn erased_serde::Deserializer<'_>>::erase(config))
}
