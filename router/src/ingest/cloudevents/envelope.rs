//! One event: its attributes and its data.

use ::http::{HeaderMap, StatusCode, header};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value};

use super::media_type;
use crate::ingest::decode::{self, Refusal};

const ATTRIBUTES_MAX: usize = 64;
const NAME_CHARS_MAX: usize = 64;
/// Attributes that every event has.
const NEEDED: [&str; 4] = ["specversion", "id", "source", "type"];
/// Data is read as a whole, and takes many times that in memory.
const DATA_BYTES_MAX: usize = 2 << 20;

#[derive(Debug)]
pub(super) struct Event {
    /// Texts, numbers and booleans, by lower-case names.
    attributes: Map<String, Value>,
    data: Option<Value>,
}

impl Event {
    /// Reads an event whose attributes are headers and whose data is the body.
    pub(super) fn of_request(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let mut attributes = Map::new();
        for (name, value) in headers {
            let Some(name) = name.as_str().strip_prefix("ce-") else { continue };
            let text = value.to_str().ok().and_then(percent_decoded);
            let text = text.ok_or_else(|| wrong(name, "is not the text a header may hold"))?;
            attributes.insert(name.to_owned(), text.into());
        }
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Self::binary(attributes, kind, body)
    }

    /// Reads an event whose attributes are headers of a Kafka message, in UTF-8, and whose data is its
    /// value.
    pub(super) fn of_message(headers: &[(String, Vec<u8>)], value: &[u8]) -> Result<Self, Refusal> {
        let mut attributes = Map::new();
        for (name, value) in headers {
            let Some(name) = name.strip_prefix("ce_") else { continue };
            let text = std::str::from_utf8(value).map_err(|_| wrong(name, "is not UTF-8"))?;
            attributes.insert(name.to_owned(), text.into());
        }
        Self::binary(attributes, content_type(headers), value)
    }

    fn binary(
        mut attributes: Map<String, Value>,
        kind: Option<&str>,
        body: &[u8],
    ) -> Result<Self, Refusal> {
        let data = if body.is_empty() { None } else { Some(parsed(body, kind)?) };
        if let Some(kind) = kind {
            attributes.insert("datacontenttype".to_owned(), kind.into());
        }
        Self { attributes, data }.checked()
    }

    /// Reads an event that is a JSON object.
    pub(super) fn structured(value: Value) -> Result<Self, Refusal> {
        let Value::Object(mut attributes) = value else {
            return Err(Refusal::invalid("an event is a JSON object"));
        };
        let data = attributes.remove("data").filter(|data| !data.is_null());
        let encoded = attributes.remove("data_base64").filter(|data| !data.is_null());
        let data = match (data, encoded) {
            (data, None) => data,
            (Some(_), Some(_)) => return Err(wrong("data", "and `data_base64` are both there")),
            (None, Some(encoded)) => {
                let bytes = encoded.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
                let bytes = bytes.ok_or_else(|| wrong("data_base64", "is no base64"))?;
                let kind = attributes.get("datacontenttype").and_then(Value::as_str);
                Some(parsed(&bytes, kind)?)
            }
        };
        attributes.retain(|_, value| !value.is_null());
        Self { attributes, data }.checked()
    }

    fn checked(self) -> Result<Self, Refusal> {
        for name in NEEDED {
            match self.attributes.get(name) {
                Some(Value::String(text)) if !text.is_empty() => {}
                Some(_) => return Err(wrong(name, "is no text, or an empty one")),
                None => return Err(wrong(name, "is missing")),
            }
        }
        if self.text("specversion") != "1.0" {
            return Err(wrong("specversion", "is not `1.0`"));
        }
        if self.attributes.len() > ATTRIBUTES_MAX {
            return Err(Refusal::invalid(format!("more than {ATTRIBUTES_MAX} attributes")));
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        for (name, value) in &self.attributes {
            if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(plain) {
                let name = name.chars().take(NAME_CHARS_MAX).collect::<String>();
                return Err(wrong(
                    &name,
                    "is no name of an attribute: lower-case letters and digits",
                ));
            }
            if value.is_array() || value.is_object() {
                return Err(wrong(name, "is no text, number or boolean"));
            }
        }
        Ok(self)
    }

    fn text(&self, name: &str) -> &str {
        self.attributes.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn source(&self) -> &str {
        self.text("source")
    }

    pub(super) fn id(&self) -> &str {
        self.text("id")
    }

    /// Returns its data if that is an alert of Falco's.
    pub(super) fn falco(&self) -> Option<&Value> {
        let has = |name| self.data.as_ref().and_then(|data| data.get(name)).is_some();
        self.data.as_ref().filter(|_| has("rule") && has("priority") && has("time"))
    }

    /// Returns it as one object, in which pointers find attributes and `/data`.
    pub(super) fn message(&self) -> Value {
        let mut message = self.attributes.clone();
        if let Some(data) = &self.data {
            message.insert("data".to_owned(), data.clone());
        }
        Value::Object(message)
    }

    /// Returns attributes as `ce.NAME`, and data as `data.NAME` if it has names, else as `data`.
    pub(super) fn fields(self) -> impl Iterator<Item = (String, Value)> {
        let (members, whole) = match self.data {
            Some(Value::Object(members)) => (members, None),
            other => (Map::new(), other),
        };
        let attributes = self.attributes.into_iter().filter(|(name, _)| name != "specversion");
        let attributes = attributes.map(|(name, value)| (format!("ce.{name}"), value));
        let members = members.into_iter().map(|(name, value)| (format!("data.{name}"), value));
        attributes.chain(members).chain(whole.map(|data| ("data".to_owned(), data)))
    }
}

/// Returns what a Kafka message says its value is.
pub(super) fn content_type(headers: &[(String, Vec<u8>)]) -> Option<&str> {
    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"))?;
    std::str::from_utf8(value).ok()
}

/// Reads data that says it is JSON, or does not say what it is.
fn parsed(data: &[u8], kind: Option<&str>) -> Result<Value, Refusal> {
    let kind = kind.map_or_else(|| "application/json".to_owned(), media_type);
    if kind != "application/json" && kind != "text/json" && !kind.ends_with("+json") {
        let error = "the data of an event must be JSON: `datacontenttype` says otherwise";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding", error));
    }
    if data.len() > DATA_BYTES_MAX {
        let error = format!("the data of an event is larger than {DATA_BYTES_MAX} bytes");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error));
    }
    serde_json::from_str(decode::text(data)?)
        .map_err(|error| Refusal::malformed(format!("the data of an event is no JSON: {error}")))
}

/// Decodes what a header holds: anything but printable ASCII is written `%XX`.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    String::from_utf8(bytes).ok()
}

fn wrong(name: &str, reason: &str) -> Refusal {
    let error = format!("`{}` {reason}", name.escape_debug());
    Refusal { field: Some(name.to_owned()), ..Refusal::invalid(error) }
}
