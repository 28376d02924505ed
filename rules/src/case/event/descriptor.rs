//! Builds the file or socket a test's event is about.

use std::net::{IpAddr, SocketAddr};

use alert::{
    Connection, Descriptor, DescriptorKind, DescriptorUse, EndNames, EventKind, FileType, OpenFile,
    Role,
};

use super::{given::Given, keys, parameter};
use crate::diagnostic::Diagnostic;

/// What creat(2) opens with.
const CREAT: &str = "O_WRONLY|O_CREAT|O_TRUNC";

/// Number of a descriptor, unless the test gives another.
const NUMBER: i32 = 3;

/// Returns an opened file.
pub(super) fn file(given: &Given<'_>, kind: EventKind, cwd: &str) -> Result<OpenFile, Diagnostic> {
    let parameter = given.text("evt.arg.name")?;
    let raw = given.text("fd.nameraw")?.or(parameter);
    let full = match (given.boxed("fd.name")?, raw) {
        (Some(path), _) => path,
        (None, Some(raw)) => parameter::absolute(cwd, raw).into(),
        (None, None) => "".into(),
    };
    let raw = raw.map_or_else(|| full.clone(), Into::into);
    let resolved = match given.get("fd.resolved") {
        // The kernel did not say.
        Some(node) if node.is_null() => None,
        _ => Some(given.boxed("fd.resolved")?.unwrap_or_else(|| full.clone())),
    };
    let flags = match kind {
        EventKind::Creat => parameter::open_flags(given, "evt.arg.creat_flags", CREAT)?,
        _ => parameter::open_flags(given, "evt.arg.flags", "O_RDONLY")?,
    };
    Ok(OpenFile {
        raw,
        path: full,
        resolved,
        flags,
        mode: parameter::mode(given, "evt.arg.mode")?,
        file_type: file_type(given)?,
        inode: given.number("fd.ino")?.or(given.number("evt.arg.ino")?).unwrap_or(1),
        device: given.number("fd.dev")?.or(given.number("evt.arg.dev")?).unwrap_or(1),
    })
}

fn file_type(given: &Given<'_>) -> Result<FileType, Diagnostic> {
    use FileType::{Directory, File, Other, Pipe, Socket};
    let known = [File, Directory, Pipe, Socket, Other];
    let found = given.named("fd.type", &known.map(FileType::name), |name| {
        known.into_iter().find(|file| file.name() == name)
    });
    Ok(found?.unwrap_or(File))
}

/// Returns the socket of a connect: of a path it is a Unix socket.
pub(super) fn connection(given: &Given<'_>) -> Result<Connection, Diagnostic> {
    let mut socket = socket(given, EventKind::Connect, NUMBER)?;
    if socket.unix.is_none() && socket.protocol.is_none() {
        socket.protocol = Some("tcp".into());
    }
    Ok(socket)
}

/// Returns the descriptor of a kind that has one.
pub(super) fn of(
    given: &Given<'_>,
    kind: EventKind,
    result: i64,
) -> Result<Option<Descriptor>, Diagnostic> {
    let made = match kind.descriptor_use() {
        DescriptorUse::None => return Ok(None),
        DescriptorUse::Made => result.max(-1),
        DescriptorUse::Given => NUMBER.into(),
    };
    let number = match given.number("fd.num")? {
        Some(number) => number,
        None => given.number("evt.arg.fd")?.unwrap_or(made),
    };
    let names: Vec<_> = DescriptorKind::ALL.iter().map(|kind| kind.name()).collect();
    let told = given.named("fd.type", &names, DescriptorKind::from_name)?;
    let ends = ["fd.lip", "fd.rip", "fd.cip", "fd.sip"].iter().any(|key| given.has(key));
    if ends || (told == Some(DescriptorKind::Unix) && given.has("fd.name")) {
        let number = i32::try_from(number).unwrap_or(-1);
        return Ok(Some(Descriptor::Socket(socket(given, kind, number)?)));
    }
    Ok(Some(Descriptor::Other {
        number,
        kind: told.unwrap_or_else(|| usual(kind, given)),
        name: given.boxed("fd.name")?.unwrap_or_default(),
        inode: given.number("fd.ino")?,
        device: given.number("fd.dev")?,
    }))
}

