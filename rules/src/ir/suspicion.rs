//! Values that are valid but hardly meant, and values that an operator cannot use.

use std::sync::LazyLock;

use alert::Field;
use hashbrown::HashSet;

use super::{nearest, regex};
use crate::parse::{Fault, Function, Literal as Written, Operator, shown};

/// What stands before the first dot of a field.
static FAMILIES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    Field::ALL.iter().filter_map(|field| Some(field.name().split_once('.')?.0)).collect()
});

/// A value that looks like a field or a call is compared as text.
pub(super) fn of(written: &Written, operator: Operator) -> Option<Fault> {
    let text = written.text.trim();
    let (message, hint) = if is_field(text) {
        (
            format!("`{text}` is compared as text, not as a field"),
            match operator.takes_list() {
                true => format!("to compare two fields write `= val({text})`, outside a list"),
                false => format!("to compare two fields write `val({text})`"),
            },
        )
    } else if is_call(text) {
        (
            format!("{} is compared as text, not called", shown(text)),
            "a call on the right of an operator stands without quotes, and not in a list"
                .to_owned(),
        )
    } else {
        return None;
    };
    Some(Fault::new(written.span, message).hint(hint))
}

/// Long lists are asked this of each value, so that most must be dismissed at once.
fn is_field(text: &str) -> bool {
    let Some((family, _)) = text.split_once('.') else { return false };
    if !FAMILIES.contains(family) {
        return false;
    }
    match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        Some((name, argument)) => Field::resolve_any(name, Some(argument)).is_ok(),
        None => Field::resolve_any(text, None).is_ok(),
    }
}

fn is_call(text: &str) -> bool {
    let Some(call) = text.strip_suffix(')').and_then(|text| text.split_once('(')) else {
        return false;
    };
    call.0 == "val" || Function::ALL.iter().any(|function| function.word() == call.0)
}

pub(super) fn unknown_event(written: &Written) -> Fault {
    let text = &*written.text;
    let fault = Fault::new(written.span, format!("there is no event {}", shown(text)));
    match nearest(text, alert::event_names()) {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None => fault.hint("events have the names of system calls"),
    }
}

/// Refuses a value that its operator cannot read.
pub(super) fn pattern(written: &Written, operator: Operator) -> Result<(), Fault> {
    match operator {
        Operator::Regex => {
            regex::check(&written.text).map_err(|reason| Fault::new(written.span, reason))
        }
        Operator::BContains | Operator::BStartsWith => {
            let digits = written.text.as_bytes();
            let is_hexadecimal = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
            if is_hexadecimal && digits.len().is_multiple_of(2) {
                return Ok(());
            }
            let found = shown(&written.text);
            let message = format!("expected hex digits in pairs, found {found}");
            Err(Fault::new(written.span, message).hint("as in `evt.buffer bcontains cafebabe`"))
        }
        _ => Ok(()),
    }
}
