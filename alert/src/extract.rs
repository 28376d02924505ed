//! Reads an event by field name.
//!
//! A field the event does not have yields `None`, and every comparison with it is false. A few
//! fields yield the text `<NA>` instead, as Falco's do (reference: `docs/fields.md`).

use std::{borrow::Cow, net::IpAddr};

use crate::{
    Access, Argument, Connection, Container, Detail, Event, EventKind, Field, FileType, Labels,
    OpenFile, PodQos, Process, StandardStream, Value,
};

const NOT_AVAILABLE: &str = "<NA>";

/// Ancestors named in `saker.proc.chain`.
const CHAIN_MAX: usize = 8;

const O_ACCMODE: u32 = 0o3;
const O_CREAT: u32 = 0o100;

impl Event {
    /// Returns the value of a field, or `None` when this event has none.
    pub fn value(&self, field: Field, argument: &Argument) -> Option<Value<'_>> {
        if field.is_process_state() {
            return self.process.value(field, argument);
        }
        Some(match field {
            Field::EvtType => Value::text(self.kind.name()),
            Field::EvtNum => Value::U64(self.number),
            Field::EvtTime => Value::U64(self.time_ns),
            Field::EvtDir => Value::text("<"),
            Field::EvtCategory => Value::text(self.category()),
            Field::EvtRawres => Value::I64(self.result),
            Field::EvtRes => Value::Text(result_name(self.result)),
            Field::EvtFailed => Value::Bool(self.result < 0),
            Field::EvtArgs | Field::EvtInfo => Value::Text(self.arguments_text().into()),
            Field::EvtCount => Value::U64(1),
            Field::EvtLatency => Value::U64(0),
            Field::EvtTimeIso => {
                let time = jiff::Timestamp::from_nanosecond(self.time_ns.into()).ok()?;
                Value::Text(time.to_string().into())
            }
            Field::ThreadIsmain => Value::Bool(self.tid == self.process.key.pid),
            Field::FdContainername | Field::FdContainerdirectory => {
                let name = match field {
                    Field::FdContainername => Field::FdName,
                    _ => Field::FdDirectory,
                };
                let container =
                    self.process.container_value(Field::ContainerId, &Argument::None)?;
                let name = self.value(name, &Argument::None)?;
                Value::Text(format!("{container}:{name}").into())
            }
            Field::EvtArg => return self.argument(argument),
            Field::EvtVia => Value::text(if self.via_io_uring { "io_uring" } else { "syscall" }),
            Field::ProcDuration => Value::U64(self.time_ns.saturating_sub(self.process.start_ns)),
            Field::ThreadTid => Value::I64(self.tid.into()),
            Field::FdNum => match &self.detail {
                Detail::Open(_) => Value::I64(self.result.max(-1)),
                Detail::Connect(connection) => Value::I64(connection.descriptor.into()),
                _ => return None,
            },
            _ => return self.descriptor_value(field),
        })
    }

    fn category(&self) -> &'static str {
        match self.detail {
            Detail::Exec { .. } | Detail::Clone { .. } | Detail::Exit { .. } => "process",
            Detail::Open(_) | Detail::Unlink { .. } => "file",
            Detail::Connect(_) => "net",
            Detail::Ptrace { .. } | Detail::Module { .. } => "other",
        }
    }

    fn descriptor_value(&self, field: Field) -> Option<Value<'_>> {
        match &self.detail {
            Detail::Open(file) => file.value(field, self.result),
            Detail::Connect(connection) => connection.value(field),
            _ => None,
        }
    }

    fn argument(&self, argument: &Argument) -> Option<Value<'_>> {
        // Opens and deletions are frequent: find the one argument without making the others.
        match (&self.detail, argument) {
            (Detail::Open(file), Argument::Key(key)) => {
                let creat = self.kind == EventKind::Creat;
                return Some(match &**key {
                    "fd" => Value::I64(self.result),
                    "name" => Value::text(&file.path),
                    "flags" if !creat => Value::Text(open_flags(file.flags).into()),
                    "creat_flags" if creat => Value::Text(open_flags(file.flags).into()),
                    "mode" => Value::Text(mode_text(file.mode).into()),
                    "dev" => Value::U64(file.device),
                    "ino" => Value::U64(file.inode),
                    _ => return None,
                });
            }
            (Detail::Connect(_), Argument::Key(key))
                if !matches!(&**key, "res" | "tuple" | "fd") =>
            {
                return None;
            }
            _ => {}
        }
        let named = self.named_arguments();
        let (_, value) = match argument {
            Argument::None => return None,
            Argument::Index(index) => named.into_iter().nth(*index as usize)?,
            Argument::Key(key) => named.into_iter().find(|(name, _)| **name == **key)?,
        };
        Some(value)
    }

    fn arguments_text(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.named_arguments() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(name);
            text.push('=');
            text.push_str(&value.to_string());
        }
        text
    }

    /// Names and order are those of the reference's event table.
    fn named_arguments(&self) -> Vec<(&'static str, Value<'_>)> {
        let result = Value::I64(self.result);
        let path = |path| Value::text(path);
        match &self.detail {
            Detail::Exec { filename } => vec![
                ("res", result),
                (
                    "exe",
                    self.process
                        .value(Field::ProcExe, &Argument::None)
                        .unwrap_or(Value::text(NOT_AVAILABLE)),
                ),
                (
                    "args",
                    self.process.value(Field::ProcArgs, &Argument::None).unwrap_or(Value::text("")),
                ),
                ("tid", Value::I64(self.tid.into())),
                ("pid", Value::I64(self.process.key.pid.into())),
                ("ptid", Value::I64(self.process.ppid.into())),
                ("cwd", path(&self.process.cwd)),
                ("comm", path(&self.process.name)),
                ("tty", Value::U64(self.process.tty.into())),
                ("flags", Value::Text(exec_flags(&self.process).into())),
                ("uid", Value::U64(self.process.uid.into())),
                ("trusted_exepath", path(&self.process.executable.path)),
                ("gid", Value::U64(self.process.gid.into())),
                ("filename", path(filename)),
            ],
            Detail::Clone { flags } => vec![("res", result), ("flags", Value::U64(*flags))],
            Detail::Exit { status } => vec![
                ("status", Value::I64((*status).into())),
                ("ret", Value::I64(i64::from(*status >> 8 & 0xff))),
                ("sig", Value::I64(i64::from(*status & 0x7f))),
            ],
            Detail::Open(file) => {
                let flags = if self.kind == EventKind::Creat { "creat_flags" } else { "flags" };
                vec![
                    ("fd", result),
                    ("name", path(&file.path)),
                    (flags, Value::Text(open_flags(file.flags).into())),
                    ("mode", Value::Text(mode_text(file.mode).into())),
                    ("dev", Value::U64(file.device)),
                    ("ino", Value::U64(file.inode)),
                ]
            }
            Detail::Connect(connection) => vec![
                ("res", result),
                ("tuple", Value::Text(connection.name().into())),
                ("fd", Value::I64(connection.descriptor.into())),
            ],
            Detail::Ptrace { request, pid } => vec![
                ("res", result),
                ("request", Value::Text(ptrace_request(*request))),
                ("pid", Value::I64((*pid).into())),
            ],
            Detail::Module { parameters, file } => {
                let mut named = vec![("res", result), ("uargs", path(parameters))];
                if let Some(file) = file {
                    named.push(("file", path(file)));
                }
                named
            }
            Detail::Unlink { path: full, raw, directory } => vec![
                ("res", result),
                (if self.kind == EventKind::Unlink { "path" } else { "name" }, path(full)),
                ("raw", path(raw)),
                ("flags", path(if *directory { "AT_REMOVEDIR" } else { "" })),
            ],
        }
    }
}

