//! The forms alerts come in: what reads a body, and how a refusal is worded.

use std::sync::Arc;

use ::http::HeaderMap;
use alert::{Alert, AlertId, Fields, Priority};
use jiff::Timestamp;

use super::{
    AlertmanagerConfig, Terms,
    decode::{self, Refusal},
    identity,
    mapping::MappingConfig,
};

/// One way for alerts to come in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input {
    /// The metric's label.
    pub(super) name: &'static str,
    pub(super) decode: fn(&[u8], &Bounds) -> Result<Decoded, Refusal>,
    pub(super) wording: Wording,
    /// What it reads is in the headers too.
    pub(super) reads_headers: bool,
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
    pub(super) terms: Arc<Terms>,
    /// The name in the path of an input that has several.
    pub(super) name: Option<String>,
    /// Empty unless the input reads them.
    pub(super) headers: HeaderMap,
    /// The alerts' `saker.sender`.
    pub(super) sender: Option<String>,
    /// What names the body for ever, if anything does: then it does so for the alerts in it that have
    /// no id of their own.
    pub(super) origin: Option<u128>,
}

impl Bounds {
    /// Returns those of a body that nothing more is known of.
    pub(super) fn new(terms: &Arc<Terms>, received: Timestamp) -> Self {
        Self {
            alerts_max: terms.config.alerts_max,
            received,
            terms: Arc::clone(terms),
            name: None,
            headers: HeaderMap::new(),
            sender: None,
            origin: None,
        }
    }

    /// Returns an id for an alert that has none, by where in the body it is.
    pub(super) fn new_id(&self, index: usize) -> AlertId {
        let Some(origin) = self.origin else { return AlertId::random() };
        identity::derived(&[&origin.to_be_bytes(), &(index as u64).to_be_bytes()])
    }

    /// Returns how the alerts of a named input are read.
    pub(super) fn mapping(&self) -> Option<(&str, &MappingConfig)> {
        let name = self.name.as_deref()?;
        Some((name, self.terms.config.json.get(name)?))
    }

    pub(super) fn alertmanager(&self) -> &AlertmanagerConfig {
        &self.terms.config.alertmanager
    }
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
    decode: |body, bounds| decode::read_alerts(body, bounds).map(Decoded::whole),
    wording: Wording::Object,
    reads_headers: false,
};

/// `/test`: an alert of our own, whatever the body.
pub(super) const TEST: Input =
    Input { decode: |_, bounds| Ok(Decoded::whole(vec![test_alert(bounds.received)])), ..FALCO };

/// The alert `/test` makes, as falcosidekick's.
fn test_alert(now: Timestamp) -> Alert {
    let fields = [("proc.name", "falcosidekick"), ("user.name", "falcosidekick")];
    Alert {
        id: AlertId::random(),
        time: now,
        received: now,
        rule: "Test rule".to_owned(),
        priority: Priority::Debug,
        source: "internal".to_owned(),
        hostname: "saker".to_owned(),
        output: "This is a test from saker".to_owned(),
        tags: vec!["example".to_owned(), "test".to_owned()],
        fields: fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect::<Fields>(),
        ends: None,
    }
}
