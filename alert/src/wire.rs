//! Falco's JSON alert, read with falcosidekick's tolerance and written as Falco writes it.
//!
//! Read: keys match in any case, the last duplicate wins, unknown keys are dropped, `null` is as
//! good as absent. A wrong type is an error that names the field. Too long texts are cut with `…`:
//! an alert is never refused for being long-winded. Numbers keep every digit.

mod draft;
mod parts;
#[cfg(test)]
mod tests;
mod value;

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, de::Deserializer};

use self::{
    draft::{Draft, DraftVisitor},
    value::{Numbers, State},
};
use crate::{Alert, AlertId, Fields, Priority};

/// Longest rule, source, host name or tag kept, and longest field name.
const NAME_BYTES_MAX: usize = 512;
/// Longest formatted text and longest single text field kept.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Fields and tags an alert may have; more is an error.
const FIELDS_MAX: usize = 1024;
const TAGS_MAX: usize = 256;
/// Nesting of a field's value. It leaves room for what an alert is wrapped in later: whatever was
/// accepted must be readable again, and serde_json reads no more than 127 levels.
const DEPTH_MAX: usize = 32;
/// Go's zero time, `0001-01-01T00:00:00Z`, which senders write where they know none.
const ZERO_TIME_SECOND: i64 = -62_135_596_800;

/// Why a text is no alert.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct WireError {
    /// The field that is wrong; absent when the text is no JSON object at all.
    pub field: Option<&'static str>,
    pub reason: String,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some(field) => write!(f, "field `{field}`: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

fn wrong(field: &'static str, reason: impl Into<String>) -> WireError {
    WireError { field: Some(field), reason: reason.into() }
}

/// Reads one alert. A valid upstream `uuid` is kept as its id; else it has a new one.
pub fn read_alert(json: &[u8], received: Timestamp) -> Result<Alert, WireError> {
    read_alert_or(json, received, AlertId::random)
}

/// Reads one alert. A valid upstream `uuid` is kept as its id; else it has the one that is given.
pub fn read_alert_or(
    json: &[u8],
    received: Timestamp,
    id: impl FnOnce() -> AlertId,
) -> Result<Alert, WireError> {
    let mut state = State::default();
    let mut draft = parse(json, &state);
    if state.is_doubtful() || draft.as_ref().is_err_and(value::is_out_of_range) {
        // A number is not what its digits say. It is rare, so only now each literal is looked at.
        state = State::new(Numbers::Exact);
        draft = parse(json, &state);
    }
    draft
        .map_err(|error| WireError { field: None, reason: not_an_object(&error) })?
        .finish(received, id)
}

fn parse(json: &[u8], state: &State) -> serde_json::Result<Draft> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let draft = deserializer.deserialize_map(DraftVisitor(state))?;
    deserializer.end().map(|()| draft)
}

fn not_an_object(error: &serde_json::Error) -> String {
    if error.is_data() {
        "expected a JSON object".to_owned()
    } else {
        format!("invalid JSON: {error}")
    }
}

/// Appends the alert as one line without a line break: Falco's keys in alphabetical order, `time`
/// with nine decimals, and `uuid`.
pub fn write_falco(alert: &Alert, out: &mut Vec<u8>) {
    let line = Line {
        hostname: &alert.hostname,
        output: &alert.output,
        output_fields: &alert.fields,
        priority: alert.priority,
        rule: &alert.rule,
        source: &alert.source,
        tags: &alert.tags,
        time: format!("{:.9}", alert.time),
        uuid: alert.id,
    };
    // Strings, numbers and maps with text keys into memory: there is nothing that can fail.
    serde_json::to_writer(out, &line).ok();
}

#[derive(Serialize)]
struct Line<'a> {
    hostname: &'a str,
    output: &'a str,
    output_fields: &'a Fields,
    priority: Priority,
    rule: &'a str,
    source: &'a str,
    tags: &'a [String],
    time: String,
    uuid: AlertId,
}

/// Cuts a text to at most `bytes_max` bytes, on a character's border, and marks the cut with `…`.
pub fn cut(mut text: String, bytes_max: usize) -> String {
    const MARK: char = '…';
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max - MARK.len_utf8()));
        text.push(MARK);
    }
    text
}
