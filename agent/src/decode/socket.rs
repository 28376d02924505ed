//! Sockets: what they are, and their ends.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use alert::Connection;
use probe::{Record, layout::Connect};

use crate::enrich::path::text;

pub(super) const AF_UNIX: u16 = 1;
pub(super) const AF_INET: u16 = 2;
pub(super) const AF_INET6: u16 = 10;
pub(super) const SOCK_RAW: u16 = 3;

pub(super) fn connection(record: &Record<'_>, connect: &Connect) -> Connection {
    let inet = matches!(connect.family, AF_INET | AF_INET6);
    let (local, remote) = match inet {
        true => {
            let (local, remote) = canonical(
                address(connect.family, &connect.local),
                address(connect.family, &connect.remote),
            );
            (
                Some(SocketAddr::new(local, connect.local_port)),
                Some(SocketAddr::new(remote, connect.remote_port)),
            )
        }
        false => (None, None),
    };
    Connection {
        descriptor: connect.descriptor,
        protocol: inet
            .then(|| protocol(connect.socket_type, connect.protocol))
            .flatten()
            .map(Into::into),
        local,
        remote,
        unix: (connect.family == AF_UNIX).then(|| unix_path(record.unix.unwrap_or_default())),
        ..Connection::default()
    }
}

pub(super) fn address(family: u16, bytes: &[u8; 16]) -> IpAddr {
    match family {
        AF_INET => IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])),
        _ => IpAddr::V6(Ipv6Addr::from(*bytes)),
    }
}

/// An IPv6 socket that talks IPv4 is shown as the IPv4 connection it is.
pub(super) fn canonical(local: IpAddr, remote: IpAddr) -> (IpAddr, IpAddr) {
    match (local.to_canonical(), remote.to_canonical()) {
        (IpAddr::V6(local), remote @ IpAddr::V4(_)) if local.is_unspecified() => {
            (IpAddr::V4(Ipv4Addr::UNSPECIFIED), remote)
        }
        other => other,
    }
}

pub(super) fn protocol(socket_type: u16, protocol: u16) -> Option<&'static str> {
    match (socket_type, protocol) {
        (SOCK_RAW, _) => Some("raw"),
        (_, 6) => Some("tcp"),
        (_, 17) => Some("udp"),
        (_, 1 | 58) => Some("icmp"),
        _ => None,
    }
}

/// A path ends at its first NUL; an abstract name begins with one and may hold more.
pub(super) fn unix_path(bytes: &[u8]) -> Box<str> {
    match bytes {
        [0, name @ ..] => {
            let name = text(name);
            format!("@{name}").into()
        }
        path => text(path.split(|byte| *byte == 0).next().unwrap_or_default()),
    }
}

/// Returns the end in a socket address of user memory, or the path of a Unix socket there.
pub(super) fn end(bytes: &[u8]) -> Option<End> {
    let (family, rest) = bytes.split_at_checked(2)?;
    let family = u16::from_ne_bytes([family[0], family[1]]);
    if family == AF_UNIX {
        return Some(End::Unix(unix_path(rest)));
    }
    let (port, rest) = rest.split_at_checked(2)?;
    let port = u16::from_be_bytes([port[0], port[1]]);
    let mut ip = [0; 16];
    match family {
        AF_INET => ip[..4].copy_from_slice(rest.get(..4)?),
        // Behind the flow label.
        AF_INET6 => ip.copy_from_slice(rest.get(4..20)?),
        _ => return None,
    }
    Some(End::Inet(SocketAddr::new(address(family, &ip), port)))
}

/// One end of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Inet(SocketAddr),
    Unix(Box<str>),
}

impl End {
    /// Returns the end as a parameter shows it.
    pub(super) fn shown(&self) -> Box<str> {
        match self {
            Self::Inet(end) => format!("{}:{}", end.ip().to_canonical(), end.port()).into(),
            Self::Unix(path) => path.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_memory_is_read_by_its_family() {
        let inet = |bytes: &[u8]| end(bytes).map(|end| end.shown().into_string());
        assert_eq!(inet(&[2, 0, 1, 187, 10, 0, 0, 1]).as_deref(), Some("10.0.0.1:443"));
        let mut six = [0; 28];
        (six[0], six[3], six[23]) = (10, 53, 1);
        assert_eq!(inet(&six).as_deref(), Some("::1:53"));
        assert_eq!(inet(b"\x01\0/run/a\0").as_deref(), Some("/run/a"));
        for cut in [&b""[..], &[2], &[2, 0, 1], &[2, 0, 1, 187, 10], &[17, 0, 0, 0, 0, 0]] {
            assert_eq!(end(cut), None, "{cut:?}");
        }
    }

    #[test]
    fn sockets_print_as_what_they_are() {
        let local = |bytes: &[u8]| unix_path(bytes);
        assert_eq!(*local(b"/run/a\0rest"), *"/run/a");
        assert_eq!(*local(b"\0name"), *"@name");
        assert_eq!(*local(b""), *"");
        let mapped = IpAddr::V6(Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped());
        let ten = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
        let any = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        assert_eq!(canonical(any, mapped), (IpAddr::V4(Ipv4Addr::UNSPECIFIED), ten));
        assert_eq!(canonical(mapped, mapped), (ten, ten));
        assert_eq!(canonical(any, any), (any, any));
    }
}
