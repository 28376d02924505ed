//! What is known of the values that fields take.

use alert::{Argument, DescriptorKind, EventKind, Field, ParameterKind};

use crate::parse::Operator;

/// The kernel keeps so many bytes of a program's name.
const NAME_BYTES_MAX: usize = 15;
/// Hex digits of a container's id that `container.id` shows.
const ID_DIGITS: usize = 12;

const PROTOCOLS: [&str; 5] = ["tcp", "udp", "icmp", "raw", "<NA>"];
/// What the flags of an open may show.
const OPEN_FLAGS: [&str; 20] = [
    "O_NONE",
    "O_RDONLY",
    "O_WRONLY",
    "O_RDWR",
    "O_CREAT",
    "O_APPEND",
    "O_DSYNC",
    "O_EXCL",
    "O_NONBLOCK",
    "O_SYNC",
    "O_TRUNC",
    "O_DIRECT",
    "O_DIRECTORY",
    "O_LARGEFILE",
    "O_CLOEXEC",
    "O_PATH",
    "O_TMPFILE",
    "O_F_CREATED",
    "FD_UPPER_LAYER",
    "FD_LOWER_LAYER",
];

/// Why a value cannot be, and what to write.
#[derive(Debug)]
pub(super) struct Reason {
    pub(super) why: String,
    pub(super) hint: String,
}

pub(super) fn reason(why: impl Into<String>, hint: impl Into<String>) -> Option<Reason> {
    Some(Reason { why: why.into(), hint: hint.into() })
}

/// Returns why a field never satisfies `operator value`, if it is known not to.
pub(super) fn of_field(
    field: Field,
    argument: &Argument,
    operator: Operator,
    value: &str,
) -> Option<Reason> {
    match field {
        Field::EvtArg => of_argument(argument, operator, value),
        _ => of_name(field, operator, value)
            .or_else(|| of_path(field, operator, value))
            .or_else(|| of_whole(field, value).filter(|_| operator == Operator::Equal)),
    }
}

/// Returns whether an operator looks for the text as it is.
const fn is_literal(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Equal | Operator::Contains | Operator::StartsWith | Operator::EndsWith
    )
}

fn of_name(field: Field, operator: Operator, value: &str) -> Option<Reason> {
    let is_name =
        matches!(field, Field::ProcName | Field::ProcPname | Field::ProcSname | Field::ProcAname);
    if !is_name || !is_literal(operator) || value.len() <= NAME_BYTES_MAX {
        return None;
    }
    let kept = value.get(..NAME_BYTES_MAX).unwrap_or_default();
    reason(
        format!("the kernel keeps {NAME_BYTES_MAX} bytes of a program's name"),
        format!("write `{kept}`, or ask for the path of the executable"),
    )
}

fn of_path(field: Field, operator: Operator, value: &str) -> Option<Reason> {
    let ends = matches!(operator, Operator::Equal | Operator::EndsWith);
    let whole = operator == Operator::Equal;
    match field {
        Field::ProcExepath | Field::ProcPexepath | Field::ProcAexepath | Field::ProcSidExepath
            if whole && !value.is_empty() && !value.starts_with(['/', '<', 'm']) =>
        {
            reason("it is a whole path", "write the path, or ask for the name")
        }
        Field::FdDirectory if ends && value.len() > 1 && value.ends_with('/') => {
            reason("it has no slash at its end", format!("write `{}`", value.trim_end_matches('/')))
        }
        Field::FdFilename if is_literal(operator) && value.contains('/') => {
            reason("it is what follows the last `/`", "ask `fd.name` for the whole path")
        }
        Field::FdName
            if is_literal(operator) && (value.contains("/../") || value.starts_with("../")) =>
        {
            let hint = "ask `fd.nameraw` for the path as the program wrote it";
            reason("`..` is folded away in it", hint)
        }
        Field::ProcCwd if ends && !value.ends_with('/') && !value.starts_with('<') => {
            reason("it ends with a slash", format!("write `{value}/`"))
        }
        _ => None,
    }
}

