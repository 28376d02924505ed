//! The server loop of every daemon: HTTP/1, and HTTP/2 over TLS, bounded in connections and in the
//! patience it has with each.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::Router;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::{ErrorChain, config::HumanDuration, shutdown::Shutdown, tls::Acceptor};

/// What a server grants its clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerLimits {
    /// Connections at a time; more wait to be accepted.
    pub connections_max: usize,
    /// Time for the TLS handshake.
    pub handshake_timeout: HumanDuration,
    /// Time for the head of a request, on a new connection as on a kept one.
    pub head_timeout: HumanDuration,
    /// Age at which a connection is asked to end, so that new certificates come into use.
    pub connection_age_max: HumanDuration,
    /// Largest head of a request.
    pub head_bytes_max: usize,
    /// Requests at a time on one HTTP/2 connection.
    pub streams_max: u32,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            handshake_timeout: HumanDuration(Duration::from_secs(5)),
            head_timeout: HumanDuration(Duration::from_secs(60)),
            connection_age_max: HumanDuration(Duration::from_secs(3600)),
            head_bytes_max: 32 << 10,
            streams_max: 128,
        }
    }
}

/// Address of a connection's other end, in the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// DNS names of the certificate a client proved to hold, in the extensions of every request over TLS
/// that asked for one. The first says who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerNames(pub Arc<[Box<str>]>);

/// URIs of that certificate, such as SPIFFE's, in the same extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerUris(pub Arc<[Box<str>]>);

impl PeerNames {
    /// Returns who the client is, if it has shown a certificate with a name.
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(|name| &**name)
    }
}

/// Connections open right now; clones share the count.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<AtomicUsize>);

impl Connections {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Serves until shutdown, then lets open requests end; the caller bounds that by
/// [`Shutdown::drain`]. Certificates that are renewed meanwhile are taken for new connections.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Acceptor>>,
    router: Router,
    limits: ServerLimits,
    connections: Connections,
    shutdown: Shutdown,
) {
    if let Some(tls) = &tls {
        let follow = Arc::clone(tls).follow(shutdown.clone());
        shutdown.spawn("certificates", follow);
    }
    let permits = Arc::new(Semaphore::new(limits.connections_max));
    let limits = Arc::new(limits);
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        let open = Open::new(&connections);
        let (tls, router, limits) = (tls.clone(), router.clone(), limits.clone());
        let watch = shutdown.clone();
        shutdown.spawn(format!("connection from {peer}"), async move {
            let _held = (permit, open);
            if let Err(error) = connection(stream, peer, tls, router, &limits, &watch).await {
                tracing::debug!(%peer, error = %ErrorChain(&*error), "connection ended");
            }
        });
    }
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

/// Waits for room, then for a client.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> Option<Accepted> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, permit)),
        Err(error) => {
            // Out of descriptors, mostly: without a pause the loop would spin on it.
            tracing::warn!(error = %error, "failed to accept a connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

type BoxedError = Box<dyn std::error::Error + Send + Sync>;

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<Acceptor>>,
    router: Router,
    limits: &ServerLimits,
    shutdown: &Shutdown,
) -> Result<(), BoxedError> {
    stream.set_nodelay(true)?;
    match tls {
        None => {
            let client = Client { peer, names: PeerNames::default(), uris: PeerUris::default() };
            requests(stream, client, Protocol::Http1, router, limits, shutdown).await
        }
        Some(tls) => {
            let handshake = TlsAcceptor::from(tls.current()).accept(stream);
            let stream = tokio::time::timeout(limits.handshake_timeout.0, handshake).await??;
            let session = stream.get_ref().1;
            let (names, uris) = crate::tls::names(session.peer_certificates().unwrap_or_default());
            let client = Client { peer, names, uris };
            let http2 = session.alpn_protocol() == Some(b"h2");
            let protocol = if http2 { Protocol::Http2 } else { Protocol::Http1 };
            requests(stream, client, protocol, router, limits, shutdown).await
        }
    }
}

/// The other end of a connection.
#[derive(Clone)]
struct Client {
    peer: SocketAddr,
    names: PeerNames,
    uris: PeerUris,
}

/// What a connection speaks: told by ALPN, never guessed from its first bytes, since for those a
/// client could keep us waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

async fn requests<S>(
    stream: S,
    client: Client,
    protocol: Protocol,
    router: Router,
    limits: &ServerLimits,
    shutdown: &Shutdown,
) -> Result<(), BoxedError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut builder = match protocol {
        Protocol::Http1 => builder.http1_only(),
        Protocol::Http2 => builder.http2_only(),
    };
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout.0)
        .max_buf_size(limits.head_bytes_max.max(8 << 10));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(20);
    let service = router.map_request(move |mut request: http::Request<Incoming>| {
        let extensions = request.extensions_mut();
        extensions.insert(Peer(client.peer));
        extensions.insert(client.names.clone());
        extensions.insert(client.uris.clone());
        request.map(axum::body::Body::new)
    });
    let connection =
        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        result = &mut connection => return result,
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(limits.connection_age_max.0) => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

