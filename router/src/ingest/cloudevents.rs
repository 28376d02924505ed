//! CloudEvents 1.0, one by one (structured or binary) or in batches: over HTTP at `/cloudevents`, and as
//! messages of Kafka.
//!
//! An event whose data is an alert in Falco's JSON is that alert. Of any other the type is the rule,
//! and attributes and data are fields, unless the configuration says otherwise. Source and id name
//! an event for ever, so whatever is sent again counts once.

mod envelope;

use std::{collections::BTreeMap, sync::LazyLock};

use ::http::{HeaderMap, StatusCode, header};
use alert::{Alert, wire::read_alert};

use self::envelope::Event;
use super::{
    decode::{self, Refusal},
    identity,
    input::{Bounds, Decoded, FALCO, Input},
    json,
    mapping::{self, MappingConfig, Origin, PriorityMapping, Source},
};

pub(super) const CLOUDEVENTS: Input =
    Input { name: "cloudevents", decode: read, reads_headers: true, ..FALCO };

/// How the events of a request are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Structured,
    Batch,
    Binary,
}

fn read(body: &[u8], bounds: &Bounds) -> Result<Decoded, Refusal> {
    let headers = &bounds.headers;
    let mode = mode(headers)?;
    match mode {
        Mode::Binary => one(Event::of_request(headers, body)?, bounds),
        _ => structured(body, mode, bounds),
    }
}

/// Reads a message of Kafka: its headers say how the event is written, or it has none of an event.
pub(super) fn read_message(
    headers: &[(String, Vec<u8>)],
    value: &[u8],
    bounds: &Bounds,
) -> Result<Decoded, Refusal> {
    match envelope::content_type(headers).map(media_type).as_deref() {
        Some("application/cloudevents-batch+json") => structured(value, Mode::Batch, bounds),
        Some(kind) if kind.starts_with("application/cloudevents") => {
            structured(value, Mode::Structured, bounds)
        }
        _ if is_binary_message(headers) => one(Event::of_message(headers, value)?, bounds),
        _ => structured(value, Mode::Structured, bounds),
    }
}

/// Returns whether a message is an event even if it has no value.
pub(super) fn is_binary_message(headers: &[(String, Vec<u8>)]) -> bool {
    headers.iter().any(|(name, _)| name == "ce_specversion")
}

fn one(event: Event, bounds: &Bounds) -> Result<Decoded, Refusal> {
    Ok(Decoded::whole(vec![alert(event, bounds, 0)?]))
}

fn structured(body: &[u8], mode: Mode, bounds: &Bounds) -> Result<Decoded, Refusal> {
    let text = decode::text(body)?;
    if text.starts_with('[') != (mode == Mode::Batch) {
        let error = "a batch is an array of events, and anything else one event";
        return Err(Refusal::malformed(error));
    }
    let values = decode::split(text, bounds.alerts_max)?;
    let mut alerts = Vec::with_capacity(values.len());
    for (index, raw) in values.into_iter().enumerate() {
        let event = Event::structured(json::value(raw, index)?);
        let event = event.map_err(|refusal| Refusal { index: Some(index), ..refusal })?;
        alerts.push(alert(event, bounds, index)?);
    }
    Ok(Decoded::whole(alerts))
}

/// Returns how a request says its events are written.
fn mode(headers: &HeaderMap) -> Result<Mode, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match kind.map(media_type).as_deref() {
        Some("application/cloudevents+json") => Ok(Mode::Structured),
        Some("application/cloudevents-batch+json") => Ok(Mode::Batch),
        _ if headers.contains_key("ce-specversion") => Ok(Mode::Binary),
        _ => {
            let error = "send `Content-Type: application/cloudevents+json` or \
                         `application/cloudevents-batch+json`, or headers `ce-specversion`, `ce-id`, \
                         `ce-source` and `ce-type`";
            Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding", error))
        }
    }
}

/// Returns a media type without its parameters.
fn media_type(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn alert(event: Event, bounds: &Bounds, index: usize) -> Result<Alert, Refusal> {
    let sender = bounds.sender.as_deref();
    let parts = ["cloudevents", sender.unwrap_or_default(), event.source(), event.id()];
    let id = identity::derived(&parts.map(str::as_bytes));
    let mapping = bounds.terms.config.cloudevents.as_ref();
    if mapping.is_none()
        && let Some(data) = event.falco()
    {
        let alert = read_alert(data.to_string().as_bytes(), bounds.received);
        let alert = alert.map_err(|error| Refusal {
            field: error.field.map(|field| format!("data.{field}")),
            index: Some(index),
            ..Refusal::invalid(format!("`data`: {error}"))
        })?;
        return Ok(Alert { id, ..alert });
    }
    let origin = Origin { name: "cloudevents", sender, received: bounds.received, id };
    let message = event.message();
    let refused = |wrong| json::refusal(wrong, index);
    let Some(mapping) = mapping else {
        let mut alert = BY_DEFAULT.read(&message, &message, origin).map_err(refused)?;
        for (name, value) in event.fields() {
            mapping::add(&mut alert.fields, name, value).map_err(refused)?;
        }
        return Ok(alert);
    };
    mapping.read(&message, &message, origin).map_err(refused)
}

/// How an event is read of which nobody says how.
static BY_DEFAULT: LazyLock<MappingConfig> = LazyLock::new(|| {
    let priority = ["/priority", "/severity", "/data/priority", "/data/severity"];
    MappingConfig {
        alerts: None,
        id: None,
        rule: Source::from("/type"),
        priority: PriorityMapping {
            from: Some(Source::first_of(&priority)),
            ..PriorityMapping::default()
        },
        time: Some(Source::from("/time")),
        source: None,
        hostname: None,
        output: Some(Source::first_of(&["/data/message", "/data/summary", "/subject", "/type"])),
        tags: Vec::new(),
        fields: BTreeMap::new(),
    }
});
