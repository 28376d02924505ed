//! Questions over a Unix socket that speaks HTTP/1.1.

use std::{io, path::Path, time::Duration};

use alert::Missing;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::UnixStream, time::timeout};

const CALL_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Asks over a connection of its own; `None` where there is no such thing.
pub(super) async fn get(stream: UnixStream, target: &str) -> Result<Option<Reply>, Missing> {
    match timeout(CALL_TIMEOUT, exchange(stream, target)).await {
        Ok(reply) => reply,
        Err(_) => Err(Missing::Timeout),
    }
}

async fn exchange(stream: UnixStream, target: &str) -> Result<Option<Reply>, Missing> {
    let failed = |error: hyper::Error| {
        tracing::debug!(%error, "a runtime gave no answer");
        Missing::RuntimeError
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    // It ends with the sender, and at the latest with this call.
    let driver = Driver(tokio::spawn(connection));
    let request = Request::builder()
        .method(Method::GET)
        .uri(target)
        .header(header::HOST, "localhost")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Missing::RuntimeError)?;
    let (head, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
    match head.status {
        StatusCode::NOT_FOUND => return Ok(None),
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => return Err(Missing::SocketDenied),
        status if !status.is_success() => return Err(Missing::RuntimeError),
        _ => {}
    }
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| {
        tracing::debug!(error, "a runtime's answer cannot be read");
        Missing::RuntimeError
    })?;
    drop(driver);
    Ok(Some(Reply { headers: head.headers, body: body.to_bytes() }))
}

/// Ends a connection's task when dropped.
#[derive(Debug)]
struct Driver(tokio::task::JoinHandle<hyper::Result<()>>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Connects, or tells why that cannot be.
pub(super) async fn connect(socket: &Path) -> Result<UnixStream, Missing> {
    let connected = timeout(CALL_TIMEOUT, UnixStream::connect(socket)).await;
    match connected.map_err(|_| Missing::Timeout)? {
        Ok(stream) => Ok(stream),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Missing::SocketDenied),
        Err(_) => Err(Missing::NoSocket),
    }
}
