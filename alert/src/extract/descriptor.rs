//! Reads what a descriptor stands for: a file, a socket and its ends.

use std::net::SocketAddr;

use super::file::split_path;
use crate::{Connection, Descriptor, DescriptorKind, Field, Role, Value};

impl Descriptor {
    pub(super) fn value(&self, field: Field) -> Option<Value<'_>> {
        let (kind, name, inode, device) = match self {
            Self::Socket(socket) => return socket.value(field),
            Self::Other { kind, name, inode, device, .. } => (*kind, &**name, inode, device),
        };
        let is_file = matches!(kind, DescriptorKind::File | DescriptorKind::Directory);
        Some(match field {
            Field::FdType => Value::text(kind.name()),
            Field::FdTypechar => Value::text(kind.letter()),
            Field::FdName => Value::text(name),
            Field::FdDirectory if is_file => Value::text(split_path(name).0),
            Field::FdFilename if is_file => Value::text(split_path(name).1),
            Field::FdIno => Value::U64((*inode)?),
            Field::FdDev => Value::U64((*device)?),
            Field::FdSockfamily => Value::text(family(kind)?),
            _ => return None,
        })
    }
}

impl Connection {
    pub(super) fn value(&self, field: Field) -> Option<Value<'_>> {
        let kind = self.kind();
        let (client, server) = self.roles();
        let (local, remote) = (self.local, self.remote);
        match field {
            Field::FdName => Some(Value::Text(self.name().into())),
            Field::FdType => Some(Value::text(kind.name())),
            Field::FdTypechar => Some(Value::text(kind.letter())),
            Field::FdL4proto => self.protocol.as_deref().map(Value::text),
            Field::FdSockfamily => family(kind).map(Value::text),
            Field::FdIp | Field::FdNet => both(ip(local), ip(remote)),
            Field::FdPort | Field::FdProto => both(port(local), port(remote)),
            Field::FdCip | Field::FdCnet => ip(client),
            Field::FdSip | Field::FdSnet => ip(server),
            Field::FdLip | Field::FdLnet => ip(local),
            Field::FdRip | Field::FdRnet => ip(remote),
            Field::FdCport | Field::FdCproto => port(client),
            Field::FdSport | Field::FdSproto => port(server),
            Field::FdLport | Field::FdLproto => port(local),
            Field::FdRport | Field::FdRproto => port(remote),
            Field::FdCipName | Field::FdSipName | Field::FdLipName | Field::FdRipName => {
                self.end_name(field)
            }
            Field::FdIsServer if self.role == Role::Unknown => None,
            Field::FdIsServer => remote.map(|_| Value::Bool(self.role == Role::Server)),
            Field::FdConnected => self.connected.map(Value::Bool),
            Field::FdNameChanged => Some(Value::Bool(self.name_changed)),
            _ => None,
        }
    }

    fn end_name(&self, field: Field) -> Option<Value<'_>> {
        let names = self.names.as_deref()?;
        let is_local = match (field, self.role) {
            (Field::FdLipName, _)
            | (Field::FdCipName, Role::Client)
            | (Field::FdSipName, Role::Server) => true,
            (Field::FdRipName, _)
            | (Field::FdSipName, Role::Client)
            | (Field::FdCipName, Role::Server) => false,
            _ => return None,
        };
        match if is_local { &names.local[..] } else { &names.remote[..] } {
            [] => None,
            [name] => Some(Value::text(name)),
            names => Some(Value::List(names.iter().map(|name| Value::text(name)).collect())),
        }
    }
}

fn family(kind: DescriptorKind) -> Option<&'static str> {
    match kind {
        DescriptorKind::Ipv4 | DescriptorKind::Ipv6 => Some("ip"),
        DescriptorKind::Unix => Some("unix"),
        _ => None,
    }
}

/// An IPv4 address mapped into IPv6 is the IPv4 address a rule's author means.
fn ip(end: Option<SocketAddr>) -> Option<Value<'static>> {
    end.map(|end| Value::Ip(end.ip().to_canonical()))
}

fn port(end: Option<SocketAddr>) -> Option<Value<'static>> {
    end.map(|end| Value::U64(end.port().into()))
}

fn both(local: Option<Value<'static>>, remote: Option<Value<'static>>) -> Option<Value<'static>> {
    let ends: Vec<_> = local.into_iter().chain(remote).collect();
    (!ends.is_empty()).then_some(Value::List(ends))
}
