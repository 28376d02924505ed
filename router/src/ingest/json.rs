//! `POST /json/NAME`: JSON that the configuration says how to read.

use ::http::StatusCode;
use alert::Alert;
use serde_json::{Value, value::RawValue};

use super::{
    decode::{self, Refusal},
    input::{Bounds, Decoded, FALCO, Input},
    mapping::{self, MappingConfig, Origin, Wrong},
};

pub(super) const JSON: Input = Input { name: "json", decode: read, ..FALCO };

/// One value of a body that is read as a whole. It takes many times that in memory.
const VALUE_BYTES_MAX: usize = 2 << 20;

/// The alerts of a body so far, within bounds.
struct Found<'a> {
    alerts: Vec<Alert>,
    bytes: usize,
    bounds: &'a Bounds,
}

fn read(body: &[u8], bounds: &Bounds) -> Result<Decoded, Refusal> {
    let Some((name, mapping)) = bounds.mapping() else {
        let error = "there is no such path: it must be named in `router.ingest.json`";
        return Err(Refusal::new(StatusCode::NOT_FOUND, "unknown", error));
    };
    let values = decode::split(decode::text(body)?, bounds.alerts_max)?;
    let mut found = Found { alerts: Vec::new(), bytes: 0, bounds };
    for raw in values {
        found.take(&value(raw, found.alerts.len())?, name, mapping)?;
    }
    Ok(Decoded::whole(found.alerts))
}

/// Reads one value of a body.
pub(super) fn value(raw: &RawValue, index: usize) -> Result<Value, Refusal> {
    if raw.get().len() > VALUE_BYTES_MAX {
        let error = format!("a value of the body is larger than {VALUE_BYTES_MAX} bytes");
        let refusal = Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error);
        return Err(Refusal { index: Some(index), ..refusal });
    }
    serde_json::from_str(raw.get()).map_err(|error| Refusal {
        index: Some(index),
        ..Refusal::malformed(format!("the body is not valid JSON: {error}"))
    })
}

impl Found<'_> {
    fn take(&mut self, body: &Value, name: &str, mapping: &MappingConfig) -> Result<(), Refusal> {
        let index = self.alerts.len();
        let items = mapping.items(body).map_err(|wrong| refusal(wrong, index))?;
        if index + items.len() > self.bounds.alerts_max {
            return Err(decode::too_many(self.bounds.alerts_max));
        }
        for item in items {
            let index = self.alerts.len();
            let origin = Origin {
                name,
                sender: self.bounds.sender.as_deref(),
                received: self.bounds.received,
                id: self.bounds.new_id(index),
            };
            let alert = mapping.read(item, body, origin).map_err(|wrong| refusal(wrong, index))?;
            // What is taken from the whole body is there once in each alert.
            self.bytes += mapping::weight(&alert);
            if self.bytes > self.bounds.terms.decoded_bytes_max() {
                let bound = self.bounds.terms.config.decoded_bytes_max;
                let error = format!("the alerts of the body are larger than {bound}");
                return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error));
            }
            self.alerts.push(alert);
        }
        Ok(())
    }
}

/// Says what of which alert is wrong.
pub(super) fn refusal(wrong: Wrong, index: usize) -> Refusal {
    let error = format!("`{}`: {}", wrong.key, wrong.reason);
    Refusal { field: Some(wrong.key), index: Some(index), ..Refusal::invalid(error) }
}
