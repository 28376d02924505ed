//! Makes alerts of JSON that knows nothing of them: a configuration says where each part of an alert
//! is found.

mod text;

use std::collections::BTreeMap;

use alert::{Alert, AlertId, Fields, Priority, wire::cut};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::text::Source;
use self::text::{Message, kind};
use super::{alertmanager::common_priority, identity};

const NAME_BYTES_MAX: usize = 512;
const TEXT_BYTES_MAX: usize = 64 << 10;
/// As for Falco's alerts: fields, tags, and the nesting of a field's value.
const FIELDS_MAX: usize = 1024;
const TAGS_MAX: usize = 256;
const DEPTH_MAX: usize = 32;

/// Where the parts of an alert are found. Each is a JSON pointer such as `/items/0/name`, a text in
/// which `{/pointer}` stands for what is found there, or a list of these, of which the first that
/// finds something counts. Pointers start at the alert's own part of the body; those after `^` at
/// the whole body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MappingConfig {
    /// Pointer to the array of alerts in a body; absent: the body is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Source>,
    /// What names an alert at its sender: the same one that is sent again counts once. Absent: each
    /// one that comes is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Source>,
    pub rule: Source,
    #[serde(default)]
    pub priority: PriorityMapping,
    /// A text as RFC 3339 has it, or a number of seconds, milli-, micro- or nanoseconds since 1970.
    /// Absent or not found: the time it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Source>,
    /// Absent: the name of the mapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Source>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Source>,
    /// Texts, or arrays of texts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Source>,
    /// Fields by their names; what is not found is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Source>,
}

/// How a priority is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PriorityMapping {
    /// Where it is; absent: `otherwise`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Source>,
    /// Priorities by what is found there, in any case. What is not here is looked up as the label
    /// `severity` of Prometheus' alerts is.
    #[schemars(with = "BTreeMap<String, String>")]
    pub values: BTreeMap<String, Priority>,
    /// Priority of an alert without one, or with one that is none of these.
    #[schemars(with = "String")]
    pub otherwise: Priority,
}

impl Default for PriorityMapping {
    fn default() -> Self {
        Self { from: None, values: BTreeMap::new(), otherwise: Priority::Warning }
    }
}

/// What is wrong with an alert: which part of it, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) key: String,
    pub(super) reason: String,
}

/// What an alert is besides what its message says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    /// The mapping's name.
    pub(super) name: &'a str,
    pub(super) sender: Option<&'a str>,
    pub(super) received: Timestamp,
    /// Its id, if the mapping does not say where it is.
    pub(super) id: AlertId,
}

impl MappingConfig {
    /// Returns the parts of a body that are an alert each.
    pub(super) fn items<'a>(&'a self, body: &'a Value) -> Result<Vec<&'a Value>, Wrong> {
        let Some(place) = &self.alerts else { return Ok(vec![body]) };
        let found = place.place(Message { item: body, body });
        match found {
            Some(Value::Array(items)) => Ok(items.iter().collect()),
            Some(other) => {
                Err(wrong("alerts", format!("{} at `{place}` is no array", kind(other))))
            }
            None => Err(wrong("alerts", format!("there is nothing at `{place}`"))),
        }
    }

    /// Reads one alert.
    pub(super) fn read(
        &self,
        item: &Value,
        body: &Value,
        origin: Origin<'_>,
    ) -> Result<Alert, Wrong> {
        let message = Message { item, body };
        let text = |key: &str, source: Option<&Source>, bytes_max| {
            let Some(source) = source else { return Ok(None) };
            let text = source.text(message).map_err(|reason| wrong(key, reason))?;
            Ok(text.filter(|text| !text.is_empty()).map(|text| cut(text, bytes_max)))
        };
        let rule = text("rule", Some(&self.rule), NAME_BYTES_MAX)?;
        let source = text("source", self.source.as_ref(), NAME_BYTES_MAX)?;
        Ok(Alert {
            id: self.id(message, origin)?,
            time: self.time(message)?.unwrap_or(origin.received),
            received: origin.received,
            rule: rule
                .ok_or_else(|| wrong("rule", format!("there is nothing at `{}`", self.rule)))?,
            priority: self.priority.find(message)?,
            source: source.unwrap_or_else(|| origin.name.to_owned()),
            hostname: text("hostname", self.hostname.as_ref(), NAME_BYTES_MAX)?.unwrap_or_default(),
            output: text("output", self.output.as_ref(), TEXT_BYTES_MAX)?.unwrap_or_default(),
            tags: self.tags(message)?,
            fields: self.fields(message)?,
            ends: None,
        })
    }

    fn id(&self, message: Message<'_>, origin: Origin<'_>) -> Result<AlertId, Wrong> {
        let Some(source) = &self.id else { return Ok(origin.id) };
        let id = source.text(message).map_err(|reason| wrong("id", reason))?;
        let id = id.ok_or_else(|| wrong("id", format!("there is nothing at `{source}`")))?;
        let sender = origin.sender.unwrap_or_default();
        let parts = ["json", origin.name, sender, &id].map(str::as_bytes);
        Ok(identity::derived(&parts))
    }