/// Counts a connection as long as it lives.
struct Open(Connections);

impl Open {
    fn new(connections: &Connections) -> Self {
        connections.0.fetch_add(1, Ordering::Relaxed);
        Self(connections.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use axum::{Extension, routing::get};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::tls::{ServerTls, install_crypto_provider};

    async fn start(tls: Option<Arc<Acceptor>>, limits: ServerLimits) -> (SocketAddr, Shutdown) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route(
                "/",
                get(|Extension(Peer(peer)): Extension<Peer>| async move { peer.ip().to_string() }),
            )
            .route(
                "/name",
                get(|Extension(names): Extension<PeerNames>| async move {
                    names.first().unwrap_or("nobody").to_owned()
                }),
            )
            .route(
                "/slow",
                get(|| async {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    "done"
                }),
            );
        let shutdown = Shutdown::new();
        let server = serve(listener, tls, router, limits, Connections::default(), shutdown.clone());
        shutdown.spawn("server", server);
        (address, shutdown)
    }

    fn client() -> reqwest::ClientBuilder {
        install_crypto_provider();
        reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy()
    }

    #[tokio::test]
    async fn a_request_knows_its_peer_and_shutdown_lets_it_end() {
        let (address, shutdown) = start(None, ServerLimits::default()).await;
        let client = client().build().unwrap();
        let answer =
            client.get(format!("http://{address}/")).send().await.unwrap().text().await.unwrap();
        assert_eq!(answer, "127.0.0.1");
        let name = client.get(format!("http://{address}/name")).send().await.unwrap();
        assert_eq!(name.text().await.unwrap(), "nobody");
        let slow = tokio::spawn(client.get(format!("http://{address}/slow")).send());
        tokio::time::sleep(Duration::from_millis(100)).await;
        shutdown.cancel();
        assert_eq!(slow.await.unwrap().unwrap().text().await.unwrap(), "done");
        assert!(shutdown.drain(Duration::from_secs(5)).await.is_empty());
    }

    #[tokio::test]
    async fn a_client_that_sends_no_head_is_dropped() {
        let limits = ServerLimits {
            head_timeout: HumanDuration(Duration::from_millis(200)),
            ..ServerLimits::default()
        };
        let (address, shutdown) = start(None, limits).await;
        for start in ["", "P", "PRI * HTTP/2.0", "GET / HTTP/1.1\r\nHost:"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(start.as_bytes()).await.unwrap();
            let mut rest = Vec::new();
            let ended =
                tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
            assert!(ended.is_ok(), "the connection is still open after `{start}`");
        }
        shutdown.cancel();
    }

    #[tokio::test]
    async fn more_clients_than_allowed_wait_their_turn() {
        let limits = ServerLimits { connections_max: 1, ..ServerLimits::default() };
        let (address, shutdown) = start(None, limits).await;
        let first = TcpStream::connect(address).await.unwrap();
        let second =
            tokio::spawn(client().build().unwrap().get(format!("http://{address}/")).send());
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!second.is_finished());
        drop(first);
        assert!(second.await.unwrap().unwrap().status().is_success());
        shutdown.cancel();
    }