impl Process {
    /// Returns the value of a field that depends on the process alone.
    pub fn value(&self, field: Field, argument: &Argument) -> Option<Value<'_>> {
        let parent = self.parent.as_deref();
        Some(match field {
            Field::ProcPid => Value::I64(self.key.pid.into()),
            Field::ProcPpid => Value::I64(self.ppid.into()),
            Field::ProcVpid => Value::I64(self.vpid.into()),
            Field::ProcSid => Value::I64(self.sid.into()),
            Field::ProcName => Value::text(&self.name),
            Field::ProcExe => Value::text(self.arguments.first()?),
            Field::ProcExepath => Value::text(&self.executable.path),
            Field::ProcArgs => Value::Text(self.joined_arguments().into()),
            Field::ProcCmdline => Value::Text(self.command_line().into()),
            Field::ProcCmdnargs => Value::U64(self.arguments.len().saturating_sub(1) as u64),
            Field::ProcEnv => return self.environment_value(argument),
            Field::ProcCwd if self.cwd.ends_with('/') || self.cwd.is_empty() => {
                Value::text(&self.cwd)
            }
            Field::ProcCwd => Value::Text(format!("{}/", self.cwd).into()),
            Field::ProcTty => Value::U64(self.tty.into()),
            Field::ProcPname => Value::text(&parent?.name),
            Field::ProcPexe => Value::text(parent?.arguments.first()?),
            Field::ProcPexepath => Value::text(&parent?.executable.path),
            Field::ProcPcmdline => Value::Text(parent?.command_line().into()),
            Field::ProcSname => Value::text(&self.session_leader()?.name),
            Field::ProcSexe => Value::text(self.session_leader()?.arguments.first()?),
            Field::ProcSexepath => Value::text(&self.session_leader()?.executable.path),
            Field::ProcIsSidLeader => Value::Bool(self.key.pid == self.sid),
            Field::ProcPvpid => Value::I64(parent?.vpid.into()),
            Field::ProcCmdlenargs => {
                let arguments = self.arguments.get(1..).unwrap_or_default();
                Value::U64(arguments.iter().map(|argument| argument.len() as u64).sum())
            }
            Field::ProcExeline => Value::Text(self.arguments.join(" ").into()),
            Field::ProcAname
            | Field::ProcAexe
            | Field::ProcAexepath
            | Field::ProcAcmdline
            | Field::ProcApid => return self.ancestor_value(field, argument),
            Field::ProcIsExeWritable => Value::Bool(self.executable.writable),
            Field::ProcIsExeUpperLayer => Value::Bool(self.executable.upper_layer),
            Field::ProcIsExeFromMemfd => Value::Bool(self.executable.from_memfd),
            Field::ProcIsExeDeleted => Value::Bool(self.executable.deleted),
            Field::ProcExeIno => Value::U64(self.executable.inode),
            Field::ProcExeInoCtime => Value::U64(self.executable.ctime_ns),
            Field::ProcExeInoMtime => Value::U64(self.executable.mtime_ns),
            Field::ProcExeInoCtimeDurationProcStart => {
                Value::U64(self.start_ns.saturating_sub(self.executable.ctime_ns))
            }
            Field::ProcStdinType => Value::text(self.stdin?.name()),
            Field::ProcStdoutType => Value::text(self.stdout?.name()),
            Field::ThreadCapEffective => Value::Text(capability_names(self.capabilities).into()),
            Field::UserUid => Value::U64(self.uid.into()),
            Field::UserName => Value::text(name_or(self.user.as_deref(), Some(self.uid))),
            Field::UserLoginuid => Value::I64(self.login_uid.map_or(-1, i64::from)),
            Field::UserLoginname => {
                Value::text(name_or(self.login_user.as_deref(), self.login_uid))
            }
            Field::GroupGid => Value::U64(self.gid.into()),
            Field::GroupName => Value::text(name_or(self.group.as_deref(), Some(self.gid))),
            Field::SakerProcStartBootNs => Value::U64(self.key.start_boot_ns),
            Field::SakerProcChain => Value::Text(self.chain()?.into()),
            _ => return self.container_value(field, argument),
        })
    }

    /// Returns the names of the nearest ancestors, the parent first.
    fn chain(&self) -> Option<String> {
        // A process chooses its name: it must not be able to add links.
        let names: Vec<_> = self
            .ancestors()
            .take(CHAIN_MAX)
            .map(|process| process.name.replace('<', "\u{2039}"))
            .collect();
        (!names.is_empty()).then(|| names.join(" < "))
    }

    fn session_leader(&self) -> Option<&Process> {
        std::iter::once(self).chain(self.ancestors()).find(|process| process.key.pid == self.sid)
    }

    fn ancestor_value(&self, field: Field, argument: &Argument) -> Option<Value<'_>> {
        let own = match field {
            Field::ProcAname => Field::ProcName,
            Field::ProcAexe => Field::ProcExe,
            Field::ProcAexepath => Field::ProcExepath,
            Field::ProcAcmdline => Field::ProcCmdline,
            _ => Field::ProcPid,
        };
        match argument {
            Argument::Index(0) => self.value(own, &Argument::None),
            Argument::Index(index) => {
                self.ancestors().nth(*index as usize - 1)?.value(own, &Argument::None)
            }
            _ => {
                let values: Vec<_> = self
                    .ancestors()
                    .filter_map(|process| process.value(own, &Argument::None))
                    .collect();
                (!values.is_empty()).then_some(Value::List(values))
            }
        }
    }

    fn container_value(&self, field: Field, argument: &Argument) -> Option<Value<'_>> {
        let Some(container) = self.container.as_deref() else {
            return matches!(
                field,
                Field::ContainerId | Field::ContainerName | Field::ContainerType
            )
            .then_some(Value::text("host"));
        };
        let text = match field {
            Field::ContainerId => Some(container.id.get(..12).unwrap_or(&container.id)),
            Field::ContainerFullId => Some(&*container.id),
            Field::ContainerName => container.name.as_deref(),
            Field::ContainerType => container.runtime.as_deref(),
            Field::ContainerImage => container.image.as_deref(),
            Field::ContainerImageRepository => container.image_repository.as_deref(),
            Field::ContainerImageTag => container.image_tag.as_deref(),
            Field::ContainerImageDigest => container.image_digest.as_deref(),
            Field::ContainerImageId => container.image_id.as_deref(),
            Field::ContainerPrivileged => return container.privileged.map(Value::Bool),
            Field::ContainerLabel => label(&container.labels, argument),
            Field::ContainerLabels => return labels_text(&container.labels),
            Field::K8sNsName => container.pod_namespace.as_deref(),
            Field::K8sPodName => container.pod_name.as_deref(),
            Field::K8sPodUid | Field::K8sPodId => container.pod_uid.as_deref(),
            Field::K8sPodIp | Field::ContainerIp => container.pod_ip.as_deref(),
            Field::K8sPodLabel => label(&container.pod_labels, argument),
            Field::K8sPodLabels => return labels_text(&container.pod_labels),
            Field::SakerPodQos => container.pod_qos.map(PodQos::name),
            Field::SakerContainerMissing => return missing_text(container),
            _ => None,
        };
        text.map(Value::text)
    }

    fn environment_value(&self, argument: &Argument) -> Option<Value<'_>> {
        let Argument::Key(name) = argument else {
            return Some(Value::Text(self.environment.join(" ").into()));
        };
        self.environment
            .iter()
            .find_map(|variable| variable.strip_prefix(&**name)?.strip_prefix('='))
            .map(Value::text)
    }

    fn joined_arguments(&self) -> String {
        self.arguments.get(1..).unwrap_or_default().join(" ")
    }

    /// Returns the short name and the arguments after the first.
    pub fn command_line(&self) -> String {
        let arguments = self.joined_arguments();
        if arguments.is_empty() {
            self.name.to_string()
        } else {
            format!("{} {arguments}", self.name)
        }
    }
}

