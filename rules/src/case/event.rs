//! Builds an event from the fields a test case gives. What is left out is that of a plain host
//! process.

mod container;
mod descriptor;
mod given;
mod keys;
mod parameter;
mod process;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use alert::{Call, Detail, Event, EventKind, Process, error_number};

use self::given::Given;
use crate::{
    diagnostic::Diagnostic,
    ir::nearest,
    text::Files,
    yaml::{Kind, Node},
};

const START_NS: u64 = 1_700_000_000_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

/// Reads one event of a case.
pub(super) fn read(files: &Files, node: &Node) -> Result<Event, Diagnostic> {
    let Kind::Mapping(pairs) = &node.kind else {
        let given = Given { files, pairs: &[] };
        let message = "an event is given by its fields, as in `proc.name: cat`";
        return Err(given.fault(node, message));
    };
    let given = Given { files, pairs };
    let kind = kind(&given, node)?;
    let parameters = parameters(kind);
    let mut keys: Vec<&str> = keys::all().collect();
    keys.extend(parameters.iter().map(|key| &**key));
    check_keys(&given, &keys)?;
    descriptor::check(&given, kind)?;
    let process = process::read(&given)?;
    let result = result(&given, kind)?;
    let duration: u64 = given.number("proc.duration")?.unwrap_or(SECOND_NS);
    Ok(Event {
        number: given.number("evt.num")?.unwrap_or(1),
        time_ns: given.number("evt.time")?.unwrap_or(START_NS.saturating_add(duration)),
        kind,
        result,
        tid: given.number("thread.tid")?.unwrap_or(process.key.pid),
        vtid: given.number("thread.vtid")?,
        cpu: given.number("evt.cpu")?,
        via_io_uring: via_io_uring(&given)?,
        detail: detail(&given, kind, result, &process)?,
        process: Arc::new(process),
    })
}

/// Returns what an event of a kind can be given by, the fields that others follow from first.
pub(super) fn keys_of(kind: EventKind) -> Vec<String> {
    keys::all().map(str::to_owned).chain(parameters(kind)).collect()
}

fn parameters(kind: EventKind) -> Vec<String> {
    let all = kind.parameters().iter().map(|parameter| format!("evt.arg.{}", parameter.name));
    all.filter(|key| can_be_given(kind, key)).collect()
}

/// Tells of the first key that is none of `known`.
fn check_keys(given: &Given<'_>, known: &[&str]) -> Result<(), Diagnostic> {
    let unknown = |(key, _): &&(Node, Node)| !key.str().is_some_and(|name| known.contains(&name));
    let Some((key, _)) = given.pairs.iter().find(unknown) else { return Ok(()) };
    let name = key.str().unwrap_or_default();
    let fault = given.fault(key, format!("a test's event cannot be given `{name}`"));
    if let Some(instead) = keys::instead_of(name) {
        return Err(fault.hint(format!("it follows from others: give {instead}")));
    }
    if let Some(near) = nearest(name, known.iter().copied()) {
        return Err(fault.hint(format!("did you mean `{near}`?")));
    }
    let family = |key: &str| key.rsplit_once('.').map(|(family, _)| family.to_owned());
    let kin: Vec<_> = known.iter().copied().filter(|key| family(key) == family(name)).collect();
    Err(match kin.is_empty() {
        true => fault.hint("the keys are names of fields, as in `proc.name` and `fd.name`"),
        false => fault.hint(format!("these can be given: {}", kin.join(" "))),
    })
}

fn kind(given: &Given<'_>, node: &Node) -> Result<EventKind, Diagnostic> {
    let names = EventKind::ALL.map(EventKind::name);
    match given.named("evt.type", &names, EventKind::from_name)? {
        Some(kind) => Ok(kind),
        None => Err(given.fault(node, "an event needs its `evt.type`, as in `evt.type: execve`")),
    }
}

/// Returns whether a parameter of the kind can be given: not what is the process's, or the result.
fn can_be_given(kind: EventKind, key: &str) -> bool {
    let Some(name) = key.strip_prefix("evt.arg.") else { return false };
    if name == "res" || kind.parameter_index(name).is_none() {
        return false;
    }
    match kind {
        kind if kind.is_exec() => name == "filename",
        kind if kind.is_clone() => name == "flags",
        EventKind::ProcExit => matches!(name, "ret" | "sig" | "core"),
        kind if kind.is_open() => {
            matches!(name, "name" | "flags" | "creat_flags" | "mode" | "dev" | "ino")
        }
        EventKind::Connect => false,
        _ => true,
    }
}

/// Returns the result: 0, or a descriptor's number where the call makes one.
fn result(given: &Given<'_>, kind: EventKind) -> Result<i64, Diagnostic> {
    if let Some(result) = given.number("evt.rawres")? {
        return Ok(result);
    }
    let named = |name: &str| if name == "SUCCESS" { Some(0) } else { error_number(name) };
    let told = given.named("evt.res", &["SUCCESS", "ENOENT", "EACCES", "EPERM"], named)?;
    let made = kind.descriptor_use() == alert::DescriptorUse::Made;
    Ok(match told {
        Some(error) if error < 0 => error,
        _ => i64::from(made) * 3,
    })
}

fn via_io_uring(given: &Given<'_>) -> Result<bool, Diagnostic> {
    let ways = ["syscall", "io_uring"];
    let way = given.named("evt.via", &ways, |name| ways.iter().position(|way| *way == name))?;
    Ok(way == Some(1))
}

fn detail(
    given: &Given<'_>,
    kind: EventKind,
    result: i64,
    process: &Process,
) -> Result<Detail, Diagnostic> {
    let number = |key| given.number::<i32>(key).map(Option::unwrap_or_default);
    Ok(match kind {
        kind if kind.is_exec() => {
            let filename = given.boxed("evt.arg.filename")?;
            Detail::Exec { filename: filename.unwrap_or_else(|| process.executable.path.clone()) }
        }
        kind if kind.is_clone() => {
            let flags = parameter::clone_flags(given, kind)?;
            Detail::Clone { flags }
        }
        EventKind::ProcExit => {
            let (ret, core) = (number("evt.arg.ret")?, number("evt.arg.core")?);
            let signal = parameter::signal_of(given, "evt.arg.sig")?;
            Detail::Exit { status: (ret & 0xff) << 8 | (core & 1) << 7 | signal & 0x7f }
        }
        kind if kind.is_open() => Detail::Open(descriptor::file(given, kind, &process.cwd)?),
        EventKind::Connect => Detail::Connect(descriptor::connection(given)?),
        _ => Detail::Call(Call {
            descriptor: descriptor::of(given, kind, result)?,
            values: parameter::values(given, kind, process)?,
        }),
    })
}
