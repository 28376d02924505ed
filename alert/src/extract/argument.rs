//! Reads the parameters of an event: `evt.arg`, `evt.args`, `evt.rawarg`.

use std::borrow::Cow;

use super::{NOT_AVAILABLE, show};
use crate::{
    Argument, Call, Connection, DescriptorUse, Detail, Event, Executable, OpenFile, Parameter,
    ParameterKind, ParameterValue, Value,
    event::symbol::{AT_REMOVEDIR, EXE_FROM_MEMFD, EXE_LOWER_LAYER, EXE_UPPER_LAYER, EXE_WRITABLE},
};

/// The value of a parameter before it is shown.
#[derive(Clone, Debug)]
pub(super) enum Given<'a> {
    Number(i64),
    /// A number that stands for something with a name.
    Named(i64, Cow<'a, str>),
    Text(Cow<'a, str>),
    Path {
        raw: &'a str,
        full: &'a str,
    },
    Bytes(&'a [u8]),
    List(&'a [Box<str>]),
}

impl Event {
    /// Returns one parameter as text: its name or its symbols where it has any.
    pub(super) fn argument(&self, argument: &Argument) -> Option<Value<'_>> {
        let (parameter, given) = self.parameter(argument)?;
        let shown = show::meaning(self, parameter.kind, &given);
        Some(Value::Text(shown.unwrap_or_else(|| show::plain(parameter.kind, given))))
    }

    /// Returns one parameter as the kernel has it: numbers as numbers, a path as it was given.
    pub(super) fn raw_argument(&self, argument: &Argument) -> Option<Value<'_>> {
        let (parameter, given) = self.parameter(argument)?;
        Some(match given {
            Given::Number(number) | Given::Named(number, _) => show::number(parameter.kind, number),
            Given::Bytes(bytes) => Value::Bytes(bytes.into()),
            other => Value::Text(show::plain(parameter.kind, other)),
        })
    }

    /// Returns all parameters that are known, as `name=value` or `name=value(meaning)`.
    pub(super) fn arguments_text(&self) -> String {
        let mut text = String::new();
        for (index, parameter) in self.kind.parameters().iter().enumerate() {
            let Some(given) = self.given(index, parameter) else { continue };
            if !text.is_empty() {
                text.push(' ');
            }
            let meaning = show::meaning(self, parameter.kind, &given);
            let plain = show::plain(parameter.kind, given);
            text.push_str(parameter.name);
            text.push('=');
            text.push_str(&plain);
            if let Some(meaning) = meaning.filter(|meaning| *meaning != plain) {
                text.push('(');
                text.push_str(&meaning);
                text.push(')');
            }
        }
        text
    }

    /// Returns the data that was read or written.
    pub(super) fn buffer(&self) -> Option<Value<'_>> {
        let index = self.kind.parameter_index("data")?;
        match self.given(index, self.kind.parameters().get(index)?)? {
            Given::Bytes(bytes) => Some(Value::Bytes(bytes.into())),
            _ => None,
        }
    }

    fn parameter(&self, argument: &Argument) -> Option<(&'static Parameter, Given<'_>)> {
        let index = match argument {
            Argument::None => return None,
            Argument::Index(index) => *index as usize,
            Argument::Key(name) => self.kind.parameter_index(name)?,
        };
        let parameter = self.kind.parameters().get(index)?;
        Some((parameter, self.given(index, parameter)?))
    }

    pub(super) fn given(&self, index: usize, parameter: &Parameter) -> Option<Given<'_>> {
        let name = parameter.name;
        if name == "res" {
            return Some(match (&self.detail, parameter.kind) {
                (Detail::Call(call), ParameterKind::Descriptor) => call.descriptor_or(self.result),
                _ => Given::Number(self.result),
            });
        }
        match &self.detail {
            Detail::Open(file) => file.given(name, self.result),
            Detail::Connect(connection) => connection.given(name),
            Detail::Exec { filename } if name == "filename" => Some(path(filename, filename)),
            Detail::Exec { .. } => {
                self.given_by_process(name, exec_flags(&self.process.executable))
            }
            Detail::Clone { flags } => self.given_by_process(name, flags.cast_signed()),
            Detail::Exit { status } => match name {
                "status" => Some(Given::Number((*status).into())),
                "ret" => Some(Given::Number(i64::from(*status >> 8 & 0xff))),
                "sig" => Some(Given::Number(i64::from(*status & 0x7f))),
                "core" => Some(Given::Number(i64::from(*status >> 7 & 1))),
                _ => None,
            },
            Detail::Ptrace { request, pid } => match name {
                "request" => Some(Given::Number(request.cast_signed())),
                "pid" => Some(Given::Number((*pid).into())),
                _ => None,
            },
            Detail::Module { parameters, file } => match (name, file) {
                ("uargs", _) => Some(Given::Text(Cow::Borrowed(parameters))),
                // The descriptor's number is not told, its file is.
                ("fd", Some(file)) => Some(Given::Text(format!("<f>{file}").into())),
                _ => None,
            },
            Detail::Unlink { path: full, raw, directory } => match parameter.kind {
                ParameterKind::Path(_) => Some(path(raw, full)),
                ParameterKind::Flags(_) => {
                    Some(Given::Number(i64::from(*directory) * AT_REMOVEDIR.cast_signed()))
                }
                _ => None,
            },
            Detail::Call(call) => call.given(index, parameter, self),
        }
    }

    /// What an exec or a clone tells is what the process is.
    fn given_by_process(&self, name: &str, flags: i64) -> Option<Given<'_>> {
        let process = &*self.process;
        let extra = process.extra.as_deref();
        let usage = extra.and_then(|extra| extra.usage);
        let number = |number: u64| Some(Given::Number(number.cast_signed()));
        let text = |text| Some(Given::Text(Cow::Borrowed(text)));
        match name {
            "exe" => text(process.arguments.first()?),
            "args" => Some(Given::List(process.arguments.get(1..)?)),
            "tid" => Some(Given::Named(self.tid.into(), Cow::Borrowed(&process.name))),
            "pid" => Some(Given::Named(process.key.pid.into(), Cow::Borrowed(&process.name))),
            "ptid" => Some(Given::Number(process.ppid.into())),
            "cwd" => text(&process.cwd),
            "fdlimit" => number(usage?.files_max),
            "pgft_maj" => number(usage?.faults_major),
            "pgft_min" => number(usage?.faults_minor),
            "vm_size" => number(usage?.virtual_kib),
            "vm_rss" => number(usage?.resident_kib),
            "vm_swap" => number(usage?.swapped_kib),
            "comm" => text(&process.name),
            "cgroups" => Some(Given::List(&extra?.cgroups)),
            "env" => Some(Given::List(&process.environment)),
            "tty" => number(process.tty.into()),
            "vpgid" => Some(Given::Number(extra?.virtual_group_id?.into())),
            "pgid" => Some(Given::Number(extra?.group_id?.into())),
            "loginuid" => Some(match (process.login_uid, process.login_user.as_deref()) {
                (Some(uid), Some(name)) => Given::Named(uid.into(), Cow::Borrowed(name)),
                (uid, _) => Given::Number(uid.unwrap_or(u32::MAX).into()),
            }),
            "flags" => Some(Given::Number(flags)),
            "cap_inheritable" => number(extra?.inheritable?),
            "cap_permitted" => number(extra?.permitted?),
            "cap_effective" => number(process.capabilities),
            "exe_ino" => number(process.executable.inode),
            "exe_ino_ctime" => number(process.executable.ctime_ns),
            "exe_ino_mtime" => number(process.executable.mtime_ns),
            "uid" => number(process.uid.into()),
            "gid" => number(process.gid.into()),
            "trusted_exepath" => text(&process.executable.path),
            "vpid" => Some(Given::Number(process.vpid.into())),
            "pidns_init_start_ts" => number(extra?.namespace_start_ns?),
            _ => None,
        }
    }
}

