//! Alerts as Prometheus and Alertmanager send them: labels, annotations, a start and an end.
//!
//! What is valid of a request is taken also when something else in it is not, as Alertmanager does:
//! its senders send a refused request no second time.

mod config;
mod labels;
mod postable;
mod webhook;

pub use self::config::AlertmanagerConfig;
pub(super) use self::config::common_priority;
use super::{
    decode::{self, Refusal},
    input::{Bounds, Decoded, FALCO, Input, Wording},
};

/// `POST /api/v2/alerts`.
pub(super) const API: Input =
    Input { name: "alertmanager", decode: postable::read, wording: Wording::String, ..FALCO };

/// The body of Alertmanager's webhook, version 4.
pub(super) const WEBHOOK: Input = Input { name: "webhook", decode: webhook::read, ..FALCO };

/// Wrong alerts of one request that are told of; the rest is counted.
const TOLD_MAX: usize = 10;

/// Makes alerts of the items of a request, and one refusal of what is wrong with some.
fn each<T>(
    items: &[T],
    bounds: &Bounds,
    read: impl Fn(&T, &Bounds) -> Result<alert::Alert, String>,
) -> Result<Decoded, Refusal> {
    if items.len() > bounds.alerts_max {
        return Err(decode::too_many(bounds.alerts_max));
    }
    let (mut alerts, mut wrong) = (Vec::with_capacity(items.len()), Vec::new());
    for (index, item) in items.iter().enumerate() {
        match read(item, bounds) {
            Ok(alert) => alerts.push(alert),
            Err(error) => wrong.push((index, error)),
        }
    }
    let Some((first, _)) = wrong.first() else { return Ok(Decoded::whole(alerts)) };
    let more = wrong.len().saturating_sub(TOLD_MAX);
    let told = wrong.iter().take(TOLD_MAX).map(|(index, error)| format!("alert {index}: {error}"));
    let mut error = told.collect::<Vec<_>>().join("; ");
    if more > 0 {
        error.push_str(&format!("; and {more} more"));
    }
    let invalid = Refusal { index: Some(*first), ..Refusal::invalid(error) };
    Ok(Decoded { alerts, invalid: Some(invalid) })
}
