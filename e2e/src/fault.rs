//! A proxy that breaks chosen requests on their way to a real API server, and remembers all.
//!
//! Both sides speak TLS. Every request that is forwarded gets a connection of its own upstream, so
//! that what happens to one never touches another.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{Certificates, eventually};

/// Longest head and longest body of a request.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is forwarded after a while.
    Delay(Duration),
    /// The connection is closed, and nothing was forwarded.
    CloseBefore,
    /// Nothing is forwarded, and nothing answered until the client goes away.
    HoldBefore,
    /// It is forwarded, and the connection is closed when the server has answered.
    CloseAfter,
    /// It is forwarded, and the answer is held back until the client goes away.
    Hold,
    /// It is answered here.
    Answer { status: u16, retry_after: Option<u32>, body: String },
}

impl Fault {
    /// Answers as the API server does, with a `Status` object.
    pub fn status(status: u16, reason: &str) -> Self {
        let body = serde_json::json!({
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "reason": reason,
            "message": format!("a fault of the test: {reason}"),
            "code": status,
        });
        Self::Answer { status, retry_after: None, body: body.to_string() }
    }
}

/// A request that came by.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub path: String,
    pub body: Vec<u8>,
    /// It reached the server behind.
    pub forwarded: bool,
}

/// The proxy; it ends when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// `host:port` of the server behind; nothing is forwarded without.
    upstream: Option<String>,
    faults: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Seen>>,
}

#[derive(Debug)]
struct Rule {
    method: String,
    pattern: String,
    fault: Fault,
    /// How often it still applies.
    times: u32,
}

impl FaultProxy {
    /// Starts in front of a server at `host:port`, which must have a certificate for `127.0.0.1` by
    /// the authority of `certificates`. The proxy shows the server certificate among them.
    pub fn start(upstream: &str, certificates: &Certificates) -> Self {
        Self::launch(Some(upstream.to_owned()), certificates)
    }

    /// Starts with no server behind: all it answers are its faults, and 404 to the rest.
    pub fn alone(certificates: &Certificates) -> Self {
        Self::launch(None, certificates)
    }