impl OpenFile {
    fn given(&self, name: &str, result: i64) -> Option<Given<'_>> {
        Some(match name {
            "fd" if result >= 0 => {
                let letter = self.file_type.letter();
                Given::Named(result, Cow::Owned(format!("<{letter}>{}", self.path)))
            }
            "fd" => Given::Number(result),
            "name" | "path" => path(&self.raw, &self.path),
            "flags" | "creat_flags" => Given::Number(self.flags.into()),
            "mode" => Given::Number(self.mode.into()),
            "dev" => Given::Number(self.device.cast_signed()),
            "ino" => Given::Number(self.inode.cast_signed()),
            _ => return None,
        })
    }
}

impl Connection {
    fn given(&self, name: &str) -> Option<Given<'_>> {
        match name {
            "tuple" => Some(Given::Text(self.name().into())),
            "fd" => {
                let shown = format!("<{}>{}", self.kind().letter(), self.name());
                Some(Given::Named(self.descriptor.into(), shown.into()))
            }
            "addr" => Some(Given::Text(match (self.remote, &self.unix) {
                (Some(end), _) => format!("{}:{}", end.ip().to_canonical(), end.port()).into(),
                (None, Some(path)) => Cow::Borrowed(path),
                (None, None) => return None,
            })),
            _ => None,
        }
    }
}

