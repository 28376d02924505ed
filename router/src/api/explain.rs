//! Tells where an alert went and why: from the history, and the decision log for what is newer.

mod story;

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use alert::{Alert, AlertId, GroupId};
use axum::{Json, extract::State};
use jiff::{SignedDuration, Timestamp};
use journal::{Journal, ReadError};
use memchr::memmem;
use tracing::warn;
use uuid::Uuid;

use self::story::Story;
use super::{
    Api, ApiError,
    document::{Answer, Broken, Busy, Missing, Unprocessable},
    error,
    extract::Name,
    types::Explanation,
};
use crate::{
    core::DecisionLog,
    history::{Asked, History},
    record::Record,
};

/// Longest search.
const SEARCH_MAX: Duration = Duration::from_secs(10);
/// An id made by us tells when the alert came, less than this before it was decided upon.
const SLACK: SignedDuration = SignedDuration::from_secs(60);
/// Decisions an explanation has at most.
const DECISIONS_MAX: usize = 200;

/// Tells where an alert went and why.
#[utoipa::path(
    get, path = "/explain/{alert}", operation_id = "explain", tag = "past",
    params((
        "alert" = String, Path, description = "Id of an alert.",
        example = "0196f0a0-0000-7000-8000-000000000000",
    )),
    responses(Answer<Explanation>, Missing, Unprocessable, Busy, Broken),
)]
pub(super) async fn explain(
    State(api): State<Arc<Api>>,
    Name(alert): Name,
) -> Result<Json<Explanation>, ApiError> {
    let alert: AlertId = error::id(&alert, "alert")?;
    let _permit =
        api.searches.try_acquire().map_err(|_| ApiError::Busy("other searches are under way"))?;
    let (log, journal) = (api.core.decisions().clone(), api.core.journal().clone());
    let history = api.history.clone();
    let search = tokio::task::spawn_blocking(move || {
        let mut search = Search::new(&log, alert);
        search.run(history.as_deref())?;
        Ok::<_, ReadError>(search.finish(&journal))
    });
    let mut explanation = search.await.map_err(|error| ApiError::Refused(error.to_string()))??;
    let mut decisions = explanation.decisions.iter();
    explanation.responder_took = decisions.find_map(|it| api.responder.took(it.sequence));
    if explanation.decisions.is_empty() && !explanation.incomplete {
        let since = match explanation.known_since {
            Some(since) => format!("; decisions are known since {since}"),
            None => String::new(),
        };
        return Err(ApiError::NotFound(format!("decision about alert {alert}{since}")));
    }
    Ok(Json(explanation))
}

/// A search for one alert: in the history, and in what the history does not have of the decision
/// log.
struct Search<'a> {
    log: &'a DecisionLog,
    deadline: Instant,
    range: Range<u64>,
    known_since: Option<Timestamp>,
    story: Story,
    body: Option<Box<Alert>>,
    incomplete: bool,
}

impl<'a> Search<'a> {
    fn new(log: &'a DecisionLog, alert: AlertId) -> Self {
        Self {
            log,
            deadline: Instant::now() + SEARCH_MAX,
            range: log.range(),
            known_since: None,
            story: Story::new(alert),
            body: None,
            incomplete: false,
        }
    }

    fn run(&mut self, history: Option<&History>) -> Result<(), ReadError> {
        if !self.range.is_empty() {
            self.known_since = self.log.at(self.range.start)?.map(|decision| decision.time);
        }
        let asked = history.and_then(|history| match history.open(self.deadline) {
            Ok(asked) => Some(asked),
            Err(error) => {
                warn!(%error, "the history cannot be read");
                self.incomplete = true;
                None
            }
        });
        let Some(mut asked) = asked else { return self.search_log(self.range.clone()) };
        let Some((first, since, last)) = asked.span() else {
            return self.search_log(self.range.clone());
        };
        self.known_since = self.known_since.map_or(Some(since), |known| Some(known.min(since)));
        self.ask(&mut asked);
        self.incomplete |= asked.incomplete();
        // The last record's other decisions may not be there yet: these come twice, and count once.
        let fresh = self.log.find(last)?.max(self.range.start)..self.range.end;
        if let Some(sequence) = self.story.sequence() {
            // The history does not know by finding what was told after all; the log does.
            let from = if self.story.is_hidden() { sequence } else { last };
            let from = self.log.find(from)?.max(self.range.start);
            return self.scan(from..self.range.end);
        }
        self.scan(fresh)?;
        if self.story.decisions().is_empty() {
            let older = self.range.start..self.log.find(first)?;
            self.search_log(older)?;
        }
        Ok(())
    }

