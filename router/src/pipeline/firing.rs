//! What fires now, for whoever reads it as Alertmanager shows it.

use std::{collections::BTreeSet, sync::Arc};

use alert::{Fingerprint, GroupId};
use jiff::Timestamp;
use serde_json::value::RawValue;

use super::{Pipeline, Reason};

/// A finding that fires.
#[derive(Clone, Debug)]
pub struct Firing {
    pub fingerprint: Fingerprint,
    /// Its first alert, as JSON.
    pub sample: Arc<RawValue>,
    pub starts: Timestamp,
    pub ends: Timestamp,
    pub updated: Timestamp,
    pub groups: Vec<GroupId>,
    /// Who is told of it.
    pub outputs: BTreeSet<Arc<str>>,
    /// Why people do not hear of it now.
    pub hidden: Option<Reason>,
}

impl Pipeline {
    /// Looks at so many findings, the most recently seen first, from an offset on. Returns how many it
    /// looked at and those that fire.
    pub fn firing(&self, offset: usize, limit: usize) -> (usize, Vec<Firing>) {
        let (mut examined, mut firing) = (0, Vec::new());
        for (slot, live) in self.findings.iter_newest().skip(offset).take(limit) {
            examined += 1;
            let Some(ends) = live.ends.filter(|_| live.is_firing()) else { continue };
            let joined = live.memberships.iter();
            let groups: Vec<_> = joined.filter_map(|at| self.groups.get(at.group)).collect();
            let lanes = groups.iter().flat_map(|group| &group.lanes);
            firing.push(Firing {
                fingerprint: live.fingerprint,
                sample: live.sample.clone(),
                starts: live.starts.unwrap_or(live.first_seen),
                ends,
                updated: self.clock.wall(live.last_seen),
                groups: groups.iter().map(|group| group.id).collect(),
                outputs: lanes.map(|lane| self.destinations.name(lane.output)).collect(),
                hidden: self.hides_since(slot),
            });
        }
        (examined, firing)
    }
}
