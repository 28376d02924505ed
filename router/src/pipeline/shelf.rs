//! Notifications that are kept until something becomes of them, oldest first, bounded in number
//! and bytes.

use std::sync::Arc;

use alert::{GroupId, Lane, Notification, NotificationId, Priority};
use hashbrown::HashMap;
use outputs::Receipt;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::roll::{Place, Roll};

/// A notification as it was made, with what it owes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Letter {
    pub(super) id: NotificationId,
    /// Where it is on its shelf.
    #[serde(default)]
    pub(super) place: Place,
    pub(super) group: GroupId,
    /// Number of the output.
    pub(super) output: u16,
    /// The notification's number in its group and output.
    pub(super) number: u32,
    pub(super) priority: Priority,
    /// Absent in what an earlier version made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lane: Option<Lane>,
    /// Routed alerts it covers, and the first and last of their sequences.
    pub(super) alerts: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    /// Alerts of the group the output had been told of when this was made.
    pub(super) told: u64,
    /// Receipt of the closed group's last delivered notification; open groups keep it themselves.
    pub(super) receipt: Option<Box<Receipt>>,
    /// When and why it died, for a dead letter.
    pub(super) death: Option<Box<Death>>,
    /// The notification as JSON.
    pub(super) notification: Arc<RawValue>,
}

/// When and why a notification became a dead letter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Death {
    pub(super) at: jiff::Timestamp,
    pub(super) attempts: u32,
    pub(super) reason: String,
}

impl Letter {
    /// Returns the notification.
    pub(super) fn read(&self) -> Option<Arc<Notification>> {
        serde_json::from_str(self.notification.get()).ok().map(Arc::new)
    }

    /// Returns how soon it is delivered.
    pub(super) fn lane(&self) -> Lane {
        self.lane.unwrap_or(Lane::of(self.priority))
    }
}

/// Letters by age, id, and group and output.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    by_age: Roll<Letter>,
    places: HashMap<NotificationId, Place>,
    /// Only of use where a group and output have at most one letter.
    current: HashMap<(GroupId, u16), NotificationId>,
    bytes: u64,
}

impl Shelf {
    pub(super) fn len(&self) -> usize {
        self.by_age.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Puts a letter there because of a record.
    pub(super) fn insert(&mut self, sequence: u64, letter: Letter) {
        self.put(self.by_age.next(sequence), letter);
    }

    fn put(&mut self, place: Place, letter: Letter) {
        self.bytes += letter.notification.get().len() as u64;
        self.places.insert(letter.id, place);
        self.current.insert((letter.group, letter.output), letter.id);
        self.by_age.insert(place, Letter { place, ..letter });
    }

    pub(super) fn get(&self, id: NotificationId) -> Option<&Letter> {
        self.by_age.get(*self.places.get(&id)?)
    }

    pub(super) fn get_mut(&mut self, id: NotificationId) -> Option<&mut Letter> {
        self.by_age.get_mut(*self.places.get(&id)?)
    }

    /// Returns the id of the newest letter of this group for this output.
    pub(super) fn current(&self, group: GroupId, output: u16) -> Option<NotificationId> {
        self.current.get(&(group, output)).copied()
    }

    pub(super) fn remove(&mut self, id: NotificationId) -> Option<Letter> {
        let letter = self.by_age.remove(self.places.remove(&id)?)?;
        self.bytes -= letter.notification.get().len() as u64;
        if self.current(letter.group, letter.output) == Some(id) {
            self.current.remove(&(letter.group, letter.output));
        }
        Some(letter)
    }

    pub(super) fn oldest(&self) -> Option<NotificationId> {
        self.by_age.values().next().map(|letter| letter.id)
    }

    /// From the oldest to the newest.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Letter> {
        self.by_age.values()
    }

    /// Returns those older than a place, or all, from the newest to the oldest.
    pub(super) fn newest(&self, after: Option<Place>) -> impl Iterator<Item = (Place, &Letter)> {
        self.by_age.newest(after)
    }
}

impl FromIterator<Letter> for Shelf {
    fn from_iter<I: IntoIterator<Item = Letter>>(letters: I) -> Self {
        let mut shelf = Self::default();
        for letter in letters {
            let place = shelf.by_age.again(letter.place);
            shelf.put(place, letter);
        }
        shelf
    }
}