impl OpenFile {
    fn value(&self, field: Field, result: i64) -> Option<Value<'_>> {
        let opened = result >= 0;
        Some(match field {
            Field::FdName => Value::text(&self.path),
            Field::FdNameRaw => Value::text(&self.raw),
            Field::FdResolved => Value::text(self.resolved.as_deref()?),
            Field::FdDirectory => Value::text(split_path(&self.path).0),
            Field::FdFilename if opened => Value::text(split_path(&self.path).1),
            Field::FdType if opened => Value::text(self.file_type.name()),
            Field::FdTypechar => Value::text(if opened { self.file_type.letter() } else { "f" }),
            Field::FdIno if opened => Value::U64(self.inode),
            Field::FdDev if opened => Value::U64(self.device),
            Field::EvtIsOpenRead => {
                Value::Bool(matches!(self.access(), Access::Read | Access::ReadWrite))
            }
            Field::EvtIsOpenWrite => {
                Value::Bool(matches!(self.access(), Access::Write | Access::ReadWrite))
            }
            Field::EvtIsOpenCreate => Value::Bool(self.flags & O_CREAT != 0),
            Field::EvtIsOpenExec => {
                Value::Bool(self.flags & O_CREAT != 0 && self.mode & 0o111 != 0)
            }
            _ => return None,
        })
    }

    /// Returns which way the flags ask for the file.
    pub fn access(&self) -> Access {
        const O_PATH: u32 = 0o10_000_000;
        match self.flags & O_ACCMODE {
            _ if self.flags & O_PATH != 0 => Access::Path,
            0 => Access::Read,
            1 => Access::Write,
            _ => Access::ReadWrite,
        }
    }
}

