//! Where a mapping takes a value from: a place in the message, a text with such places in it, or a
//! text of its own.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};
use serde_json::Value;

const TEXT_BYTES_MAX: usize = 1024;
const PARTS_MAX: usize = 32;
const TEXTS_MAX: usize = 16;

/// A place in a message, as JSON Pointer writes it (`/items/0/name`); with `^` before it in the
/// whole body rather than in the alert's own part.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    in_body: bool,
    pointer: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(Place),
}

/// One way to come to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Text {
    written: String,
    parts: Vec<Part>,
}

/// Ways to come to a value: the first that finds something counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source(Vec<Text>);

/// What a value is looked for in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) item: &'a Value,
    pub(super) body: &'a Value,
}

impl Source {
    /// Returns what is found; null is as good as nothing.
    pub(super) fn find<'a>(&'a self, message: Message<'a>) -> Option<Cow<'a, Value>> {
        self.0.iter().find_map(|text| text.find(message))
    }

    /// Returns whether it only says places, so that what it finds may be anything.
    pub(super) fn is_place(&self) -> bool {
        self.0.iter().all(|text| matches!(&text.parts[..], [Part::Place(_)]))
    }

    /// Returns what is found at the first of its places.
    pub(super) fn place<'a>(&self, message: Message<'a>) -> Option<&'a Value> {
        self.0.iter().find_map(|text| match &text.parts[..] {
            [Part::Place(place)] => place.find(message),
            _ => None,
        })
    }

    /// Returns what is found as a text: of numbers and booleans what they are written as. The error
    /// says what is no text.
    pub(super) fn text(&self, message: Message<'_>) -> Result<Option<String>, String> {
        let Some(value) = self.find(message) else { return Ok(None) };
        match shown(&value) {
            Some(text) => Ok(Some(text.into_owned())),
            None => Err(format!("{} at `{self}` is no text", kind(&value))),
        }
    }
}

impl Text {
    fn find<'a>(&'a self, message: Message<'a>) -> Option<Cow<'a, Value>> {
        if let [Part::Place(place)] = &self.parts[..] {
            return place.find(message).map(Cow::Borrowed);
        }
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                // A text with a hole in it tells nothing that another could not tell better.
                Part::Place(place) => text.push_str(&shown(place.find(message)?)?),
            }
        }
        Some(Cow::Owned(text.into()))
    }

    fn parse(written: &str) -> Result<Self, String> {
        if written.len() > TEXT_BYTES_MAX {
            return Err(format!("it has more than {TEXT_BYTES_MAX} bytes"));
        }
        if written.starts_with('/') || written.starts_with("^/") {
            let parts = vec![Part::Place(Place::parse(written)?)];
            return Ok(Self { written: written.to_owned(), parts });
        }
        let (mut parts, mut rest) = (Vec::new(), written);
        while let Some((before, after)) = split_place(rest) {
            let (inside, after) = after
                .split_once('}')
                .ok_or_else(|| format!("`{written}` has no `}}` at its end"))?;
            parts.extend((!before.is_empty()).then(|| Part::Text(before.to_owned())));
            parts.push(Part::Place(Place::parse(inside)?));
            rest = after;
        }
        parts.extend((!rest.is_empty()).then(|| Part::Text(rest.to_owned())));
        if parts.len() > PARTS_MAX {
            return Err(format!("it has more than {PARTS_MAX} parts"));
        }
        // A place alone in braces is meant as a text.
        if matches!(&parts[..], [Part::Place(_)]) {
            parts.push(Part::Text(String::new()));
        }
        Ok(Self { written: written.to_owned(), parts })
    }
}

/// Returns what stands before and after the next `{` that begins a place.
fn split_place(text: &str) -> Option<(&str, &str)> {
    let begins = |start: &usize| {
        let after = &text[start + 1..];
        after.starts_with('/') || after.starts_with("^/")
    };
    let start = text.match_indices('{').map(|(start, _)| start).find(begins)?;
    Some((&text[..start], &text[start + 1..]))
}

impl Place {
    fn parse(text: &str) -> Result<Self, String> {
        let (in_body, pointer) = match text.strip_prefix('^') {
            Some(pointer) => (true, pointer),
            None => (false, text),
        };
        let escapes = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if !pointer.starts_with('/') || !escapes {
            return Err(format!("`{text}` is no JSON pointer such as `/items/0/name`"));
        }
        Ok(Self { in_body, pointer: pointer.to_owned() })
    }

