//! The part that is being filled, and with what.

use std::collections::BTreeSet;

use bytes::Bytes;
use journal::Reader;

use crate::{
    core::DecisionReader,
    history::{
        account::source_name,
        folder::File,
        metrics::Metrics,
        part::{Body, Part, PartError, Place},
    },
    pipeline::{Decision, DecisionKind},
    record::Record,
};

/// Compressed alerts and decisions after which a transaction ends.
const TRANSACTION_BYTES: usize = 256 << 10;
/// Records read past to come to an alert before the reader is placed anew.
const SKIP_MAX: u64 = 1024;
/// Counted as the source of alerts that the journal no longer had.
const UNKNOWN_SOURCE: &str = "unknown";

/// Where it is: everything that is made anew after a failure.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) file: File,
    pub(super) part: Part,
    pub(super) place: Place,
    pub(super) decisions: DecisionReader,
    pub(super) alerts: Option<Reader>,
    pub(super) sources: BTreeSet<String>,
}

impl Open {
    /// Writes some of these decisions, in one transaction; returns how many.
    pub(super) fn write(
        &mut self,
        decisions: &[Decision],
        journal: &journal::Journal,
        metrics: &Metrics,
    ) -> Result<usize, PartError> {
        let mut batch = self.part.batch()?;
        let (mut place, mut written) = (self.place, 0);
        for decision in decisions {
            let count = if decision.sequence == place.sequence { place.count + 1 } else { 1 };
            place = Place { sequence: decision.sequence, count };
            let is_alert = matches!(decision.kind, DecisionKind::Alert(_));
            let record =
                if is_alert { alert_at(&mut self.alerts, journal, place.sequence) } else { None };
            let alert = record.as_ref().and_then(|record| match serde_json::from_slice(record) {
                Ok(Record::Alert(alert)) => Some(alert),
                _ => None,
            });
            if is_alert && alert.is_none() {
                metrics.alerts_missing.inc();
            }
            let source = alert.as_ref().map_or(UNKNOWN_SOURCE, |alert| &alert.source);
            let source =
                if is_alert { source_name(source, &mut self.sources) } else { String::new() };
            let body = alert.as_deref().zip(record.as_deref());
            let body = body.map(|(alert, record)| Body { alert, record });
            batch.add(decision, place, body.as_ref(), &source)?;
            written += 1;
            if batch.bytes() >= TRANSACTION_BYTES {
                break;
            }
        }
        batch.commit()?;
        self.place = place;
        metrics.decisions.inc_by(written as u64);
        Ok(written)
    }
}

/// Returns a record while the journal has it.
fn alert_at(
    reader: &mut Option<Reader>,
    journal: &journal::Journal,
    sequence: u64,
) -> Option<Bytes> {
    let is_near = reader
        .as_ref()
        .is_some_and(|it| (sequence.saturating_sub(SKIP_MAX)..=sequence).contains(&it.position()));
    if !is_near {
        *reader = journal.read(sequence).ok();
    }
    let found = loop {
        match reader.as_mut()?.next() {
            Ok(Some((at, record))) if at == sequence => break Some(record),
            Ok(Some((at, _))) if at < sequence => {}
            _ => break None,
        }
    };
    if found.is_none() {
        *reader = None;
    }
    found
}
