//! Reads a process: its program, its user, what it runs in.

use super::NOT_AVAILABLE;
use crate::{
    Argument, Executable, Field, Process, StandardStream, Value, event::symbol::capability_names,
};

impl Process {
    /// Returns the value of a field that depends on the process alone.
    pub fn value(&self, field: Field, argument: &Argument) -> Option<Value<'_>> {
        Some(match field {
            Field::ProcPid => Value::I64(self.key.pid.into()),
            Field::ProcPpid => Value::I64(self.ppid.into()),
            Field::ProcVpid => Value::I64(self.vpid.into()),
            Field::ProcSid => Value::I64(self.sid.into()),
            Field::ProcIsSidLeader => Value::Bool(self.key.pid == self.sid),
            Field::ProcName => Value::text(&self.name),
            Field::ProcExe => Value::text(self.arguments.first()?),
            Field::ProcExepath => Value::text(&self.executable.path),
            Field::ProcArgs => Value::Text(self.joined_arguments().into()),
            Field::ProcCmdline => Value::Text(self.command_line().into()),
            Field::ProcCmdnargs => Value::U64(self.arguments.len().saturating_sub(1) as u64),
            Field::ProcCmdlenargs => {
                let arguments = self.arguments.get(1..).unwrap_or_default();
                Value::U64(arguments.iter().map(|argument| argument.len() as u64).sum())
            }
            Field::ProcExeline => Value::Text(self.arguments.join(" ").into()),
            Field::ProcEnv => return self.environment_value(argument),
            Field::ProcCwd if self.cwd.ends_with('/') || self.cwd.is_empty() => {
                Value::text(&self.cwd)
            }
            Field::ProcCwd => Value::Text(format!("{}/", self.cwd).into()),
            Field::ProcTty => Value::U64(self.tty.into()),
            Field::ProcPidTs => Value::U64(self.start_ns),
            Field::ProcStdinType => Value::text(self.stdin?.name()),
            Field::ProcStdoutType => Value::text(self.stdout?.name()),
            Field::ThreadCapEffective => Value::Text(capability_names(self.capabilities).into()),
            Field::SakerProcStartBootNs => Value::U64(self.key.start_boot_ns),
            Field::UserUid
            | Field::UserName
            | Field::UserLoginuid
            | Field::UserLoginname
            | Field::GroupGid
            | Field::GroupName => return self.user_value(field),
            Field::ProcIsExeWritable
            | Field::ProcIsExeUpperLayer
            | Field::ProcIsExeLowerLayer
            | Field::ProcIsExeFromMemfd
            | Field::ProcIsExeDeleted
            | Field::ProcExeIno
            | Field::ProcExeInoCtime
            | Field::ProcExeInoMtime
            | Field::ProcExeInoCtimeDurationProcStart
            | Field::ProcExeInoCtimeDurationPidnsStart => return self.executable_value(field),
            _ => return self.wider_value(field, argument),
        })
    }

    /// Reads what is not the process's own but its family's or its container's.
    fn wider_value(&self, field: Field, argument: &Argument) -> Option<Value<'_>> {
        self.family_value(field, argument)
            .or_else(|| self.container_value(field, argument))
            .or_else(|| self.extra_value(field, argument))
    }

    fn user_value(&self, field: Field) -> Option<Value<'_>> {
        Some(match field {
            Field::UserUid => Value::U64(self.uid.into()),
            Field::UserName => Value::text(name_or(self.user.as_deref(), Some(self.uid))),
            Field::UserLoginuid => Value::I64(self.login_uid.map_or(-1, i64::from)),
            Field::UserLoginname => {
                Value::text(name_or(self.login_user.as_deref(), self.login_uid))
            }
            Field::GroupGid => Value::U64(self.gid.into()),
            Field::GroupName => Value::text(name_or(self.group.as_deref(), Some(self.gid))),
            _ => return None,
        })
    }

    fn executable_value(&self, field: Field) -> Option<Value<'_>> {
        let Executable { inode, ctime_ns, mtime_ns, .. } = self.executable;
        Some(match field {
            Field::ProcIsExeWritable => Value::Bool(self.executable.writable),
            Field::ProcIsExeUpperLayer => Value::Bool(self.executable.upper_layer),
            Field::ProcIsExeLowerLayer => Value::Bool(self.executable.lower_layer),
            Field::ProcIsExeFromMemfd => Value::Bool(self.executable.from_memfd),
            Field::ProcIsExeDeleted => Value::Bool(self.executable.deleted),
            Field::ProcExeIno => Value::U64(inode),
            Field::ProcExeInoCtime => Value::U64(ctime_ns),
            Field::ProcExeInoMtime => Value::U64(mtime_ns),
            Field::ProcExeInoCtimeDurationProcStart => {
                Value::U64(self.start_ns.saturating_sub(ctime_ns))
            }
            Field::ProcExeInoCtimeDurationPidnsStart => {
                let start_ns = self.extra.as_deref()?.namespace_start_ns?;
                Value::U64(ctime_ns.checked_sub(start_ns)?)
            }
            _ => return None,
        })
    }

    pub(super) fn environment_value(&self, argument: &Argument) -> Option<Value<'_>> {
        let Argument::Key(name) = argument else {
            return Some(Value::Text(self.environment.join(" ").into()));
        };
        self.environment
            .iter()
            .find_map(|variable| variable.strip_prefix(&**name)?.strip_prefix('='))
            .map(Value::text)
    }

    pub(super) fn joined_arguments(&self) -> String {
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
