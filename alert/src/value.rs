//! What a field of an event or alert holds.

use std::{borrow::Cow, fmt, net::IpAddr};

/// A value read from an event. A missing value is `None` of an `Option<Value>`, never a variant.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    Bool(bool),
    I64(i64),
    U64(u64),
    Text(Cow<'a, str>),
    /// What was read or written; shown with a dot for each byte that is not printable ASCII.
    Bytes(Cow<'a, [u8]>),
    Ip(IpAddr),
    List(Vec<Value<'a>>),
}

impl<'a> Value<'a> {
    /// Returns a text value that borrows `text`.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// Returns the value as JSON, with numbers and booleans typed and lists as arrays.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Bool(value) => (*value).into(),
            Self::I64(value) => (*value).into(),
            Self::U64(value) => (*value).into(),
            Self::Text(text) => text.as_ref().into(),
            Self::Bytes(bytes) => printable(bytes).into(),
            Self::Ip(ip) => ip.to_string().into(),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
        }
    }

    /// Returns the same value without its borrow.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Bool(value) => Value::Bool(value),
            Self::I64(value) => Value::I64(value),
            Self::U64(value) => Value::U64(value),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.into_owned())),
            Self::Ip(ip) => Value::Ip(ip),
            Self::List(items) => Value::List(items.into_iter().map(Value::into_owned).collect()),
        }
    }
}

/// Prints as Falco's output does: booleans as words, lists as `(a,b)`.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::I64(value) => value.fmt(f),
            Self::U64(value) => value.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Bytes(bytes) => f.write_str(&printable(bytes)),
            Self::Ip(ip) => ip.fmt(f),
            Self::List(items) => {
                f.write_str("(")?;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        f.write_str(",")?;
                    }
                    item.fmt(f)?;
                }
                f.write_str(")")
            }
        }
    }
}

/// Returns bytes as text, with a dot for each that is not printable ASCII.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let shown = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
    bytes.iter().map(shown).collect()
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_prints_in_parentheses_and_becomes_an_array() {
        let list = Value::List(vec![Value::text("a"), Value::U64(2)]);
        assert_eq!(list.to_string(), "(a,2)");
        assert_eq!(list.to_json(), serde_json::json!(["a", 2]));
    }

    #[test]
    fn bytes_print_with_dots() {
        let bytes = Value::Bytes(b"GET /\r\n\0\xff~"[..].into());
        assert_eq!(bytes.to_string(), "GET /....~");
        assert_eq!(bytes.to_json(), "GET /....~");
    }
}
