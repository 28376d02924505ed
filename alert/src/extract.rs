//! Reads an event by field name.
//!
//! A field the event does not have yields `None`, and every comparison with it is false. A few
//! fields yield the text `<NA>` instead, as Falco's do (reference: `docs/fields.md`).

mod argument;
mod container;
mod descriptor;
mod extra;
mod family;
mod file;
mod mount;
mod path;
mod probe;
mod process;
mod show;
mod time;

use crate::{
    Argument, Category, Connection, Descriptor, DescriptorKind, DescriptorUse, Detail, Event,
    EventSource, Field, Value, event::symbol::result_name,
};

const NOT_AVAILABLE: &str = "<NA>";

/// Ancestors named in `saker.proc.chain`.
const CHAIN_MAX: usize = 8;

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
            Field::EvtArg => return self.argument(argument),
            Field::EvtRawarg => return self.raw_argument(argument),
            Field::EvtBuffer => return self.buffer(),
            Field::EvtBuflen => match self.buffer()? {
                Value::Bytes(bytes) => Value::U64(bytes.len() as u64),
                _ => return None,
            },
            Field::EvtVia => Value::text(if self.via_io_uring { "io_uring" } else { "syscall" }),
            Field::EvtAbspath => return self.absolute_path(argument),
            Field::EvtTypeIs => match argument {
                Argument::Key(name) => Value::U64((**name == *self.kind.name()).into()),
                _ => return None,
            },
            Field::ProcDuration => Value::U64(self.time_ns.saturating_sub(self.process.start_ns)),
            Field::ThreadTid => Value::I64(self.tid.into()),
            Field::ThreadIsmain => Value::Bool(self.tid == self.process.key.pid),
            Field::FdNum => Value::I64(self.descriptor_number()?),
            _ => return self.descriptor_value(field).or_else(|| self.derived_value(field)),
        })
    }

    /// Reads what follows from other fields.
    fn derived_value(&self, field: Field) -> Option<Value<'_>> {
        let category = self.kind.category();
        let failed = |is: bool| (self.result < 0 && is).then_some(Value::U64(1));
        Some(match field {
            Field::SyscallType if self.kind.is_syscall() => Value::text(self.kind.name()),
            Field::EvtAsynctype if self.kind.is_notice() => Value::text(self.kind.name()),
            Field::EvtIsAsync => Value::Bool(self.kind.is_notice()),
            Field::EvtSource => Value::text(EventSource::Syscall.name()),
            Field::EvtCount | Field::EvtCountExit => Value::U64(1),
            Field::EvtCountError => return failed(true),
            Field::EvtCountErrorFile => return failed(self.category() == "file"),
            Field::EvtCountErrorNet => return failed(self.category() == "net"),
            Field::EvtCountErrorMemory => return failed(self.category() == "memory"),
            Field::EvtCountErrorOther => {
                return failed(!matches!(self.category(), "file" | "net" | "memory"));
            }
            Field::EvtIsIo => Value::Bool(matches!(category, Category::Read | Category::Write)),
            Field::EvtIsIoRead => Value::Bool(category == Category::Read),
            Field::EvtIsIoWrite => Value::Bool(category == Category::Write),
            Field::EvtIoDir if category == Category::Read => Value::text("r"),
            Field::EvtIoDir if category == Category::Write => Value::text("w"),
            Field::EvtIsWait => Value::Bool(false),
            Field::ThreadVtid => {
                let of_process = (self.tid == self.process.key.pid).then_some(self.process.vpid);
                Value::I64(self.vtid.or(of_process)?.into())
            }
            Field::EvtCpu => Value::I64(self.cpu?.into()),
            Field::FdUid => {
                Value::Text(format!("{}{}", self.tid, self.descriptor_number()?).into())
            }
            Field::FdContainername => return self.in_container(Field::FdName),
            Field::FdContainerdirectory => return self.in_container(Field::FdDirectory),
            Field::FdDevMajor | Field::FdDevMinor => self.device_number(field)?,
            Field::FsPathName
            | Field::FsPathNameraw
            | Field::FsPathSource
            | Field::FsPathSourceraw
            | Field::FsPathTarget
            | Field::FsPathTargetraw => return self.file_path(field),
            _ => return self.time_value(field),
        })
    }

    /// Takes a device number apart, which `stat` encodes in an odd way.
    fn device_number(&self, field: Field) -> Option<Value<'_>> {
        let Value::U64(device) = self.value(Field::FdDev, &Argument::None)? else { return None };
        Some(Value::U64(match field {
            Field::FdDevMajor => device >> 8 & 0xfff,
            _ => device & 0xff | device >> 12 & 0xf_ff00,
        }))
    }

    fn category(&self) -> &'static str {
        match self.kind.category() {
            Category::File => "file",
            Category::Network => "net",
            Category::Process => "process",
            Category::User => "user",
            Category::Memory => "memory",
            Category::Other => "other",
            Category::Read | Category::Write | Category::Descriptor => {
                match self.descriptor_kind() {
                    Some(DescriptorKind::File | DescriptorKind::Directory) => "file",
                    Some(DescriptorKind::Pipe | DescriptorKind::Unix | DescriptorKind::Event) => {
                        "ipc"
                    }
                    Some(kind) if kind.is_socket() => "net",
                    _ => "unknown",
                }
            }
        }
    }

    fn descriptor_kind(&self) -> Option<DescriptorKind> {
        match &self.detail {
            Detail::Connect(connection) => Some(connection.kind()),
            Detail::Call(call) => call.descriptor.as_ref().map(Descriptor::kind),
            _ => None,
        }
    }

    fn descriptor_number(&self) -> Option<i64> {
        match &self.detail {
            Detail::Open(_) => Some(self.result.max(-1)),
            Detail::Connect(Connection { descriptor, .. }) => Some((*descriptor).into()),
            Detail::Call(call) => match &call.descriptor {
                Some(descriptor) => Some(descriptor.number()),
                None if self.result < 0 && self.kind.descriptor_use() == DescriptorUse::Made => {
                    Some(-1)
                }
                None => None,
            },
            _ => None,
        }
    }

    fn descriptor_value(&self, field: Field) -> Option<Value<'_>> {
        match &self.detail {
            Detail::Open(file) => file.value(field, self.result),
            // What a connect that succeeded leaves behind.
            Detail::Connect(Connection { connected: None, .. }) if field == Field::FdConnected => {
                Some(Value::Bool(self.result >= 0))
            }
            Detail::Connect(connection) => connection.value(field),
            Detail::Call(call) => call.descriptor.as_ref()?.value(field),
            Detail::Module { file: Some(file), .. } => file::value_of_path(file, field),
            _ => None,
        }
    }

    fn in_container(&self, field: Field) -> Option<Value<'_>> {
        let container = self.process.value(Field::ContainerId, &Argument::None)?;
        let name = self.value(field, &Argument::None)?;
        Some(Value::Text(format!("{container}:{name}").into()))
    }
}

#[cfg(test)]
mod tests;
