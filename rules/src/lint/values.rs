//! Values that a field can never take.

use alert::{Argument, DescriptorKind, EventKind, Field, ParameterKind};

use super::{
    Finding,
    claims::checks,
    constant::conditions,
    reading::{Subject, Written},
};
use crate::{
    diagnostic::Place,
    ir::{Leaf, Literal, Predicate, Term, Test},
    parse::{Function, Operator, Right, Span},
};

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
struct Reason {
    why: String,
    hint: String,
}

fn reason(why: impl Into<String>, hint: impl Into<String>) -> Option<Reason> {
    Some(Reason { why: why.into(), hint: hint.into() })
}

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (written, item) in conditions(subject) {
        checks(&written.root, false, &mut |part, check, _| {
            let Some(predicate) = subject.predicate(part.node) else { return };
            for (value, operator) in compared(predicate) {
                let Some(reason) = impossible(&predicate.term, operator, &value) else { continue };
                findings.push(Finding {
                    place: place(subject, written, part.span, &check.right, &value),
                    item: item.clone(),
                    message: format!("`{}` is never `{value}`: {}", check.left, reason.why),
                    hint: reason.hint,
                });
            }
        });
    }
    findings
}

/// Returns the values a predicate compares with, and how.
fn compared(predicate: &Predicate) -> Vec<(String, Operator)> {
    let text = |literal: &Literal| match literal {
        Literal::Text(text) => Some(text.to_string()),
        Literal::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match &predicate.test {
        Test::Equal(literal) | Test::NotEqual(literal) => {
            text(literal).map(|text| (text, Operator::Equal)).into_iter().collect()
        }
        Test::In(items) | Test::Intersects(items) => {
            items.iter().filter_map(text).map(|text| (text, Operator::Equal)).collect()
        }
        Test::Text(operator, text) => vec![(text.to_string(), *operator)],
        Test::Modified(_, operator, items) => {
            items.iter().filter_map(text).map(|text| (text, *operator)).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns where a value stands: in its list if it was pasted from one.
fn place(subject: &Subject, written: &Written, part: Span, right: &Right, value: &str) -> Place {
    let literal = match right {
        Right::Literal(literal) => Some(literal),
        Right::List(items, _) => items.iter().find(|literal| &*literal.text == value),
        _ => None,
    };
    let Some(literal) = literal else { return subject.place(written, part) };
    let place = subject.place(written, literal.span);
    if place.file.text.get(place.span.clone()).is_some_and(|text| text.contains(value)) {
        return place;
    }
    let items = subject.lists.iter().flat_map(|list| &list.items);
    let mut items = items.filter(|item| item.as_str().trim_matches('"') == value);
    match items.next() {
        Some(item) => item.place(&subject.files, 0..item.as_str().len()),
        None => place,
    }
}

fn impossible(term: &Term, operator: Operator, value: &str) -> Option<Reason> {
    match term {
        Term::Leaf(Leaf::Event(field, argument)) => of_field(*field, argument, operator, value),
        Term::Call(function, _) => of_function(*function, value),
        _ => None,
    }
}

fn of_function(function: Function, value: &str) -> Option<Reason> {
    match function {
        Function::ToLower if value.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            reason("it has no capital letters", format!("write `{}`", value.to_ascii_lowercase()))
        }
        Function::ToUpper if value.bytes().any(|byte| byte.is_ascii_lowercase()) => {
            reason("it has no small letters", format!("write `{}`", value.to_ascii_uppercase()))
        }
        Function::BaseName if value.contains('/') => {
            reason("it has no `/`", "write only what follows the last `/`")
        }
        _ => None,
    }
}

fn of_field(field: Field, argument: &Argument, operator: Operator, value: &str) -> Option<Reason> {
    use Operator as O;
    let whole = operator == O::Equal;
    let literal = matches!(operator, O::Equal | O::Contains | O::StartsWith | O::EndsWith);
    match field {
        Field::ProcName | Field::ProcPname | Field::ProcSname | Field::ProcAname
            if literal && value.len() > NAME_BYTES_MAX =>
        {
            let kept = value.get(..NAME_BYTES_MAX).unwrap_or_default();
            reason(
                format!("the kernel keeps {NAME_BYTES_MAX} bytes of a program's name"),
                format!("write `{kept}`, or ask `proc.exepath`"),
            )
        }
        Field::ProcExepath | Field::ProcPexepath | Field::ProcAexepath | Field::ProcSidExepath
            if whole && !value.is_empty() && !value.starts_with(['/', '<', 'm']) =>
        {
            reason("it is a whole path", format!("write `proc.name = {value}` or the path"))
        }
        Field::FdDirectory if matches!(operator, O::Equal | O::EndsWith) => (value.len() > 1
            && value.ends_with('/'))
        .then_some(())
        .and_then(|()| {
            reason("it has no slash at its end", format!("write `{}`", value.trim_end_matches('/')))
        }),
        Field::FdFilename if literal && value.contains('/') => {
            reason("it is what follows the last `/`", "ask `fd.name` for the whole path")
        }
        Field::FdName if literal && (value.contains("/../") || value.starts_with("../")) => reason(
            "`..` is folded away in it",
            "ask `fd.nameraw` for the path as the program wrote it",
        ),
        Field::ProcCwd if matches!(operator, O::Equal | O::EndsWith) && !value.ends_with('/') => {
            (!value.starts_with('<'))
                .then_some(())
                .and_then(|()| reason("it ends with a slash", format!("write `{value}/`")))
        }
        Field::FdTypechar if whole && !is_type(value, DescriptorKind::letter) => {
            let letters: Vec<_> = DescriptorKind::ALL.iter().map(|kind| kind.letter()).collect();
            reason("it is one letter", format!("the letters are {}", letters.join(" ")))
        }
        Field::FdType if whole && !is_type(value, DescriptorKind::name) => {
            let names: Vec<_> = DescriptorKind::ALL.iter().map(|kind| kind.name()).collect();
            reason("there is no such type", format!("the types are {}", names.join(" ")))
        }
        Field::FdL4proto if whole && !PROTOCOLS.contains(&value) => {
            reason("it is tcp, udp, icmp or raw", "write one of them, in small letters")
        }
        Field::EvtType if whole && !alert::event_name_is_known(value) => {
            let hint = match crate::ir::nearest(value, alert::event_names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "kinds of event are called as their system calls".to_owned(),
            };
            reason("there is no such event", hint)
        }
        Field::EvtDir if value == ">" => reason(
            "only the end of a call is reported",
            "remove it: events have no direction any more",
        ),
        Field::EvtRes if whole && value != "SUCCESS" && alert::error_number(value).is_none() => {
            reason(
                "it is SUCCESS or the name of an error",
                "write a name such as `EACCES`; `evt.rawres` has the number",
            )
        }
        Field::ContainerId if whole && is_long_id(value) => reason(
            format!("it shows the first {ID_DIGITS} digits"),
            format!("write `{}`", &value[..ID_DIGITS]),
        ),
        Field::UserLoginuid if value == "4294967295" => {
            reason("a login id that is not set is -1", "write `-1`")
        }
        Field::EvtArg => of_argument(argument, operator, value),
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