impl Connection {
    fn value(&self, field: Field) -> Option<Value<'_>> {
        let kind = match (&self.remote, &self.unix) {
            (Some(remote), _) if remote.is_ipv4() => ("ipv4", "4"),
            (Some(_), _) => ("ipv6", "6"),
            (None, Some(_)) => ("unix", "u"),
            (None, None) => ("other", "o"),
        };
        let ip = |end: &Option<std::net::SocketAddr>| end.map(|end| Value::Ip(canonical(end.ip())));
        let port =
            |end: &Option<std::net::SocketAddr>| end.map(|end| Value::U64(end.port().into()));
        let both = |local: Option<Value<'static>>, remote: Option<Value<'static>>| {
            let ends: Vec<_> = local.into_iter().chain(remote).collect();
            (!ends.is_empty()).then_some(Value::List(ends))
        };
        match field {
            Field::FdName => Some(Value::Text(self.name().into())),
            Field::FdType => Some(Value::text(kind.0)),
            Field::FdTypechar => Some(Value::text(kind.1)),
            Field::FdL4proto => self.protocol.as_deref().map(Value::text),
            Field::FdSockfamily if self.unix.is_some() => Some(Value::text("unix")),
            Field::FdSockfamily => self.remote.map(|_| Value::text("ip")),
            Field::FdIp | Field::FdNet => both(ip(&self.local), ip(&self.remote)),
            Field::FdPort | Field::FdProto => both(port(&self.local), port(&self.remote)),
            // The program that connects is the client.
            Field::FdCip | Field::FdLip | Field::FdCnet | Field::FdLnet => ip(&self.local),
            Field::FdSip | Field::FdRip | Field::FdSnet | Field::FdRnet => ip(&self.remote),
            Field::FdCport | Field::FdLport | Field::FdCproto | Field::FdLproto => {
                port(&self.local)
            }
            Field::FdSport | Field::FdRport | Field::FdSproto | Field::FdRproto => {
                port(&self.remote)
            }
            Field::FdIsServer => self.remote.map(|_| Value::Bool(false)),
            _ => None,
        }
    }

    /// Returns `client:port->server:port`, or the Unix socket's path.
    pub fn name(&self) -> String {
        match (&self.local, &self.remote, &self.unix) {
            (Some(local), Some(remote), _) => format!("{}->{}", end(local), end(remote)),
            (None, Some(remote), _) => end(remote),
            (_, None, Some(path)) => path.to_string(),
            (_, None, None) => String::new(),
        }
    }
}

