//! What a predicate reads: a field of an event or alert, or a function of fields.

use std::borrow::Cow;

use alert::{Argument, ArgumentRule, Event, Field, Type, Value};

use super::{getopt::getopt, nearest};
use crate::parse::Function;

/// One value of the record a condition is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Leaf {
    Event(Field, Argument),
    Alert(AlertField),
}

impl Leaf {
    /// Returns whether its value keeps from one exec to the next.
    pub(crate) const fn is_process_state(&self) -> bool {
        matches!(self, Self::Event(field, _) if field.is_process_state())
    }

    /// Returns whether events that are alike may differ in it ([`Field::is_momentary`]).
    pub(crate) const fn is_momentary(&self) -> bool {
        matches!(self, Self::Event(field, _) if field.is_momentary())
    }
}

/// What of an alert a condition can name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AlertField {
    Priority,
    Rule,
    Source,
    Hostname,
    Output,
    Tags,
    Score,
    Count,
    Fingerprint,
    State,
    /// An entry of the alert's fields.
    Named(Box<str>),
}

impl AlertField {
    const PLAIN: [(&'static str, Self); 10] = [
        ("priority", Self::Priority),
        ("rule", Self::Rule),
        ("source", Self::Source),
        ("hostname", Self::Hostname),
        ("output", Self::Output),
        ("tags", Self::Tags),
        ("score", Self::Score),
        ("count", Self::Count),
        ("fingerprint", Self::Fingerprint),
        ("state", Self::State),
    ];

    /// Returns the names without a dot.
    pub(crate) fn plain_names() -> impl Iterator<Item = &'static str> {
        Self::PLAIN.into_iter().map(|(name, _)| name)
    }

    /// Returns the name conditions use.
    pub(crate) fn name(&self) -> &str {
        let plain = Self::PLAIN.iter().find(|(_, field)| field == self);
        match (self, plain) {
            (Self::Named(name), _) => name,
            (_, Some((name, _))) => name,
            (_, None) => "",
        }
    }

    pub(crate) fn is_plain(name: &str) -> bool {
        Self::plain_names().any(|plain| plain == name)
    }

    /// Returns what to write instead of a name that is none.
    pub(crate) fn hint(name: &str) -> String {
        match nearest(name, Self::plain_names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let names: Vec<_> = Self::plain_names().collect();
                format!(
                    "a field has a dot, as in `proc.name`; those without are {}",
                    names.join(" ")
                )
            }
        }
    }

    pub(crate) fn from_name(name: &str) -> Self {
        let plain = Self::PLAIN.into_iter().find(|(plain, _)| *plain == name);
        plain.map_or_else(|| Self::Named(name.into()), |(_, field)| field)
    }

    pub(crate) const fn value_type(&self) -> Type {
        match self {
            Self::Priority => Type::Priority,
            Self::Score | Self::Count => Type::Unsigned,
            Self::Rule | Self::Source | Self::Hostname | Self::Output | Self::Tags => Type::Text,
            Self::Fingerprint | Self::State => Type::Text,
            Self::Named(_) => Type::Any,
        }
    }
}

/// How the elements of a value that is a list, or one of several, are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Elements {
    /// One that satisfies the operator is enough: ancestors.
    Any,
    /// The same, but `!=` holds only if no element is equal: both ends of a socket.
    Ends,
    /// As [`Self::Ends`], but `in` asks every element: a list.
    List,
}

/// What stands on a side of an operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Term {
    Leaf(Leaf),
    Call(Function, Box<[Term]>),
    Constant(Box<str>),
    List(Box<[Term]>),
}

impl Term {
    pub(crate) fn value_type(&self) -> Type {
        match self {
            Self::Leaf(Leaf::Event(field, _)) => field.value_type(),
            Self::Leaf(Leaf::Alert(field)) => field.value_type(),
            Self::Call(Function::Len, _) => Type::Unsigned,
            Self::Call(Function::Base64, terms)
                if terms.iter().any(|term| term.value_type() == Type::Bytes) =>
            {
                Type::Bytes
            }
            Self::Call(..) | Self::Constant(_) | Self::List(_) => Type::Text,
        }
    }

