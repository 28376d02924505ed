//! Values that a field can never take.

use alert::{Argument, Field};

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

/// Letters of `fd.typechar`.
const TYPE_LETTERS: &str = "fd46upeitnbmrPsloX";
const PROTOCOLS: [&str; 5] = ["tcp", "udp", "icmp", "raw", "<NA>"];
/// What `evt.arg.flags` of an open may show.
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
            items.iter().map(|text| (text.to_string(), *operator)).collect()
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
        Field::ProcExepath | Field::ProcPexepath | Field::ProcAexepath | Field::ProcSexepath
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
        Field::FdTypechar if whole && !is_type_letter(value) => reason(
            "it is one letter",
            format!("the letters are {TYPE_LETTERS}; see docs/fields.md"),
        ),
        Field::FdL4proto if whole && !PROTOCOLS.contains(&value) => {
            reason("it is tcp, udp, icmp or raw", "write one of them, in small letters")
        }
        Field::EvtDir if value == ">" => reason(
            "only the end of a call is reported",
            "remove it: events have no direction any more",
        ),
        Field::EvtRes if whole && !is_result(value) => reason(
            "it is SUCCESS or the name of an error",
            "write a name such as `EACCES`; `evt.rawres` has the number",
        ),
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

fn is_type_letter(value: &str) -> bool {
    value.len() == 1 && TYPE_LETTERS.contains(value)
}

fn is_result(value: &str) -> bool {
    value == "SUCCESS"
        || value.strip_prefix('E').is_some_and(|rest| {
            !rest.is_empty()
                && rest.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        })
}

fn is_long_id(value: &str) -> bool {
    value.len() > ID_DIGITS && value.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn of_argument(argument: &Argument, operator: Operator, value: &str) -> Option<Reason> {
    let Argument::Key(key) = argument else { return None };
    let number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    match &**key {
        "cmd" | "request" | "domain" if operator == Operator::Equal && number => reason(
            "it prints the name of the number",
            "write the name, such as `BPF_PROG_LOAD`, `PTRACE_ATTACH` or `AF_PACKET`",
        ),
        "flags"
            if operator == Operator::Contains
                && value.starts_with("O_")
                && !OPEN_FLAGS.iter().any(|flag| flag.contains(value)) =>
        {
            let near = crate::ir::nearest(value, OPEN_FLAGS.into_iter());
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the flags are {}", OPEN_FLAGS.join(" ")),
            };
            reason("there is no such flag", hint)
        }
        _ => None,
    }
}
