//! The sources that tell something, and how much each told lately.

use alert::GroupId;
use hashbrown::HashMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use crate::pipeline::{recency::Recency, timer::Timer};

/// One source, and how much it told lately.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Source {
    pub(super) key: Box<str>,
    /// Start of the time that is counted, and what came in it.
    pub(super) since: Timestamp,
    pub(super) count: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) going: Option<Going>,
}

/// A storm that goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Going {
    /// The source in words.
    pub(super) name: Box<str>,
    /// By the wall clock.
    pub(super) began: Timestamp,
    /// When its timer is set for.
    pub(super) check_at: Timestamp,
    /// The groups that sum it up.
    pub(super) groups: Vec<GroupId>,
    /// Alerts that joined them.
    pub(super) alerts: u64,
}

/// Sources, the one that told something last at the end.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Vec<Source>")]
pub(in crate::pipeline) struct Storms {
    pub(super) sources: Recency<Source>,
    pub(super) by_key: HashMap<Box<str>, u32>,
    pub(super) going: usize,
}

impl Serialize for Storms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.sources.iter().map(|(_, source)| source))
    }
}

impl From<Vec<Source>> for Storms {
    fn from(sources: Vec<Source>) -> Self {
        let mut storms = Self::default();
        sources.into_iter().for_each(|source| {
            storms.insert(source);
        });
        storms
    }
}

impl Storms {
    pub(in crate::pipeline) fn is_empty(&self) -> bool {
        self.sources.len() == 0
    }

    /// Returns how many go on.
    pub(in crate::pipeline) fn going_len(&self) -> usize {
        self.going
    }

    /// Returns what wakes each storm, and when.
    pub(in crate::pipeline) fn timers(&self) -> impl Iterator<Item = (Timestamp, Timer)> {
        let going =
            self.sources.iter().filter_map(|(_, source)| Some((source, source.going.as_ref()?)));
        going.map(|(source, going)| (going.check_at, Timer::Storm(source.key.clone())))
    }

    pub(super) fn insert(&mut self, source: Source) -> u32 {
        let key = source.key.clone();
        self.going += usize::from(source.going.is_some());
        let slot = self.sources.insert(source);
        self.by_key.insert(key, slot);
        slot
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Source> {
        self.sources.get_mut(*self.by_key.get(key)?)
    }

    pub(super) fn going(&self, key: &str) -> Option<&Going> {
        self.sources.get(*self.by_key.get(key)?)?.going.as_ref()
    }

    pub(super) fn going_mut(&mut self, key: &str) -> Option<&mut Going> {
        self.get_mut(key)?.going.as_mut()
    }
}
