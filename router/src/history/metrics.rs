//! What the history counts.

use prometheus::{IntCounter, IntGauge, Registry};

use crate::metrics::registered;

#[derive(Clone, Debug)]
pub(super) struct Metrics {
    pub(super) decisions: IntCounter,
    pub(super) alerts_missing: IntCounter,
    pub(super) gaps: IntCounter,
    pub(super) failures: IntCounter,
    behind: IntGauge,
    paused: IntGauge,
    bytes: IntGauge,
    parts: IntGauge,
}

impl Metrics {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name, help| registered(registry, IntCounter::new(name, help));
        let gauge = |name, help| registered(registry, IntGauge::new(name, help));
        Ok(Self {
            decisions: counter(
                "saker_history_decisions_total",
                "Decisions taken up into the history.",
            )?,
            alerts_missing: counter(
                "saker_history_alerts_missing_total",
                "Alerts that the history has only decisions about, as the journal needed their room.",
            )?,
            gaps: counter(
                "saker_history_gaps_total",
                "Times that decisions were forgotten before the history had them.",
            )?,
            failures: counter(
                "saker_history_failures_total",
                "Attempts to write the history that failed, and unreadable decisions.",
            )?,
            behind: gauge(
                "saker_history_behind_records",
                "Records decided upon that the history does not have yet.",
            )?,
            paused: gauge(
                "saker_history_paused",
                "1 while nothing is taken up, as the disk is nearly full.",
            )?,
            bytes: gauge("saker_history_bytes", "Size of the history's files.")?,
            parts: gauge("saker_history_parts", "Files of the history.")?,
        })
    }

    pub(super) fn behind(&self, records: u64) {
        self.behind.set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    pub(super) fn paused(&self, paused: bool) {
        self.paused.set(i64::from(paused));
    }

    pub(super) fn sizes(&self, bytes: u64, parts: usize) {
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.parts.set(i64::try_from(parts).unwrap_or(i64::MAX));
    }
}
