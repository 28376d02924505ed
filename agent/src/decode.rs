//! Turns raw records of the probe into events.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use alert::{Call, Connection, Detail, Event, FileType, OpenFile};
use probe::{
    Body, Malformed, Record,
    layout::{Connect, Open, flag},
};

use crate::{
    enrich::{
        path::{absolute, text},
        processes::Processes,
    },
    sensor::event_kind,
};

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const SOCK_RAW: u16 = 3;
const AT_REMOVEDIR: u32 = 0x200;
const O_ACCMODE: u32 = 0o3;
const O_PATH: u32 = 0o10_000_000;

/// Makes events, numbered from 1.
#[derive(Debug)]
pub(crate) struct Decoder {
    processes: Processes,
    number: u64,
}

impl Decoder {
    pub(crate) fn new(processes: Processes) -> Self {
        Self { processes, number: 0 }
    }

    pub(crate) fn processes(&self) -> &Processes {
        &self.processes
    }

    pub(crate) fn processes_mut(&mut self) -> &mut Processes {
        &mut self.processes
    }

    /// Returns the event in `bytes`; `None` where the record only tells of a cgroup. Processes and
    /// containers are taken in and let go on the way.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Result<Option<Event>, Malformed> {
        let record = Record::read(bytes)?;
        let header = &record.header;
        let Some(kind) = event_kind(record.kind) else {
            self.processes.cgroup(&record);
            return Ok(None);
        };
        let (process, detail) = match &record.body {
            Body::Execve(exec) => {
                let process = self.processes.exec(&record, exec);
                (process, Detail::Exec { filename: text(record.raw.unwrap_or_default()) })
            }
            Body::Fork(fork) => {
                (self.processes.fork(header, fork), Detail::Clone { flags: fork.flags })
            }
            Body::ProcExit(exit) => {
                (self.processes.exit(header), Detail::Exit { status: exit.status })
            }
            body => {
                if record.has(flag::BASE_IS_CWD)
                    && let Some(base) = record.base
                {
                    self.processes.works_in(header, &text(base));
                }
                let process = self.processes.of(header);
                let detail = detail(&record, body, &process.cwd);
                (process, detail)
            }
        };
        self.number += 1;
        Ok(Some(Event {
            number: self.number,
            time_ns: self.processes.boot_epoch_ns().saturating_add(header.time_ns),
            kind,
            result: header.result,
            tid: header.tid as i32,
            via_io_uring: record.has(flag::IO_URING),
            process,
            detail,
        }))
    }
}

/// Returns the detail of what is not process life.
fn detail(record: &Record<'_>, body: &Body, cwd: &str) -> Detail {
    match body {
        Body::Open(open) => Detail::Open(open_file(record, open, cwd)),
        Body::Connect(connect) => Detail::Connect(connection(record, connect)),
        Body::Call(_) => Detail::Call(Call::default()),
        Body::Ptrace(ptrace) => Detail::Ptrace { request: ptrace.request, pid: ptrace.pid },
        Body::Module(_) => Detail::Module {
            parameters: text(record.parameters.unwrap_or_default()),
            file: record.path.map(text),
        },
        Body::Unlink(unlink) => {
            let (raw, path) = typed_path(record, cwd);
            Detail::Unlink { path, raw, directory: unlink.flags & AT_REMOVEDIR != 0 }
        }
        Body::Execve(_) | Body::Fork(_) | Body::ProcExit(_) | Body::Cgroup(_) => {
            unreachable!("told apart before")
        }
    }
}

/// Returns the path as typed and in full.
fn typed_path(record: &Record<'_>, cwd: &str) -> (Box<str>, Box<str>) {
    let Some(raw) = record.raw else { return ("".into(), "".into()) };
    let raw = text(raw);
    let path = match record.base {
        Some(base) => absolute(&text(base), &raw),
        None => absolute(cwd, &raw),
    };
    (raw, path)
}

fn open_file(record: &Record<'_>, open: &Open, cwd: &str) -> OpenFile {
    let (raw, mut path) = typed_path(record, cwd);
    let resolved = record.path.map(text);
    if record.raw.is_none()
        && let Some(resolved) = &resolved
    {
        path = resolved.clone();
    }
    // How it was opened is the kernel's word, not that of memory another thread can change.
    let flags = match record.header.result >= 0 && !record.has(flag::NO_FILE) {
        true => open.flags & !O_ACCMODE | open.opened_flags & (O_ACCMODE | O_PATH),
        false => open.flags,
    };
    OpenFile {
        raw,
        path,
        resolved,
        flags,
        mode: open.create_mode,
        file_type: file_type(open.mode),
        inode: open.inode,
        device: open.device.into(),
    }
}

