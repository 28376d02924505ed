//! The connections behind a process's sockets, from `/proc/PID/net`.

use std::{
    fs,
    io::Read,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use hashbrown::{HashMap, HashSet};

/// Bytes read of one table: some thousand sockets.
const TABLE_BYTES_MAX: u64 = 1 << 20;

/// What a socket's inode stands for.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    pub(super) by_inode: HashMap<u64, Box<str>>,
    /// A table was longer than what is read of it.
    pub(super) truncated: bool,
}

impl Sockets {
    /// Reads the tables of the network namespace of a process, as far as they are about `inodes`.
    pub(super) fn of(pid: i32, inodes: &HashSet<u64>) -> Self {
        let mut sockets = Self::default();
        if inodes.is_empty() {
            return sockets;
        }
        for protocol in ["tcp", "tcp6", "udp", "udp6"] {
            let Ok(file) = fs::File::open(format!("/proc/{pid}/net/{protocol}")) else { continue };
            let mut table = String::new();
            // The kernel writes ASCII here.
            if file.take(TABLE_BYTES_MAX).read_to_string(&mut table).is_err() {
                continue;
            }
            sockets.truncated |= table.len() as u64 >= TABLE_BYTES_MAX;
            for line in table.lines().skip(1) {
                let Some((inode, text)) = parse(protocol.trim_end_matches('6'), line) else {
                    continue;
                };
                if inodes.contains(&inode) {
                    sockets.by_inode.insert(inode, text.into());
                }
            }
        }
        sockets
    }
}

/// Returns the inode of `socket:[INODE]`.
pub(super) fn inode(target: &str) -> Option<u64> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// A line is `slot: LOCAL REMOTE STATE tx:rx timer retransmits uid timeout INODE …`.
fn parse(protocol: &str, line: &str) -> Option<(u64, String)> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (local, remote) = (address(words.next()?)?, address(words.next()?)?);
    let state = u8::from_str_radix(words.next()?, 16).ok()?;
    let inode = words.nth(5)?.parse().ok()?;
    let state = match (protocol, state) {
        ("tcp", state) => tcp_state(state),
        // A datagram socket that was connected is in the state of an established connection.
        (_, 1) => "ESTABLISHED",
        _ => "UNCONNECTED",
    };
    Some((inode, format!("{protocol} {local} -> {remote} {state}")))
}

/// `include/net/tcp_states.h`.
fn tcp_state(state: u8) -> &'static str {
    const STATES: [&str; 12] = [
        "ESTABLISHED",
        "SYN_SENT",
        "SYN_RECV",
        "FIN_WAIT1",
        "FIN_WAIT2",
        "TIME_WAIT",
        "CLOSE",
        "CLOSE_WAIT",
        "LAST_ACK",
        "LISTEN",
        "CLOSING",
        "NEW_SYN_RECV",
    ];
    let index = usize::from(state).checked_sub(1);
    index.and_then(|index| STATES.get(index)).copied().unwrap_or("UNKNOWN")
}

/// Addresses are words of 32 bits in the machine's order, ports in hex as they are read.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok();
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?.to_ne_bytes())),
        32 => {
            let mut bytes = [0; 16];
            for (part, at) in bytes.chunks_exact_mut(4).zip([0, 8, 16, 24]) {
                part.copy_from_slice(&word(at)?.to_ne_bytes());
            }
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn a_line_of_the_kernel_becomes_a_connection() {
        let check = |protocol: &str, line: &str, expected: &str| {
            let (inode, text) = parse(protocol, line).unwrap();
            assert_eq!((inode, &*text), (31337, expected));
        };
        let rest = "00000000:00000000 00:00000000 00000000     0        0 31337 1 x 100";
        check(
            "tcp",
            &format!("   0: 0100000A:1267 070200C0:01BB 01 {rest}"),
            "tcp 10.0.0.1:4711 -> 192.0.2.7:443 ESTABLISHED",
        );
        check(
            "tcp",
            &format!(
                "   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A {rest}"
            ),
            "tcp [::1]:80 -> [::]:0 LISTEN",
        );
        check(
            "udp",
            &format!("   2: 00000000:0035 00000000:0000 07 {rest}"),
            "udp 0.0.0.0:53 -> 0.0.0.0:0 UNCONNECTED",
        );
        for broken in ["", "0:", "0: 0:0 0:0 01", "0: 0100000A:1267 070200C0:01BB zz 0"] {
            assert_eq!(parse("tcp", broken), None, "{broken}");
        }
    }

    #[test]
    fn our_own_listener_is_found_by_its_inode() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&listener);
        let target = fs::read_link(format!("/proc/self/fd/{descriptor}")).unwrap();
        let inode = inode(target.to_str().unwrap()).unwrap();
        let sockets = Sockets::of(std::process::id() as i32, &[inode].into_iter().collect());
        let expected = format!("tcp {} -> 0.0.0.0:0 LISTEN", listener.local_addr().unwrap());
        assert_eq!(&*sockets.by_inode[&inode], expected);
    }
}
