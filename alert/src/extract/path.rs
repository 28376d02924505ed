//! Reads the files a call is about: `fs.path` and `evt.abspath`.

use super::argument::Given;
use crate::{Argument, Event, Field, ParameterKind, Value};

/// Which of a call's files is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Only,
    Source,
    Target,
}

impl Event {
    /// Returns a path of a call that succeeded.
    pub(super) fn file_path(&self, field: Field) -> Option<Value<'_>> {
        if self.result < 0 {
            return None;
        }
        let part = match field {
            Field::FsPathName | Field::FsPathNameraw => Part::Only,
            Field::FsPathSource | Field::FsPathSourceraw => Part::Source,
            _ => Part::Target,
        };
        let raw =
            matches!(field, Field::FsPathNameraw | Field::FsPathSourceraw | Field::FsPathTargetraw);
        self.path_of(part, raw)
    }

    /// Returns the full path of the call's file, or of one of two.
    pub(super) fn absolute_path(&self, argument: &Argument) -> Option<Value<'_>> {
        match argument {
            Argument::None => {
                self.path_of(Part::Only, false).or_else(|| self.path_of(Part::Source, false))
            }
            Argument::Key(key) if **key == *"src" => self.path_of(Part::Source, false),
            Argument::Key(key) if **key == *"dst" => self.path_of(Part::Target, false),
            _ => None,
        }
    }

    fn path_of(&self, part: Part, raw: bool) -> Option<Value<'_>> {
        let (name, kind) =
            self.kind.parameters().iter().enumerate().find_map(|(at, parameter)| {
                (part_of(parameter.name, parameter.kind) == Some(part)).then_some((at, parameter))
            })?;
        Some(match self.given(name, kind)? {
            Given::Path { full, .. } if !raw => Value::text(full),
            Given::Path { raw, .. } => Value::text(raw),
            Given::Text(text) => Value::Text(text),
            _ => return None,
        })
    }
}

/// The source of a link is the new link, its target what it leads to.
fn part_of(name: &str, kind: ParameterKind) -> Option<Part> {
    match (name, kind) {
        ("oldpath", _) => Some(Part::Source),
        ("newpath", _) => Some(Part::Target),
        ("linkpath" | "dev", ParameterKind::Path(_) | ParameterKind::Text) => Some(Part::Source),
        ("target" | "dir", _) => Some(Part::Target),
        (_, ParameterKind::Path(_)) => Some(Part::Only),
        _ => None,
    }
}
