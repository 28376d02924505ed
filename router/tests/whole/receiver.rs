//! A webhook receiver that misbehaves as it is told.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::{io::AsyncReadExt, net::TcpListener};

/// What to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Take,
    Status(u16),
    /// 429, and when to come again.
    Later(Duration),
    /// Take it, and never say so.
    Hang,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) at: Instant,
    /// The delivery id.
    pub(crate) id: String,
    /// The notification.
    pub(crate) body: serde_json::Value,
    pub(crate) answer: Answer,
}

type Script = dyn Fn(usize, &serde_json::Value) -> Answer + Send + Sync;

#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    state: Arc<Shared>,
}

struct Shared {
    script: Mutex<Arc<Script>>,
    received: Mutex<Vec<Received>>,
}

impl Receiver {
    /// Starts one that answers the n-th request as `script` says.
    pub(crate) async fn start(
        script: impl Fn(usize, &serde_json::Value) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state =
            Arc::new(Shared { script: Mutex::new(Arc::new(script)), received: Mutex::default() });
        let routes = Router::new().route("/", post(take)).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Replaces the script.
    pub(crate) fn now(
        &self,
        script: impl Fn(usize, &serde_json::Value) -> Answer + Send + Sync + 'static,
    ) {
        *self.state.script.lock().unwrap() = Arc::new(script);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }

    /// Returns what was taken, whether or not the router heard of it.
    pub(crate) fn taken(&self) -> Vec<Received> {
        let mut received = self.received();
        received.retain(|received| matches!(received.answer, Answer::Take | Answer::Hang));
        received
    }
}

async fn take(State(state): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let body = body["notification"].take();
    let script = Arc::clone(&state.script.lock().unwrap());
    let answer = {
        let mut received = state.received.lock().unwrap();
        let answer = script(received.len(), &body);
        let id = headers["webhook-id"].to_str().unwrap().to_owned();
        received.push(Received { at: Instant::now(), id, body, answer });
        answer
    };
    match answer {
        Answer::Take => StatusCode::OK.into_response(),
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Later(wait) => {
            let wait = wait.as_secs().to_string();
            (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, wait)]).into_response()
        }
        Answer::Hang => std::future::pending().await,
    }
}

/// Starts a server that resets every connection after the first bytes.
pub(crate) async fn resetting() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut some = [0; 16];
            drop(stream.read(&mut some).await);
            // Closed with bytes unread, the connection is reset.
            drop(stream);
        }
    });
    address
}
