//! Turns a body into alerts: decompresses it, finds the alerts in it, reads each.

use std::io::{self, Read};

use ::http::StatusCode;
use alert::{
    Alert,
    wire::{WireError, read_alert_or},
};
use serde_json::value::RawValue;

use super::input::Bounds;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    pub(super) fn from_header(value: &str) -> Option<Self> {
        match value.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Why a request is not taken. Its text is safe to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// The metric's label.
    pub(super) reason: &'static str,
    pub(super) error: String,
    pub(super) field: Option<String>,
    /// Which alert of the batch it is about.
    pub(super) index: Option<usize>,
    pub(super) retry_after_seconds: Option<u32>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, reason: &'static str, error: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            error: error.into(),
            field: None,
            index: None,
            retry_after_seconds: None,
        }
    }

    pub(super) fn malformed(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", error)
    }

    pub(super) fn invalid(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", error)
    }

    fn alert(error: WireError, index: Option<usize>) -> Self {
        Self { field: error.field.map(str::to_owned), index, ..Self::invalid(error.to_string()) }
    }
}

/// Returns the body decompressed; never more than `bytes_max` of it.
pub(super) fn decompress(
    body: &[u8],
    encoding: Encoding,
    bytes_max: usize,
) -> Result<Vec<u8>, Refusal> {
    let decoded = match encoding {
        Encoding::Identity => bounded(body, body.len(), bytes_max),
        Encoding::Gzip => bounded(flate2::read::MultiGzDecoder::new(body), body.len(), bytes_max),
        Encoding::Zstd => zstd::Decoder::with_buffer(body)
            .and_then(|mut decoder| {
                // The window is memory the sender chooses: 8 MiB is what every encoder needs.
                decoder.window_log_max(23)?;
                Ok(decoder)
            })
            .and_then(|decoder| bounded(decoder, body.len(), bytes_max)),
    };
    let decoded = decoded
        .map_err(|error| Refusal::malformed(format!("the body cannot be decompressed: {error}")))?;
    if decoded.len() > bytes_max {
        let error = format!("the decompressed body is larger than {bytes_max} bytes");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error));
    }
    Ok(decoded)
}

/// Reads until the end or one byte over the bound.
fn bounded(reader: impl Read, hint: usize, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(hint.saturating_mul(4).min(bytes_max));
    reader.take(bytes_max as u64 + 1).read_to_end(&mut out)?;
    Ok(out)
}

/// Returns the text of a body, without what may stand around it.
pub(super) fn text(body: &[u8]) -> Result<&str, Refusal> {
    let text = std::str::from_utf8(body).map_err(|error| {
        Refusal::malformed(format!(
            "the body is not UTF-8 text, from byte {} on",
            error.valid_up_to()
        ))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_ascii();
    if text.is_empty() {
        return Err(Refusal::malformed("the body is empty; send an alert as JSON"));
    }
    Ok(text)
}

pub(super) fn too_many(alerts_max: usize) -> Refusal {
    let error = format!("more than {alerts_max} alerts in one request");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many", error)
}

/// Returns the alerts of a body: an object, an array of objects, or objects one after the other.
pub(super) fn read_alerts(body: &[u8], bounds: &Bounds) -> Result<Vec<Alert>, Refusal> {
    let received = bounds.received;
    let text = text(body)?;
    // The usual case, one alert on one line, is read once.
    if text.starts_with('{') && !text.as_bytes().contains(&b'\n') {
        match read_alert_or(text.as_bytes(), received, || bounds.new_id(0)) {
            Ok(alert) => return Ok(vec![alert]),
            Err(error) if error.field.is_some() => return Err(Refusal::alert(error, None)),
            // It may be several alerts without a line break between them.
            Err(_) => {}
        }
    }
    let raw = split(text, bounds.alerts_max)?;
    let single = raw.len() == 1 && !text.starts_with('[');
    raw.into_iter()
        .enumerate()
        .map(|(index, raw)| {
            read_alert_or(raw.get().as_bytes(), received, || bounds.new_id(index))
                .map_err(|error| Refusal::alert(error, (!single).then_some(index)))
        })
        .collect()
}

/// Finds where each value of the body begins and ends.
pub(super) fn split(text: &str, alerts_max: usize) -> Result<Vec<&RawValue>, Refusal> {
    let raw: Vec<&RawValue> = if text.starts_with('[') {
        serde_json::from_str(text)
            .map_err(|error| Refusal::malformed(format!("the body is not valid JSON: {error}")))?
    } else {
        let mut values = Vec::new();
        for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
            values.push(value.map_err(|error| Refusal {
                index: (!values.is_empty()).then_some(values.len()),
                ..Refusal::malformed(format!("the body is not valid JSON: {error}"))
            })?);
            if values.len() > alerts_max {
                break;
            }
        }
        values
    };
    if raw.len() > alerts_max {
        return Err(too_many(alerts_max));
    }
    Ok(raw)
}
