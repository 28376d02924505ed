//! What a file descriptor of an event stands for.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::is_false;

/// An open file that an event made, used or closed: what `fd.*` describe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Descriptor {
    /// A socket with its ends.
    Socket(Connection),
    /// Anything else, and a socket that has no ends yet.
    Other {
        /// -1 where the call that should have made it failed.
        number: i64,
        kind: DescriptorKind,
        /// A file's full path; empty for what has no name.
        #[serde(default, skip_serializing_if = "str::is_empty")]
        name: Box<str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        inode: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<u64>,
    },
}

impl Descriptor {
    /// Returns its number in the process, -1 for none.
    pub fn number(&self) -> i64 {
        match self {
            Self::Socket(socket) => socket.descriptor.into(),
            Self::Other { number, .. } => *number,
        }
    }

    /// Returns what it stands for.
    pub fn kind(&self) -> DescriptorKind {
        match self {
            Self::Socket(socket) => socket.kind(),
            Self::Other { kind, .. } => *kind,
        }
    }

    /// Returns the path of a file, the ends of a socket, or nothing.
    pub fn name(&self) -> String {
        match self {
            Self::Socket(socket) => socket.name(),
            Self::Other { name, .. } => name.to_string(),
        }
    }
}

macro_rules! descriptor_kinds {
    ($($variant:ident $name:literal $letter:literal;)+) => {
        /// What a descriptor stands for: `fd.type` and `fd.typechar`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum DescriptorKind { $(#[serde(rename = $name)] $variant,)+ }

        impl DescriptorKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the value of `fd.type`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns the value of `fd.typechar`.
            pub const fn letter(self) -> &'static str {
                match self { $(Self::$variant => $letter,)+ }
            }

            /// Returns the kind with this `fd.type`.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.name() == name)
            }
        }
    };
}

descriptor_kinds! {
    File "file" "f";
    Directory "directory" "d";
    Ipv4 "ipv4" "4";
    Ipv6 "ipv6" "6";
    Unix "unix" "u";
    Pipe "pipe" "p";
    Event "event" "e";
    Signal "signalfd" "s";
    EventPoll "eventpoll" "l";
    Inotify "inotify" "i";
    Timer "timerfd" "t";
    Netlink "netlink" "n";
    Bpf "bpf" "b";
    UserFault "userfaultfd" "u";
    IoUring "io_uring" "r";
    Memfd "memfd" "m";
    Pidfd "pidfd" "P";
    Other "other" "o";
}

impl DescriptorKind {
    /// Returns whether it is a socket.
    pub const fn is_socket(self) -> bool {
        matches!(self, Self::Ipv4 | Self::Ipv6 | Self::Unix | Self::Netlink)
    }
}

/// A socket and its ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    pub descriptor: i32,
    /// `tcp`, `udp`, `icmp`, `raw`, or nothing where it does not apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Box<str>>,
    pub local: Option<SocketAddr>,
    pub remote: Option<SocketAddr>,
    /// Path of a Unix socket; an abstract name starts with `@`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unix: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Role::is_client")]
    pub role: Role,
    /// Absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<bool>,
    /// The event gave the socket other ends than it had: a datagram to a new address.
    #[serde(default, skip_serializing_if = "is_false")]
    pub name_changed: bool,
    /// Names by which the ends were looked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Box<EndNames>>,
}

/// On which side of a socket the process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It connects.
    #[default]
    Client,
    /// It accepts.
    Server,
    /// Neither yet: `fd.cip`, `fd.sip` and their like have no value.
    Unknown,
}

impl Role {
    fn is_client(&self) -> bool {
        *self == Self::Client
    }
}

/// Names whose look-up gave the address of an end: one address may serve several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndNames {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub local: Arc<[Box<str>]>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub remote: Arc<[Box<str>]>,
}

impl Connection {
    /// Returns what its ends say it is.
    pub fn kind(&self) -> DescriptorKind {
        match (self.remote.or(self.local), &self.unix) {
            (Some(end), _) if end.is_ipv4() => DescriptorKind::Ipv4,
            (Some(_), _) => DescriptorKind::Ipv6,
            (None, Some(_)) => DescriptorKind::Unix,
            (None, None) => DescriptorKind::Other,
        }
    }

    /// Returns the client's end and the server's, where the role is known.
    pub fn roles(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        match self.role {
            Role::Client => (self.local, self.remote),
            Role::Server => (self.remote, self.local),
            Role::Unknown => (None, None),
        }
    }

    /// Returns `client:port->server:port`, the one end there is, or the Unix socket's path.
    pub fn name(&self) -> String {
        let mut text = String::new();
        self.push_name(&mut text);
        text
    }

    /// Appends [`Self::name`].
    pub fn push_name(&self, text: &mut String) {
        let (first, second) = match self.role {
            Role::Server => (self.remote, self.local),
            Role::Client | Role::Unknown => (self.local, self.remote),
        };
        match (first, second, &self.unix) {
            (Some(first), Some(second), _) => {
                push_end(first, text);
                text.push_str("->");
                push_end(second, text);
            }
            (Some(end), None, _) | (None, Some(end), _) => push_end(end, text),
            (None, None, Some(path)) => text.push_str(path),
            (None, None, None) => {}
        }
    }
}

/// An IPv4 address mapped into IPv6 is the IPv4 address a rule's author means.
fn push_end(end: SocketAddr, text: &mut String) {
    match end.ip().to_canonical() {
        // Written without `fmt`: rules look at the name of every connection.
        IpAddr::V4(ip) => {
            for (place, octet) in ip.octets().into_iter().enumerate() {
                if place > 0 {
                    text.push('.');
                }
                push_number(octet.into(), text);
            }
        }
        IpAddr::V6(ip) => text.push_str(&ip.to_string()),
    }
    text.push(':');
    push_number(end.port(), text);
}

fn push_number(number: u16, text: &mut String) {
    let mut unit = 10_000;
    while unit > 1 && number < unit {
        unit /= 10;
    }
    while unit > 0 {
        text.push(char::from(b'0' + (number / unit % 10) as u8));
        unit /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(role: Role, local: &str, remote: &str) -> Connection {
        let (local, remote) = (local.parse().ok(), remote.parse().ok());
        Connection { role, local, remote, ..Connection::default() }
    }

    #[test]
    fn a_socket_is_named_client_first() {
        for (role, local, remote, name) in [
            (Role::Client, "10.0.0.1:4000", "10.0.0.2:443", "10.0.0.1:4000->10.0.0.2:443"),
            (Role::Server, "10.0.0.1:443", "10.0.0.2:4000", "10.0.0.2:4000->10.0.0.1:443"),
            (Role::Unknown, "0.0.0.0:53", "", "0.0.0.0:53"),
            (Role::Client, "", "10.0.0.2:443", "10.0.0.2:443"),
            (Role::Client, "[::ffff:10.0.0.1]:4", "[::1]:5", "10.0.0.1:4->::1:5"),
        ] {
            assert_eq!(socket(role, local, remote).name(), name);
        }
    }

    #[test]
    fn an_end_is_written_as_addresses_are() {
        for end in
            ["0.7.10.255:0", "100.20.99.1:65535", "1.2.3.4:9", "[::1]:10000", "[2001:db8::1]:80"]
        {
            let mut text = String::new();
            push_end(end.parse().expect("an address"), &mut text);
            assert_eq!(text, end.replace(['[', ']'], ""));
        }
    }

    #[test]
    fn a_kind_is_found_by_its_name() {
        for kind in DescriptorKind::ALL {
            assert_eq!(DescriptorKind::from_name(kind.name()), Some(*kind));
        }
    }
}
