//! An HTTP server on a thread of its own, so that plain tests can use it too.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::mpsc,
    thread::JoinHandle,
};

use axum::Router;
use tokio::{net::TcpListener, sync::oneshot};

/// Serves a router on a free loopback port until dropped.
#[derive(Debug)]
pub struct Http {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Http {
    pub fn serve(router: Router) -> Self {
        let (bound, address) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
                let listener = listener.expect("a free port");
                bound.send(listener.local_addr().expect("an address")).expect("a waiting test");
                tokio::select! {
                    served = axum::serve(listener, router) => served.expect("serving"),
                    _ = stopped => {}
                }
            });
        });
        let address = address.recv().expect("the server's address");
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// Returns `http://127.0.0.1:port` and the path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            // It panicked and said so; a second panic would hide the first.
        }
    }
}
