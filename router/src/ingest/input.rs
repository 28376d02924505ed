//! The forms alerts come in: what reads a body, and how a refusal is worded.

use std::sync::Arc;

use alert::Alert;
use jiff::Timestamp;

use super::{
    AlertmanagerConfig,
    decode::{self, Refusal},
};

/// One way for alerts to come in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input {
    /// The metric's label.
    pub(super) name: &'static str,
    pub(super) decode: fn(&[u8], &Bounds) -> Result<Decoded, Refusal>,
    pub(super) wording: Wording,
}

/// How the sender wants to read what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wording {
    /// An object, or a text for whoever asks for text.
    Object,
    /// A JSON string, as Alertmanager answers.
    String,
}

/// What a decoder must hold to, and what it needs to know.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    pub(super) alerts_max: usize,
    pub(super) received: Timestamp,
    pub(super) alertmanager: Arc<AlertmanagerConfig>,
}

/// What a body held.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) alerts: Vec<Alert>,
    /// Why some of it was no alert: the sender is told once the others are durable.
    pub(super) invalid: Option<Refusal>,
}

impl Decoded {
    pub(super) fn whole(alerts: Vec<Alert>) -> Self {
        Self { alerts, invalid: None }
    }
}

/// Falco's alerts.
pub(super) const FALCO: Input = Input {
    name: "falco",
    decode: |body, bounds| {
        decode::read_alerts(body, bounds.alerts_max, bounds.received).map(Decoded::whole)
    },
    wording: Wording::Object,
};
