//! The pipeline's state as bytes, and back.
//!
//! Only what decides is written, in an order that follows from the state alone, so that equal
//! states give equal bytes: findings and groups by their last use, letters by age, silences by id.
//! What follows from it (timers, indexes, compiled routes) is made again.

use std::{io, sync::Arc};

use alert::GroupId;
use hashbrown::HashSet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::{
    Heard, Pipeline, PipelineConfig,
    attack::Chains,
    clock::Clock,
    destination::Destinations,
    finding::{Live, Membership},
    group::Group,
    inhibit::Inhibitions,
    notice::Notices,
    recency::Recency,
    rhythm::Rhythms,
    seen::Seen,
    shelf::Letter,
    silence::Silences,
    storm::Storms,
    timer::Timer,
    totals::Totals,
    window::Windows,
};

/// Changes when an older snapshot can no longer be read.
const VERSION: u32 = 1;

/// The bytes are no snapshot of a pipeline.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    #[error("failed to read the pipeline's snapshot")]
    Read(#[from] serde_json::Error),
    #[error("the snapshot has version {found}, this program reads version {VERSION}")]
    Version { found: u32 },
    #[error("the snapshot contradicts itself: {0}")]
    Contradiction(&'static str),
}

/// The state at one moment: what takes long, writing it down, is done aside while the pipeline goes
/// on.
#[derive(Clone, Debug, Serialize)]
pub struct Frozen {
    saker_pipeline: u32,
    config: PipelineConfig,
    clock: Clock,
    totals: Totals,
    destinations: Destinations,
    seen: Seen,
    known: Seen,
    chains: Chains,
    silences: Silences,
    #[serde(skip_serializing_if = "Notices::is_empty")]
    notices: Notices,
    #[serde(skip_serializing_if = "Windows::is_empty")]
    windows: Windows,
    #[serde(skip_serializing_if = "Storms::is_empty")]
    storms: Storms,
    #[serde(skip_serializing_if = "Heard::is_empty")]
    heard: Heard,
    #[serde(skip_serializing_if = "Rhythms::is_empty")]
    rhythms: Rhythms,
    groups: Groups,
    findings: Findings,
    pending: Vec<Letter>,
    dead: Vec<Letter>,
}

/// Each with the path of its route.
#[derive(Clone, Debug)]
struct Groups(Recency<Group>);

/// Each with the groups it is in, and when it was last routed there.
#[derive(Clone, Debug)]
struct Findings {
    findings: Recency<Live>,
    groups: Recency<Group>,
}

impl Serialize for Groups {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(_, group)| (group, &group.settings.route)))
    }
}

impl Serialize for Findings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let joined = |membership: &Membership| {
            Some((self.groups.get(membership.group)?.id, membership.routed))
        };
        let memberships =
            |live: &Live| live.memberships.iter().filter_map(joined).collect::<Vec<_>>();
        let findings = self.findings.iter().map(|(_, live)| (live, memberships(live)));
        serializer.collect_seq(findings)
    }
}

impl Frozen {
    /// Writes the whole state to `out`, in many small parts. Equal states give equal bytes.
    pub fn write(&self, out: impl io::Write) -> io::Result<()> {
        // A state has text keys and finite numbers only: what fails is the writing.
        serde_json::to_writer(out, self).map_err(io::Error::from)
    }
}

#[derive(Deserialize)]
struct Read {
    saker_pipeline: u32,
    config: PipelineConfig,
    clock: Clock,
    totals: Totals,
    destinations: Destinations,
    seen: Seen,
    known: Seen,
    chains: Chains,
    silences: Silences,
    #[serde(default)]
    notices: Notices,
    #[serde(default)]
    windows: Windows,
    #[serde(default)]
    storms: Storms,
    #[serde(default)]
    heard: Heard,
    #[serde(default)]
    rhythms: Rhythms,
    groups: Vec<(Group, Box<str>)>,
    findings: Vec<(Live, Vec<(GroupId, Timestamp)>)>,
    pending: Vec<Letter>,
    dead: Vec<Letter>,
}

#[derive(Deserialize)]
struct Version {
    saker_pipeline: u32,
}

impl Pipeline {
    /// Appends the whole state to `out`, as [`Frozen::write`] does.
    pub fn snapshot(&self, out: &mut Vec<u8>) {
        let written = self.freeze().write(out);
        debug_assert!(written.is_ok(), "writing to memory: {written:?}");
    }

    /// Returns the state as it is now. What is large is shared with it, not copied.
    pub fn freeze(&self) -> Frozen {
        Frozen {
            saker_pipeline: VERSION,
            config: self.config.clone(),
            clock: self.clock,
            totals: self.totals.clone(),
            destinations: self.destinations.clone(),
            seen: self.seen.clone(),
            known: self.known.clone(),
            chains: self.chains.clone(),
            silences: self.silences.clone(),
            notices: self.notices.clone(),
            windows: self.windows.clone(),
            storms: self.storms.clone(),
            heard: self.heard.clone(),
            rhythms: self.rhythms.clone(),
            groups: Groups(self.groups.clone()),
            findings: Findings { findings: self.findings.clone(), groups: self.groups.clone() },
            pending: self.pending.iter().cloned().collect(),
            dead: self.dead.iter().cloned().collect(),
        }
    }

