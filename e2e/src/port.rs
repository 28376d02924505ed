//! A TCP port on loopback that nobody else gets while it is held.

use std::net::{Ipv4Addr, SocketAddrV4};

use rustix::{
    fd::OwnedFd,
    net::{self, AddressFamily, SocketType},
};

/// A reserved port. A server that sets `SO_REUSEADDR`, as all do, can listen on it meanwhile; the
/// kernel gives it to no other process that asks for a free one.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _held: OwnedFd,
}

impl Port {
    /// Returns a port that was free.
    pub fn reserve() -> Self {
        let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        // Bound while exclusive, so that two reservations never share a port; opened to others
        // that ask for this very port afterwards.
        net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        net::sockopt::set_socket_reuseaddr(&socket, true).expect("SO_REUSEADDR");
        let address = net::getsockname(&socket).expect("the socket's address");
        let address = SocketAddrV4::try_from(address).expect("an IPv4 address");
        Self { number: address.port(), _held: socket }
    }

    pub const fn number(&self) -> u16 {
        self.number
    }

    /// Returns `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_server_can_listen_on_a_reserved_port_and_no_other_reservation_gets_it() {
        let port = Port::reserve();
        let listener = TcpListener::bind(port.address()).unwrap();
        let others: Vec<Port> = (0..50).map(|_| Port::reserve()).collect();
        assert!(others.iter().all(|other| other.number() != port.number()));
        drop(listener);
        TcpListener::bind(port.address()).unwrap();
    }
}
