//! The parameters of system calls, by the table of the probe that says what each argument is.

use std::net::SocketAddr;

use alert::{
    Call, Connection, Descriptor, DescriptorKind, Detail, EventKind, OpenFile, ParameterValue, Role,
};
use probe::{
    Record,
    call::{Source, call},
    layout::{self, CALL_ARGUMENTS, field},
};

use super::{
    descriptor::descriptor,
    socket::{End, end},
};
use crate::enrich::path::{absolute, text};

const AT_FDCWD: i32 = -100;
/// Where Linux starts to look for a port nobody asked for (`net.ipv4.ip_local_port_range`).
const EPHEMERAL: u16 = 32_768;
/// Old programs put this into the upper half of mount's flags (`MS_MGC_VAL`).
const MOUNT_MAGIC: u64 = 0xc0ed_0000;

/// Returns what a call was given.
pub(super) fn detail(
    record: &Record<'_>,
    kind: EventKind,
    body: &layout::Call,
    cwd: &str,
) -> Detail {
    let told = Told { record, arguments: &body.arguments, cwd };
    match kind {
        EventKind::Execve => return Detail::Exec { filename: told.raw(0).unwrap_or_default() },
        EventKind::ExecveAt => return Detail::Exec { filename: told.raw(1).unwrap_or_default() },
        // The low byte is the signal.
        EventKind::Clone => return Detail::Clone { flags: body.arguments[0] & !0xff },
        EventKind::Clone3 => {
            let flags = told.structure::<8>(0, 0).map_or(0, u64::from_ne_bytes);
            return Detail::Clone { flags };
        }
        EventKind::Fork | EventKind::Vfork => return Detail::Clone { flags: 0 },
        EventKind::OpenByHandleAt => return Detail::Open(opened(record, body.arguments[2] as u32)),
        _ => {}
    }
    let row = call(record.kind);
    let sources = row.map_or(&[][..], |row| row.sources);
    let descriptor = told.descriptor(kind, row.is_some_and(|row| row.makes()), sources);
    let values = sources.iter().map(|source| told.value(*source, descriptor.as_ref())).collect();
    Detail::Call(Call { values, descriptor })
}

/// A record of a call, and its arguments as the registers held them.
struct Told<'a> {
    record: &'a Record<'a>,
    arguments: &'a [u64; CALL_ARGUMENTS],
    cwd: &'a str,
}

impl Told<'_> {
    fn value(&self, source: Source, made: Option<&Descriptor>) -> Option<ParameterValue> {
        let number = |number: i64| Some(ParameterValue::Number(number));
        match source {
            Source::Result => None,
            Source::Signed(at) | Source::Descriptor(at) => number(self.signed(at).into()),
            Source::Unsigned(at) => number((self.argument(at) as u32).into()),
            Source::Long(at) => number(self.argument(at).cast_signed()),
            Source::MountFlags(at) => number(mount_flags(self.argument(at)).cast_signed()),
            Source::Path(at) | Source::PathAt(at, _) => self.path(at),
            Source::Directory(at, path) => Some(self.directory(at, path)),
            Source::Text(at) | Source::TextIf(at, _) => {
                self.field(field::TEXT, at).map(|bytes| ParameterValue::Text(text(bytes)))
            }
            Source::Same(at) => Some(same(self.signed(at), made)),
            Source::Address(at, _) => {
                let end = end(self.field(field::ADDRESS, at)?)?;
                Some(ParameterValue::Text(end.shown()))
            }
            Source::Data(at, _)
            | Source::DataBack(at)
            | Source::Message(at)
            | Source::MessageBack(at)
            | Source::Vector(at) => {
                self.field(field::DATA, at).map(|bytes| ParameterValue::Bytes(bytes.into()))
            }
            Source::MessageSize(at) => {
                number(u64::from_ne_bytes(self.structure(at, 0)?).cast_signed())
            }
            Source::Member(at, offset) => {
                number(u32::from_ne_bytes(self.structure(at, offset)?).into())
            }
            Source::Halves(at, low, high) => {
                let half =
                    |offset| Some(u64::from(u32::from_ne_bytes(self.structure(at, offset)?)));
                number((half(high)? << 32 | half(low)?).cast_signed())
            }
        }
    }

    fn argument(&self, at: u8) -> u64 {
        self.arguments.get(usize::from(at)).copied().unwrap_or_default()
    }

    fn signed(&self, at: u8) -> i32 {
        self.argument(at) as i32
    }

    fn field(&self, kind: u16, at: u8) -> Option<&[u8]> {
        self.record.field_of(kind, Some(at))
    }

    /// Returns the path of an argument as it was typed.
    fn raw(&self, at: u8) -> Option<Box<str>> {
        self.field(field::RAW, at).map(text)
    }

    /// Returns a number's bytes in the structure an argument points to.
    fn structure<const N: usize>(&self, at: u8, offset: u8) -> Option<[u8; N]> {
        let bytes = self.field(field::STRUCTURE, at)?.get(usize::from(offset)..)?;
        bytes.first_chunk().copied()
    }

    fn path(&self, at: u8) -> Option<ParameterValue> {
        let raw = self.raw(at)?;
        let full = match self.field(field::BASE, at) {
            Some(base) => absolute(&text(base), &raw),
            None => absolute(self.cwd, &raw),
        };
        Some(ParameterValue::Path { raw, full })
    }

    /// A directory is known where the path that starts at it is relative.
    fn directory(&self, at: u8, path: u8) -> ParameterValue {
        let number = self.signed(at);
        match self.field(field::BASE, path) {
            Some(base) if number != AT_FDCWD => ParameterValue::Descriptor {
                number: number.into(),
                kind: DescriptorKind::Directory,
                name: text(base),
            },
            _ => ParameterValue::Number(number.into()),
        }
    }

    /// Returns what the event is about.
    fn descriptor(&self, kind: EventKind, makes: bool, sources: &[Source]) -> Option<Descriptor> {
        let given = sources.iter().find_map(|source| match source {
            Source::Descriptor(at) => Some(*at),
            _ => None,
        });
        let found = match (makes, given) {
            (true, _) => descriptor(self.record, None, None),
            (false, Some(at)) => descriptor(self.record, Some(at), self.named_end(kind)),
            (false, None) => None,
        };
        match found? {
            Descriptor::Socket(mut socket) => {
                socket.role = role(kind, &socket);
                Some(Descriptor::Socket(socket))
            }
            // Most commands of bpf(2) make no descriptor.
            Descriptor::Other { kind: told, .. }
                if kind == EventKind::Bpf && told != DescriptorKind::Bpf =>
            {
                None
            }
            other => Some(other),
        }
    }

    /// Returns the address a datagram goes to or comes from.
    fn named_end(&self, kind: EventKind) -> Option<End> {
        let at = match kind {
            EventKind::SendTo | EventKind::RecvFrom => 4,
            EventKind::SendMsg | EventKind::SendMmsg | EventKind::RecvMsg | EventKind::RecvMmsg => {
                1
            }
            _ => return None,
        };
        end(self.field(field::ADDRESS, at)?)
    }
}

