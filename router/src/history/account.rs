//! The account of a span of time: what came in, and what became of it.
//!
//! Alerts that came in are told by source; what outputs owe and did is told by output, as an
//! accountant does: what was owed before, what came to it, what was settled, what is owed after.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pipeline::{Decision, DecisionKind, Ledger, ReasonKind, Verdict};

/// Longest name of a source; it is the sender's own word.
const SOURCE_CHARS_MAX: usize = 64;
/// Sources an account tells apart; the rest are [`OTHER`].
const SOURCES_MAX: usize = 256;
const OTHER: &str = "other";

/// One line of the account. In SQLite, the columns `kind`, `source` and `name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    pub(super) kind: Kind,
    /// Of what came in; empty for outputs.
    pub(super) source: String,
    /// The reason, or the output.
    pub(super) name: String,
}

/// What is counted. The numbers are those in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Suppressed = 0,
    Routed = 1,
    /// An output is to be told of it.
    Owed = 2,
    Delivered = 3,
    DeadLettered = 4,
    /// A dead letter is owed again, or was delivered after all.
    Replayed = 5,
    /// Hidden by the time an output would have been told.
    Withheld = 6,
}

impl Kind {
    pub(super) const ALL: [Self; 7] = [
        Self::Suppressed,
        Self::Routed,
        Self::Owed,
        Self::Delivered,
        Self::DeadLettered,
        Self::Replayed,
        Self::Withheld,
    ];
}

/// Counts by minute since 1970 and line.
pub(super) type Minutes = BTreeMap<(i64, Line), u64>;

/// Adds what a decision changes. `source` is that of its alert.
pub(super) fn count(decision: &Decision, source: &str, into: &mut Minutes) {
    let minute = minute_of(decision.time);
    let mut add = |kind, source: &str, name: &str, alerts: u64| {
        if alerts > 0 {
            let (source, name) = (source.to_owned(), name.to_owned());
            *into.entry((minute, Line { kind, source, name })).or_default() += alerts;
        }
    };
    match &decision.kind {
        DecisionKind::Alert(alert) => match &alert.verdict {
            Verdict::Suppressed(reason) => {
                add(Kind::Suppressed, source, reason.kind().name(), 1);
            }
            Verdict::Routed => {
                add(Kind::Routed, source, "", 1);
                for output in alert.routes.iter().flat_map(|routing| routing.outputs.iter()) {
                    add(Kind::Owed, "", output, 1);
                }
            }
        },
        DecisionKind::Withheld(withheld) => {
            add(Kind::Withheld, "", &withheld.output, withheld.alerts);
        }
        DecisionKind::Delivered { output, alerts, was_dead, .. } => {
            if *was_dead {
                add(Kind::Replayed, "", output, *alerts);
            }
            add(Kind::Delivered, "", output, *alerts);
        }
        DecisionKind::DeadLettered { output, alerts, .. } => {
            add(Kind::DeadLettered, "", output, *alerts);
        }
        DecisionKind::Replayed { to: Some(to), alerts, .. } => add(Kind::Owed, "", to, *alerts),
        DecisionKind::Replayed { output, alerts, .. } => add(Kind::Replayed, "", output, *alerts),
        _ => {}
    }
}

/// Returns the name a source is counted under. `known` has those that have a line.
pub(super) fn source_name(source: &str, known: &mut std::collections::BTreeSet<String>) -> String {
    let name: String = source.chars().take(SOURCE_CHARS_MAX).collect();
    if known.contains(&name) {
        return name;
    }
    if known.len() >= SOURCES_MAX {
        return OTHER.to_owned();
    }
    known.insert(name.clone());
    name
}

pub(super) fn minute_of(time: Timestamp) -> i64 {
    time.as_second().div_euclid(60)
}

/// The account of a span. It adds up, or [`SpanLedger::check`] says what does not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpanLedger {
    /// Whole minutes. Later than asked for if less is known.
    pub from: Timestamp,
    pub until: Timestamp,
    pub accepted: u64,
    /// Every reason is present, also with 0.
    pub suppressed: BTreeMap<ReasonKind, u64>,
    pub routed: u64,
    pub sources: BTreeMap<String, SourceLedger>,
    pub outputs: BTreeMap<String, OutputSpan>,
}

/// What came from one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceLedger {
    pub accepted: u64,
    /// Reasons that occurred.
    pub suppressed: BTreeMap<ReasonKind, u64>,
    pub routed: u64,
}