/// What a field cannot be as a whole.
fn of_whole(field: Field, value: &str) -> Option<Reason> {
    match field {
        Field::FdTypechar if !is_type(value, DescriptorKind::letter) => {
            let letters: Vec<_> = DescriptorKind::ALL.iter().map(|kind| kind.letter()).collect();
            reason("it is one letter", format!("the letters are {}", letters.join(" ")))
        }
        Field::FdType if !is_type(value, DescriptorKind::name) => {
            let names: Vec<_> = DescriptorKind::ALL.iter().map(|kind| kind.name()).collect();
            reason("there is no such type", format!("the types are {}", names.join(" ")))
        }
        Field::FdL4proto if !PROTOCOLS.contains(&value) => {
            reason("it is tcp, udp, icmp or raw", "write one of them, in small letters")
        }
        Field::EvtType if !alert::event_name_is_known(value) => {
            let hint = match crate::ir::nearest(value, alert::event_names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "kinds of event are called as their system calls".to_owned(),
            };
            reason("there is no such event", hint)
        }
        Field::EvtRes if value != "SUCCESS" && alert::error_number(value).is_none() => {
            let hint = "write a name such as `EACCES`; `evt.rawres` has the number";
            reason("it is SUCCESS or the name of an error", hint)
        }
        Field::ContainerId if is_long_id(value) => reason(
            format!("it shows the first {ID_DIGITS} digits"),
            format!("write `{}`", value.get(..ID_DIGITS).unwrap_or_default()),
        ),
        Field::UserLoginuid if value == "4294967295" => {
            reason("a login id that is not set is -1", "write `-1`")
        }
        _ => None,
    }
}

/// Returns whether a value is a descriptor's type; `X` and `<NA>` are what Falco prints of others.
fn is_type(value: &str, of: fn(DescriptorKind) -> &'static str) -> bool {
    matches!(value, "X" | "<NA>") || DescriptorKind::ALL.iter().any(|kind| of(*kind) == value)
}

fn is_long_id(value: &str) -> bool {
    value.len() > ID_DIGITS && value.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns the parameters of this name, of whatever kind of event.
fn parameters(key: &str) -> impl Iterator<Item = ParameterKind> + Clone {
    let all = EventKind::ALL.into_iter().flat_map(|kind| kind.parameters());
    all.filter(move |parameter| parameter.name == key).map(|parameter| parameter.kind)
}

/// Returns the names that a parameter may show; nothing if it shows other things too.
fn symbols(kind: ParameterKind) -> Option<Vec<&'static str>> {
    match kind {
        ParameterKind::FileFlags => Some(OPEN_FLAGS.to_vec()),
        ParameterKind::Flags(table) | ParameterKind::Choice(table) => {
            Some(table.iter().map(|(name, _)| *name).collect())
        }
        _ => None,
    }
}

fn of_argument(argument: &Argument, operator: Operator, value: &str) -> Option<Reason> {
    let Argument::Key(key) = argument else { return None };
    if let Ok(number) = value.parse::<u64>() {
        return of_number(key, operator, number);
    }
    let known: Vec<_> = parameters(key).filter_map(symbols).flatten().collect();
    let fits = |word: &str| known.iter().any(|name| name.contains(word));
    // Some kinds show other things under this name; what begins like no symbol may be one of these.
    let family = value.split_inclusive('_').next().filter(|family| family.ends_with('_'))?;
    let like_symbols = known.iter().any(|name| name.starts_with(family));
    let whole = matches!(operator, Operator::Equal | Operator::Contains);
    if !like_symbols || !whole || value.split('|').all(fits) {
        return None;
    }
    let hint = match crate::ir::nearest(value, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write a name as the manual page of the system call has it".to_owned(),
    };
    reason("it shows no such name", hint)
}

/// Says that a parameter shows the name of a number, if it does so for every kind of event.
fn of_number(key: &str, operator: Operator, number: u64) -> Option<Reason> {
    let mut named = None;
    for kind in parameters(key) {
        let (ParameterKind::Choice(table), Operator::Equal) = (kind, operator) else { return None };
        named = Some(table.iter().find(|(_, known)| *known == number)?.0);
    }
    let name = named?;
    reason("it shows the name of the number", format!("write `{name}`"))
}
