//! Where events are asked for: on the local socket, and over the way by which orders come.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alert::AlertId;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{delete, post},
};
use service::{problem::Problem, shutdown::Shutdown};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixStream, unix::OwnedWriteHalf},
    sync::{
        Semaphore,
        mpsc::{Sender, channel},
    },
    time::timeout,
};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    Answer, Refusal, Request, Socket,
    serve::{Lines, PATIENCE, answer, refuse, say},
};
use crate::AgentHandle;

/// The line that asks for the agent's status instead of events.
const STATUS: &str = "status";
/// Connections at a time; those that find no place are told so.
const CONNECTIONS_MAX: usize = 16;
/// Lines on their way to a remote client.
const LINES_MAX: usize = 64;
/// Time until accepting is tried again.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

impl Socket {
    /// Answers until the agent stops.
    pub async fn serve(self, agent: AgentHandle, shutdown: Shutdown) {
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, "failed to accept somebody who asks for events");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            match stream.peer_cred() {
                Ok(peer) if Socket::is_allowed(peer.uid()) => {}
                Ok(peer) => {
                    warn!(user = peer.uid(), "somebody who may not asked for events");
                    continue;
                }
                Err(error) => {
                    warn!(%error, "somebody unknown asked for events");
                    continue;
                }
            }
            let (agent, watch) = (agent.clone(), shutdown.clone());
            shutdown.spawn("events", async move {
                let _open = permit;
                if let Err(error) = local(stream, &agent, &watch).await {
                    debug!(%error, "who asked for events went away");
                }
            });
        }
    }
}

async fn local(stream: UnixStream, agent: &AgentHandle, shutdown: &Shutdown) -> io::Result<()> {
    let (input, mut output) = stream.into_split();
    let mut line = String::new();
    let mut input = BufReader::new(input.take(Request::TEXT_BYTES_MAX as u64));
    timeout(PATIENCE, input.read_line(&mut line)).await??;
    if line.trim() == STATUS {
        let mut text = serde_json::to_vec(&agent.status())?;
        text.push(b'\n');
        return output.send(text).await;
    }
    let request = match serde_json::from_str::<Request>(&line) {
        Ok(request) => request,
        Err(error) => {
            return refuse(&mut output, Refusal::Wrong, format!("not a request: {error}")).await;
        }
    };
    // Nothing more is said to us: when reading ends, the other side has enough or is gone.
    let enough = async { drop(input.read_u8().await) };
    answer(&request, agent, &mut output, enough, shutdown).await
}

impl Lines for OwnedWriteHalf {
    async fn send(&mut self, line: Vec<u8>) -> io::Result<()> {
        timeout(PATIENCE, self.write_all(&line)).await?
    }
}

impl Lines for Sender<Vec<u8>> {
    async fn send(&mut self, line: Vec<u8>) -> io::Result<()> {
        let sent = timeout(PATIENCE, Sender::send(self, line)).await?;
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Returns `POST /v1/events`, the same over HTTP, and `DELETE /v1/events/{id}`, which ends it. Whoever
/// mounts them asks first who may.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(
    agent: AgentHandle,
    shutdown: Shutdown,
) -> Router<S> {
    let asked = Asked::default();
    let ended = asked.clone();
    let ask = async move |body: Bytes| remote(&body, agent, &asked, &shutdown);
    let end = async move |Path(id): Path<String>| end(&ended, &id);
    Router::new()
        .route("/v1/events", post(ask))
        .route("/v1/events/{id}", delete(end))
        .layer(DefaultBodyLimit::max(Request::TEXT_BYTES_MAX))
}

/// Who asks over HTTP now: as many as there are connections.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<HashMap<AlertId, CancellationToken>>>);

impl Asked {
    fn all(&self) -> MutexGuard<'_, HashMap<AlertId, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who asks; gone when this is.
struct Turn {
    id: AlertId,
    asked: Asked,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.asked.all().remove(&self.id);
    }
}

fn remote(body: &[u8], agent: AgentHandle, asked: &Asked, shutdown: &Shutdown) -> Response {
    let request = match serde_json::from_slice::<Request>(body) {
        Ok(request) => request,
        Err(error) => {
            return Problem::new(StatusCode::BAD_REQUEST, error.to_string()).into_response();
        }
    };
    let (mut lines, waiting) = channel::<Vec<u8>>(LINES_MAX);
    let turn = Turn { id: AlertId::random(), asked: asked.clone() };
    let ended = CancellationToken::new();
    asked.all().insert(turn.id, ended.clone());
    let watch = shutdown.clone();
    shutdown.spawn("events", async move {
        let listening = lines.clone();
        let enough = async move {
            tokio::select! {
                () = listening.closed() => {}
                () = ended.cancelled() => {}
            }
        };
        let answered = async {
            say(&mut lines, &Answer::Called(turn.id)).await?;
            answer(&request, &agent, &mut lines, enough, &watch).await
        };
        if let Err(error) = answered.await {
            debug!(%error, "who asked for events went away");
        }
        drop(turn);
    });
    let body = Body::from_stream(ReceiverStream::new(waiting).map(Ok::<_, io::Error>));
    ([(CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

fn end(asked: &Asked, id: &str) -> Response {
    let ended = id.parse::<AlertId>().ok().and_then(|id| asked.all().get(&id).cloned());
    match ended {
        Some(ended) => {
            ended.cancel();
            StatusCode::NO_CONTENT.into_response()
        }
        None => Problem::new(StatusCode::NOT_FOUND, "nobody asks by this name").into_response(),
    }
}