/// Returns on which side of its socket the process is.
fn role(kind: EventKind, socket: &Connection) -> Role {
    use EventKind::{
        Accept, Accept4, Bind, Listen, RecvFrom, RecvMmsg, RecvMsg, SendMmsg, SendMsg, SendTo,
    };
    if let Accept | Accept4 | Bind | Listen = kind {
        return Role::Server;
    }
    let by_ports = side(socket.local, socket.remote);
    by_ports.unwrap_or(match kind {
        SendTo | SendMsg | SendMmsg => Role::Client,
        RecvFrom | RecvMsg | RecvMmsg => Role::Server,
        _ => Role::Unknown,
    })
}

/// Returns the file that a handle led to.
fn opened(record: &Record<'_>, flags: u32) -> OpenFile {
    let told = record.descriptor_of(None).unwrap_or_default();
    let path = record.field_of(field::PATH, None).map(text);
    OpenFile {
        raw: "".into(),
        path: path.clone().unwrap_or_default(),
        resolved: path,
        flags: super::flags(record, flags, told.flags),
        mode: 0,
        file_type: super::file_type(told.mode),
        inode: told.inode,
        device: told.device.into(),
    }
}

/// The port of a client is one the kernel chose, that of a server is not.
fn side(local: Option<SocketAddr>, remote: Option<SocketAddr>) -> Option<Role> {
    match (local?.port() >= EPHEMERAL, remote?.port() >= EPHEMERAL) {
        (true, false) => Some(Role::Client),
        (false, true) => Some(Role::Server),
        _ => None,
    }
}

/// A copy of a descriptor stands for the same file.
fn same(number: i32, made: Option<&Descriptor>) -> ParameterValue {
    let number = i64::from(number);
    match made {
        Some(made) => {
            ParameterValue::Descriptor { number, kind: made.kind(), name: made.name().into() }
        }
        None => ParameterValue::Number(number),
    }
}

fn mount_flags(flags: u64) -> u64 {
    match flags & 0xffff_0000 {
        MOUNT_MAGIC => flags & 0xffff,
        _ => flags,
    }
}

#[cfg(test)]
mod tests {
    use probe::call::CALLS;

    use super::*;
    use crate::sensor::event_kind;

    #[test]
    fn every_row_has_a_source_for_each_parameter() {
        for call in CALLS.iter().filter(|call| !call.sources.is_empty()) {
            let kind = event_kind(call.kind).expect("an event");
            assert_eq!(call.sources.len(), kind.parameters().len(), "{kind:?}");
            assert_eq!(
                call.makes(),
                kind.descriptor_use() == alert::DescriptorUse::Made,
                "{kind:?}"
            );
        }
    }

    #[test]
    fn the_higher_port_is_the_client_s() {
        let end = |port| Some(SocketAddr::from(([127, 0, 0, 1], port)));
        for (local, remote, expected) in [
            (40_000, 443, Some(Role::Client)),
            (443, 40_000, Some(Role::Server)),
            (40_000, 40_001, None),
            (53, 53, None),
        ] {
            assert_eq!(side(end(local), end(remote)), expected, "{local} {remote}");
        }
        assert_eq!(side(end(40_000), None), None);
    }

    #[test]
    fn old_marks_are_no_mount_flags() {
        assert_eq!(mount_flags(0xc0ed_0001), 1);
        assert_eq!(mount_flags(0x8000_0001), 0x8000_0001);
    }
}
