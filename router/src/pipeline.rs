//! Decides what becomes of every alert. A value without I/O, clock or randomness: its state is a
//! function of the journal's records in their order.
//!
//! An alert is fingerprinted, counted in its finding and scored (`arrival`), then hidden (`hide`) or
//! taken by routes into groups. As time passes (`lifecycle`), groups make notifications (`telling`), whose
//! outcomes (`outcome`) complete the ledger. Maps are only looked into, never walked, where their
//! order could show.

use std::sync::Arc;

use alert::{Fingerprint, GroupId, Notification, NotificationId};
use hashbrown::{HashMap, HashSet};
use jiff::Timestamp;

use crate::record::Record;

mod about;
mod arrival;
mod attack;
mod clock;
mod config;
mod decision;
mod destination;
mod facts;
mod finding;
mod fingerprint;
mod firing;
mod group;
mod hide;
mod holding;
mod inhibit;
mod interval;
mod judge;
mod ledger;
mod lifecycle;
mod maintenance;
mod matcher;
mod normalise;
mod notice;
mod outcome;
mod preview;
mod recency;
mod recurrence;
mod resolve;
mod rhythm;
mod roll;
mod route;
mod sample;
mod score;
mod seen;
mod settle;
mod shelf;
mod silence;
mod snapshot;
mod storm;
mod telling;
mod timer;
mod totals;
mod trial;
mod validate;
mod view;
mod window;

#[cfg(test)]
pub(crate) mod tests;

pub use about::ABOUT_OUTPUT;
pub use config::{
    FingerprintRule, LaneScores, Limits, PipelineConfig, Route, ScoreConfig, ScoreRule,
};
pub use decision::{
    AlertDecision, CloseReason, Decision, DecisionKind, Notified, NotifyReason, Reason, ReasonKind,
    Routing, Verdict, Withheld,
};
pub use firing::Firing;
pub use holding::{Holding, InhibitionView};
pub use inhibit::{Inhibition, Inhibitor};
pub use interval::{DaysOfMonth, Interval, Intervals, Months, TimeOfDay, Times, Weekdays, Years};
pub use judge::Judged;
pub use ledger::{Ledger, OutputLedger};
pub use matcher::{Comparison, Matcher, of_go};
pub use notice::SilenceNotices;
pub use preview::{PastPreview, Preview, Previewed};
pub use recurrence::Recurrence;
pub use rhythm::Expected;
pub use roll::{Page, Part, Place};
pub use silence::{Former, SILENCE_MAX, Silence, SilenceId, SilencePhase, SilenceView};
pub use snapshot::{Frozen, RestoreError};
pub use storm::StormConfig;
pub use trial::trial;
pub use validate::ConfigProblem;
pub use view::{Counts, DeadLetterView, FindingsQuery, GroupOutputView, GroupView};
pub use window::{Window, WindowEffect, WindowView};

/// When each sender was heard last.
pub type Heard = std::collections::BTreeMap<Box<str>, Timestamp>;

/// What the shell must do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Deliver this; it takes the place of an older undelivered one of the same group and output.
    /// Also emitted for a replayed dead letter, with its old id.
    Notify(Arc<Notification>),
    /// Nothing more is to be done for this notification: its output is gone, or there was no room.
    Withdraw { notification: NotificationId, output: Arc<str> },
    /// Write this down for `explain`; exactly one per alert record is [`DecisionKind::Alert`].
    Decided(Decision),
}

/// Findings, groups, silences, undelivered notifications and the ledger.
#[derive(Debug, Default)]
pub struct Pipeline {
    config: PipelineConfig,
    clock: clock::Clock,
    totals: totals::Totals,
    destinations: destination::Destinations,
    /// Alerts that came, each by its id and fingerprint.
    seen: seen::Seen,
    /// Fingerprints of findings that closed.
    known: seen::Seen,
    chains: attack::Chains,
    silences: silence::Silences,
    notices: notice::Notices,
    windows: window::Windows,
    storms: storm::Storms,
    heard: Heard,
    rhythms: rhythm::Rhythms,
    findings: recency::Recency<finding::Live>,
    groups: recency::Recency<group::Group>,
    pending: shelf::Shelf,
    dead: shelf::Shelf,

