//! Builds an event from the fields a test case gives. What is left out is that of a plain host
//! process.

use std::{net::SocketAddr, sync::Arc};

use alert::{
    Connection, Container, Detail, Event, EventKind, Executable, FileType, OpenFile, Process,
    ProcessKey, StandardStream,
};

use crate::{
    diagnostic::{Code, Diagnostic},
    ir::nearest,
    text::Files,
    yaml::{Kind, Node},
};

const START_NS: u64 = 1_700_000_000_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

const KEYS: &[&str] = &[
    "evt.type",
    "evt.rawres",
    "evt.via",
    "evt.arg.flags",
    "evt.arg.mode",
    "evt.arg.request",
    "evt.arg.pid",
    "evt.arg.uargs",
    "evt.arg.file",
    "fd.name",
    "fd.nameraw",
    "fd.resolved",
    "fd.type",
    "fd.ino",
    "fd.rip",
    "fd.rport",
    "fd.lip",
    "fd.lport",
    "fd.l4proto",
    "proc.name",
    "proc.exe",
    "proc.exepath",
    "proc.args",
    "proc.env",
    "proc.cwd",
    "proc.tty",
    "proc.pid",
    "proc.vpid",
    "proc.sid",
    "proc.duration",
    "proc.stdin.type",
    "proc.stdout.type",
    "proc.is_exe_writable",
    "proc.is_exe_upper_layer",
    "proc.is_exe_from_memfd",
    "proc.is_exe_deleted",
    "proc.exe_ino.ctime_duration_proc_start",
    "thread.cap_effective",
    "user.name",
    "user.uid",
    "user.loginuid",
    "user.loginname",
    "group.name",
    "group.gid",
    "container.id",
    "container.name",
    "container.type",
    "container.image",
    "container.image.repository",
    "container.image.tag",
    "container.privileged",
    "k8s.ns.name",
    "k8s.pod.name",
    "k8s.pod.uid",
    "parents",
];

type Pairs = [(Node, Node)];

/// Reads one event of a case.
pub(super) fn read(files: &Files, node: &Node) -> Result<Event, Diagnostic> {
    Reader { files }.event(node)
}

struct Reader<'a> {
    files: &'a Files,
}