    struct Certificates {
        folder: tempfile::TempDir,
        authority: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
    }

    impl Certificates {
        fn new() -> Self {
            let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
            parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            let key = rcgen::KeyPair::generate().unwrap();
            let authority = rcgen::CertifiedIssuer::self_signed(parameters, key).unwrap();
            let certificates = Self { folder: tempfile::tempdir().unwrap(), authority };
            std::fs::write(certificates.path("ca.pem"), certificates.authority.pem()).unwrap();
            certificates
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            self.folder.path().join(name)
        }

        /// Returns certificate and key in PEM.
        fn issue(&self, name: &str) -> (String, String) {
            let key = rcgen::KeyPair::generate().unwrap();
            let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
            let certificate = parameters.signed_by(&key, &self.authority).unwrap();
            (certificate.pem(), key.serialize_pem())
        }

        fn server(&self) -> ServerTls {
            let (certificate, key) = self.issue("localhost");
            std::fs::write(self.path("server.pem"), certificate).unwrap();
            std::fs::write(self.path("server.key"), key).unwrap();
            ServerTls {
                certificate: self.path("server.pem"),
                key: self.path("server.key"),
                client_ca: Some(self.path("ca.pem")),
            }
        }
    }

    #[tokio::test]
    async fn a_client_without_a_certificate_of_the_authority_is_refused_and_one_with_it_is_known() {
        let certificates = Certificates::new();
        let acceptor = Arc::new(Acceptor::new(certificates.server()).unwrap());
        let (address, shutdown) = start(Some(acceptor), ServerLimits::default()).await;
        let url = format!("https://localhost:{}/name", address.port());
        let authority =
            reqwest::Certificate::from_pem(certificates.authority.pem().as_bytes()).unwrap();
        let trusting =
            || client().resolve("localhost", address).tls_certs_only([authority.clone()]);
        assert!(trusting().build().unwrap().get(&url).send().await.is_err());
        let (certificate, key) = certificates.issue("agent-1");
        let identity =
            reqwest::Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap();
        let answer = trusting().identity(identity).build().unwrap().get(&url).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "agent-1");
        shutdown.cancel();
    }

    #[tokio::test]
    async fn a_certificate_that_is_renewed_is_shown_to_the_next_client() {
        let certificates = Certificates::new();
        let files = certificates.server();
        let acceptor = Arc::new(Acceptor::new(files.clone()).unwrap());
        let (address, shutdown) = start(Some(acceptor), ServerLimits::default()).await;
        let authority =
            reqwest::Certificate::from_pem(certificates.authority.pem().as_bytes()).unwrap();
        let (certificate, key) = certificates.issue("agent-1");
        let identity = format!("{certificate}{key}");
        let ask = async |name: &str| {
            let client = client()
                .resolve(name, address)
                .tls_certs_only([authority.clone()])
                .identity(reqwest::Identity::from_pem(identity.as_bytes()).unwrap());
            client.build().unwrap().get(format!("https://{name}:{}/", address.port())).send().await
        };
        assert!(ask("renewed").await.is_err());
        let (certificate, key) = certificates.issue("renewed");
        std::fs::write(&files.key, key).unwrap();
        std::fs::write(&files.certificate, certificate).unwrap();
        let shown = async {
            while ask("renewed").await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), shown).await.unwrap();
        shutdown.cancel();
    }

    #[tokio::test]
    async fn bad_certificates_keep_the_old_ones() {
        let certificates = Certificates::new();
        let files = certificates.server();
        let acceptor = Acceptor::new(files.clone()).unwrap();
        std::fs::write(&files.certificate, "nonsense").unwrap();
        let error = acceptor.reload().unwrap_err().to_string();
        assert!(error.contains("server.pem"), "{error}");
        assert_eq!(acceptor.current().alpn_protocols.len(), 2);
    }
}