    // What follows from the above.
    routes: route::Routes,
    fingerprints: fingerprint::Fingerprints,
    inhibitions: inhibit::Inhibitions,
    hidden_by: hide::HiddenBy,
    timers: timer::Timers,
    by_fingerprint: HashMap<Fingerprint, u32>,
    by_group: HashMap<GroupId, u32>,
    by_key: HashMap<Box<str>, u32>,
    findings_opened: roll::Roll<u32>,
    groups_opened: roll::Roll<u32>,

    /// Groups that the record in hand opened; it may have closed them again.
    opened: HashSet<GroupId>,

    // Kept to spare allocations.
    taken: Vec<Arc<route::Settings>>,
    key: String,
    value: String,
    no_outputs: Arc<[Arc<str>]>,
}

impl Pipeline {
    /// Returns one that has seen nothing and tells nobody until [`Record::Configured`].
    pub fn new() -> Self {
        let mut pipeline = Self::default();
        pipeline.seen.resize(pipeline.config.limits.seen_alerts_max);
        pipeline.known.resize(pipeline.config.limits.seen_alerts_max);
        pipeline.compile();
        pipeline
    }

    /// Applies one record and appends what follows from it to `effects`.
    pub fn apply(&mut self, sequence: u64, record: &Record, effects: &mut Vec<Effect>) {
        self.opened.clear();
        if let Some(at) = record.at() {
            self.clock.advance(at);
            self.windows.refresh(self.clock.wall(self.clock.now()));
            self.fire(sequence, effects);
        }
        match record {
            Record::Alert(alert) => self.arrive(sequence, alert, effects),
            Record::Tick { .. } | Record::Unknown(_) => return,
            Record::Configured { config, .. } => self.configure(sequence, config, effects),
            Record::SilenceAdded { silence, .. } => {
                self.add_silence(sequence, silence, false, effects);
            }
            Record::SilenceExpired { id, by, .. } => {
                self.end_silence(sequence, id, Some(by.clone()), effects);
            }
            Record::WindowAdded { window, by, .. } => {
                self.add_window(sequence, (**window).clone(), by, false, effects);
            }
            Record::WindowRemoved { name, by, .. } => {
                self.remove_window(sequence, name, Some(by), effects);
            }
            Record::Delivered { notification, attempts, receipt, .. } => {
                self.delivered(sequence, *notification, *attempts, receipt, effects);
            }
            Record::DeadLettered { notification, attempts, reason, .. } => {
                self.died(sequence, *notification, *attempts, reason, effects);
            }
            Record::Replayed { notification, by, to, .. } => {
                self.replay(sequence, *notification, by, to.as_deref(), effects);
            }
            Record::Purged { notification, by, .. } => {
                self.purge(sequence, *notification, by, effects);
            }
        }
        self.fire(sequence, effects);
    }

    /// Returns when the shell must append [`Record::Tick`], by the wall clock.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.next_timer().map(|at| self.clock.wall(at))
    }

    /// Returns what is to be delivered after a restart, most severe first, with the ids it had.
    pub fn pending(&self) -> Vec<Effect> {
        self.undelivered(|_| true).map(Effect::Notify).collect()
    }

    /// As [`Self::pending`], for one output. Takes time only for those that are taken from it.
    pub fn pending_to(&self, output: &str) -> impl Iterator<Item = Arc<Notification>> {
        self.undelivered(move |letter| *self.destinations.name(letter.output) == *output)
    }

    /// Returns the configuration in force.
    pub fn config(&self) -> &PipelineConfig {
        &self.config
    }

    /// Returns what the wall clock showed at the latest record.
    fn wall(&self) -> Timestamp {
        self.clock.wall(self.clock.now())
    }

    fn decide(&self, sequence: u64, kind: DecisionKind, effects: &mut Vec<Effect>) {
        effects.push(Effect::Decided(Decision { sequence, time: self.wall(), kind }));
    }
}