impl Reader<'_> {
    fn fault<T>(&self, node: &Node, message: impl Into<String>) -> Result<T, Diagnostic> {
        Err(node.error(self.files, Code::YamlValidate, message))
    }

    fn pairs<'n>(&self, node: &'n Node) -> Result<&'n Pairs, Diagnostic> {
        let Kind::Mapping(pairs) = &node.kind else {
            return self.fault(node, "an event is given by its fields, as in `proc.name: cat`");
        };
        for (key, _) in pairs.iter() {
            let name = key.str().unwrap_or_default();
            if !KEYS.contains(&name) {
                let message = format!("a test's event cannot be given `{name}`");
                let fault = key.error(self.files, Code::YamlValidate, message);
                return Err(match nearest(name, KEYS.iter().copied()) {
                    Some(near) => fault.hint(format!("did you mean `{near}`?")),
                    None => fault.hint(format!("these can be given: {}", KEYS.join(" "))),
                });
            }
        }
        Ok(pairs)
    }

    fn text<'n>(&self, pairs: &'n Pairs, key: &str) -> Result<Option<&'n str>, Diagnostic> {
        match get(pairs, key) {
            None => Ok(None),
            Some(node) => match node.str() {
                Some(text) => Ok(Some(text)),
                None => self.fault(node, format!("`{key}` must be a single value")),
            },
        }
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        pairs: &Pairs,
        key: &str,
        default: T,
    ) -> Result<T, Diagnostic> {
        match get(pairs, key) {
            None => Ok(default),
            Some(node) => match node.str().unwrap_or_default().parse() {
                Ok(value) => Ok(value),
                Err(_) => self.fault(node, format!("`{key}` cannot have this value")),
            },
        }
    }

    fn texts(&self, pairs: &Pairs, key: &str) -> Result<Vec<Box<str>>, Diagnostic> {
        let Some(node) = get(pairs, key) else { return Ok(Vec::new()) };
        match &node.kind {
            Kind::Scalar { value, .. } => {
                Ok(value.as_str().split_ascii_whitespace().map(Into::into).collect())
            }
            Kind::Sequence(nodes) => nodes
                .iter()
                .map(|node| match node.str() {
                    Some(text) => Ok(text.into()),
                    None => self.fault(node, "expected a single value"),
                })
                .collect(),
            Kind::Mapping(pairs) => Ok(pairs
                .iter()
                .map(|(name, value)| {
                    let (name, value) = (name.str(), value.str());
                    format!("{}={}", name.unwrap_or_default(), value.unwrap_or_default()).into()
                })
                .collect()),
        }
    }

    fn event(&self, node: &Node) -> Result<Event, Diagnostic> {
        let pairs = self.pairs(node)?;
        let Some(kind) = self.text(pairs, "evt.type")?.and_then(EventKind::from_name) else {
            let names = EventKind::ALL.map(EventKind::name).join(" ");
            return self.fault(node, format!("`evt.type` must be one of: {names}"));
        };
        let process = self.process(pairs)?;
        let default = i64::from(if kind.is_open() { 3 } else { 0 });
        let duration: u64 = self.parsed(pairs, "proc.duration", SECOND_NS)?;
        Ok(Event {
            number: 1,
            time_ns: START_NS + duration,
            kind,
            result: self.parsed(pairs, "evt.rawres", default)?,
            tid: process.key.pid,
            via_io_uring: self.text(pairs, "evt.via")? == Some("io_uring"),
            detail: self.detail(kind, pairs, &process)?,
            process: Arc::new(process),
        })
    }

    fn detail(
        &self,
        kind: EventKind,
        pairs: &Pairs,
        process: &Process,
    ) -> Result<Detail, Diagnostic> {
        let path = self.text(pairs, "fd.name")?.unwrap_or_default();
        let raw = self.text(pairs, "fd.nameraw")?.unwrap_or(path);
        Ok(match kind {
            EventKind::Execve | EventKind::ExecveAt => {
                Detail::Exec { filename: process.executable.path.clone() }
            }
            kind if kind.is_clone() => Detail::Clone { flags: 0 },
            EventKind::ProcExit => Detail::Exit { status: 0 },
            EventKind::Open | EventKind::OpenAt | EventKind::OpenAt2 | EventKind::Creat => {
                Detail::Open(OpenFile {
                    raw: raw.into(),
                    path: path.into(),
                    resolved: Some(self.text(pairs, "fd.resolved")?.unwrap_or(path).into()),
                    flags: self.open_flags(pairs)?,
                    mode: match self.text(pairs, "evt.arg.mode")? {
                        None => 0,
                        Some(octal) => u32::from_str_radix(octal, 8).unwrap_or(0),
                    },
                    file_type: match self.text(pairs, "fd.type")? {
                        Some("directory") => FileType::Directory,
                        Some("pipe") => FileType::Pipe,
                        Some("other") => FileType::Other,
                        _ => FileType::File,
                    },
                    inode: self.parsed(pairs, "fd.ino", 1)?,
                    device: 1,
                })
            }
            EventKind::Connect => self.connection(pairs, path)?,
            EventKind::Ptrace => Detail::Ptrace {
                request: self.ptrace_request(pairs)?,
                pid: self.parsed(pairs, "evt.arg.pid", 1)?,
            },
            EventKind::InitModule | EventKind::FinitModule => Detail::Module {
                parameters: self.text(pairs, "evt.arg.uargs")?.unwrap_or_default().into(),
                file: self.text(pairs, "evt.arg.file")?.map(Into::into),
            },
            EventKind::Unlink | EventKind::UnlinkAt => {
                Detail::Unlink { path: path.into(), raw: raw.into(), directory: false }
            }
            _ => Detail::Call(alert::Call::default()),
        })
    }

    fn connection(&self, pairs: &Pairs, path: &str) -> Result<Detail, Diagnostic> {
        let end = |ip: &str, port: &str, default: u16| match get(pairs, ip) {
            None => Ok(None),
            Some(node) => match node.str().unwrap_or_default().parse() {
                Ok(address) => {
                    Ok(Some(SocketAddr::new(address, self.parsed(pairs, port, default)?)))
                }
                Err(_) => self.fault(node, format!("`{ip}` must be an IP address")),
            },
        };
        let unix = (!path.is_empty()).then(|| path.into());
        let protocol = if unix.is_some() { None } else { Some("tcp") };
        Ok(Detail::Connect(Connection {
            descriptor: 3,
            protocol: self.text(pairs, "fd.l4proto")?.or(protocol).map(Into::into),
            local: end("fd.lip", "fd.lport", 40000)?,
            remote: end("fd.rip", "fd.rport", 443)?,
            unix,
            ..Connection::default()
        }))
    }

    fn open_flags(&self, pairs: &Pairs) -> Result<u32, Diagnostic> {
        let mut flags = 0;
        let Some(node) = get(pairs, "evt.arg.flags") else { return Ok(flags) };
        for name in node.str().unwrap_or_default().split('|') {
            let bit = (0..24).map(|bit| 1 << bit).find(|bit| {
                let names = alert::open_flags(*bit);
                names.split('|').any(|known| known == name && (*bit > 3 || names == name))
            });
            match (bit, name) {
                (Some(bit), _) => flags |= bit,
                (None, "O_RDONLY") => {}
                _ => return self.fault(node, format!("unknown flag `{name}`")),
            }
        }
        Ok(flags)
    }

    fn ptrace_request(&self, pairs: &Pairs) -> Result<u64, Diagnostic> {
        let Some(node) = get(pairs, "evt.arg.request") else { return Ok(16) };
        let name = node.str().unwrap_or_default();
        match (0..0x4300).find(|request| alert::ptrace_request(*request) == name) {
            Some(request) => Ok(request),
            None => self.fault(node, format!("unknown request `{name}`")),
        }
    }

    fn process(&self, pairs: &Pairs) -> Result<Process, Diagnostic> {
        let name = self.text(pairs, "proc.name")?.unwrap_or("program");
        let path = match self.text(pairs, "proc.exepath")? {
            Some(path) => path.to_owned(),
            None => format!("/usr/bin/{name}"),
        };
        let first = self.text(pairs, "proc.exe")?.unwrap_or(name).into();
        let arguments = std::iter::once(first).chain(self.texts(pairs, "proc.args")?).collect();
        let age: u64 =
            self.parsed(pairs, "proc.exe_ino.ctime_duration_proc_start", 86_400 * SECOND_NS)?;
        let pid = self.parsed(pairs, "proc.pid", 1000)?;
        let uid = self.parsed(pairs, "user.uid", 0)?;
        let user = self.text(pairs, "user.name")?.or((uid == 0).then_some("root"));
        let login_uid: i64 = self.parsed(pairs, "user.loginuid", -1)?;
        let parent = self.parents(pairs)?;
        Ok(Process {
            key: ProcessKey { pid, start_boot_ns: SECOND_NS },
            ppid: parent.as_ref().map_or(1, |parent| parent.key.pid),
            vpid: self.parsed(pairs, "proc.vpid", pid)?,
            sid: self.parsed(pairs, "proc.sid", pid)?,
            start_ns: START_NS,
            name: name.into(),
            executable: Executable {
                path: path.into(),
                inode: 1,
                ctime_ns: START_NS.saturating_sub(age),
                mtime_ns: START_NS.saturating_sub(age),
                from_memfd: self.parsed(pairs, "proc.is_exe_from_memfd", false)?,
                upper_layer: self.parsed(pairs, "proc.is_exe_upper_layer", false)?,
                writable: self.parsed(pairs, "proc.is_exe_writable", false)?,
                deleted: self.parsed(pairs, "proc.is_exe_deleted", false)?,
                ..Executable::default()
            },
            arguments,
            environment: self.texts(pairs, "proc.env")?.into(),
            cwd: self.text(pairs, "proc.cwd")?.unwrap_or("/").into(),
            tty: self.parsed(pairs, "proc.tty", 0)?,
            uid,
            gid: self.parsed(pairs, "group.gid", uid)?,
            user: user.map(Into::into),
            group: self.text(pairs, "group.name")?.map(Into::into),
            login_uid: u32::try_from(login_uid).ok(),
            login_user: self.text(pairs, "user.loginname")?.map(Into::into),
            capabilities: self.capabilities(pairs)?,
            stdin: self.stream(pairs, "proc.stdin.type")?,
            stdout: self.stream(pairs, "proc.stdout.type")?,
            container: self.container(pairs)?.map(Arc::new),
            parent,
            ..Process::default()
        })
    }

    /// Reads `parents`, the nearest first: names, or processes given by their fields.
    fn parents(&self, pairs: &Pairs) -> Result<Option<Arc<Process>>, Diagnostic> {
        let Some(node) = get(pairs, "parents") else { return Ok(None) };
        let nodes = match &node.kind {
            Kind::Sequence(nodes) => &nodes[..],
            _ => std::slice::from_ref(node),
        };
        let mut parent: Option<Arc<Process>> = None;
        for (distance, node) in nodes.iter().enumerate().rev() {
            let mut process = match &node.kind {
                Kind::Scalar { value, .. } => {
                    let mut process = self.process(&[])?;
                    process.name = value.as_str().into();
                    process.arguments = [value.as_str().into()].into();
                    process.executable.path = format!("/usr/bin/{}", value.as_str()).into();
                    process
                }
                _ => self.process(self.pairs(node)?)?,
            };
            process.key.pid = 999 - i32::try_from(distance).unwrap_or(0);
            process.ppid = parent.as_ref().map_or(1, |parent| parent.key.pid);
            process.parent = parent;
            parent = Some(Arc::new(process));
        }
        Ok(parent)
    }

    fn capabilities(&self, pairs: &Pairs) -> Result<u64, Diagnostic> {
        let mut bits = 0;
        for name in self.texts(pairs, "thread.cap_effective")? {
            let bit = (0..64).find(|bit| alert::capability_names(1 << bit) == *name);
            match (bit, get(pairs, "thread.cap_effective")) {
                (Some(bit), _) => bits |= 1 << bit,
                (None, Some(node)) => return self.fault(node, format!("unknown `{name}`")),
                (None, None) => {}
            }
        }
        Ok(bits)
    }

    fn stream(&self, pairs: &Pairs, key: &str) -> Result<Option<StandardStream>, Diagnostic> {
        use StandardStream::{File, Ipv4, Ipv6, Other, Pipe, Terminal, Unix};
        let Some(node) = get(pairs, key) else { return Ok(None) };
        let known = [File, Terminal, Pipe, Ipv4, Ipv6, Unix, Other];
        match known.into_iter().find(|stream| Some(stream.name()) == node.str()) {
            Some(stream) => Ok(Some(stream)),
            None => {
                self.fault(node, format!("`{key}` is one of file tty pipe ipv4 ipv6 unix other"))
            }
        }
    }

    fn container(&self, pairs: &Pairs) -> Result<Option<Container>, Diagnostic> {
        let Some(id) = self.text(pairs, "container.id")?.filter(|id| *id != "host") else {
            return Ok(None);
        };
        let text = |key: &str| self.text(pairs, key).map(|text| text.map(Into::into));
        Ok(Some(Container {
            id: id.into(),
            runtime: text("container.type")?,
            name: text("container.name")?,
            image: text("container.image")?,
            image_repository: text("container.image.repository")?,
            image_tag: text("container.image.tag")?,
            privileged: match get(pairs, "container.privileged") {
                None => None,
                Some(_) => Some(self.parsed(pairs, "container.privileged", false)?),
            },
            pod_name: text("k8s.pod.name")?,
            pod_namespace: text("k8s.ns.name")?,
            pod_uid: text("k8s.pod.uid")?,
            ..Container::default()
        }))
    }
}

fn get<'n>(pairs: &'n Pairs, key: &str) -> Option<&'n Node> {
    pairs.iter().find(|(name, _)| name.str() == Some(key)).map(|(_, value)| value)
}
