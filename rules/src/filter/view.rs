//! What of an event the kernel can see when it decides whether to tell of it.

use std::net::{IpAddr, SocketAddr};

use alert::{
    Call, Connection, Descriptor, DescriptorKind, Detail, Event, EventKind, FileType, OpenFile,
    ParameterKind, ParameterValue, Role,
};

/// What stands in place of a path that could not be read.
const NOT_AVAILABLE: &str = "<NA>";

/// What is seen of one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sight<T> {
    /// It may be there; what it is cannot be told, and every rule stays possible.
    #[default]
    Unknown,
    /// It is not there: comparisons with it are false.
    Absent,
    Value(T),
}

impl<T> From<Option<T>> for Sight<T> {
    /// Absent where there is nothing.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Self::Value)
    }
}

/// Where a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Host,
    Container,
}

/// The protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Tcp,
    Udp,
    Icmp,
    Raw,
}

impl Protocol {
    pub(super) const ALL: [(Self, &'static str); 4] =
        [(Self::Tcp, "tcp"), (Self::Udp, "udp"), (Self::Icmp, "icmp"), (Self::Raw, "raw")];
}

/// A path, read as bytes from its last to its first, or what stands for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathText<'a> {
    Path(&'a str),
    /// The name of a socket with addresses: digits and a little punctuation.
    Ends,
}

/// An event as the kernel sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterView<'a> {
    pub result: Sight<i64>,
    /// Effective user id.
    pub user: Sight<u32>,
    pub scope: Sight<Scope>,
    /// Row of [`open_row`].
    pub open: Sight<u8>,
    /// What the descriptor stands for; absent if the open failed.
    pub descriptor: Sight<DescriptorKind>,
    /// Numbers of the event's parameters, in the order of `EventKind::parameters`.
    pub arguments: Vec<Sight<i64>>,
    pub protocol: Sight<Protocol>,
    /// Ends of a socket; an IPv4 address mapped into IPv6 is the IPv4 address.
    pub local: Sight<SocketAddr>,
    pub remote: Sight<SocketAddr>,
    /// Typed and resolved paths, in any order.
    pub paths: Vec<PathText<'a>>,
    /// A path is there that could not be read.
    pub path_unread: bool,
    /// What the program typed as the path of an open.
    pub typed: Sight<&'a str>,
}

const O_CREAT: u32 = 0o100;
const O_TRUNC: u32 = 0o1000;
const O_DIRECTORY: u32 = 0o200_000;
const O_PATH: u32 = 0o10_000_000;

/// Returns the row of the flags of an open: the access in two bits (read, write, both, `O_PATH`),
/// `O_CREAT` 4, `O_TRUNC` 8, `O_DIRECTORY` 16, 32 if an execute bit is in the mode of a file that
/// may be created, and 64 if the mode has the bit of setuid or setgid.
pub fn open_row(flags: u32, mode: u32) -> u8 {
    let access = if flags & O_PATH != 0 { 3 } else { (flags & 3).min(2) as u8 };
    let bit = |set: bool, bit: u32| u8::from(set) << bit;
    access
        | bit(flags & O_CREAT != 0, 2)
        | bit(flags & O_TRUNC != 0, 3)
        | bit(flags & O_DIRECTORY != 0, 4)
        | bit(flags & O_CREAT != 0 && mode & 0o111 != 0, 5)
        | bit(mode & 0o6000 != 0, 6)
}

/// Returns flags and modes of a row between which all of it lie: the smallest there are, and the
/// largest.
pub(super) fn of_row(row: u8) -> Vec<(u32, u32)> {
    const OTHERS: u32 = !(3 | O_PATH | O_CREAT | O_TRUNC | O_DIRECTORY);
    let has = |bit: u32| row >> bit & 1 != 0;
    let bit = |bit: u32, flag: u32| if has(bit) { flag } else { 0 };
    let access = match row & 3 {
        3 => O_PATH,
        access => access.into(),
    };
    let flags = access | bit(2, O_CREAT) | bit(3, O_TRUNC) | bit(4, O_DIRECTORY);
    let execute: &[u32] = if has(5) { &[0o100, 0o010, 0o001] } else { &[0] };
    let set: &[u32] = if has(6) { &[0o4000, 0o2000] } else { &[0] };
    let smallest = execute.iter().flat_map(|execute| set.iter().map(move |set| execute | set));
    let executable = has(5) || !has(2);
    let largest = 0o1666 | bit(6, 0o6000) | if executable { 0o111 } else { 0 };
    let mut all: Vec<(u32, u32)> = smallest.map(|mode| (flags, mode)).collect();
    all.push((flags | OTHERS, largest));
    all
}

impl<'a> FilterView<'a> {
    /// Returns what the kernel sees of an event.
    pub fn of(event: &'a Event) -> Self {
        let mut view = Self {
            result: Sight::Value(event.result),
            user: Sight::Value(event.process.uid),
            scope: match &event.process.container {
                None => Sight::Value(Scope::Host),
                // Somebody could call a container so.
                Some(container) if &*container.id == "host" => Sight::Unknown,
                Some(_) => Sight::Value(Scope::Container),
            },
            ..Self::default()
        };
        match &event.detail {
            Detail::Open(file) => view.see_file(file, event.result),
            Detail::Connect(socket) => view.see_socket(socket, event.kind),
            Detail::Unlink { path, raw, .. } => view.see_path(raw, path),
            Detail::Module { file, .. } => {
                view.paths.extend(file.as_deref().map(PathText::Path));
            }
            Detail::Ptrace { request, pid } => {
                let number = |name: &str| match name {
                    "request" => Sight::Value(request.cast_signed()),
                    "pid" => Sight::Value((*pid).into()),
                    _ => Sight::Unknown,
                };
                let parameters = event.kind.parameters().iter();
                view.arguments = parameters.map(|parameter| number(parameter.name)).collect();
            }
            Detail::Call(call) => view.see_call(call, event.kind),
            Detail::Exec { .. } | Detail::Clone { .. } | Detail::Exit { .. } => {}
        }
        view
    }

