//! All alerts of one fingerprint while they keep coming.

use std::{sync::Arc, time::Duration};

use alert::{Alert, Finding, Fingerprint, Priority};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    clock::{self, Clock},
    config::ScoreConfig,
    hide::{self, Hidden},
    inhibit::Parts,
    maintenance,
    roll::Place,
    route::QUIET,
    score::Score,
};

/// A finding as the pipeline holds it: small, as there are many.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Live {
    pub(super) fingerprint: Fingerprint,
    /// Where it is in the list of findings.
    #[serde(default)]
    pub(super) place: Place,
    pub(super) fields: Arc<[Box<str>]>,
    pub(super) rule: Box<str>,
    pub(super) priority: Priority,
    /// Why nobody was told of its last alert, so that nobody may have heard of it.
    #[serde(default, rename = "silenced", deserialize_with = "hide::read_hidden")]
    pub(super) hidden: Option<Box<Hidden>>,
    /// The maintenance window that marked its last alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) marked: Option<Arc<str>>,
    /// Its part in inhibitions, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parts: Option<Box<Parts>>,
    /// It was not seen before it opened.
    pub(super) rare: bool,
    /// ATT&CK tactics its workload had gone through when it opened.
    pub(super) tactics: u8,
    pub(super) count: u64,
    /// By the wall clock; everything else is in the pipeline's time.
    pub(super) first_seen: Timestamp,
    pub(super) last_seen: Timestamp,
    /// Longest quiet time of the routes that took it.
    pub(super) quiet: Option<Duration>,
    /// When it ends unless it comes again, by the wall clock; absent for what has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ends: Option<Timestamp>,
    /// The latest start of what has an end, by the wall clock: an end before it is of an earlier time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) starts: Option<Timestamp>,
    /// When it ended. It stays until its groups told that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<Timestamp>,
    /// When its timer is set for.
    pub(super) close_at: Option<Timestamp>,
    /// As of its last alert.
    pub(super) score: Score,
    /// The first alert, as JSON.
    pub(super) sample: Arc<RawValue>,
    #[serde(skip)]
    pub(super) memberships: Vec<Membership>,
}

/// A finding's place in an open group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Membership {
    pub(super) group: u32,
    /// Its place in the group's list of members.
    pub(super) index: u32,
    /// When one of its alerts was last routed to the group.
    pub(super) routed: Timestamp,
}

/// Returns when what has an end began. A clock ahead of ours must not make it outlast its end.
pub(super) fn start(alert: &Alert) -> Option<Timestamp> {
    alert.ends.map(|_| alert.time.min(alert.received))
}

impl Live {
    pub(super) fn membership(&mut self, group: u32) -> Option<&mut Membership> {
        self.memberships.iter_mut().find(|membership| membership.group == group)
    }

    /// Returns when it closes if no more of it comes: after its quiet time, or at its end.
    pub(super) fn closes_at(&self, clock: &Clock) -> Timestamp {
        clock::whole_second(match (self.ended, self.ends) {
            (Some(ended), _) => ended,
            (None, Some(ends)) => clock.at_wall(ends),
            (None, None) => clock::after(self.last_seen, self.quiet.unwrap_or(QUIET)),
        })
    }

    /// Returns whether it goes on until its end.
    pub(super) fn is_firing(&self) -> bool {
        self.ends.is_some() && self.ended.is_none()
    }

    /// Takes in one more alert that has an end. Of two ends that are to come the later counts, in
    /// whatever order they arrive. Returns when the finding had ended, if it had.
    pub(super) fn go_on(&mut self, alert: &Alert) -> Option<Timestamp> {
        let ended = self.ended.take();
        self.ends = if ended.is_some() { alert.ends } else { self.ends.max(alert.ends) };
        self.starts = self.starts.max(start(alert));
        ended
    }

    /// Returns whether an alert that says that something is over is about what goes on now.
    pub(super) fn is_ended_by(&self, ends: Timestamp) -> bool {
        self.is_firing() && self.starts.is_none_or(|starts| starts <= ends)
    }

    /// Returns for how long it has not been seen. What goes on until its end is seen all along.
    fn unseen(&self, now: Timestamp) -> Duration {
        if self.is_firing() {
            return Duration::ZERO;
        }
        let last = self.ended.map_or(self.last_seen, |ended| ended.max(self.last_seen));
        Duration::try_from(now.duration_since(last)).unwrap_or_default()
    }

    /// Returns its score as it is now.
    pub(super) fn score_at(&self, now: Timestamp, config: &ScoreConfig) -> Score {
        self.score.after(self.unseen(now), config.half_life.0, self.priority)
    }

    /// Returns the points of its score as it is now.
    pub(super) fn points_at(&self, now: Timestamp, config: &ScoreConfig) -> u8 {
        self.score.points_after(self.unseen(now), config.half_life.0, self.priority)
    }

    /// Returns it as the world sees it.
    pub(super) fn view(&self, config: &ScoreConfig, clock: &Clock) -> Option<Finding> {
        let Score { points, items } = self.score_at(clock.now(), config);
        let mut sample: Alert = serde_json::from_str(self.sample.get()).ok()?;
        maintenance::mark_sample(&mut sample, self.marked.as_deref());
        Some(Finding {
            fingerprint: self.fingerprint,
            count: self.count,
            first_seen: self.first_seen,
            last_seen: clock.wall(self.last_seen).max(self.first_seen),
            ended: self.ended.and(self.ends).map(|ends| ends.max(self.first_seen)),
            score: points,
            score_items: items.to_vec(),
            sample,
        })
    }
}
