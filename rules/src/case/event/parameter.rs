//! Builds the parameters of a test's event: `evt.arg.NAME`.

use alert::{
    DescriptorKind, EventKind, Parameter, ParameterKind, ParameterValue, Process, Symbol,
    number_of, open_flag, signal_number,
};

use super::given::Given;
use crate::{diagnostic::Diagnostic, yaml::Node};

/// Descriptor of a directory that the test gives by its path.
const DIRECTORY_NUMBER: i64 = 5;
const AT_FDCWD: i64 = -100;

/// Returns the values of all parameters, in their order.
pub(super) fn values(
    given: &Given<'_>,
    kind: EventKind,
    process: &Process,
) -> Result<Box<[Option<ParameterValue>]>, Diagnostic> {
    let mut values: Vec<Option<ParameterValue>> = Vec::with_capacity(kind.parameters().len());
    for parameter in kind.parameters() {
        let key = format!("evt.arg.{}", parameter.name);
        let value = match (given.get(&key), parameter.kind) {
            (None, ParameterKind::Path(_)) if only_path(kind) == Some(parameter.name) => {
                by_name(given)?
            }
            (None, ParameterKind::Bytes) if parameter.name == "data" => {
                given.text("evt.buffer")?.map(|text| ParameterValue::Bytes(bytes(text)))
            }
            (None, _) => None,
            (Some(node), ParameterKind::Path(base)) => {
                let directory = base.and_then(|index| values.get(usize::from(index))?.as_ref());
                Some(path(given, &key, node, directory, &process.cwd)?)
            }
            (Some(node), _) => Some(value(given, &key, node, parameter, process)?),
        };
        values.push(value);
    }
    Ok(values.into())
}

/// Returns the one path of a call that is about no descriptor.
pub(super) fn only_path(kind: EventKind) -> Option<&'static str> {
    let is_path = |parameter: &&Parameter| matches!(parameter.kind, ParameterKind::Path(_));
    let mut paths = kind.parameters().iter().filter(is_path);
    let first = paths.next()?;
    paths.next().is_none().then_some(first.name)
}

/// A path that is given as that of a file is given in full.
fn by_name(given: &Given<'_>) -> Result<Option<ParameterValue>, Diagnostic> {
    let Some(full) = given.boxed("fd.name")? else { return Ok(None) };
    let raw = given.boxed("fd.nameraw")?.unwrap_or_else(|| full.clone());
    Ok(Some(ParameterValue::Path { raw, full }))
}

fn path(
    given: &Given<'_>,
    key: &str,
    node: &Node,
    directory: Option<&ParameterValue>,
    cwd: &str,
) -> Result<ParameterValue, Diagnostic> {
    let Some(raw) = node.str() else {
        return Err(given.fault(node, format!("`{key}` must be a path")));
    };
    let base = match directory {
        Some(ParameterValue::Descriptor { name, .. }) => name,
        _ => cwd,
    };
    Ok(ParameterValue::Path { raw: raw.into(), full: absolute(base, raw).into() })
}

