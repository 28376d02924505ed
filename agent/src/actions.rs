//! Takes orders from a responder: end a process or a tree of them, tell of one, watch containers die.
//!
//! Orders come over mutual TLS from clients the configuration names, and nowhere else. An order is
//! refused by the rules in `target`, carried out once however often it comes, logged and counted.

pub(crate) mod family;
mod kill;
pub(crate) mod known;
mod orders;
mod report;
mod routes;
mod sockets;
pub(crate) mod target;
mod watch;

use std::{sync::Arc, time::Instant};

use alert::{Process, order::KillOrder};
use prometheus::Registry;
use service::{
    server::{self, Connections, ServerLimits},
    shutdown::Shutdown,
    tls::{Acceptor, ServerTls, TlsError},
};
use tokio::{net::TcpListener, sync::Semaphore};
use tracing::warn;

use self::{known::Known, orders::Orders, target::Guard, watch::Watches};
use crate::{
    AgentHandle, config::ActionsConfig, enrich::procfs, metrics::OrderMetrics,
    status::ActionsStatus, tap,
};

/// Orders carried out at a time; each may block a thread for as long as it waits.
const ORDERS_AT_ONCE_MAX: usize = 16;
/// Bit of `CAP_KILL` (capabilities(7)).
const CAP_KILL: u64 = 1 << 5;

/// What carries orders out. Clones share everything.
#[derive(Clone, Debug)]
pub struct Actions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: ActionsConfig,
    hostname: String,
    acceptor: Arc<Acceptor>,
    known: Arc<Known>,
    guard: Guard,
    orders: Orders,
    watches: Watches,
    at_once: Arc<Semaphore>,
    metrics: OrderMetrics,
}

/// Orders cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum ActionsError {
    #[error("failed to prepare TLS for orders")]
    Tls(#[from] TlsError),
    #[error("failed to register metrics")]
    Metrics(#[from] prometheus::Error),
}

impl Actions {
    /// Reads the certificates. Nothing is taken before [`Actions::serve`].
    pub fn new(
        config: &ActionsConfig,
        hostname: String,
        metrics: OrderMetrics,
    ) -> Result<Self, ActionsError> {
        let tls = ServerTls {
            certificate: config.tls.certificate.clone(),
            key: config.tls.key.clone(),
            client_ca: Some(config.tls.client_ca.clone()),
        };
        Ok(Self(Arc::new(Inner {
            config: config.clone(),
            hostname,
            acceptor: Arc::new(Acceptor::new(tls)?),
            known: Arc::default(),
            guard: Guard::new(config.host_processes),
            orders: Orders::default(),
            watches: Watches::default(),
            at_once: Arc::new(Semaphore::new(ORDERS_AT_ONCE_MAX)),
            metrics,
        })))
    }

    /// Returns where orders are to be taken.
    pub fn listen(&self) -> std::net::SocketAddr {
        self.0.config.listen
    }

    /// Names what is noted of processes: another number, once all of it was forgotten.
    pub fn memory(&self) -> u64 {
        self.0.known.begun()
    }

    /// Takes note of a process the sensor saw, for its exact start and its lineage.
    pub fn saw(&self, process: &Process) {
        self.0.known.saw(process);
    }

    pub fn status(&self) -> ActionsStatus {
        ActionsStatus {
            listen: self.0.config.listen,
            clients: self.0.config.clients.clone(),
            watchers: self.0.config.watchers.clone(),
            host_processes: self.0.config.host_processes,
            watches: self.0.watches.count(),
            trouble: trouble(),
        }
    }

    /// Takes orders until shutdown, and hands events of `watched` to those who may have them.
    pub async fn serve(
        self,
        listener: TcpListener,
        watched: Option<AgentHandle>,
        shutdown: Shutdown,
    ) {
        if let Some(trouble) = trouble() {
            warn!(trouble, "orders to end processes will be refused");
        }
        let limits = ServerLimits { connections_max: 256, ..ServerLimits::default() };
        let acceptor = Arc::clone(&self.0.acceptor);
        let events = watched.map(|agent| tap::routes(agent, shutdown.clone()));
        let routes = routes::routes(self, events);
        let connections = Connections::default();
        server::serve(listener, Some(acceptor), routes, limits, connections, shutdown).await;
    }

    fn kill(&self, order: &KillOrder, began: Instant) -> alert::order::KillReport {
        kill::kill(&self.0.guard, &self.0.known, order, began)
    }
}

/// Registers the metric of orders, at zero, whether or not any are taken.
pub fn metrics(registry: &Registry) -> Result<OrderMetrics, prometheus::Error> {
    OrderMetrics::new(registry)
}

/// Returns what stands in the way of ending other users' processes.
pub(crate) fn trouble() -> Option<String> {
    let own = procfs::read(std::process::id().cast_signed())?;
    (own.capabilities & CAP_KILL == 0)
        .then(|| "the agent lacks CAP_KILL: it may end only processes of its own user".to_owned())
}