impl Call {
    /// Returns the parameter as it was told, or as it follows from the descriptor.
    fn given(&self, index: usize, parameter: &Parameter, event: &Event) -> Option<Given<'_>> {
        let Some(value) = self.values.get(index).and_then(Option::as_ref) else {
            return self.follows(parameter, event);
        };
        Some(match value {
            ParameterValue::Number(number) => match parameter.kind {
                ParameterKind::Descriptor => self.descriptor_or(*number),
                _ => Given::Number(*number),
            },
            ParameterValue::Text(text) => Given::Text(Cow::Borrowed(text)),
            ParameterValue::Path { raw, full } => path(raw, full),
            ParameterValue::Bytes(bytes) => Given::Bytes(bytes),
            ParameterValue::List(items) => Given::List(items),
            ParameterValue::Named { number, name } => Given::Named(*number, Cow::Borrowed(name)),
            ParameterValue::Descriptor { number, kind, name } => {
                Given::Named(*number, format!("<{}>{name}", kind.letter()).into())
            }
        })
    }

    fn follows(&self, parameter: &Parameter, event: &Event) -> Option<Given<'_>> {
        match (parameter.kind, self.descriptor.as_ref()) {
            (ParameterKind::Descriptor, Some(descriptor)) if parameter.name == "fd" => {
                Some(self.descriptor_or(descriptor.number()))
            }
            (ParameterKind::Descriptor, None)
                if parameter.name == "fd" && event.kind.descriptor_use() == DescriptorUse::Made =>
            {
                Some(Given::Number(event.result))
            }
            (ParameterKind::Tuple, Some(descriptor)) if descriptor.kind().is_socket() => {
                Some(Given::Text(descriptor.name().into()))
            }
            _ => None,
        }
    }

    fn descriptor_or(&self, number: i64) -> Given<'_> {
        match &self.descriptor {
            Some(descriptor) if number >= 0 && descriptor.number() == number => {
                let shown = format!("<{}>{}", descriptor.kind().letter(), descriptor.name());
                Given::Named(number, shown.into())
            }
            _ => Given::Number(number),
        }
    }
}

fn path<'a>(raw: &'a str, full: &'a str) -> Given<'a> {
    // Falco keeps the text it could not read.
    let full = if raw == NOT_AVAILABLE { raw } else { full };
    Given::Path { raw, full }
}

fn exec_flags(executable: &Executable) -> i64 {
    let flags = [
        (executable.writable, EXE_WRITABLE),
        (executable.upper_layer, EXE_UPPER_LAYER),
        (executable.from_memfd, EXE_FROM_MEMFD),
        (executable.lower_layer, EXE_LOWER_LAYER),
    ];
    let set = flags.into_iter().filter(|(set, _)| *set);
    set.fold(0, |bits, (_, flag)| bits | flag).cast_signed()
}
