//! One configured output: the key that names its kind, and around it the keys all outputs have.

use std::{collections::BTreeMap, fmt, path::Path};

use outputs::{BuildContext, BuildError, Configured, Descriptor};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, Visitor},
};
use templates::{Engine, Override, TemplateError};

use crate::dispatch::{QueueLimits, Retry, Send, Settings};

/// Longest name of an output.
const NAME_CHARS_MAX: usize = 64;

/// An output as configured.
pub struct OutputConfig {
    kind: &'static Descriptor,
    configured: Box<dyn Configured>,
    /// Template files that replace built-in ones, by part.
    pub templates: BTreeMap<String, String>,
    pub queue: QueueLimits,
    pub retry: Retry,
    pub send: Send,
    /// Whether it is told of the end of what it was told of.
    pub send_resolved: bool,
}

impl fmt::Debug for OutputConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, configured: _, templates, queue, retry, send, send_resolved } = self;
        f.debug_struct("OutputConfig")
            .field("kind", &kind.name)
            .field("templates", templates)
            .field("queue", queue)
            .field("retry", retry)
            .field("send", send)
            .field("send_resolved", send_resolved)
            .finish_non_exhaustive()
    }
}

impl OutputConfig {
    /// Returns the name of its kind.
    pub fn kind(&self) -> &'static str {
        self.kind.name
    }

    /// Returns whether it edits what it sent.
    pub(super) fn updates_in_place(&self) -> bool {
        self.configured.updates_in_place()
    }

    /// Reads a template, and renders it against the samples.
    pub(super) fn check_template(&self, part: &str, path: &Path) -> Result<(), TemplateError> {
        Engine::new(self.kind.parts, &[Override::read(part, path)?]).map(drop)
    }

    /// Makes the output. Must be called inside the runtime.
    pub(crate) fn build(self, name: &str, folder: &Path) -> Result<Settings, BuildError> {
        let attempt_timeout = self.send.attempt_timeout.0;
        let engine = self.engine(folder).map_err(|error| BuildError {
            reason: "its templates cannot be used".to_owned(),
            source: Some(Box::new(error)),
        })?;
        let context =
            BuildContext { output: name.to_owned(), directory: folder.to_owned(), attempt_timeout };
        let output = self.configured.build(&context)?;
        let settings = Settings::new(self.kind.name, output, engine, self.send);
        Ok(settings.queue(self.queue).retry(self.retry))
    }

    fn engine(&self, folder: &Path) -> Result<Engine, TemplateError> {
        let overrides: Vec<_> = self
            .templates
            .iter()
            .map(|(part, file)| Override::read(part, &folder.join(file)))
            .collect::<Result<_, _>>()?;
        Engine::new(self.kind.parts, &overrides)
    }
}

/// Names are labels of metrics and words of the command line.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(plain) {
        return Err(format!(
            "an output's name is made of 1 to {NAME_CHARS_MAX} letters, digits, `-`, `_` and `.`"
        ));
    }
    Ok(())
}

impl<'de> Deserialize<'de> for OutputConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OutputVisitor)
    }
}

struct OutputVisitor;

impl<'de> Visitor<'de> for OutputVisitor {
    type Value = OutputConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an output: a kind with its settings, for example `slack: { … }`")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<OutputConfig, M::Error> {
        let mut kind: Option<(&'static Descriptor, Box<dyn Configured>)> = None;
        let mut templates = BTreeMap::new();
        let mut queue = QueueLimits::default();
        let mut retry = Retry::default();
        let mut send = Send::default();
        let mut send_resolved = true;
        while let Some(key) = map.next_key_seed(KeySeed { kind: kind.as_ref().map(|(k, _)| *k) })? {
            match key {
                Key::Templates => templates = map.next_value()?,
                Key::Queue => queue = map.next_value()?,
                Key::Retry => retry = map.next_value()?,
                Key::Send => send = map.next_value()?,
                Key::SendResolved => send_resolved = map.next_value()?,
                Key::Kind(found) => {
                    kind = Some((found, map.next_value_seed(KindSeed(found))?));
                }
            }
        }
        let Some((kind, configured)) = kind else {
            return Err(M::Error::custom(format_args!(
                "an output needs a kind: one of {}",
                known()
            )));
        };
        Ok(OutputConfig { kind, configured, templates, queue, retry, send, send_resolved })
    }
}

enum Key {
    Templates,
    Queue,
    Retry,
    Send,
    SendResolved,
    Kind(&'static Descriptor),
}

/// Reads a key, so that an unknown one is an error at its own place.
struct KeySeed {
    /// The kind that was there before.
    kind: Option<&'static Descriptor>,
}

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a kind of output, or one of `templates`, `queue`, `retry`, `send`, `send_resolved`",
        )
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
        let found = match key {
            "templates" => return Ok(Key::Templates),
            "queue" => return Ok(Key::Queue),
            "retry" => return Ok(Key::Retry),
            "send" => return Ok(Key::Send),
            "send_resolved" => return Ok(Key::SendResolved),
            key => outputs::kind(key).ok_or_else(|| {
                let shown: String = key.chars().take(64).flat_map(char::escape_debug).collect();
                E::custom(format_args!(
                    "unknown kind of output `{shown}`, expected one of {}, or `templates`, \
                     `queue`, `retry`, `send`, `send_resolved`",
                    known()
                ))
            })?,
        };
        match self.kind {
            Some(before) => Err(E::custom(format_args!(
                "an output has one kind, but this one has `{}` and `{}`",
                before.name, found.name
            ))),
            None => Ok(Key::Kind(found)),
        }
    }
}

struct KindSeed(&'static Descriptor);

impl<'de> DeserializeSeed<'de> for KindSeed {
    type Value = Box<dyn Configured>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let mut erased = <dyn erased_serde::Deserializer<'_>>::erase(deserializer);
        (self.0.parse)(&mut erased).map_err(D::Error::custom)
    }
}

fn known() -> String {
    let names: Vec<_> = outputs::KINDS.iter().map(|kind| format!("`{}`", kind.name)).collect();
    names.join(", ")
}

impl JsonSchema for OutputConfig {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Output".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let queue = generator.subschema_for::<QueueLimits>();
        let retry = generator.subschema_for::<Retry>();
        let send = generator.subschema_for::<Send>();
        let kinds: Vec<Schema> = outputs::KINDS
            .iter()
            .map(|kind| {
                let parts: serde_json::Map<_, _> = kind
                    .parts
                    .iter()
                    .map(|part| (part.name.to_owned(), serde_json::json!({ "type": "string" })))
                    .collect();
                let settings = (kind.schema)(generator);
                json_schema!({
                    "type": "object",
                    "required": [kind.name],
                    "additionalProperties": false,
                    "properties": {
                        kind.name: settings,
                        "templates": {
                            "type": "object",
                            "description": "Template files that replace built-in ones, by part.",
                            "additionalProperties": false,
                            "properties": parts,
                        },
                        "queue": queue,
                        "retry": retry,
                        "send": send,
                        "send_resolved": {
                            "type": "boolean",
                            "default": true,
                            "description": "Whether it is told of the end of what it was told of.",
                        },
                    },
                })
            })
            .collect();
        json_schema!({ "oneOf": kinds })
    }
}