/// What one output owed and did, in alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutputSpan {
    /// Owed when the span began.
    pub pending_before: u64,
    pub routed: u64,
    /// Dead letters that are owed again, or were delivered after all.
    pub replayed: u64,
    pub delivered: u64,
    pub dead_lettered: u64,
    /// Hidden by the time it would have been told.
    #[serde(default)]
    pub suppressed: u64,
    /// Owed when the span ended.
    pub pending_after: u64,
}

impl SpanLedger {
    pub(super) fn new(from: Timestamp, until: Timestamp) -> Self {
        Self {
            from,
            until,
            accepted: 0,
            suppressed: ReasonKind::ALL.map(|reason| (reason, 0)).into(),
            routed: 0,
            sources: BTreeMap::new(),
            outputs: BTreeMap::new(),
        }
    }

    /// Adds what a line counts inside the span.
    pub(super) fn add(&mut self, line: &Line, alerts: u64) {
        match line.kind {
            Kind::Suppressed => {
                let reason = ReasonKind::ALL.into_iter().find(|reason| reason.name() == line.name);
                // A reason of a later version: accepted without it would not add up.
                let Some(reason) = reason else { return };
                let source = self.sources.entry(line.source.clone()).or_default();
                source.accepted += alerts;
                *source.suppressed.entry(reason).or_default() += alerts;
                self.accepted += alerts;
                *self.suppressed.entry(reason).or_default() += alerts;
            }
            Kind::Routed => {
                let source = self.sources.entry(line.source.clone()).or_default();
                source.accepted += alerts;
                source.routed += alerts;
                self.accepted += alerts;
                self.routed += alerts;
            }
            Kind::Owed => self.output(line).routed += alerts,
            Kind::Delivered => self.output(line).delivered += alerts,
            Kind::DeadLettered => self.output(line).dead_lettered += alerts,
            Kind::Replayed => self.output(line).replayed += alerts,
            Kind::Withheld => self.output(line).suppressed += alerts,
        }
    }

    fn output(&mut self, line: &Line) -> &mut OutputSpan {
        self.outputs.entry(line.name.clone()).or_default()
    }

    /// Takes what outputs owed at its two ends.
    pub(super) fn owed(&mut self, before: Owed, after: Owed) {
        // Below zero when decisions are missing: then it does not add up, and says so.
        let counted = |owed: u64| u64::try_from(owed.cast_signed()).unwrap_or(0);
        for (name, owed) in before.by_output {
            self.outputs.entry(name).or_default().pending_before = counted(owed);
        }
        for (name, owed) in after.by_output {
            self.outputs.entry(name).or_default().pending_after = counted(owed);
        }
    }

    /// Returns the first sum that does not hold, in words.
    pub fn check(&self) -> Result<(), String> {
        let suppressed: u64 = self.suppressed.values().sum();
        if self.accepted != suppressed + self.routed {
            return Err(format!(
                "accepted {} is not suppressed {suppressed} + routed {}",
                self.accepted, self.routed
            ));
        }
        for (name, output) in &self.outputs {
            let due = output.pending_before + output.routed + output.replayed;
            let settled =
                output.delivered + output.dead_lettered + output.suppressed + output.pending_after;
            if due != settled {
                return Err(format!(
                    "output `{name}`: {due} were due, but {settled} are delivered, dead-lettered, \
                     suppressed or pending"
                ));
            }
        }
        Ok(())
    }
}

/// What outputs owe at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Owed {
    pub(super) by_output: BTreeMap<String, u64>,
}

impl Owed {
    /// As the pipeline has it.
    pub(super) fn of(ledger: &Ledger) -> Self {
        let pending = ledger.outputs.iter().map(|(name, output)| (name.clone(), output.pending));
        Self { by_output: pending.collect() }
    }

    /// Adds what a line changed.
    pub(super) fn add(&mut self, line: &Line, alerts: u64) {
        let owed = match line.kind {
            Kind::Suppressed | Kind::Routed => return,
            _ => self.by_output.entry(line.name.clone()).or_default(),
        };
        *owed = match line.kind {
            Kind::Owed | Kind::Replayed => owed.wrapping_add(alerts),
            // Counts come in any order of their lines.
            _ => owed.wrapping_sub(alerts),
        };
    }
}

#[cfg(test)]
mod tests;