/// An IPv4 address mapped into IPv6 is the IPv4 address a rule's author means.
fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

fn end(address: &std::net::SocketAddr) -> String {
    format!("{}:{}", canonical(address.ip()), address.port())
}

fn split_path(path: &str) -> (&str, &str) {
    match path.rsplit_once('/') {
        Some(("", filename)) => ("/", filename),
        Some(parts) => parts,
        None => ("", path),
    }
}

fn label<'a>(labels: &'a Labels, argument: &Argument) -> Option<&'a str> {
    match argument {
        Argument::Key(name) => labels.get(name),
        Argument::Index(number) => labels.get(number.to_string().as_str()),
        Argument::None => None,
    }
    .map(|value| &**value)
}

/// Returns all labels as Falco prints them, or `None` when there is none.
fn labels_text(labels: &Labels) -> Option<Value<'_>> {
    let texts: Vec<_> = labels.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    (!texts.is_empty()).then(|| Value::Text(texts.join(", ").into()))
}

fn missing_text(container: &Container) -> Option<Value<'_>> {
    let texts: Vec<_> = container
        .missing
        .iter()
        .map(|(field, reason)| format!("{field}={}", reason.name()))
        .collect();
    (!texts.is_empty()).then(|| Value::Text(texts.join(",").into()))
}

