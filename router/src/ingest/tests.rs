//! Over real sockets and a real journal.

mod alertmanager;
mod bounded;
mod durable;
mod events;
mod hostile;
mod known;
mod mapped;
mod secured;
mod tolerance;

use std::{net::SocketAddr, path::Path, time::Duration};

use journal::{Journal, Options};
use prometheus::Registry;
use reqwest::{Client, Response, StatusCode};
use service::{
    config::{HumanBytes, HumanDuration, Secret},
    server::{Connections, ServerLimits, serve},
    shutdown::Shutdown,
    tls::Acceptor,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

const ALERT: &str = r#"{"priority":"Warning","rule":"Shell","time":"2026-01-02T03:04:05.000000006Z","output":"a shell","output_fields":{"proc.name":"bash","k8s.ns.name":"prod"},"source":"syscall","tags":["shell"],"hostname":"node-1","uuid":"6f2c1c3e-8a8e-4f0e-9d55-0d8f3c1f3a11"}"#;

/// A listening ingest, with a client for it.
struct Door {
    address: SocketAddr,
    client: Client,
    ingest: Arc<Ingest>,
    journal: Journal,
    registry: Registry,
    shutdown: Shutdown,
    /// Deleted with the door.
    folder: Option<tempfile::TempDir>,
}

fn small() -> Options {
    Options { segment_bytes: 4 << 20, record_bytes_max: 1 << 20, ..Options::default() }
}

impl Door {
    async fn open(config: IngestConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut door = Self::at(folder.path(), config, small(), None).await;
        door.folder = Some(folder);
        door
    }

    async fn at(
        folder: &Path,
        config: IngestConfig,
        options: Options,
        tls: Option<Arc<Acceptor>>,
    ) -> Self {
        let (journal, _) = Journal::open(folder, options).unwrap();
        Self::to(journal.into(), config, tls).await
    }

    async fn to(appender: Appender, config: IngestConfig, tls: Option<Arc<Acceptor>>) -> Self {
        service::tls::install_crypto_provider();
        let (journal, registry) = (appender.journal().clone(), Registry::new());
        let ingest = Ingest::new(appender, config, Stamp::default(), &registry).unwrap();
        let ingest = Arc::new(ingest);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let (limits, open) = (ServerLimits::default(), Connections::default());
        let server =
            serve(listener, tls, routes(Arc::clone(&ingest)), limits, open, shutdown.clone());
        shutdown.spawn("ingest", server);
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        Self { address, client, ingest, journal, registry, shutdown, folder: None }
    }

    async fn post(&self, body: impl Into<reqwest::Body>) -> Response {
        self.post_as(None, body).await
    }

    async fn post_as(&self, encoding: Option<&str>, body: impl Into<reqwest::Body>) -> Response {
        let mut request = self.client.post(format!("http://{}/", self.address)).body(body);
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        request.send().await.unwrap()
    }

    /// Sends a body and says how it was answered.
    async fn told(&self, body: impl Into<reqwest::Body>) -> String {
        told(self.post(body).await).await
    }

    /// Returns what the journal holds.
    fn alerts(&self) -> Vec<Alert> {
        let mut reader = self.journal.read(0).unwrap();
        let mut alerts = Vec::new();
        while let Some((_, payload)) = reader.next().unwrap() {
            match serde_json::from_slice(&payload).unwrap() {
                Record::Alert(alert) => alerts.push(*alert),
                other => panic!("not an alert: {other:?}"),
            }
        }
        alerts
    }

    fn metric(&self, line: &str) -> u64 {
        let text = service::metrics::render(&self.registry);
        let value = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no `{line}` in\n{text}")).parse().unwrap()
    }

    /// Sends bytes as they are and returns what comes back until the other side closes.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        tokio::time::timeout(Duration::from_secs(20), read).await.unwrap().unwrap();
        String::from_utf8(answer).unwrap()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn told(response: Response) -> String {
    let status = response.status().as_u16();
    let accepted = response.headers().get("saker-accepted").cloned();
    let text = response.text().await.unwrap();
    match accepted {
        Some(count) => format!("{status} accepted {}{text}", count.to_str().unwrap()),
        None => format!("{status} {}", text.trim_end()),
    }
}

/// The alert with one field set to a JSON value, or taken away.
fn with(field: &str, value: Option<&str>) -> String {
    let mut alert: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(ALERT).unwrap();
    alert.remove(field);
    if let Some(value) = value {
        alert.insert(field.to_owned(), serde_json::from_str(value).unwrap());
    }
    serde_json::to_string(&alert).unwrap()
}
