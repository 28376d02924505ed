//! The two ports: bound before anything is written, served once everything behind them works.

use std::{net::SocketAddr, sync::Arc};

use axum::Router;
use service::{
    server::{self, Connections, ServerLimits},
    shutdown::Shutdown,
    tls::{Acceptor, ServerTls},
};
use tokio::net::TcpListener;

use super::StartError;
use crate::config::RouterConfig;

/// Where alerts come in, and where operators do.
#[derive(Debug)]
pub(super) struct Doors {
    pub(super) ingest: Door,
    pub(super) api: Door,
}

/// A bound port.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) addr: SocketAddr,
    listener: TcpListener,
    tls: Option<Arc<Acceptor>>,
}

impl Doors {
    pub(super) async fn open(config: &RouterConfig) -> Result<Self, StartError> {
        Ok(Self {
            ingest: Door::open(config.listen, config.tls.as_ref()).await?,
            api: Door::open(config.api, config.api_tls.as_ref()).await?,
        })
    }

    /// Returns what holds certificates.
    pub(super) fn acceptors(&self) -> Vec<Arc<Acceptor>> {
        [&self.ingest, &self.api].into_iter().filter_map(|door| door.tls.clone()).collect()
    }
}

impl Door {
    async fn open(address: SocketAddr, tls: Option<&ServerTls>) -> Result<Self, StartError> {
        let tls = tls
            .map(|files| Acceptor::new(files.clone()).map(Arc::new))
            .transpose()
            .map_err(|source| StartError::Tls { address, source })?;
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| StartError::Listen { address, source })?;
        let addr =
            listener.local_addr().map_err(|source| StartError::Listen { address, source })?;
        Ok(Self { addr, listener, tls })
    }

    pub(super) fn serve(
        self,
        name: &str,
        routes: Router,
        limits: &ServerLimits,
        shutdown: &Shutdown,
    ) {
        let connections = Connections::default();
        let server = server::serve(
            self.listener,
            self.tls,
            routes,
            limits.clone(),
            connections,
            shutdown.clone(),
        );
        shutdown.spawn(name, server);
    }
}