    fn find<'a>(&self, message: Message<'a>) -> Option<&'a Value> {
        let root = if self.in_body { message.body } else { message.item };
        root.pointer(&self.pointer).filter(|value| !value.is_null())
    }
}

/// Returns a value as it is printed in a text; nothing for one that has parts.
fn shown(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, text) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{}", text.written)?;
        }
        Ok(())
    }
}

impl From<&'static str> for Source {
    /// For texts in this program, which are as they should be.
    fn from(written: &'static str) -> Self {
        let parts = vec![Part::Text(written.to_owned())];
        let literal = || Text { written: written.to_owned(), parts };
        Self(vec![Text::parse(written).unwrap_or_else(|_| literal())])
    }
}

impl Source {
    /// Returns the first of several that finds something.
    pub(in crate::ingest) fn first_of(written: &[&'static str]) -> Self {
        Self(written.iter().flat_map(|written| Self::from(*written).0).collect())
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [text] => serializer.serialize_str(&text.written),
            texts => serializer.collect_seq(texts.iter().map(|text| &text.written)),
        }
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = Source;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON pointer, a text, or a list of them")
    }

    fn visit_str<E: de::Error>(self, written: &str) -> Result<Source, E> {
        Ok(Source(vec![Text::parse(written).map_err(E::custom)?]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Source, A::Error> {
        let mut texts = Vec::new();
        while let Some(written) = seq.next_element::<String>()? {
            texts.push(Text::parse(&written).map_err(de::Error::custom)?);
        }
        if texts.is_empty() || texts.len() > TEXTS_MAX {
            return Err(de::Error::custom(format!("a list has 1 to {TEXTS_MAX} texts")));
        }
        Ok(Source(texts))
    }
}

impl JsonSchema for Source {
    fn schema_name() -> Cow<'static, str> {
        "Source".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "maxLength": 1024 },
                { "type": "array", "items": { "type": "string", "maxLength": 1024 }, "minItems": 1, "maxItems": 16 }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(source: Value) -> Value {
        let source: Source = serde_json::from_value(source).unwrap();
        let body = json!({"host": "h1", "items": [{"a/b": 7, "n": null, "l": [1], "t": "x"}]});
        let message = Message { item: &body["items"][0], body: &body };
        source.find(message).map_or_else(|| json!("nothing"), Cow::into_owned)
    }

    #[test]
    fn a_value_is_taken_from_a_place_as_it_is() {
        assert_eq!(found(json!("/a~1b")), json!(7));
        assert_eq!(found(json!("/l")), json!([1]));
        assert_eq!(found(json!("^/host")), json!("h1"));
        assert_eq!(found(json!("/n")), json!("nothing"));
        assert_eq!(found(json!("/missing/deeper")), json!("nothing"));
    }

    #[test]
    fn a_text_may_have_places_in_it_and_is_none_without_one_of_them() {
        assert_eq!(found(json!("{/t} on {^/host}: {/a~1b}!")), json!("x on h1: 7!"));
        assert_eq!(found(json!("{/a~1b}")), json!("7"));
        assert_eq!(found(json!("a {b} {")), json!("a {b} {"));
        assert_eq!(found(json!("{/t} {/n}")), json!("nothing"));
        assert_eq!(found(json!("{/l}")), json!("nothing"));
    }

    #[test]
    fn of_several_the_first_that_finds_something_counts() {
        assert_eq!(found(json!(["/n", "/t", "else"])), json!("x"));
        assert_eq!(found(json!(["/n", "{/missing}", "else"])), json!("else"));
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for wrong in ["/a~2", "/a~", "{/a", "x {/a~} y"] {
            assert!(serde_json::from_value::<Source>(json!(wrong)).is_err(), "{wrong}");
        }
        assert!(serde_json::from_value::<Source>(json!([])).is_err());
        assert!(serde_json::from_value::<Source>(json!(7)).is_err());
    }

    #[test]
    fn it_is_written_as_it_was_read() {
        for written in [json!("/a"), json!("a {^/b}"), json!(["/a", "b"])] {
            let source: Source = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(serde_json::to_value(&source).unwrap(), written);
        }
    }
}