    /// Returns the pipeline a snapshot was made of; it goes on exactly as that one would have.
    pub fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let read: Read =
            serde_json::from_slice(bytes).map_err(|error| match serde_json::from_slice(bytes) {
                Ok(Version { saker_pipeline: found }) if found != VERSION => {
                    RestoreError::Version { found }
                }
                _ => RestoreError::Read(error),
            })?;
        if read.saker_pipeline != VERSION {
            return Err(RestoreError::Version { found: read.saker_pipeline });
        }
        let mut pipeline = Self {
            config: read.config,
            clock: read.clock,
            totals: read.totals,
            destinations: read.destinations,
            seen: read.seen,
            known: read.known,
            chains: read.chains,
            silences: read.silences,
            notices: read.notices,
            windows: read.windows,
            storms: read.storms,
            heard: read.heard,
            rhythms: read.rhythms,
            pending: read.pending.into_iter().collect(),
            dead: read.dead.into_iter().collect(),
            ..Self::default()
        };
        let letters = pipeline.pending.iter().chain(pipeline.dead.iter());
        if letters.into_iter().any(|letter| pipeline.destinations.get(letter.output).is_none()) {
            return Err(RestoreError::Contradiction("a notification has no output"));
        }
        pipeline.compile();
        pipeline.inhibitions = Inhibitions::new(&pipeline.config.inhibitions);
        pipeline.restore_groups(read.groups)?;
        pipeline.restore_findings(read.findings)?;
        pipeline.windows.compile(pipeline.wall());
        for entry in pipeline.windows.all() {
            if let Some(at) = entry.timer {
                pipeline.timers.set(at, Timer::Window(entry.window.name.as_str().into()));
            }
        }
        if let Some(at) = pipeline.silences.report_timer {
            pipeline.timers.set(at, Timer::Report);
        }
        for (at, timer) in pipeline.storms.timers() {
            pipeline.timers.set(at, timer);
        }
        for entry in pipeline.silences.all() {
            if let Some(at) = entry.timer {
                pipeline.timers.set(at, Timer::Silence(entry.silence.id.clone()));
            }
        }
        Ok(pipeline)
    }

    fn restore_groups(&mut self, groups: Vec<(Group, Box<str>)>) -> Result<(), RestoreError> {
        for (mut group, route) in groups {
            group.settings = self
                .routes
                .find(&route, group.storm.is_some())
                .ok_or(RestoreError::Contradiction("a group's route is not configured"))?;
            if group.lanes.iter().any(|lane| self.destinations.get(lane.output).is_none()) {
                return Err(RestoreError::Contradiction("a group has no such output"));
            }
            let (id, key) = (group.id, group.key.clone());
            self.timers.set(group.close_at, Timer::CloseGroup(id));
            if let Some(at) = group.flush_at {
                self.timers.set(at, Timer::Flush(id));
            }
            let place = self.groups_opened.again(group.place);
            group.place = place;
            let slot = self.groups.insert(group);
            self.groups_opened.insert(place, slot);
            self.by_group.insert(id, slot);
            self.by_key.insert(key, slot);
        }
        Ok(())
    }

    fn restore_findings(
        &mut self,
        findings: Vec<(Live, Vec<(GroupId, Timestamp)>)>,
    ) -> Result<(), RestoreError> {
        // Findings share the few lists of names there are.
        let mut names: HashSet<Arc<[Box<str>]>> = HashSet::new();
        for (mut live, memberships) in findings {
            live.fields = names.get_or_insert_with(&live.fields.clone(), Arc::clone).clone();
            let (fingerprint, is_open) = (live.fingerprint, live.ended.is_none());
            if let Some(at) = live.close_at {
                self.timers.set(at, Timer::CloseFinding(fingerprint));
            }
            let place = self.findings_opened.again(live.place);
            live.place = place;
            let slot = self.findings.insert(live);
            self.findings_opened.insert(place, slot);
            self.by_fingerprint.insert(fingerprint, slot);
            self.restore_hidden(slot);
            for (id, routed) in memberships {
                let group = self.by_group.get(&id).copied();
                let Some((at, group)) = group.and_then(|at| Some((at, self.groups.get_mut(at)?)))
                else {
                    return Err(RestoreError::Contradiction("a finding's group is not there"));
                };
                let index = group.members.len() as u32;
                group.members.push(slot);
                group.open += usize::from(is_open);
                if let Some(live) = self.findings.get_mut(slot) {
                    live.memberships.push(Membership { group: at, index, routed });
                }
            }
        }
        Ok(())
    }
}
