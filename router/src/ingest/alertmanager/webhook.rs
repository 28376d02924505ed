//! The body of Alertmanager's webhook, version 4, as its receivers of `webhook_configs` get it.
//!
//! Only its alerts are read: how they were grouped there says nothing here.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Bounds, Decoded, Refusal, decode, each,
    postable::{Postable, after, time},
};

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    alerts: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Told {
    status: String,
    #[serde(flatten)]
    alert: Postable,
}

pub(super) fn read(body: &[u8], bounds: &Bounds) -> Result<Decoded, Refusal> {
    let text = decode::text(body)?;
    let message: Message<'_> = serde_json::from_str(text)
        .map_err(|error| Refusal::malformed(format!("no webhook of Alertmanager: {error}")))?;
    each(&message.alerts, bounds, |item, bounds| {
        let told: Told =
            serde_json::from_str(item.get()).map_err(|error| format!("no alert: {error}"))?;
        let starts = time("startsAt", told.alert.starts_at.as_deref())?;
        let ends = time("endsAt", told.alert.ends_at.as_deref())?;
        let ends = match told.status.as_str() {
            // It is over, whatever the sender's clock says.
            "resolved" => ends.unwrap_or(bounds.received).min(bounds.received),
            "firing" => after(bounds.received, bounds.alertmanager().webhook_timeout.0),
            _ => return Err("`status` is neither `firing` nor `resolved`".to_owned()),
        };
        let starts = starts.unwrap_or(bounds.received).min(bounds.received).min(ends);
        told.alert.read((starts, ends), bounds)
    })
}
