//! Shows the value of a parameter: plainly, and by what it means.

use std::borrow::Cow;

use super::{NOT_AVAILABLE, argument::Given};
use crate::{
    Event, ParameterKind, Process, Value,
    event::symbol::{choice_names, error_name, flag_names, mode_names, open_flags, signal_name},
    value::printable,
};

/// The working directory, where a directory's descriptor is asked for.
const AT_FDCWD: i64 = -100;

/// A user or group that is not to be changed.
const NO_ID: i64 = u32::MAX as i64;

/// Returns a number with the sign its parameter has.
pub(super) fn number(kind: ParameterKind, number: i64) -> Value<'static> {
    match kind {
        ParameterKind::Unsigned
        | ParameterKind::Hexadecimal
        | ParameterKind::Mode
        | ParameterKind::FileFlags
        | ParameterKind::Flags(_)
        | ParameterKind::Choice(_)
        | ParameterKind::User
        | ParameterKind::Group => Value::U64(number.cast_unsigned()),
        _ => Value::I64(number),
    }
}

/// Returns a value as it is.
pub(super) fn plain(kind: ParameterKind, given: Given<'_>) -> Cow<'_, str> {
    match given {
        Given::Number(number) | Given::Named(number, _) => match kind {
            ParameterKind::Hexadecimal => format!("{number:X}").into(),
            ParameterKind::Mode if number != 0 => format!("0{number:o}").into(),
            ParameterKind::User | ParameterKind::Group if is_no_id(number) => "-1".into(),
            _ => self::number(kind, number).to_string().into(),
        },
        Given::Text(text) => text,
        Given::Path { raw, .. } => raw.into(),
        Given::Bytes(bytes) => printable(bytes).into(),
        // As Falco shows them: each text ends with a dot, where the kernel has a NUL.
        Given::List(items) => {
            items.iter().flat_map(|item| [&**item, "."]).collect::<String>().into()
        }
    }
}

/// Returns what a value means: the name behind a number, the flags of its bits, a full path.
pub(super) fn meaning<'a>(
    event: &'a Event,
    kind: ParameterKind,
    given: &Given<'a>,
) -> Option<Cow<'a, str>> {
    let number = match given {
        Given::Named(_, name) => return Some(name.clone()),
        Given::Path { full, .. } => return Some(Cow::Borrowed(full)),
        Given::Number(number) => *number,
        Given::Text(_) | Given::Bytes(_) | Given::List(_) => return None,
    };
    let bits = number.cast_unsigned();
    match kind {
        ParameterKind::Errno => error_name(number).map(Cow::Borrowed),
        ParameterKind::Descriptor if number == AT_FDCWD => Some("AT_FDCWD".into()),
        ParameterKind::Descriptor => error_name(number).map(Cow::Borrowed),
        // An open's flags are 32 bits.
        ParameterKind::FileFlags => Some(open_flags(bits as u32).into()),
        ParameterKind::Flags(table) => flag_names(table, bits).map(Cow::Owned),
        ParameterKind::Choice(table) => choice_names(table, bits),
        ParameterKind::Mode if number == 0 => None,
        ParameterKind::Mode => Some(mode_names(bits as u32).into()),
        ParameterKind::User => Some(user(&event.process, number).into()),
        ParameterKind::Group => Some(group(&event.process, number).into()),
        ParameterKind::Process => process(event, number).map(Cow::Borrowed),
        ParameterKind::Signal => signal_name(bits).map(Cow::Borrowed),
        _ => None,
    }
}

fn is_no_id(number: i64) -> bool {
    number == -1 || number == NO_ID
}

fn user(process: &Process, number: i64) -> &str {
    match number {
        _ if is_no_id(number) => "<NONE>",
        _ if number == i64::from(process.uid) && process.user.is_some() => {
            process.user.as_deref().unwrap_or_default()
        }
        0 => "root",
        _ => NOT_AVAILABLE,
    }
}

fn group(process: &Process, number: i64) -> &str {
    match number {
        _ if is_no_id(number) => "<NONE>",
        _ if number == i64::from(process.gid) && process.group.is_some() => {
            process.group.as_deref().unwrap_or_default()
        }
        0 => "root",
        _ => NOT_AVAILABLE,
    }
}

/// Names a process of the event's family; others are not known here.
fn process(event: &Event, number: i64) -> Option<&str> {
    let own = std::iter::once(&*event.process).chain(event.process.ancestors());
    let mut family = own.filter(|process| i64::from(process.key.pid) == number);
    family.next().map(|process| &*process.name)
}