    pub(crate) fn is_list(&self) -> bool {
        match self {
            Self::Leaf(Leaf::Event(field, argument)) => field.yields_list(argument),
            Self::Leaf(Leaf::Alert(field)) => *field == AlertField::Tags,
            Self::List(_) => true,
            Self::Call(Function::GetOpt, terms) => terms.len() == 2,
            Self::Call(Function::Len | Function::Join | Function::Concat, _) => false,
            Self::Call(_, terms) => terms.iter().any(Self::is_list),
            Self::Constant(_) => false,
        }
    }

    pub(crate) fn elements(&self) -> Elements {
        match self {
            Self::Leaf(Leaf::Event(field, _)) => match field {
                Field::FdIp | Field::FdNet | Field::FdPort | Field::FdProto => Elements::Ends,
                // Several names may have led to one address.
                Field::FdCipName | Field::FdSipName | Field::FdLipName | Field::FdRipName => {
                    Elements::Ends
                }
                Field::ProcAenv => Elements::Any,
                field if field.argument() == ArgumentRule::Ancestor => Elements::Any,
                _ => Elements::List,
            },
            _ => Elements::List,
        }
    }

    /// Returns whether `in` must hold of every element, so that finding one answers nothing.
    pub(crate) fn asks_every_element(&self) -> bool {
        self.is_list() && self.elements() == Elements::List
    }

    /// Calls `visit` for every field it reads.
    pub(crate) fn leaves(&self, visit: &mut dyn FnMut(&Leaf)) {
        match self {
            Self::Leaf(leaf) => visit(leaf),
            Self::Call(_, terms) | Self::List(terms) => {
                terms.iter().for_each(|term| term.leaves(visit));
            }
            Self::Constant(_) => {}
        }
    }

    pub(crate) fn value<'a>(&'a self, record: &'a impl Record) -> Option<Value<'a>> {
        match self {
            Self::Leaf(leaf) => record.value(leaf),
            Self::Constant(text) => Some(Value::text(text)),
            // A list of which an element is missing is missing.
            Self::List(terms) => {
                let mut items = Vec::with_capacity(terms.len());
                for term in terms {
                    match term.value(record)? {
                        Value::List(inner) => items.extend(inner),
                        item => items.push(item),
                    }
                }
                Some(Value::List(items))
            }
            Self::Call(function, terms) => {
                let first = terms.first()?.value(record)?;
                match function {
                    Function::Join => {
                        let Value::List(items) = terms.get(1)?.value(record)? else { return None };
                        let items: Vec<_> = items.iter().map(Value::to_string).collect();
                        Some(Value::Text(items.join(&first.to_string()).into()))
                    }
                    Function::Concat => {
                        let mut text = first.to_string();
                        for term in &terms[1..] {
                            text.push_str(&term.value(record)?.to_string());
                        }
                        Some(Value::Text(text.into()))
                    }
                    Function::GetOpt => {
                        let options = terms.get(1)?.value(record)?;
                        let selected = terms.get(2).and_then(|term| term.value(record));
                        getopt(&first, &options, selected.as_ref())
                    }
                    function => apply(*function, first),
                }
            }
        }
    }
}

