//! Reads an opened file.

use crate::{Access, Field, FileType, OpenFile, Value};

const O_ACCMODE: u32 = 0o3;
const O_CREAT: u32 = 0o100;

impl OpenFile {
    pub(super) fn value(&self, field: Field, result: i64) -> Option<Value<'_>> {
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
            Field::EvtIsOpenCreate => Value::Bool(self.creates()),
            Field::EvtIsOpenExec => {
                Value::Bool(self.flags & O_CREAT != 0 && self.mode & 0o111 != 0)
            }
            _ => return None,
        })
    }

    /// Returns whether the flags ask for the file to be made if there is none.
    pub const fn creates(&self) -> bool {
        self.flags & O_CREAT != 0
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

    pub const fn letter(self) -> &'static str {
        match self {
            Self::File | Self::Character | Self::Block | Self::Link => "f",
            Self::Directory => "d",
            Self::Pipe => "p",
            Self::Socket => "u",
            Self::Other => "o",
        }
    }
}

/// Reads a file of which no more than its path is known.
pub(super) fn value_of_path(path: &str, field: Field) -> Option<Value<'_>> {
    Some(Value::text(match field {
        Field::FdName => path,
        Field::FdDirectory => split_path(path).0,
        Field::FdFilename => split_path(path).1,
        Field::FdType => FileType::File.name(),
        Field::FdTypechar => FileType::File.letter(),
        _ => return None,
    }))
}

pub(super) fn split_path(path: &str) -> (&str, &str) {
    match path.rsplit_once('/') {
        Some(("", filename)) => ("/", filename),
        Some(parts) => parts,
        None => ("", path),
    }
}