/// Returns a path in full: joined to `base`, with `.` and `..` folded.
pub(super) fn absolute(base: &str, path: &str) -> String {
    let joined = if path.starts_with('/') { path.to_owned() } else { format!("{base}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn value(
    given: &Given<'_>,
    key: &str,
    node: &Node,
    parameter: &Parameter,
    process: &Process,
) -> Result<ParameterValue, Diagnostic> {
    let number = |number: u64| ParameterValue::Number(number.cast_signed());
    if let ParameterKind::List = parameter.kind {
        return Ok(ParameterValue::List(given.texts(key)?.into()));
    }
    let Some(text) = node.str() else {
        return Err(given.fault(node, format!("`{key}` must be a single value")));
    };
    let wrong =
        |what: &str| Err(given.fault(node, format!("`{key}` must be {what}, found `{text}`")));
    Ok(match parameter.kind {
        ParameterKind::Text | ParameterKind::Tuple | ParameterKind::Address => {
            ParameterValue::Text(text.into())
        }
        ParameterKind::Bytes => ParameterValue::Bytes(bytes(text)),
        ParameterKind::Mode => number(mode(given, key)?.into()),
        ParameterKind::FileFlags => number(open_flags(given, key, "")?.into()),
        ParameterKind::Flags(table) => number(flags(given, node, text, table)?),
        ParameterKind::Choice(table) => match integer(text).or_else(|| first(table, text)) {
            Some(value) => ParameterValue::Number(value),
            None => return Err(unknown(given, node, text, table)),
        },
        ParameterKind::Signal => match integer(text).or_else(|| signal(text)) {
            Some(value) => ParameterValue::Number(value),
            None => return wrong("a signal, as in `SIGKILL`"),
        },
        ParameterKind::Descriptor if text.starts_with('/') => ParameterValue::Descriptor {
            number: DIRECTORY_NUMBER,
            kind: DescriptorKind::Directory,
            name: text.into(),
        },
        ParameterKind::Descriptor if text == "AT_FDCWD" => ParameterValue::Number(AT_FDCWD),
        ParameterKind::User if process.user.as_deref() == Some(text) => {
            ParameterValue::Number(process.uid.into())
        }
        ParameterKind::Descriptor => match integer(text) {
            Some(value) => ParameterValue::Number(value),
            None => return wrong("a number, `AT_FDCWD` or the full path of a directory"),
        },
        _ => match integer(text) {
            Some(value) => ParameterValue::Number(value),
            None => return wrong("a number"),
        },
    })
}

/// Reads a decimal number, or a hexadecimal one behind `0x`.
fn integer(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(u64::cast_signed),
        None => text.parse().ok(),
    }
}

fn signal(name: &str) -> Option<i64> {
    signal_number(name).map(u64::cast_signed)
}

/// Returns the number of the signal given, 0 for none.
pub(super) fn signal_of(given: &Given<'_>, key: &str) -> Result<i32, Diagnostic> {
    let (Some(text), Some(node)) = (given.text(key)?, given.get(key)) else { return Ok(0) };
    let number = integer(text).or_else(|| signal(text)).and_then(|it| i32::try_from(it).ok());
    number.ok_or_else(|| given.fault(node, format!("`{key}` must be a signal, found `{text}`")))
}

/// Returns the flags a process is made with.
pub(super) fn clone_flags(given: &Given<'_>, kind: EventKind) -> Result<u64, Diagnostic> {
    let mut parameters = kind.parameters().iter();
    let table = parameters.find_map(|parameter| match parameter.kind {
        ParameterKind::Flags(table) => Some(table),
        _ => None,
    });
    let key = "evt.arg.flags";
    let (Some(text), Some(node)) = (given.text(key)?, given.get(key)) else { return Ok(0) };
    flags(given, node, text, table.unwrap_or_default())
}

/// A choice with two names is shown, and may be given, by both.
fn first(table: &[Symbol], text: &str) -> Option<i64> {
    number_of(table, text.split('|').next()?).map(u64::cast_signed)
}

fn unknown(given: &Given<'_>, node: &Node, text: &str, table: &[Symbol]) -> Diagnostic {
    let names: Vec<_> = table.iter().map(|(name, _)| *name).collect();
    given.unknown(node, text, &names)
}

fn flags(given: &Given<'_>, node: &Node, text: &str, table: &[Symbol]) -> Result<u64, Diagnostic> {
    if let Some(bits) = integer(text) {
        return Ok(bits.cast_unsigned());
    }
    text.split('|').filter(|name| !name.is_empty()).try_fold(0, |bits, name| {
        let bit = number_of(table, name).ok_or_else(|| unknown(given, node, name, table))?;
        Ok(bits | bit)
    })
}

/// Reads `O_*` flags; `usual` are those of a test that gives none.
pub(super) fn open_flags(given: &Given<'_>, key: &str, usual: &str) -> Result<u32, Diagnostic> {
    let text = given.text(key)?.unwrap_or(usual);
    text.split('|').filter(|name| !name.is_empty()).try_fold(0, |bits, name| {
        match (open_flag(name), given.get(key)) {
            (Some(bit), _) => Ok(bits | bit),
            (None, Some(node)) => {
                let fault = given.fault(node, format!("unknown flag `{name}`"));
                Err(fault.hint("for example `O_WRONLY|O_CREAT|O_TRUNC`"))
            }
            (None, None) => Ok(bits),
        }
    })
}

/// Reads permission bits, in octal as chmod takes them or by name.
pub(super) fn mode(given: &Given<'_>, key: &str) -> Result<u32, Diagnostic> {
    let (Some(text), Some(node)) = (given.text(key)?, given.get(key)) else { return Ok(0) };
    if let Ok(bits @ 0..=0o7777) = u32::from_str_radix(text, 8) {
        return Ok(bits);
    }
    text.split('|').try_fold(0, |bits, name| {
        let wrong = || {
            let message = format!("`{key}` must be a mode, found `{text}`");
            given.fault(node, message).hint("in octal, as in `4755`, or by bits, as in `S_ISUID`")
        };
        Ok(bits | alert::mode_bit(name).ok_or_else(wrong)?)
    })
}

/// Reads data: hexadecimal behind `0x`, text otherwise.
fn bytes(text: &str) -> Box<[u8]> {
    let pairs = text.strip_prefix("0x").filter(|digits| digits.len().is_multiple_of(2));
    let bytes: Option<Vec<u8>> = pairs.and_then(|digits| {
        let pair = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        (0..digits.len()).step_by(2).map(pair).collect()
    });
    bytes.unwrap_or_else(|| text.as_bytes().to_vec()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_joined_and_folded() {
        for (base, path, full) in [
            ("/srv/", "a", "/srv/a"),
            ("/srv/x", "../a/./b", "/srv/a/b"),
            ("/", "../../etc//shadow", "/etc/shadow"),
            ("/srv", "/etc/../tmp/x", "/tmp/x"),
        ] {
            assert_eq!(absolute(base, path), full);
        }
    }

    #[test]
    fn data_is_text_or_hexadecimal() {
        assert_eq!(&*bytes("GET /"), b"GET /");
        assert_eq!(&*bytes("0xcafe"), [0xca, 0xfe]);
        assert_eq!(&*bytes("0xcaf"), b"0xcaf");
        assert_eq!(&*bytes("0xzz"), b"0xzz");
    }
}