    /// Asks the history.
    fn ask(&mut self, asked: &mut Asked) {
        let found = asked.find(self.story.alert());
        self.body = found.alert;
        for decision in found.decisions {
            self.story.take(decision);
        }
        let Some(sequence) = self.story.sequence() else { return };
        let groups: Vec<GroupId> = self.story.groups().into_iter().collect();
        asked.follow(&groups, sequence, |decision| {
            self.story.take(decision);
            !self.story.is_told()
        });
    }

    /// Searches a part of the log, if the alert may be there.
    fn search_log(&mut self, range: Range<u64>) -> Result<(), ReadError> {
        if range.is_empty() {
            return Ok(());
        }
        let guess = self.guess(range.clone())?;
        self.scan(guess..range.end)?;
        if self.story.decisions().is_empty() && guess > range.start {
            self.scan(range)?;
        }
        Ok(())
    }

    /// Returns where the alert's decision should be, by the time in its id.
    fn guess(&self, range: Range<u64>) -> Result<u64, ReadError> {
        let id = Uuid::from_u128(self.story.alert().as_u128());
        let (Some(made), 7) = (id.get_timestamp(), id.get_version_num()) else {
            return Ok(range.start);
        };
        let (seconds, nanoseconds) = made.to_unix();
        let made = Timestamp::new(seconds.cast_signed(), nanoseconds.cast_signed())
            .and_then(|made| made.checked_sub(SLACK));
        let Ok(made) = made else { return Ok(range.start) };
        let Range { start: mut low, end: mut high } = range;
        while low < high {
            let middle = low + (high - low) / 2;
            match self.log.at(middle)? {
                Some(decision) if decision.time < made => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    fn scan(&mut self, range: Range<u64>) -> Result<(), ReadError> {
        if range.is_empty() || self.story.is_told() {
            return Ok(());
        }
        let mut reader = self.log.read(range.start)?;
        let mut needles = self.story.needles();
        for place in range {
            let Some(bytes) = reader.next_bytes()? else { break };
            if place % 1024 == 0 && Instant::now() > self.deadline {
                self.incomplete = true;
                break;
            }
            let concerns = needles.iter().any(|it| memmem::find(&bytes, it.as_bytes()).is_some());
            if concerns
                && let Ok(decision) = serde_json::from_slice(&bytes)
                && self.story.take(decision)
            {
                needles = self.story.needles();
            }
            if self.story.is_told() || self.story.decisions().len() >= DECISIONS_MAX {
                break;
            }
        }
        Ok(())
    }

    fn finish(self, journal: &Journal) -> Explanation {
        let sequence = self.story.sequence();
        let alert = self.body.or_else(|| sequence.and_then(|sequence| read(journal, sequence)));
        Explanation {
            pending: self.story.is_pending(),
            decisions: self.story.told(),
            alert,
            responder_took: None,
            known_since: self.known_since,
            incomplete: self.incomplete,
        }
    }
}

fn read(journal: &Journal, sequence: u64) -> Option<Box<Alert>> {
    let (_, bytes) = journal.read(sequence).ok()?.next().ok()??;
    match serde_json::from_slice(&bytes).ok()? {
        Record::Alert(alert) => Some(alert),
        _ => None,
    }
}
