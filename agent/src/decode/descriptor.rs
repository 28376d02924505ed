//! What a descriptor stood for.

use std::net::IpAddr;

use alert::{Connection, Descriptor, DescriptorKind, Role};
use probe::{
    Record,
    layout::{self, field},
};

use super::socket::{self, AF_INET, AF_INET6, AF_UNIX, End, SOCK_RAW};
use crate::enrich::path::text;

const AF_NETLINK: u16 = 16;
const S_IFMT: u16 = 0o170_000;

/// Returns what the descriptor of an argument stood for, or without one that which the call made.
/// `named` is the other end of a socket in the call's own words; it counts where the socket has none.
pub(super) fn descriptor(
    record: &Record<'_>,
    argument: Option<u8>,
    named: Option<End>,
) -> Option<Descriptor> {
    let told = record.descriptor_of(argument)?;
    if told.mode & S_IFMT == 0o140_000 {
        let unix = record.field_of(field::UNIX, argument).map(socket::unix_path);
        return Some(socket_of(&told, unix, named));
    }
    let name = record.field_of(field::PATH, argument).map(text).unwrap_or_default();
    Some(Descriptor::Other {
        number: told.number.into(),
        kind: kind(told.mode, &name),
        name: if name.starts_with('/') || name.starts_with("memfd:") { name } else { "".into() },
        inode: Some(told.inode),
        device: Some(told.device.into()),
    })
}

fn socket_of(told: &layout::Descriptor, unix: Option<Box<str>>, named: Option<End>) -> Descriptor {
    let other = |kind| Descriptor::Other {
        number: told.number.into(),
        kind,
        name: "".into(),
        inode: Some(told.inode),
        device: Some(told.device.into()),
    };
    match told.family {
        AF_INET | AF_INET6 => {}
        AF_UNIX => {
            return Descriptor::Socket(Connection {
                descriptor: told.number,
                unix: Some(match (unix, named) {
                    (Some(path), _) | (None, Some(End::Unix(path))) => path,
                    _ => "".into(),
                }),
                role: Role::Unknown,
                ..Connection::default()
            });
        }
        AF_NETLINK => return other(DescriptorKind::Netlink),
        _ => return other(DescriptorKind::Other),
    }
    let (local, remote) = socket::canonical(
        socket::address(told.family, &told.local),
        socket::address(told.family, &told.remote),
    );
    // Of a raw socket it is the number of its protocol.
    let local_port = if told.socket_type == SOCK_RAW { 0 } else { told.local_port };
    let end = |ip: IpAddr, port| (!ip.is_unspecified() || port != 0).then(|| (ip, port).into());
    let (local, remote) = (end(local, local_port), end(remote, told.remote_port));
    let connected = remote.is_some();
    let remote = remote.or(match named {
        Some(End::Inet(end)) => Some(end),
        _ => None,
    });
    if local.is_none() && remote.is_none() {
        return other(match told.family {
            AF_INET => DescriptorKind::Ipv4,
            _ => DescriptorKind::Ipv6,
        });
    }
    Descriptor::Socket(Connection {
        descriptor: told.number,
        protocol: socket::protocol(told.socket_type, told.protocol).map(Into::into),
        local,
        remote,
        role: Role::Unknown,
        connected: Some(connected),
        name_changed: remote.is_some() && !connected,
        ..Connection::default()
    })
}

/// Files without a place in a file system are told by the name the kernel gives them.
fn kind(mode: u16, name: &str) -> DescriptorKind {
    match mode & S_IFMT {
        0o040_000 => return DescriptorKind::Directory,
        0o010_000 => return DescriptorKind::Pipe,
        _ if name.starts_with('/') => return DescriptorKind::File,
        _ => {}
    }
    let named = |known: &str| name.trim_matches(['[', ']']).starts_with(known);
    let known = [
        ("memfd:", DescriptorKind::Memfd),
        ("eventfd", DescriptorKind::Event),
        ("eventpoll", DescriptorKind::EventPoll),
        ("signalfd", DescriptorKind::Signal),
        ("timerfd", DescriptorKind::Timer),
        ("inotify", DescriptorKind::Inotify),
        ("bpf", DescriptorKind::Bpf),
        ("btf", DescriptorKind::Bpf),
        ("userfaultfd", DescriptorKind::UserFault),
        ("io_uring", DescriptorKind::IoUring),
        ("pidfd", DescriptorKind::Pidfd),
    ];
    let kind = known.into_iter().find(|(start, _)| named(start)).map(|(_, kind)| kind);
    kind.unwrap_or(DescriptorKind::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_place_is_told_by_its_name() {
        for (mode, name, expected) in [
            (0o100_644, "/etc/passwd", DescriptorKind::File),
            (0o040_755, "/etc", DescriptorKind::Directory),
            (0o020_666, "/dev/null", DescriptorKind::File),
            (0o010_600, "", DescriptorKind::Pipe),
            (0o100_777, "memfd:x", DescriptorKind::Memfd),
            (0o600, "[eventfd]", DescriptorKind::Event),
            (0o600, "bpf-map", DescriptorKind::Bpf),
            (0o600, "[io_uring]", DescriptorKind::IoUring),
            (0o600, "[userfaultfd]", DescriptorKind::UserFault),
            (0o600, "[something]", DescriptorKind::Other),
        ] {
            assert_eq!(kind(mode, name), expected, "{name}");
        }
    }
}
