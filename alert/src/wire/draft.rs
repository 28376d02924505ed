//! An alert as it is found, key by key.

use std::{borrow::Cow, fmt};

use jiff::Timestamp;
use serde::{
    Deserialize,
    de::{Deserializer, IgnoredAny, MapAccess, Visitor},
};

use super::{
    NAME_BYTES_MAX, TEXT_BYTES_MAX, WireError, ZERO_TIME_SECOND, cut,
    parts::{FieldMap, FieldMapVisitor, Scalar, Tags},
    value::State,
    wrong,
};
use crate::{Alert, AlertId, Fields};

/// What was found so far. The first mistake is kept and the rest of the object still read, so that
/// the reader behind it finds the object's end.
#[derive(Default)]
pub(super) struct Draft {
    uuid: Option<String>,
    output: Option<String>,
    priority: Option<String>,
    rule: Option<String>,
    time: Option<String>,
    fields: Fields,
    source: Option<String>,
    tags: Vec<String>,
    hostname: Option<String>,
    problem: Option<WireError>,
}

impl Draft {
    pub(super) fn finish(
        self,
        received: Timestamp,
        id: impl FnOnce() -> AlertId,
    ) -> Result<Alert, WireError> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let rule =
            self.rule.filter(|rule| !rule.is_empty()).ok_or_else(|| wrong("rule", "is missing"))?;
        let priority = self.priority.ok_or_else(|| wrong("priority", "is missing"))?;
        let priority = priority
            .parse()
            .map_err(|error: crate::UnknownPriority| wrong("priority", error.to_string()))?;
        let time = self.time.ok_or_else(|| wrong("time", "is missing"))?;
        let time: Timestamp = time
            .parse()
            .map_err(|_| wrong("time", "is no RFC 3339 time such as 2026-11-21T08:00:00Z"))?;
        if time.as_second() == ZERO_TIME_SECOND {
            return Err(wrong("time", "is the zero time"));
        }
        let mut tags = self.tags;
        tags.sort_unstable();
        tags.dedup();
        Ok(Alert {
            id: self
                .uuid
                .and_then(|id| id.parse().ok())
                .filter(|id: &AlertId| id.as_u128() != 0)
                .unwrap_or_else(id),
            time,
            received,
            rule: cut(rule, NAME_BYTES_MAX),
            priority,
            source: self
                .source
                .filter(|source| !source.is_empty())
                .map_or_else(|| "syscall".to_owned(), |source| cut(source, NAME_BYTES_MAX)),
            hostname: cut(self.hostname.unwrap_or_default(), NAME_BYTES_MAX),
            output: cut(self.output.unwrap_or_default(), TEXT_BYTES_MAX),
            tags,
            fields: self.fields,
            ends: None,
        })
    }

    fn keep(&mut self, problem: WireError) {
        self.problem.get_or_insert(problem);
    }

    fn text(&mut self, field: &'static str, found: Scalar) -> Option<String> {
        match found {
            Scalar::Text(text) => Some(text),
            Scalar::Null => None,
            Scalar::Other(kind) => {
                self.keep(wrong(field, format!("expected a text, found {kind}")));
                None
            }
        }
    }
}

pub(super) struct DraftVisitor<'s>(pub(super) &'s State);

impl<'de> Visitor<'de> for DraftVisitor<'_> {
    type Value = Draft;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Draft, A::Error> {
        let mut draft = Draft::default();
        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
            let mut lower = [0; 16];
            match lower_case(&key, &mut lower) {
                b"uuid" => {
                    // An odd id is no reason to refuse: a fresh one takes its place.
                    draft.uuid = match map.next_value()? {
                        Scalar::Text(text) => Some(text),
                        _ => None,
                    };
                }
                b"output" => {
                    draft.output = {
                        let found = map.next_value()?;
                        draft.text("output", found)
                    }
                }
                b"priority" => {
                    draft.priority = {
                        let found = map.next_value()?;
                        draft.text("priority", found)
                    }
                }
                b"rule" => {
                    draft.rule = {
                        let found = map.next_value()?;
                        draft.text("rule", found)
                    }
                }
                b"time" => {
                    draft.time = {
                        let found = map.next_value()?;
                        draft.text("time", found)
                    }
                }
                b"source" => {
                    draft.source = {
                        let found = map.next_value()?;
                        draft.text("source", found)
                    }
                }
                b"hostname" => {
                    draft.hostname = {
                        let found = map.next_value()?;
                        draft.text("hostname", found)
                    }
                }
                b"tags" => match map.next_value()? {
                    Tags::Ok(tags) => draft.tags = tags,
                    Tags::Wrong(reason) => draft.keep(wrong("tags", reason)),
                },
                b"output_fields" => match map.next_value_seed(FieldMapVisitor(self.0))? {
                    FieldMap::Ok(fields) => draft.fields = fields,
                    FieldMap::Wrong(reason) => draft.keep(wrong("output_fields", reason)),
                },
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(draft)
    }
}

/// Returns the key in lower case, or nothing when it is longer than any known one.
pub(super) fn lower_case<'a>(key: &str, buffer: &'a mut [u8; 16]) -> &'a [u8] {
    let Some(room) = buffer.get_mut(..key.len()) else { return b"" };
    room.copy_from_slice(key.as_bytes());
    room.make_ascii_lowercase();
    room
}

/// A key, borrowed from the text unless it has escapes.
pub(super) struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}