    fn time(&self, message: Message<'_>) -> Result<Option<Timestamp>, Wrong> {
        let Some(source) = &self.time else { return Ok(None) };
        let Some(value) = source.find(message) else { return Ok(None) };
        let read = match &*value {
            Value::Number(number) => match number.as_i64() {
                Some(whole) => since_1970(whole),
                None => number.as_f64().and_then(seconds_since_1970),
            },
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let reason = || format!("what is at `{source}` is no time");
        read.map(Some).ok_or_else(|| wrong("time", reason()))
    }

    fn tags(&self, message: Message<'_>) -> Result<Vec<String>, Wrong> {
        let mut tags = Vec::new();
        for source in &self.tags {
            let found = source.find(message);
            let items = match found.as_deref() {
                None => continue,
                Some(Value::Array(items)) => &items[..],
                Some(other) => std::slice::from_ref(other),
            };
            for item in items {
                let Value::String(tag) = item else {
                    let reason = format!("{} at `{source}` is no text", kind(item));
                    return Err(wrong("tags", reason));
                };
                tags.push(cut(tag.clone(), NAME_BYTES_MAX));
            }
            if tags.len() > TAGS_MAX {
                return Err(wrong("tags", format!("more than {TAGS_MAX} tags")));
            }
        }
        tags.sort_unstable();
        tags.dedup();
        Ok(tags)
    }

    fn fields(&self, message: Message<'_>) -> Result<Fields, Wrong> {
        let mut fields = Fields::new();
        for (name, source) in &self.fields {
            let Some(value) = source.find(message) else { continue };
            add(&mut fields, name.clone(), value.into_owned())?;
        }
        Ok(fields)
    }

    /// Says what is wrong with a mapping itself.
    pub(super) fn problem(&self) -> Option<(String, String)> {
        if let Some(place) = &self.alerts
            && !place.is_place()
        {
            let message = "it must be a JSON pointer, since an array is looked for".to_owned();
            return Some(("alerts".to_owned(), message));
        }
        let long = |name: &&String| name.is_empty() || name.len() > NAME_BYTES_MAX;
        if let Some(name) = self.fields.keys().find(long) {
            let message = format!("a field's name has 1 to {NAME_BYTES_MAX} bytes");
            return Some((format!("fields.{name}"), message));
        }
        (self.fields.len() > FIELDS_MAX)
            .then(|| ("fields".to_owned(), format!("there are more than {FIELDS_MAX}")))
    }
}

impl PriorityMapping {
    fn find(&self, message: Message<'_>) -> Result<Priority, Wrong> {
        let Some(source) = &self.from else { return Ok(self.otherwise) };
        let text = source.text(message).map_err(|reason| wrong("priority", reason))?;
        let Some(text) = text else { return Ok(self.otherwise) };
        let text = text.trim();
        let own = self.values.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        let own = own.map(|(_, priority)| *priority);
        Ok(own.or_else(|| common_priority(text)).unwrap_or(self.otherwise))
    }
}

/// Adds a field whose value can be read again wherever the alert is written; a long text is cut.
pub(super) fn add(fields: &mut Fields, name: String, value: Value) -> Result<(), Wrong> {
    let shown = || name.chars().take(64).flat_map(char::escape_debug).collect::<String>();
    if depth(&value, 0) > DEPTH_MAX {
        let reason = format!("it is nested more than {DEPTH_MAX} levels deep");
        return Err(wrong(&format!("fields.{}", shown()), reason));
    }
    if fields.len() >= FIELDS_MAX {
        return Err(wrong("fields", format!("more than {FIELDS_MAX} fields")));
    }
    let value = match value {
        Value::String(text) => cut(text, TEXT_BYTES_MAX).into(),
        other => other,
    };
    fields.insert(name, value);
    Ok(())
}

/// Returns how deep a value is nested; it looks no deeper than matters.
fn depth(value: &Value, above: usize) -> usize {
    if above > DEPTH_MAX {
        return above;
    }
    let within: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(members) => Box::new(members.values()),
        _ => return above,
    };
    within.map(|value| depth(value, above + 1)).max().unwrap_or(above + 1)
}

/// Reads a whole number of seconds, milli-, micro- or nanoseconds, told apart by their size: seconds
/// reach to the year 5138, milliseconds begin in 1973.
fn since_1970(number: i64) -> Option<Timestamp> {
    let nanoseconds = match number.unsigned_abs() {
        size if size < 100_000_000_000 => 1_000_000_000,
        size if size < 100_000_000_000_000 => 1_000_000,
        size if size < 100_000_000_000_000_000 => 1_000,
        _ => 1,
    };
    Timestamp::from_nanosecond(i128::from(number) * nanoseconds).ok()
}

fn seconds_since_1970(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_microsecond((seconds * 1e6) as i64).ok()
}

/// Returns about how much memory an alert's values take.
pub(super) fn weight(alert: &Alert) -> usize {
    fn of(value: &Value) -> usize {
        const NODE_BYTES: usize = 32;
        NODE_BYTES
            + match value {
                Value::String(text) => text.len(),
                Value::Array(items) => items.iter().map(of).sum(),
                Value::Object(members) => {
                    members.iter().map(|(name, value)| name.len() + of(value)).sum()
                }
                Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            }
    }
    let fields = alert.fields.iter().map(|(name, value)| name.len() + of(value));
    alert.rule.len() + alert.output.len() + fields.sum::<usize>()
}

fn wrong(key: &str, reason: String) -> Wrong {
    Wrong { key: key.to_owned(), reason }
}

#[cfg(test)]
mod tests;
