//! A whole responder in this process: starting, reloading, stopping.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use prometheus::Registry;
use service::{
    ErrorChain,
    admin::Readiness,
    server::{self, Connections},
    shutdown::Shutdown,
    telemetry::LevelHandle,
    tls::{Acceptor, ServerTls, TlsError},
};
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::{
    agents::{Agents, AgentsError},
    api,
    audit::{self, Audit},
    book::Book,
    cluster::Cluster,
    config::{KubernetesConfig, ResponseConfig},
    engine::{self, Engine, Parts},
    evidence::Store,
    intake::{self, Callers},
    kubernetes,
    metrics::Metrics,
    tell::Teller,
};

const READINESS_EVERY: Duration = Duration::from_secs(2);

/// The responder could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("failed to open the audit")]
    Audit(#[from] audit::OpenError),
    #[error("failed to prepare the folder `{}`", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("failed to prepare the way to the agents")]
    Agents(#[from] AgentsError),
    #[error("failed to prepare the way to the cluster")]
    Kubernetes(#[from] kubernetes::ClientError),
    #[error("failed to prepare the way to the router")]
    Tell(#[from] service::client::ClientError),
    #[error("failed to listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("failed to use the certificates for {address}")]
    Tls { address: SocketAddr, source: TlsError },
    #[error("failed to register metrics")]
    Metrics(#[from] prometheus::Error),
    #[error(transparent)]
    Engine(#[from] engine::StartError),
}

/// A started responder. It stops when its [`Shutdown`] is cancelled.
#[derive(Debug)]
pub struct Running {
    pub intake_addr: SocketAddr,
    pub api_addr: SocketAddr,
    engine: Arc<Engine>,
    acceptors: Vec<Arc<Acceptor>>,
}

impl From<&KubernetesConfig> for kubernetes::Options {
    fn from(config: &KubernetesConfig) -> Self {
        Self {
            kubeconfig: config.kubeconfig.clone(),
            timeout: config.timeout.0,
            namespace: config.namespace.clone(),
            agent_selector: config.agent_selector.clone(),
        }
    }
}

/// A bound port.
struct Door {
    listener: TcpListener,
    addr: SocketAddr,
    tls: Option<Arc<Acceptor>>,
}

impl Door {
    async fn open(address: SocketAddr, tls: Option<&ServerTls>) -> Result<Self, StartError> {
        let tls = tls
            .map(|files| Acceptor::new(files.clone()).map(Arc::new))
            .transpose()
            .map_err(|source| StartError::Tls { address, source })?;
        let fail = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let addr = listener.local_addr().map_err(fail)?;
        Ok(Self { listener, addr, tls })
    }
}

/// Starts a responder. Its tasks belong to `shutdown`; it has stopped when they have.
pub async fn start(
    config: ResponseConfig,
    shutdown: Shutdown,
    logs: LevelHandle,
) -> Result<Running, StartError> {
    let registry = Registry::new();
    service::metrics::register_process(&registry, env!("CARGO_PKG_VERSION"));
    let metrics = Metrics::new(&registry)?;
    let (mut cluster, mut own_namespace) = (None, None);
    if let Some(kubernetes) = &config.kubernetes {
        let client = kubernetes::Client::new(kubernetes.into()).await?;
        own_namespace = client.own_namespace().map(str::to_owned);
        cluster = Some(Arc::new(client) as Arc<dyn Cluster>);
    }
    let teller = config.router.as_ref();
    let teller = teller.map(|router| Teller::start(router, &metrics, &shutdown)).transpose()?;
    let agents = Agents::new(config.agents.clone(), cluster.clone())?;
    let intake_door = Door::open(config.listen, config.tls.as_ref()).await?;
    let api_door = Door::open(config.api, config.api_tls.as_ref()).await?;

    let (audit_folder, evidence_folder) = engine::folders(&config.data);
    let limits = audit::Limits {
        file_bytes_max: config.audit.file_bytes_max.0,
        bytes_max: config.audit.bytes_max.0,
    };
    let mut book = Book::default();
    let (audit, torn_bytes) = tokio::task::block_in_place(|| {
        Audit::open(&audit_folder, limits, |line| book.apply(line.time, &line.entry))
    })?;
    let store = Store::open(&evidence_folder, config.evidence.bytes_max.0)
        .map_err(|source| StartError::Folder { path: evidence_folder, source })?;
    let connections = config.connections.clone();
    let verified = config.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    let callers = if verified { Callers::Named } else { Callers::Nameless };
    info!(mode = %config.mode, rules = config.responses.len(), "the responder starts");
    let engine = Engine::new(Parts {
        config,
        audit,
        book,
        torn_bytes,
        cluster,
        own_namespace,
        agents,
        store,
        metrics,
        teller,
        shutdown: shutdown.clone(),
    })?;
    engine.start();

    let readiness = Readiness::default();
    shutdown.spawn("readiness", follow(Arc::clone(&engine), readiness.clone(), shutdown.clone()));
    let (intake_addr, api_addr) = (intake_door.addr, api_door.addr);
    let acceptors = [&intake_door, &api_door].into_iter().filter_map(|door| door.tls.clone());
    let acceptors = acceptors.collect();
    let routes = api::routes(Arc::clone(&engine), registry, readiness, logs);
    for (name, door, routes) in [
        ("intake", intake_door, intake::routes(Arc::clone(&engine), callers)),
        ("api", api_door, routes),
    ] {
        let (limits, open) = (connections.clone(), Connections::default());
        let served = server::serve(door.listener, door.tls, routes, limits, open, shutdown.clone());
        shutdown.spawn(name, served);
    }
    info!(%intake_addr, %api_addr, "the responder is running");
    Ok(Running { intake_addr, api_addr, engine, acceptors })
}

impl Running {
    /// Puts another configuration in force; what needs a restart is named.
    pub fn reload(&self, config: ResponseConfig) {
        let old = self.engine.config();
        for key in started_with(&old, &config) {
            warn!("`response.{key}` changed: this needs a restart");
        }
        for acceptor in &self.acceptors {
            if let Err(error) = acceptor.reload() {
                warn!(error = %ErrorChain(&error), "the old certificates stay in use");
            }
        }
        self.engine.reload(config);
    }
}

/// Returns the keys that differ and that a running responder does not take up.
fn started_with(old: &ResponseConfig, new: &ResponseConfig) -> Vec<&'static str> {
    let keys = [
        ("listen", old.listen == new.listen),
        ("api", old.api == new.api),
        ("data", old.data == new.data),
        ("kubernetes", old.kubernetes == new.kubernetes),
        ("agents", old.agents == new.agents),
        ("router", old.router == new.router),
        ("evidence", old.evidence == new.evidence),
        ("audit", old.audit == new.audit),
        ("concurrency", old.concurrency == new.concurrency),
    ];
    keys.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
}

/// Ready means able to write down what is done.
async fn follow(engine: Arc<Engine>, readiness: Readiness, shutdown: Shutdown) {
    loop {
        match engine.failure().await {
            Some(failure) => readiness.fail("audit", failure),
            None => readiness.pass("audit"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(READINESS_EVERY) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_restart_is_named() {
        let (old, mut new) = (ResponseConfig::default(), ResponseConfig::default());
        new.mode = crate::action::Mode::Auto;
        assert!(started_with(&old, &new).is_empty());
        new.agents.port = 1;
        new.concurrency = 9;
        assert_eq!(started_with(&old, &new), ["agents", "concurrency"]);
    }
}