    fn launch(upstream: Option<String>, certificates: &Certificates) -> Self {
        let shared = Shared { upstream, faults: Mutex::default(), seen: Mutex::default() };
        let shared = Arc::new(shared);
        let (server, client) = (server_config(certificates), client_config(certificates));
        let (bound, address) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let inside = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
                let listener = listener.expect("a free port");
                bound.send(listener.local_addr().expect("an address")).expect("a waiting test");
                tokio::select! {
                    () = serve(listener, &inside, server, client) => {}
                    _ = stopped => {}
                }
            });
        });
        let address = address.recv().expect("the proxy's address");
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Returns `https://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Breaks the next request of that method whose path, without the query, fits: `*` in the
    /// pattern stands for any text.
    pub fn next(&self, method: &str, pattern: &str, fault: Fault) {
        self.add(method, pattern, fault, 1);
    }

    /// Breaks every such request from now on, until [`FaultProxy::heal`].
    pub fn always(&self, method: &str, pattern: &str, fault: Fault) {
        self.add(method, pattern, fault, u32::MAX);
    }

    /// Forgets all faults.
    pub fn heal(&self) {
        self.shared.faults.lock().expect("no panic").clear();
    }

    /// Returns the requests of that method and path so far, the oldest first.
    pub fn seen(&self, method: &str, pattern: &str) -> Vec<Seen> {
        let seen = self.shared.seen.lock().expect("no panic");
        let fit = seen.iter().filter(|seen| {
            seen.method == method && fits(pattern, seen.path.split('?').next().unwrap_or_default())
        });
        fit.cloned().collect()
    }

    /// Returns all requests so far that can change something, the oldest first. A dry run is one.
    pub fn writes(&self) -> Vec<Seen> {
        let seen = self.shared.seen.lock().expect("no panic");
        let asks = |seen: &Seen| seen.method == "GET" || seen.path.contains("/selfsubject");
        seen.iter().filter(|seen| !asks(seen)).cloned().collect()
    }

    /// Waits until a request of that method and path came by.
    #[track_caller]
    pub fn wait_for(&self, method: &str, pattern: &str) -> Seen {
        eventually(&format!("{method} {pattern}"), || {
            self.seen(method, pattern).pop().ok_or("no such request yet")
        })
    }

    fn add(&self, method: &str, pattern: &str, fault: Fault, times: u32) {
        let rule = Rule { method: method.to_owned(), pattern: pattern.to_owned(), fault, times };
        self.shared.faults.lock().expect("no panic").push(rule);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            // It panicked and said so; a second panic would hide the first.
        }
    }
}

impl Shared {
    fn fault_for(&self, method: &str, path: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().expect("no panic");
        let found = faults
            .iter_mut()
            .find(|rule| rule.times > 0 && rule.method == method && fits(&rule.pattern, path))?;
        found.times -= 1;
        Some(found.fault.clone())
    }
}

async fn serve(
    listener: TcpListener,
    shared: &Arc<Shared>,
    server: TlsAcceptor,
    client: TlsConnector,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (shared, server, client) = (Arc::clone(shared), server.clone(), client.clone());
        tokio::spawn(async move {
            let Ok(mut stream) = server.accept(stream).await else { return };
            // An error is told to the client by the closed connection, to the test by the client.
            while let Ok(Connection::Stays) = one_request(&mut stream, &shared, &client).await {}
        });
    }
}

/// What becomes of the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    /// For its next request.
    Stays,
    Closes,
}

async fn one_request(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    shared: &Shared,
    client: &TlsConnector,
) -> io::Result<Connection> {
    let request = read_request(stream).await?;
    let path = request.path.split('?').next().unwrap_or_default();
    let fault = shared.fault_for(&request.method, path);
    let here = matches!(fault, Some(Fault::CloseBefore | Fault::HoldBefore | Fault::Answer { .. }));
    shared.seen.lock().expect("no panic").push(Seen {
        method: request.method.clone(),
        path: request.path.clone(),
        body: request.body.clone(),
        forwarded: !here && shared.upstream.is_some(),
    });
    match fault {
        Some(Fault::CloseBefore) => return Ok(Connection::Closes),
        Some(Fault::HoldBefore) => {
            stream.read_to_end(&mut Vec::new()).await?;
            return Ok(Connection::Closes);
        }
        Some(Fault::Answer { status, retry_after, body }) => {
            return answer(stream, status, retry_after, &body).await;
        }
        Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::CloseAfter | Fault::Hold) | None => {}
    }
    let Some(upstream) = &shared.upstream else {
        return answer(stream, 404, None, "").await;
    };
    let mut upstream = forward(upstream, client, &request).await?;
    match fault {
        Some(Fault::CloseAfter) => {
            upstream.read_to_end(&mut Vec::new()).await?;
        }
        Some(Fault::Hold) => {
            upstream.read_to_end(&mut Vec::new()).await?;
            stream.read_to_end(&mut Vec::new()).await?;
        }
        _ => {
            tokio::io::copy(&mut upstream, stream).await?;
            stream.shutdown().await?;
        }
    }
    Ok(Connection::Closes)
}

#[derive(Debug)]
struct Request {
    method: String,
    path: String,
    /// Lines of the head after the first, as they came, but for those about the connection.
    headers: String,
    body: Vec<u8>,
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await? == 0 || bytes.len() > HEAD_BYTES_MAX {
            return Err(io::Error::other("no whole head"));
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(path)) = (first.next(), first.next()) else {
        return Err(io::Error::other("no request line"));
    };
    let (mut headers, mut length) = (String::new(), 0);
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name.to_ascii_lowercase().as_str() {
            "connection" => continue,
            "transfer-encoding" => return Err(io::Error::other("a chunked request")),
            "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
            _ => {}
        }
        headers += &format!("{line}\r\n");
    }
    let mut body = bytes.split_off(end + 4);
    if length > BODY_BYTES_MAX {
        return Err(io::Error::other("a huge request"));
    }
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Err(io::Error::other("half a request"));
        }
    }
    Ok(Request { method: method.to_owned(), path: path.to_owned(), headers, body })
}

async fn forward(
    upstream: &str,
    client: &TlsConnector,
    request: &Request,
) -> io::Result<impl AsyncRead + Unpin + use<>> {
    let stream = TcpStream::connect(upstream).await?;
    let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
    let mut stream = client.connect(name, stream).await?;
    let Request { method, path, headers, body } = request;
    let head = format!("{method} {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.flush().await?;
    Ok(stream)
}

async fn answer(
    stream: &mut (impl AsyncWrite + Unpin),
    status: u16,
    retry_after: Option<u32>,
    body: &str,
) -> io::Result<Connection> {
    let retry = retry_after.map(|seconds| format!("retry-after: {seconds}\r\n"));
    let head = format!(
        "HTTP/1.1 {status} A fault\r\ncontent-type: application/json\r\n{}content-length: {}\r\n\r\n\
         {body}",
        retry.unwrap_or_default(),
        body.len(),
    );
    stream.write_all(head.as_bytes()).await?;
    stream.flush().await?;
    Ok(Connection::Stays)
}

/// Tells whether the text is the pattern, in which `*` stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, mut rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    while let Some((middle, after)) = rest.split_once('*') {
        let Some(found) = text.find(middle) else { return false };
        (text, rest) = (&text[found + middle.len()..], after);
    }
    text.ends_with(rest)
}

fn server_config(certificates: &Certificates) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(&certificates.server.certificate)
        .and_then(Iterator::collect)
        .expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(&certificates.server.key).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}

fn client_config(certificates: &Certificates) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(&certificates.authority).expect("an authority");
    roots.add(authority).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(fits("/api/v1/pods", "/api/v1/pods"));
        assert!(!fits("/api/v1/pods", "/api/v1/pods/x"));
        assert!(fits("*/eviction", "/api/v1/namespaces/a/pods/b/eviction"));
        assert!(fits("/api/*/pods/*", "/api/v1/namespaces/a/pods/b"));
        assert!(!fits("*/eviction", "/api/v1/namespaces/a/pods/b"));
    }
}