/// Applies a function of one argument; to each element of a list, except for its length.
fn apply(function: Function, value: Value<'_>) -> Option<Value<'_>> {
    let text = match value {
        Value::List(items) if function == Function::Len => {
            return Some(Value::U64(items.len() as u64));
        }
        Value::List(items) => {
            let items = items.into_iter().filter_map(|item| apply(function, item)).collect();
            return Some(Value::List(items));
        }
        Value::Text(text) => text,
        Value::Bytes(bytes) => return apply_to_bytes(function, &bytes),
        _ => return None,
    };
    Some(match function {
        Function::ToLower => Value::Text(text.to_ascii_lowercase().into()),
        Function::ToUpper => Value::Text(text.to_ascii_uppercase().into()),
        Function::Len => Value::U64(text.len() as u64),
        // Bytes that are no text become U+FFFD.
        Function::Base64 => {
            let bytes = decode_base64(text.as_bytes())?;
            Value::Text(String::from_utf8_lossy(&bytes).into_owned().into())
        }
        Function::BaseName => Value::Text(match text {
            Cow::Borrowed(text) => Cow::Borrowed(base_name(text)),
            Cow::Owned(text) => Cow::Owned(base_name(&text).to_owned()),
        }),
        Function::Join | Function::Concat | Function::GetOpt => return None,
    })
}

fn apply_to_bytes(function: Function, bytes: &[u8]) -> Option<Value<'static>> {
    match function {
        Function::Len => Some(Value::U64(bytes.len() as u64)),
        Function::Base64 => Some(Value::Bytes(decode_base64(bytes)?.into())),
        _ => None,
    }
}

fn base_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Decodes with or without padding.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = &text[..text.len() - padding];
    if digits.len() % 4 == 1 {
        return None;
    }
    for byte in digits {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

/// Something whose fields can be read.
pub(crate) trait Record {
    fn value(&self, leaf: &Leaf) -> Option<Value<'_>>;
}

/// Which of an opened file's two paths `fd.name`, `fd.directory` and `fd.filename` show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathView {
    /// As the program wrote it, made absolute.
    Written,
    /// As the kernel resolved it, links followed.
    Resolved,
}

/// An event seen through one of its paths.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventView<'a> {
    pub(crate) event: &'a Event,
    pub(crate) path: PathView,
}

impl EventView<'_> {
    /// Returns whether a field reads the path that [`PathView`] chooses.
    pub(crate) const fn depends_on_path(field: Field) -> bool {
        matches!(
            field,
            Field::FdName
                | Field::FdDirectory
                | Field::FdFilename
                | Field::FdContainername
                | Field::FdContainerdirectory
        )
    }

    /// Returns the second path of an event whose two paths differ.
    pub(crate) fn other_path(event: &Event) -> Option<&str> {
        match &event.detail {
            alert::Detail::Open(file) => {
                file.resolved.as_deref().filter(|resolved| **resolved != *file.path)
            }
            _ => None,
        }
    }
}

impl Record for EventView<'_> {
    #[inline]
    fn value(&self, leaf: &Leaf) -> Option<Value<'_>> {
        let Leaf::Event(field, argument) = leaf else { return None };
        if self.path == PathView::Resolved
            && Self::depends_on_path(*field)
            && let Some(path) = Self::other_path(self.event)
        {
            let (directory, name) = match path.rsplit_once('/') {
                Some(("", name)) => ("/", name),
                Some(parts) => parts,
                None => ("", path),
            };
            let part = match field {
                Field::FdName | Field::FdContainername => path,
                Field::FdDirectory | Field::FdContainerdirectory => directory,
                _ => name,
            };
            if matches!(field, Field::FdContainername | Field::FdContainerdirectory) {
                let container = self.event.value(Field::ContainerId, &Argument::None)?;
                return Some(Value::Text(format!("{container}:{part}").into()));
            }
            return Some(Value::text(part));
        }
        self.event.value(*field, argument)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_and_without_padding() {
        for (text, expected) in [
            ("aGVsbG8=", Some("hello")),
            ("aGVsbG8", Some("hello")),
            ("", Some("")),
            ("a", None),
            ("a b", None),
        ] {
            let expected = expected.map(|text| text.as_bytes().to_vec());
            assert_eq!(decode_base64(text.as_bytes()), expected, "{text}");
        }
    }
}