/// A call without a descriptor has no `fd.*`, but for the one path it may be about.
pub(super) fn check(given: &Given<'_>, kind: EventKind) -> Result<(), Diagnostic> {
    if kind.descriptor_use() != DescriptorUse::None {
        return Ok(());
    }
    let path = |key: &str| matches!(key, "fd.name" | "fd.nameraw");
    let allowed = |key: &str| path(key) && parameter::only_path(kind).is_some();
    let key = given.pairs.iter().map(|(key, _)| key).find(|key| {
        let name = key.str().unwrap_or_default();
        keys::DESCRIPTOR.contains(&name) && !allowed(name)
    });
    match key {
        None => Ok(()),
        Some(key) => {
            let message = format!("`{}` events are about no descriptor", kind.name());
            Err(given.fault(key, message))
        }
    }
}

/// What a call's descriptor is when the test does not say.
fn usual(kind: EventKind, given: &Given<'_>) -> DescriptorKind {
    let domain = given.get("evt.arg.domain").and_then(|node| node.str()).unwrap_or_default();
    match kind {
        EventKind::Socket => match domain {
            "AF_INET" => DescriptorKind::Ipv4,
            "AF_INET6" => DescriptorKind::Ipv6,
            "AF_UNIX" | "AF_LOCAL" => DescriptorKind::Unix,
            "AF_NETLINK" | "AF_ROUTE" => DescriptorKind::Netlink,
            _ => DescriptorKind::Other,
        },
        EventKind::Bpf => DescriptorKind::Bpf,
        EventKind::UserFaultFd => DescriptorKind::UserFault,
        EventKind::MemfdCreate => DescriptorKind::Memfd,
        EventKind::IoUringSetup => DescriptorKind::IoUring,
        EventKind::Fchdir => DescriptorKind::Directory,
        _ if kind.category() == alert::Category::Network => DescriptorKind::Ipv4,
        EventKind::SendTo | EventKind::SendMsg | EventKind::RecvFrom | EventKind::RecvMsg => {
            DescriptorKind::Ipv4
        }
        _ => DescriptorKind::File,
    }
}

fn socket(given: &Given<'_>, kind: EventKind, number: i32) -> Result<Connection, Diagnostic> {
    let role = match (given.flag("fd.is_server")?, kind) {
        (Some(true), _) | (None, EventKind::Accept | EventKind::Accept4) => Role::Server,
        (None, EventKind::Bind | EventKind::Listen | EventKind::Socket) => Role::Unknown,
        _ => Role::Client,
    };
    // The client's end is the local one of a client, the remote one of a server.
    let (local, remote) = if role == Role::Server { ("s", "c") } else { ("c", "s") };
    let (port_local, port_remote) = if role == Role::Server { (443, 40000) } else { (40000, 443) };
    let names_of = |side, role| {
        either(side, role, "ip.name", |key| {
            let names = given.texts(key)?;
            Ok((!names.is_empty()).then(|| names.into()))
        })
    };
    let names = EndNames {
        local: names_of("l", local)?.unwrap_or_default(),
        remote: names_of("r", remote)?.unwrap_or_default(),
    };
    let protocols = ["tcp", "udp", "icmp", "raw"];
    let protocol = |name: &str| protocols.contains(&name).then(|| name.into());
    Ok(Connection {
        descriptor: given.number("fd.num")?.unwrap_or(number),
        protocol: given.named("fd.l4proto", &protocols, protocol)?,
        local: end(given, "l", local, port_local)?,
        remote: end(given, "r", remote, port_remote)?,
        unix: given.boxed("fd.name")?.filter(|name| !name.is_empty()),
        role,
        connected: given.flag("fd.connected")?,
        name_changed: given.flag("fd.name_changed")?.unwrap_or(false),
        names: (names != EndNames::default()).then(|| Box::new(names)),
    })
}

/// Reads a part of an end that may be given by its side or by its role.
fn either<T>(
    side: &str,
    role: &str,
    part: &str,
    read: impl Fn(&str) -> Result<Option<T>, Diagnostic>,
) -> Result<Option<T>, Diagnostic> {
    match read(&format!("fd.{side}{part}"))? {
        None => read(&format!("fd.{role}{part}")),
        some => Ok(some),
    }
}

fn end(
    given: &Given<'_>,
    side: &str,
    role: &str,
    usual: u16,
) -> Result<Option<SocketAddr>, Diagnostic> {
    let address = |key: &str| given.parsed::<IpAddr>(key, "an IP address");
    let Some(ip) = either(side, role, "ip", address)? else { return Ok(None) };
    let port = either(side, role, "port", |key| given.parsed::<u16>(key, "a port"))?;
    Ok(Some(SocketAddr::new(ip, port.unwrap_or(usual))))
}
