//! The audit and the book made of it, changed only together.

use hashbrown::HashMap;
use jiff::{SignedDuration, Timestamp};
use tracing::{error, info};

use crate::{
    audit::{AppendError, Audit},
    book::Book,
    entry::Entry,
    tell::Teller,
};

/// Namespaces whose allowance is counted apart.
const BUCKETS_MAX: usize = 4096;

#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) audit: Audit,
    pub(super) book: Book,
    teller: Option<Teller>,
    /// Plans made in this minute, by namespace.
    made: HashMap<String, u32>,
    minute: Timestamp,
    /// When policies nobody remembers were last looked for.
    pub(super) swept: Timestamp,
}

impl Keeper {
    pub(super) fn new(audit: Audit, book: Book, teller: Option<Teller>) -> Self {
        let (made, minute, swept) = (HashMap::new(), service::clock::now(), Timestamp::MIN);
        if let Some(teller) = &teller {
            book.responses().for_each(|response| teller.remind(response));
        }
        Self { audit, book, teller, made, minute, swept }
    }

    /// Makes entries durable, then takes them in. After an error nothing of them holds, and what they
    /// announce must not happen.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<(), AppendError> {
        let now = service::clock::now();
        // A disk may take its time; others of this runtime go on meanwhile.
        let appended = tokio::task::block_in_place(|| self.audit.append(now, entries));
        if let Err(error) = &appended {
            error!(%error, "responses stop: what they do cannot be written down");
        }
        appended?;
        for entry in entries {
            tell(entry);
            self.book.apply(now, entry);
            if let Some(teller) = &self.teller {
                teller.tell(entry, entry.id().and_then(|id| self.book.get(id)));
            }
        }
        Ok(())
    }

    /// Returns whether one more plan may be made for a namespace in this minute.
    pub(super) fn allows(&mut self, namespace: &str, plans_max: u32, now: Timestamp) -> bool {
        if now.duration_since(self.minute) >= SignedDuration::from_mins(1) || now < self.minute {
            (self.minute, self.made) = (now, HashMap::new());
        }
        let namespace = if self.made.len() < BUCKETS_MAX { namespace } else { "" };
        let made = self.made.entry_ref(namespace).or_insert(0);
        if *made >= plans_max {
            return false;
        }
        *made += 1;
        true
    }

    /// Returns whether the minute in which plans are counted has passed.
    pub(super) fn minute_is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.minute) >= SignedDuration::from_mins(1)
    }
}

/// Tells the log what was written down. Names come from alerts: the log escapes them.
fn tell(entry: &Entry) {
    let Some(id) = entry.id() else { return };
    let kind = serde_json::to_value(entry).ok();
    let kind = kind.as_ref().and_then(|entry| entry["kind"].as_str()).unwrap_or("entry");
    match entry {
        Entry::Proposed { plan, .. } => info!(
            response = %id, rule = plan.rule, action = %plan.action, mode = %plan.mode,
            namespace = plan.namespace(), alert = %plan.cause.alert, "proposed"
        ),
        Entry::Judged { judgement, .. } => info!(response = %id, ?judgement, "judged"),
        Entry::Decided { approved, by, .. } => info!(response = %id, approved, by, "decided"),
        Entry::Intent { step, .. } => info!(response = %id, ?step, "about to act"),
        Entry::Ended { outcome, .. } => {
            info!(response = %id, result = outcome.result.name(), detail = outcome.detail, "ended");
        }
        _ => info!(response = %id, "{kind}"),
    }
}
