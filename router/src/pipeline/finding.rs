//! All alerts of one fingerprint while they keep coming.

use std::{sync::Arc, time::Duration};

use alert::{Alert, Finding, Fingerprint, Priority};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    clock::{self, Clock},
    hide::{self, Hidden},
    inhibit::Parts,
    route::QUIET,
    score::Score,
};

/// A finding as the pipeline holds it: small, as there are many.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Live {
    pub(super) fingerprint: Fingerprint,
    pub(super) fields: Arc<[Box<str>]>,
    pub(super) rule: Box<str>,
    pub(super) priority: Priority,
    /// Why nobody was told of its last alert, so that nobody may have heard of it.
    #[serde(default, rename = "silenced", deserialize_with = "hide::read_hidden")]
    pub(super) hidden: Option<Box<Hidden>>,
    /// Its part in inhibitions, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parts: Option<Box<Parts>>,
    /// It was not seen before it opened.
    pub(super) rare: bool,
    /// ATT&CK tactics its workload had shown when it opened.
    pub(super) tactics: u8,
    pub(super) count: u64,
    /// By the wall clock; everything else is in the pipeline's time.
    pub(super) first_seen: Timestamp,
    pub(super) last_seen: Timestamp,
    /// Longest quiet time of the routes that took it.
    pub(super) quiet: Option<Duration>,
    /// When its timer is set for.
    pub(super) close_at: Option<Timestamp>,
    pub(super) score: Score,
    /// The first alert, as JSON.
    pub(super) sample: Box<RawValue>,
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

impl Live {
    pub(super) fn membership(&mut self, group: u32) -> Option<&mut Membership> {
        self.memberships.iter_mut().find(|membership| membership.group == group)
    }

    /// Returns when it closes if no more of it comes.
    pub(super) fn closes_at(&self) -> Timestamp {
        clock::whole_second(clock::after(self.last_seen, self.quiet.unwrap_or(QUIET)))
    }

    /// Returns it as the world sees it.
    pub(super) fn view(&self, clock: &Clock) -> Option<Finding> {
        let sample: Alert = serde_json::from_str(self.sample.get()).ok()?;
        Some(Finding {
            fingerprint: self.fingerprint,
            count: self.count,
            first_seen: self.first_seen,
            last_seen: clock.wall(self.last_seen).max(self.first_seen),
            score: self.score.points,
            score_items: self.score.items.to_vec(),
            sample,
        })
    }
}
