//! An agent that takes orders on a port of this machine, and a responder that gives them.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use agent::{
    actions::Actions,
    config::{ActionsConfig, ActionsTls},
};
use alert::{
    ProcessKey,
    order::{KillOrder, KillOutcome, KillReport, Refusal, Scope},
};
use prometheus::Registry;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Client, Response};
use service::{problem::Problem, shutdown::Shutdown, tls::install_crypto_provider};
use tokio::net::TcpListener;

/// Certificates of one authority, in files.
pub(crate) struct Certificates {
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        install_crypto_provider();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        let certificates = Self { folder: tempfile::tempdir().unwrap(), authority };
        fs::write(certificates.path("ca.pem"), certificates.authority.pem()).unwrap();
        certificates.write_server("saker-agent");
        certificates
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a new certificate of this name in the place of the agent's.
    pub(crate) fn write_server(&self, name: &str) {
        let (certificate, key) = self.issue(name);
        fs::write(self.path("agent.key"), key).unwrap();
        fs::write(self.path("agent.pem"), certificate).unwrap();
    }

    /// Returns a certificate of this name, and its key.
    pub(crate) fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = parameters.signed_by(&key, &self.authority).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    pub(crate) fn tls(&self) -> ActionsTls {
        ActionsTls {
            certificate: self.path("agent.pem"),
            key: self.path("agent.key"),
            client_ca: self.path("ca.pem"),
        }
    }

    /// Returns a client that trusts this authority and shows a certificate of `issuer`, if any.
    pub(crate) fn client(&self, address: SocketAddr, shown: Option<(&Self, &str)>) -> Client {
        let authority = reqwest::Certificate::from_pem(self.authority.pem().as_bytes()).unwrap();
        let mut builder = Client::builder()
            .timeout(Duration::from_secs(60))
            .no_proxy()
            .resolve("saker-agent", address)
            .resolve("renewed", address)
            .tls_certs_only([authority]);
        if let Some((issuer, name)) = shown {
            let (certificate, key) = issuer.issue(name);
            let identity = format!("{certificate}{key}");
            builder = builder.identity(reqwest::Identity::from_pem(identity.as_bytes()).unwrap());
        }
        builder.build().unwrap()
    }
}

/// An agent's part that takes orders, and the client that may give them.
pub(crate) struct Stage {
    pub(crate) actions: Actions,
    pub(crate) address: SocketAddr,
    pub(crate) certificates: Certificates,
    pub(crate) client: Client,
    registry: Registry,
    shutdown: Shutdown,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(false).await
    }

    pub(crate) async fn with(host_processes: bool) -> Self {
        let certificates = Certificates::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = ActionsConfig {
            listen: address,
            tls: certificates.tls(),
            clients: vec!["saker-responder".to_owned()],
            watchers: vec!["saker-watcher".to_owned()],
            host_processes,
        };
        let registry = Registry::new();
        let metrics = agent::actions::metrics(&registry).unwrap();
        let actions = Actions::new(&config, "node-1".to_owned(), metrics).unwrap();
        let shutdown = Shutdown::new();
        shutdown.spawn("orders", actions.clone().serve(listener, None, shutdown.clone()));
        let client = certificates.client(address, Some((&certificates, "saker-responder")));
        Self { actions, address, certificates, client, registry, shutdown }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://saker-agent:{}{path}", self.address.port())
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    pub(crate) async fn post<T: serde::Serialize>(&self, path: &str, order: &T) -> Response {
        self.client.post(self.url(path)).json(order).send().await.unwrap()
    }

    pub(crate) async fn kill(&self, order: &KillOrder) -> KillReport {
        let response = self.post("/v1/kill", order).await;
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    /// Gives an order that must be refused; returns why it was.
    pub(crate) async fn refusal(&self, order: &KillOrder) -> Refusal {
        match self.kill(order).await {
            KillReport { outcome: KillOutcome::Refused { reason, .. }, processes } => {
                assert_eq!(processes, []);
                reason
            }
            report => panic!("not refused: {report:?}"),
        }
    }

    /// Returns how many orders of this kind came to this end.
    pub(crate) fn count(&self, action: &str, outcome: &str) -> u64 {
        let text = service::metrics::render(&self.registry);
        let start =
            format!("saker_agent_orders_total{{action=\"{action}\",outcome=\"{outcome}\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&start));
        value.expect("every pair of labels is there").parse().unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Returns an order with an id of its own.
pub(crate) fn order(process: ProcessKey, container: Option<&str>, scope: Scope) -> KillOrder {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    KillOrder {
        id: format!("R-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
        process,
        container: container.map(Into::into),
        scope,
        dry_run: false,
        wait_ms: 10_000,
    }
}

pub(crate) async fn problem(response: Response) -> Problem {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    response.json().await.unwrap()
}
