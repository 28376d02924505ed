//! Lets pods reach a test's server, which listens on loopback as all of them do.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    sync::mpsc,
    thread::JoinHandle,
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

/// Passes connections to the machine's end of the cluster's link on to the same port of loopback,
/// until dropped. Only the cluster can reach that address.
#[derive(Debug)]
pub struct Forwarder {
    address: SocketAddrV4,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Forwarder {
    pub(super) fn start(address: Ipv4Addr, port: u16) -> Self {
        let address = SocketAddrV4::new(address, port);
        let (bound, listens) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                let listener = TcpListener::bind(address).await;
                let listener = listener.unwrap_or_else(|error| panic!("{address}: {error}"));
                bound.send(()).expect("a waiting test");
                tokio::select! {
                    () = serve(listener, port) => {}
                    _ = stopped => {}
                }
            });
        });
        listens.recv().expect("the forwarder listens");
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// Returns the address pods use.
    pub const fn address(&self) -> SocketAddrV4 {
        self.address
    }
}

async fn serve(listener: TcpListener, port: u16) {
    loop {
        let (mut pod, _) = listener.accept().await.expect("a connection");
        tokio::spawn(async move {
            // A server that is away closes the pod's connection, as it would its own.
            let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
                return;
            };
            if copy_bidirectional(&mut pod, &mut server).await.is_err() {
                // One side went away, and both connections close.
            }
        });
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            // It panicked and said so; a second panic would hide the first.
        }
    }
}