fn file_type(mode: u16) -> FileType {
    match mode & 0o170_000 {
        0 | 0o100_000 => FileType::File,
        0o040_000 => FileType::Directory,
        0o020_000 => FileType::Character,
        0o060_000 => FileType::Block,
        0o010_000 => FileType::Pipe,
        0o140_000 => FileType::Socket,
        0o120_000 => FileType::Link,
        _ => FileType::Other,
    }
}

fn connection(record: &Record<'_>, connect: &Connect) -> Connection {
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
        protocol: inet.then(|| protocol(connect)).flatten().map(Into::into),
        local,
        remote,
        unix: (connect.family == AF_UNIX).then(|| unix_path(record.unix.unwrap_or_default())),
        ..Connection::default()
    }
}

fn address(family: u16, bytes: &[u8; 16]) -> IpAddr {
    match family {
        AF_INET => IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])),
        _ => IpAddr::V6(Ipv6Addr::from(*bytes)),
    }
}

/// An IPv6 socket that talks IPv4 is shown as the IPv4 connection it is.
fn canonical(local: IpAddr, remote: IpAddr) -> (IpAddr, IpAddr) {
    match (local.to_canonical(), remote.to_canonical()) {
        (IpAddr::V6(local), remote @ IpAddr::V4(_)) if local.is_unspecified() => {
            (IpAddr::V4(Ipv4Addr::UNSPECIFIED), remote)
        }
        other => other,
    }
}

fn protocol(connect: &Connect) -> Option<&'static str> {
    match (connect.socket_type, connect.protocol) {
        (SOCK_RAW, _) => Some("raw"),
        (_, 6) => Some("tcp"),
        (_, 17) => Some("udp"),
        (_, 1 | 58) => Some("icmp"),
        _ => None,
    }
}

/// A path ends at its first NUL; an abstract name begins with one and may hold more.
fn unix_path(bytes: &[u8]) -> Box<str> {
    match bytes {
        [0, name @ ..] => {
            let name = text(name);
            format!("@{name}").into()
        }
        path => text(path.split(|byte| *byte == 0).next().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use probe::layout::Kind;

    use super::*;
    use crate::enrich::container::Containers;

    /// A record of one kind, with zeroes in its fixed part but for what the tests need.
    fn record(kind: u16, body_bytes: usize, fields: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 80 + body_bytes];
        bytes[..2].copy_from_slice(&kind.to_ne_bytes());
        // A pid nobody has.
        bytes[32..36].copy_from_slice(&0x7fff_fff0_u32.to_ne_bytes());
        for (kind, value) in fields {
            bytes.extend_from_slice(&kind.to_ne_bytes());
            bytes.extend_from_slice(&(value.len() as u16).to_ne_bytes());
            bytes.extend_from_slice(value);
        }
        let length = bytes.len() as u32;
        bytes[4..8].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Event {
        let processes = Processes::new(16, Containers::default(), 1000);
        Decoder::new(processes).decode(bytes).unwrap().unwrap()
    }

    const OPENAT: u16 = Kind::OpenAt as u16;
    const OPEN_BYTES: usize = 32;

    #[test]
    fn an_event_of_a_process_that_is_gone_keeps_what_its_record_tells() {
        let bytes = record(OPENAT, OPEN_BYTES, &[(2, b"x"), (3, b"/base"), (1, b"/real/x")]);
        let event = decode(&bytes);
        assert_eq!(event.process.key.pid, 0x7fff_fff0);
        assert_eq!(*event.process.name, *"");
        let Detail::Open(file) = event.detail else { panic!() };
        assert_eq!((&*file.raw, &*file.path), ("x", "/base/x"));
        assert_eq!(file.resolved.as_deref(), Some("/real/x"));
    }

    #[test]
    fn the_way_of_opening_is_the_kernel_s_word() {
        let mut bytes = record(OPENAT, OPEN_BYTES, &[]);
        let body = 80;
        // Asked for: write, create. Opened: read and write.
        bytes[body + 12..body + 16].copy_from_slice(&0o101_u32.to_ne_bytes());
        bytes[body + 20..body + 24].copy_from_slice(&0o2_u32.to_ne_bytes());
        let Detail::Open(file) = decode(&bytes).detail else { panic!() };
        assert_eq!(file.flags, 0o102);
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
