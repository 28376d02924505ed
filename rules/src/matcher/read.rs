//! Reads the values of a field without allocating, which is what happens for nearly every event.

use alert::{Argument, Detail, Event, Field, Process, Value};

use crate::ir::{EventView, Leaf, Record};

/// One value of a field, or one of several.
pub(super) enum Read<'a> {
    Text(&'a str),
    Other(&'a Value<'a>),
}

/// Calls `found` for the value of a field, for each of them if it has several, and for none if it
/// is missing.
pub(super) fn read(
    view: &EventView<'_>,
    leaf: &Leaf,
    scratch: &mut String,
    found: &mut dyn FnMut(Read<'_>),
) {
    let Leaf::Event(field, argument) = leaf else { return };
    let process = &*view.event.process;
    if let (Field::FdName, Detail::Connect(socket)) = (field, &view.event.detail) {
        scratch.clear();
        socket.push_name(scratch);
        found(Read::Text(scratch));
        return;
    }
    match (field, argument) {
        (Field::ProcCmdline, _) => found(Read::Text(command_line(process, scratch))),
        (Field::ProcPcmdline, _) => {
            if let Some(parent) = &process.parent {
                found(Read::Text(command_line(parent, scratch)));
            }
        }
        (Field::ProcCwd, _) if !process.cwd.is_empty() && !process.cwd.ends_with('/') => {
            scratch.clear();
            scratch.push_str(&process.cwd);
            scratch.push('/');
            found(Read::Text(scratch));
        }
        (Field::ProcArgs, _) => found(Read::Text(arguments(process, scratch))),
        (Field::ProcAname, Argument::None) => {
            process.ancestors().for_each(|ancestor| found(Read::Text(&ancestor.name)));
        }
        (Field::ProcAexe, Argument::None) => {
            let first = process.ancestors().filter_map(|ancestor| ancestor.arguments.first());
            first.for_each(|text| found(Read::Text(text)));
        }
        (Field::ProcAexepath, Argument::None) => {
            process.ancestors().for_each(|ancestor| found(Read::Text(&ancestor.executable.path)));
        }
        (Field::ProcAcmdline, Argument::None) => {
            for ancestor in process.ancestors() {
                found(Read::Text(command_line(ancestor, scratch)));
            }
        }
        (Field::FdIp | Field::FdNet, _) => ends(view, [Field::FdLip, Field::FdRip], found),
        (Field::FdPort, _) => ends(view, [Field::FdLport, Field::FdRport], found),
        _ => match view.value(leaf) {
            Some(Value::Text(text)) => found(Read::Text(&text)),
            Some(Value::List(items)) => items.iter().for_each(|item| match item {
                Value::Text(text) => found(Read::Text(text)),
                other => found(Read::Other(other)),
            }),
            Some(other) => found(Read::Other(&other)),
            None => {}
        },
    }
}

/// Reads both ends of a socket.
fn ends(view: &EventView<'_>, fields: [Field; 2], found: &mut dyn FnMut(Read<'_>)) {
    for field in fields {
        if let Some(value) = view.event.value(field, &Argument::None) {
            found(Read::Other(&value));
        }
    }
}

/// Returns the number that the text of a field follows from, where a few numbers return again and
/// again: the flags and the mode of an open.
pub(super) fn number_behind(event: &Event, leaf: &Leaf) -> Option<u32> {
    let Leaf::Event(Field::EvtArg, Argument::Key(name)) = leaf else { return None };
    let Detail::Open(file) = &event.detail else { return None };
    match &**name {
        "flags" | "creat_flags" => Some(file.flags),
        "mode" => Some(file.mode),
        _ => None,
    }
}

fn command_line<'a>(process: &'a Process, scratch: &'a mut String) -> &'a str {
    let Some((first, rest)) = process.arguments.get(1..).and_then(<[_]>::split_first) else {
        return &process.name;
    };
    if first.is_empty() && rest.is_empty() {
        return &process.name;
    }
    scratch.clear();
    scratch.push_str(&process.name);
    scratch.push(' ');
    join(first, rest, scratch);
    scratch
}

fn arguments<'a>(process: &'a Process, scratch: &'a mut String) -> &'a str {
    match process.arguments.get(1..).and_then(<[_]>::split_first) {
        None => "",
        Some((only, [])) => only,
        Some((first, rest)) => {
            scratch.clear();
            join(first, rest, scratch);
            scratch
        }
    }
}

fn join(first: &str, rest: &[Box<str>], text: &mut String) {
    text.push_str(first);
    for argument in rest {
        text.push(' ');
        text.push_str(argument);
    }
}