fn name_or(name: Option<&str>, id: Option<u32>) -> &str {
    match (name, id) {
        (Some(name), _) => name,
        (None, Some(0)) => "root",
        (None, _) => NOT_AVAILABLE,
    }
}

impl FileType {
    pub const fn name(self) -> &'static str {
        match self {
            Self::File | Self::Character | Self::Block | Self::Link => "file",
            Self::Directory => "directory",
            Self::Pipe => "pipe",
            Self::Socket => "unix",
            Self::Other => "other",
        }
    }

    const fn letter(self) -> &'static str {
        match self {
            Self::File | Self::Character | Self::Block | Self::Link => "f",
            Self::Directory => "d",
            Self::Pipe => "p",
            Self::Socket => "u",
            Self::Other => "o",
        }
    }
}

impl StandardStream {
    pub const fn name(self) -> &'static str {
        match self {
            Self::File | Self::Null => "file",
            Self::Terminal => "tty",
            Self::Pipe => "pipe",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Unix => "unix",
            Self::Other => "other",
        }
    }
}

fn exec_flags(process: &Process) -> String {
    let executable = &process.executable;
    let flags = [
        (executable.writable, "EXE_WRITABLE"),
        (executable.upper_layer, "EXE_UPPER_LAYER"),
        (executable.from_memfd, "EXE_FROM_MEMFD"),
    ];
    join_flags(flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name))
}

/// Returns the names of `O_*` bits, joined by `|`.
pub fn open_flags(flags: u32) -> String {
    const NAMED: [(u32, &str); 13] = [
        (O_CREAT, "O_CREAT"),
        (0o2000, "O_APPEND"),
        (0o10000, "O_DSYNC"),
        (0o200, "O_EXCL"),
        (0o4000, "O_NONBLOCK"),
        (0o4_010_000, "O_SYNC"),
        (0o1000, "O_TRUNC"),
        (0o40000, "O_DIRECT"),
        (0o200_000, "O_DIRECTORY"),
        (0o100_000, "O_LARGEFILE"),
        (0o2_000_000, "O_CLOEXEC"),
        (0o10_000_000, "O_PATH"),
        (0o20_200_000, "O_TMPFILE"),
    ];
    let access = match flags & O_ACCMODE {
        0 => "O_RDONLY",
        1 => "O_WRONLY",
        _ => "O_RDWR",
    };
    let named = NAMED.into_iter().filter(|(bits, _)| flags & bits == *bits).map(|(_, name)| name);
    join_flags(std::iter::once(access).chain(named))
}

fn mode_text(mode: u32) -> String {
    const NAMED: [(u32, &str); 12] = [
        (0o100, "S_IXUSR"),
        (0o200, "S_IWUSR"),
        (0o400, "S_IRUSR"),
        (0o010, "S_IXGRP"),
        (0o020, "S_IWGRP"),
        (0o040, "S_IRGRP"),
        (0o001, "S_IXOTH"),
        (0o002, "S_IWOTH"),
        (0o004, "S_IROTH"),
        (0o1000, "S_ISVTX"),
        (0o2000, "S_ISGID"),
        (0o4000, "S_ISUID"),
    ];
    let text =
        join_flags(NAMED.into_iter().filter(|(bit, _)| mode & bit != 0).map(|(_, name)| name));
    if text.is_empty() { mode.to_string() } else { text }
}

fn join_flags(names: impl Iterator<Item = &'static str>) -> String {
    names.collect::<Vec<_>>().join("|")
}

