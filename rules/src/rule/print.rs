//! Values as text and as JSON, each cut where a hostile process would make it too long.

use std::fmt::{self, Write};

use alert::{Field, Value};

use crate::ir::{Leaf, Term};

/// A value is cut after this many bytes.
pub(super) const VALUE_BYTES_MAX: usize = 4096;
/// An output is cut after this many bytes.
pub(super) const OUTPUT_BYTES_MAX: usize = 64 << 10;
const NOT_AVAILABLE: &str = "<NA>";
const SECOND_NS: u64 = 1_000_000_000;

/// Appends a value as Falco prints it, cut or padded on the right to `width` characters. One that
/// is missing prints `<NA>`.
pub(super) fn text(
    output: &mut String,
    term: &Term,
    value: Option<&Value<'_>>,
    width: Option<u16>,
) {
    let start = output.len();
    match (term, value) {
        (_, None) => output.push_str(NOT_AVAILABLE),
        (Term::Leaf(Leaf::Event(Field::EvtTime, _)), Some(Value::U64(time_ns))) => {
            time_of_day(output, time_ns / SECOND_NS);
            output.push_str(&format!(".{:09}", time_ns % SECOND_NS));
        }
        (Term::Leaf(Leaf::Event(Field::EvtTimeS, _)), Some(Value::U64(second))) => {
            time_of_day(output, *second);
        }
        (_, Some(value)) => within(output, VALUE_BYTES_MAX, value),
    }
    if let Some(width) = width {
        let width = usize::from(width).min(VALUE_BYTES_MAX);
        let shown = &output[start..];
        let count = shown.chars().count();
        match shown.char_indices().nth(width) {
            Some((end, _)) => output.truncate(start + end),
            None => output.extend(std::iter::repeat_n(' ', width - count)),
        }
    }
}

/// Returns a value with its type. A time is nanoseconds since 1970, however it prints.
pub(super) fn json(leaf: &Leaf, value: Option<&Value<'_>>, time_ns: u64) -> serde_json::Value {
    match (leaf, value) {
        (_, None) => serde_json::Value::Null,
        (Leaf::Event(field, _), Some(_)) if is_time(*field) => time_ns.into(),
        (_, Some(value)) => {
            let mut left = VALUE_BYTES_MAX;
            bounded_json(value, &mut left)
        }
    }
}

/// Cuts an output that grew too long.
pub(super) fn cut(output: &mut String, bytes_max: usize) {
    if output.len() > bytes_max {
        output.truncate(output.floor_char_boundary(bytes_max));
        output.push('…');
    }
}

fn bounded_json(value: &Value<'_>, left: &mut usize) -> serde_json::Value {
    if let Value::List(items) = value {
        let mut shown = Vec::new();
        for item in items {
            if *left == 0 {
                shown.push("…".into());
                break;
            }
            shown.push(bounded_json(item, left));
        }
        return shown.into();
    }
    let mut json = value.to_json();
    if let serde_json::Value::String(text) = &mut json {
        let length = text.len();
        cut(text, *left);
        *left = left.saturating_sub(length);
    }
    // An element of no length takes room too.
    *left = left.saturating_sub(1);
    json
}

/// Returns whether a field is the event's time, in whatever form it prints.
const fn is_time(field: Field) -> bool {
    matches!(
        field,
        Field::EvtTime
            | Field::EvtTimeS
            | Field::EvtTimeIso
            | Field::EvtDatetime
            | Field::EvtDatetimeS
    )
}

/// Appends the time of the day in UTC.
fn time_of_day(output: &mut String, second: u64) {
    let (hour, minute, second) = (second / 3600 % 24, second / 60 % 60, second % 60);
    output.push_str(&format!("{hour:02}:{minute:02}:{second:02}"));
}

/// Appends at most so many bytes of what prints, and `…` if there were more.
fn within(output: &mut String, bytes_max: usize, printed: &dyn fmt::Display) {
    let mut writer = Within { output, left: bytes_max };
    if write!(writer, "{printed}").is_err() {
        output.push('…');
    }
}

struct Within<'a> {
    output: &'a mut String,
    left: usize,
}

impl Write for Within<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let shown = &text[..text.floor_char_boundary(self.left)];
        self.output.push_str(shown);
        self.left -= shown.len();
        if shown.len() < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}
