//! Those who work with the router: they silence, hold maintenance, and clear up. What they were
//! answered must stay, as with alerts.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use alert::NotificationId;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use router::{
    core::Handle,
    pipeline::{Page, Pipeline, Silence, SilenceId, Window, WindowEffect},
    record::Record,
};
use rules::Condition;
use service::config::HumanDuration;

use super::senders::RULES;
use crate::chance::Chance;

/// Records that were answered, with their sequences.
type Answers = Arc<Mutex<Vec<(u64, Record)>>>;

#[derive(Debug, Default)]
pub(super) struct People {
    made: u64,
    answers: Answers,
}

impl People {
    /// Draws something to do; `None` when there is nothing of the kind.
    pub(super) fn decide(
        &mut self,
        chance: &mut Chance,
        at: Timestamp,
        state: &Pipeline,
    ) -> Option<Record> {
        match chance.below(100) {
            0..40 => Some(Record::SilenceAdded { at, silence: self.silence(chance, at) }),
            40..55 => {
                let silences = state.silences();
                let current: Vec<_> = silences.iter().filter(|it| it.ended.is_none()).collect();
                let id = pick(chance, &current)?.silence.id.clone();
                Some(Record::SilenceExpired { at, id, by: "ann".to_owned() })
            }
            55..80 => {
                let window = Box::new(self.window(chance, at));
                Some(Record::WindowAdded { at, window, by: "ann".to_owned() })
            }
            80..90 => {
                let name = pick(chance, &state.windows())?.window.name.clone();
                Some(Record::WindowRemoved { at, name, by: "ann".to_owned() })
            }
            _ => {
                let notification = dead_letter(chance, state)?;
                Some(Record::Purged { at, notification, by: "ann".to_owned() })
            }
        }
    }

    /// Every silence has its own id; it ends within minutes.
    fn silence(&mut self, chance: &mut Chance, at: Timestamp) -> Silence {
        self.made += 1;
        Silence {
            id: SilenceId(format!("s{}", self.made)),
            condition: Some(rule(chance)),
            matchers: Vec::new(),
            times: Vec::new(),
            starts: chance.percent(30).then(|| after(at, chance.within(0..=60))),
            ends: after(at, chance.within(61..=240)),
            author: "ann".to_owned(),
            comment: "as it is known".to_owned(),
        }
    }

    /// Every window has its own name, and opens once.
    fn window(&mut self, chance: &mut Chance, at: Timestamp) -> Window {
        self.made += 1;
        Window {
            name: format!("w{}", self.made),
            condition: Some(rule(chance)),
            matchers: Vec::new(),
            starts: TimeZone::UTC.to_datetime(after(at, chance.within(0..=60))),
            location: None,
            duration: HumanDuration(Duration::from_secs(chance.within(60..=240))),
            repeat: None,
            except: Vec::new(),
            effect: chance.one_of([
                WindowEffect::Suppress,
                WindowEffect::Suppress,
                WindowEffect::Mark,
            ]),
            comment: String::new(),
        }
    }

    /// Asks for it; the answer, if there is one, is known later.
    pub(super) fn ask(&self, record: Record, handle: Handle) {
        let answers = Arc::clone(&self.answers);
        tokio::spawn(async move {
            if let Ok(sequences) = handle.append(std::slice::from_ref(&record)).await {
                let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
                answers.push((sequences.start, record));
            }
        });
    }

    /// Returns what was answered since the last call.
    pub(super) fn hear(&self) -> Vec<(u64, Record)> {
        std::mem::take(&mut self.answers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Returns one of the dead letters.
pub(super) fn dead_letter(chance: &mut Chance, state: &Pipeline) -> Option<NotificationId> {
    let letters = state.dead_letters(Page::default()).items;
    pick(chance, &letters).map(|letter| letter.notification)
}

fn pick<'a, T>(chance: &mut Chance, from: &'a [T]) -> Option<&'a T> {
    from.get(chance.below(from.len() as u64) as usize)
}

fn rule(chance: &mut Chance) -> Condition {
    let (rule, _) = chance.one_of(RULES);
    Condition::parse(&format!("rule = {rule}")).expect("a condition")
}

fn after(at: Timestamp, seconds: u64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds as i64)).expect("a time")
}