/// Returns the name of a request, from `include/uapi/linux/ptrace.h`, Linux 6.18.
pub fn ptrace_request(request: u64) -> Cow<'static, str> {
    let name = match request {
        0 => "PTRACE_TRACEME",
        1 => "PTRACE_PEEKTEXT",
        2 => "PTRACE_PEEKDATA",
        3 => "PTRACE_PEEKUSR",
        4 => "PTRACE_POKETEXT",
        5 => "PTRACE_POKEDATA",
        6 => "PTRACE_POKEUSR",
        7 => "PTRACE_CONT",
        8 => "PTRACE_KILL",
        9 => "PTRACE_SINGLESTEP",
        12 => "PTRACE_GETREGS",
        13 => "PTRACE_SETREGS",
        16 => "PTRACE_ATTACH",
        17 => "PTRACE_DETACH",
        24 => "PTRACE_SYSCALL",
        0x4200 => "PTRACE_SETOPTIONS",
        0x4204 => "PTRACE_GETREGSET",
        0x4205 => "PTRACE_SETREGSET",
        0x4206 => "PTRACE_SEIZE",
        0x4207 => "PTRACE_INTERRUPT",
        other => return other.to_string().into(),
    };
    name.into()
}

/// Returns the names of capability bits, blank-separated, from `include/uapi/linux/capability.h`,
/// Linux 6.18.
pub fn capability_names(bits: u64) -> String {
    const NAMES: [&str; 41] = [
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETPCAP",
        "CAP_LINUX_IMMUTABLE",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_BROADCAST",
        "CAP_NET_ADMIN",
        "CAP_NET_RAW",
        "CAP_IPC_LOCK",
        "CAP_IPC_OWNER",
        "CAP_SYS_MODULE",
        "CAP_SYS_RAWIO",
        "CAP_SYS_CHROOT",
        "CAP_SYS_PTRACE",
        "CAP_SYS_PACCT",
        "CAP_SYS_ADMIN",
        "CAP_SYS_BOOT",
        "CAP_SYS_NICE",
        "CAP_SYS_RESOURCE",
        "CAP_SYS_TIME",
        "CAP_SYS_TTY_CONFIG",
        "CAP_MKNOD",
        "CAP_LEASE",
        "CAP_AUDIT_WRITE",
        "CAP_AUDIT_CONTROL",
        "CAP_SETFCAP",
        "CAP_MAC_OVERRIDE",
        "CAP_MAC_ADMIN",
        "CAP_SYSLOG",
        "CAP_WAKE_ALARM",
        "CAP_BLOCK_SUSPEND",
        "CAP_AUDIT_READ",
        "CAP_PERFMON",
        "CAP_BPF",
        "CAP_CHECKPOINT_RESTORE",
    ];
    let set = NAMES.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
    set.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

/// Names from `include/uapi/asm-generic/errno*.h`; those a file, process or socket call returns.
fn result_name(result: i64) -> Cow<'static, str> {
    if result >= 0 {
        return "SUCCESS".into();
    }
    let name = match -result {
        1 => "EPERM",
        2 => "ENOENT",
        3 => "ESRCH",
        4 => "EINTR",
        5 => "EIO",
        6 => "ENXIO",
        7 => "E2BIG",
        8 => "ENOEXEC",
        9 => "EBADF",
        10 => "ECHILD",
        11 => "EAGAIN",
        12 => "ENOMEM",
        13 => "EACCES",
        14 => "EFAULT",
        16 => "EBUSY",
        17 => "EEXIST",
        18 => "EXDEV",
        19 => "ENODEV",
        20 => "ENOTDIR",
        21 => "EISDIR",
        22 => "EINVAL",
        23 => "ENFILE",
        24 => "EMFILE",
        26 => "ETXTBSY",
        27 => "EFBIG",
        28 => "ENOSPC",
        30 => "EROFS",
        32 => "EPIPE",
        36 => "ENAMETOOLONG",
        38 => "ENOSYS",
        39 => "ENOTEMPTY",
        40 => "ELOOP",
        97 => "EAFNOSUPPORT",
        98 => "EADDRINUSE",
        99 => "EADDRNOTAVAIL",
        101 => "ENETUNREACH",
        104 => "ECONNRESET",
        106 => "EISCONN",
        107 => "ENOTCONN",
        110 => "ETIMEDOUT",
        111 => "ECONNREFUSED",
        113 => "EHOSTUNREACH",
        114 => "EALREADY",
        115 => "EINPROGRESS",
        _ => return result.to_string().into(),
    };
    name.into()
}
