//! Reads a process: itself, its parent, its session and its ancestors.

use super::{CHAIN_MAX, NOT_AVAILABLE};
use crate::{Argument, Field, Process, StandardStream, Value, event::symbol::capability_names};

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

fn name_or(name: Option<&str>, id: Option<u32>) -> &str {
    match (name, id) {
        (Some(name), _) => name,
        (None, Some(0)) => "root",
        (None, _) => NOT_AVAILABLE,
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