    fn see_file(&mut self, file: &'a OpenFile, result: i64) {
        self.open = Sight::Value(open_row(file.flags, file.mode));
        let kind = match file.file_type {
            FileType::File | FileType::Character | FileType::Block | FileType::Link => {
                DescriptorKind::File
            }
            FileType::Directory => DescriptorKind::Directory,
            FileType::Pipe => DescriptorKind::Pipe,
            FileType::Socket => DescriptorKind::Unix,
            FileType::Other => DescriptorKind::Other,
        };
        self.descriptor = Sight::from((result >= 0).then_some(kind));
        self.typed = match &*file.raw {
            NOT_AVAILABLE => Sight::Unknown,
            typed => Sight::Value(typed),
        };
        self.see_path(&file.raw, &file.path);
        self.paths.extend(file.resolved.as_deref().map(PathText::Path));
    }

    fn see_path(&mut self, raw: &str, full: &'a str) {
        self.path_unread |= raw == NOT_AVAILABLE;
        self.paths.push(PathText::Path(full));
    }

    fn see_socket(&mut self, socket: &'a Connection, kind: EventKind) {
        self.descriptor = Sight::Value(socket.kind());
        self.protocol = match socket.protocol.as_deref() {
            None => Sight::Absent,
            Some(name) => Protocol::ALL
                .into_iter()
                .find(|(_, known)| *known == name)
                .map_or(Sight::Unknown, |(protocol, _)| Sight::Value(protocol)),
        };
        if Some(socket.role) == role_of(kind) || role_of(kind).is_none() {
            let canonical = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
            self.local = Sight::from(socket.local.map(canonical));
            self.remote = Sight::from(socket.remote.map(canonical));
        }
        match &socket.unix {
            _ if socket.local.is_some() || socket.remote.is_some() => {
                self.paths.push(PathText::Ends);
            }
            Some(path) => self.paths.push(PathText::Path(path)),
            None => {}
        }
    }

    fn see_call(&mut self, call: &'a Call, kind: EventKind) {
        for (index, parameter) in kind.parameters().iter().enumerate() {
            let value = call.values.get(index).and_then(Option::as_ref);
            let is_path = matches!(parameter.kind, ParameterKind::Path(_));
            match value {
                Some(ParameterValue::Path { raw, full }) => self.see_path(raw, full),
                Some(ParameterValue::Text(text)) if is_path => {
                    self.paths.push(PathText::Path(text));
                }
                Some(_) if is_path => self.path_unread = true,
                _ => {}
            }
            self.arguments.push(match value {
                Some(ParameterValue::Number(number)) => Sight::Value(*number),
                _ => Sight::Unknown,
            });
        }
        match &call.descriptor {
            Some(Descriptor::Socket(socket)) => self.see_socket(socket, kind),
            Some(Descriptor::Other { kind, name, .. }) => {
                self.descriptor = Sight::Value(*kind);
                self.paths.push(PathText::Path(name));
                self.see_no_socket();
            }
            None => {
                self.descriptor = Sight::Absent;
                self.see_no_socket();
            }
        }
    }

    fn see_no_socket(&mut self) {
        (self.protocol, self.local, self.remote) = (Sight::Absent, Sight::Absent, Sight::Absent);
    }

    pub(super) fn ip(end: Sight<SocketAddr>) -> Sight<IpAddr> {
        match end {
            Sight::Unknown => Sight::Unknown,
            Sight::Absent => Sight::Absent,
            Sight::Value(end) => Sight::Value(end.ip()),
        }
    }

    pub(super) fn port(end: Sight<SocketAddr>) -> Sight<i64> {
        match end {
            Sight::Unknown => Sight::Unknown,
            Sight::Absent => Sight::Absent,
            Sight::Value(end) => Sight::Value(end.port().into()),
        }
    }
}

/// Returns on which side of its socket a process is in events of a kind, if all are the same.
pub(super) const fn role_of(kind: EventKind) -> Option<Role> {
    match kind {
        EventKind::Connect => Some(Role::Client),
        EventKind::Accept | EventKind::Accept4 => Some(Role::Server),
        _ => None,
    }
}
