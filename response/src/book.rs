//! Every response and how it stands: a function of the audit's entries in their order.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use alert::AlertId;
use hashbrown::HashMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    action::Action,
    budget::Spending,
    entry::{DocumentProof, Entry, Outcome, ResultKind, Step},
    gate::{Judgement, Verdict},
    plan::{Plan, Resolved, ResponseId, Target},
};

/// Ended responses kept in memory; older ones are in the audit.
const ENDED_MAX: usize = 10_000;

/// One response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    pub id: ResponseId,
    pub state: State,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub plan: Plan,
    /// What an approval must name.
    pub plan_hash: String,
    pub resolved: Resolved,
    pub verdicts: Vec<Verdict>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<DocumentProof>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence_failures: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepTaken>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Further alerts that asked for the same, since the program started.
    #[serde(default)]
    pub joined: u64,
}

/// Where a response stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum State {
    Proposed,
    Denied {
        gate: String,
        reason: String,
    },
    DryRun {
        would_act: bool,
    },
    Awaiting {
        expires: Timestamp,
        because: String,
    },
    /// It goes ahead, or a person let it.
    Approved,
    /// A person said no.
    Rejected,
    Expired,
    Executing {
        step: Step,
    },
    Ended {
        result: ResultKind,
    },
    /// What it did was taken back.
    Undoing,
    Undone,
}

impl State {
    /// All names, in the order of a response's life.
    pub const NAMES: [&str; 11] = [
        "proposed",
        "denied",
        "dry_run",
        "awaiting",
        "approved",
        "rejected",
        "expired",
        "executing",
        "ended",
        "undoing",
        "undone",
    ];

    pub const fn name(&self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Denied { .. } => "denied",
            Self::DryRun { .. } => "dry_run",
            Self::Awaiting { .. } => "awaiting",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Executing { .. } => "executing",
            Self::Ended { .. } => "ended",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }

    /// Returns whether something is still to come of it without a new alert.
    pub const fn is_open(&self) -> bool {
        matches!(
            self,
            Self::Proposed
                | Self::Awaiting { .. }
                | Self::Approved
                | Self::Executing { .. }
                | Self::Undoing
        )
    }
}

/// A person's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub approved: bool,
    pub by: String,
    pub at: Timestamp,
    pub plan_hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A step and what was answered to it; nothing yet if it was interrupted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTaken {
    pub step: Step,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

type Key = (String, Action, Target);

/// All responses.
#[derive(Clone, Debug, Default)]
pub struct Book {
    responses: BTreeMap<ResponseId, Response>,
    newest_of: HashMap<Key, ResponseId>,
    /// Which response an alert led to by a rule: a redelivered alert leads to no second.
    of_alert: HashMap<(AlertId, String), ResponseId>,
    ended: VecDeque<ResponseId>,
    pub spending: Spending,
    /// Who stopped everything, and why.
    pub stopped: Option<(String, String)>,
    last_id: u64,
}

impl Book {
    /// Returns the number of the next response.
    pub fn next_id(&self) -> ResponseId {
        ResponseId(self.last_id + 1)
    }

    pub fn get(&self, id: ResponseId) -> Option<&Response> {
        self.responses.get(&id)
    }

    /// Returns all responses in memory, the newest first.
    pub fn responses(&self) -> impl Iterator<Item = &Response> {
        self.responses.values().rev()
    }

    pub fn count(&self, is_it: impl Fn(&Response) -> bool) -> usize {
        self.responses.values().filter(|response| is_it(response)).count()
    }

    /// Returns the response that a plan is the same as: one that is still open or in force, or that
    /// acted within the cool-down. One that was denied, or will be because it is `hopeless`, stands in
    /// nobody's way: whoever sends a stale or forged alert first must not shield the target.
    pub fn same_as(
        &self,
        plan: &Plan,
        cool_down: Duration,
        now: Timestamp,
        hopeless: impl Fn(&Plan) -> bool,
    ) -> Option<ResponseId> {
        let seen = self.of_alert.get(&(plan.cause.alert, plan.rule.clone()));
        if let Some(id) = seen {
            return Some(*id);
        }
        let id = *self.newest_of.get(&plan.key())?;
        let response = self.responses.get(&id)?;
        let recent = Duration::try_from(now.duration_since(response.updated))
            .map_or(true, |age| age < cool_down);
        let nothing_came_of_it = response
            .outcome
            .as_ref()
            .is_some_and(|outcome| matches!(outcome.result, ResultKind::Failed | ResultKind::Noop));
        let stands = match &response.state {
            State::Denied { .. } | State::Expired => false,
            State::Proposed if hopeless(&response.plan) => false,
            // What was only tried out does not stand for the act.
            State::DryRun { .. } if plan.mode > response.plan.mode => false,
            // Also when what little there was of it was taken back.
            State::Ended { .. } | State::Undone if nothing_came_of_it => false,
            // Acting twice would have the first one's end take the second one's effect away.
            State::Ended { .. } if response.in_force() => true,
            state if state.is_open() => true,
            _ => recent,
        };
        stands.then_some(id)
    }

    /// Notes that one more alert asked for a response.
    pub fn join(&mut self, id: ResponseId) {
        if let Some(response) = self.responses.get_mut(&id) {
            response.joined += 1;
        }
    }

    /// Returns how many pods of a workload, beside that of `except`, count as ready and are not or
    /// not for long: their end is under way by us or came after `since`, or we cut their network.
    pub fn in_flight(
        &self,
        namespace: &str,
        workload: &str,
        except: ResponseId,
        since: Timestamp,
    ) -> u32 {
        let count = self.count(|response| {
            let acted = match response.state {
                State::Executing { .. } => true,
                State::Ended { .. } => {
                    response.in_force() || !response.steps.is_empty() && response.updated >= since
                }
                _ => false,
            };
            acted
                && response.id != except
                && response.plan.action.disrupts()
                && response.plan.namespace() == namespace
                && response.resolved.workload.as_deref() == Some(workload)
        });
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Takes in one entry of the audit.
    pub fn apply(&mut self, at: Timestamp, entry: &Entry) {
        match entry {
            Entry::Proposed { id, plan } => return self.propose(at, *id, plan),
            Entry::Switched { stopped, by, reason } => {
                self.stopped = stopped.then(|| (by.clone(), reason.clone()));
                return;
            }
            Entry::Intent { account: Some(account), .. } => {
                self.spending.spend(at, account.clone());
            }
            _ => {}
        }
        let Some(id) = entry.id() else { return };
        let Some(response) = self.responses.get_mut(&id) else { return };
        response.updated = at;
        let was_open = response.state.is_open();
        response.take(at, entry);
        if was_open && !response.state.is_open() {
            self.ended.push_back(id);
            self.forget_old();
        }
    }

    fn propose(&mut self, at: Timestamp, id: ResponseId, plan: &Plan) {
        self.last_id = self.last_id.max(id.0);
        self.newest_of.insert(plan.key(), id);
        self.of_alert.insert((plan.cause.alert, plan.rule.clone()), id);
        let response = Response {
            id,
            state: State::Proposed,
            created: at,
            updated: at,
            plan: plan.clone(),
            plan_hash: plan.hash(&Resolved::default()),
            resolved: Resolved::default(),
            verdicts: Vec::new(),
            decision: None,
            documents: Vec::new(),
            evidence_failures: Vec::new(),
            steps: Vec::new(),
            outcome: None,
            joined: 0,
        };
        self.responses.insert(id, response);
    }

    /// A containment in force is kept, however old.
    fn forget_old(&mut self) {
        while self.ended.len() > ENDED_MAX {
            let Some(id) = self.ended.pop_front() else { return };
            let in_force = self.responses.get(&id).is_some_and(Response::in_force);
            if in_force {
                self.ended.push_back(id);
                return;
            }
            let Some(response) = self.responses.remove(&id) else { continue };
            let key = response.plan.key();
            if self.newest_of.get(&key) == Some(&id) {
                self.newest_of.remove(&key);
            }
            self.of_alert.remove(&(response.plan.cause.alert, response.plan.rule.clone()));
        }
    }
}

impl Response {
    /// Returns whether it left something in the cluster that its time will take back.
    pub fn in_force(&self) -> bool {
        let until = self.outcome.as_ref().is_some_and(|outcome| outcome.until.is_some());
        until && matches!(self.state, State::Ended { .. } | State::Undoing)
    }

    /// Returns when what it did is to be taken back.
    pub fn due_for_undo(&self, now: Timestamp) -> bool {
        // What a person began to take back before its time is not left half done either.
        self.in_force() && (self.state == State::Undoing || self.is_beyond_its_time(now))
    }

    /// Returns whether it is in force and should not be any more.
    pub fn is_beyond_its_time(&self, now: Timestamp) -> bool {
        let until = self.outcome.as_ref().and_then(|outcome| outcome.until);
        self.in_force() && until.is_some_and(|until| until <= now)
    }

    fn take(&mut self, at: Timestamp, entry: &Entry) {
        match entry {
            Entry::Judged { verdicts, resolved, plan_hash, judgement, .. } => {
                self.verdicts.clone_from(verdicts);
                self.resolved = (**resolved).clone();
                self.plan_hash.clone_from(plan_hash);
                self.state = match judgement {
                    Judgement::Denied { gate, reason } => {
                        State::Denied { gate: gate.clone(), reason: reason.clone() }
                    }
                    Judgement::DryRun { would_act } => State::DryRun { would_act: *would_act },
                    Judgement::Awaits { expires, because } => {
                        State::Awaiting { expires: *expires, because: because.clone() }
                    }
                    Judgement::Goes => State::Approved,
                };
            }
            Entry::Decided { approved, by, plan_hash, comment, .. } => {
                self.decision = Some(Decision {
                    approved: *approved,
                    by: by.clone(),
                    at,
                    plan_hash: plan_hash.clone(),
                    comment: comment.clone(),
                });
                self.state = if *approved { State::Approved } else { State::Rejected };
            }
            Entry::Expired { .. } => self.state = State::Expired,
            Entry::Evidence { documents, failures, .. } => {
                self.documents.clone_from(documents);
                self.evidence_failures.clone_from(failures);
            }
            Entry::Intent { step, .. } => {
                self.steps.push(StepTaken { step: *step, at, answer: None });
                self.state = State::Executing { step: *step };
            }
            Entry::Answered { step, answer, .. } => {
                let taken = self.steps.iter_mut().rev().find(|taken| taken.step == *step);
                if let Some(taken) = taken {
                    taken.answer = Some(answer.clone());
                }
            }
            Entry::Ended { outcome, .. } => {
                self.state = State::Ended { result: outcome.result };
                self.outcome = Some(outcome.clone());
            }
            Entry::UndoIntended { .. } => self.state = State::Undoing,
            Entry::Undone { .. } => self.state = State::Undone,
            // It is tried again: the state stays.
            Entry::UndoFailed { .. } => {}
            Entry::Proposed { .. }
            | Entry::Started { .. }
            | Entry::Switched { .. }
            | Entry::Flooded { .. }
            | Entry::Swept { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        action::Mode,
        plan::tests::{alert, rule},
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn plan(number: u128) -> Plan {
        let mut alert = alert(json!({}));
        alert.id = AlertId::from_u128(number);
        Plan::new(&rule("kill_pod"), Mode::Auto, &alert, None)
    }

    fn proposed(book: &mut Book, second: i64, plan: &Plan) -> ResponseId {
        let id = book.next_id();
        book.apply(at(second), &Entry::Proposed { id, plan: Box::new(plan.clone()) });
        id
    }

    /// With a cool-down of a minute.
    fn same(book: &Book, number: u128, now: Timestamp) -> Option<ResponseId> {
        book.same_as(&plan(number), Duration::from_secs(60), now, |_| false)
    }

    #[test]
    fn a_plan_that_will_be_denied_shields_nobody_while_it_waits_for_its_judgement() {
        let mut book = Book::default();
        let forged = proposed(&mut book, 0, &plan(1));
        let (minute, genuine) = (Duration::from_secs(60), plan(2));
        assert_eq!(book.same_as(&genuine, minute, at(0), |_| false), Some(forged));
        assert_eq!(
            book.same_as(&genuine, minute, at(0), |plan| plan.cause.alert == plan_id(1)),
            None
        );
    }

    fn plan_id(number: u128) -> AlertId {
        AlertId::from_u128(number)
    }

    #[test]
    fn a_containment_in_force_is_not_made_a_second_time() {
        let mut book = Book::default();
        let id = proposed(&mut book, 0, &plan(1));
        let outcome = Outcome { until: Some(at(3600)), ..ended(ResultKind::NotVerified) };
        book.apply(at(1), &Entry::Ended { id, outcome });
        assert_eq!(same(&book, 2, at(3000)), Some(id), "the cool-down was over long ago");
        assert!(!book.get(id).unwrap().due_for_undo(at(3000)));
        book.apply(at(3001), &Entry::UndoIntended { id, by: "somebody".into() });
        assert!(book.get(id).unwrap().due_for_undo(at(3002)), "what was begun is finished");
        book.apply(at(3003), &Entry::Undone { id, answer: String::new() });
        assert_eq!(same(&book, 2, at(3200)), None);
    }

    #[test]
    fn a_containment_that_failed_and_was_taken_back_shields_nobody() {
        let mut book = Book::default();
        let id = proposed(&mut book, 0, &plan(1));
        let outcome = Outcome { until: Some(at(1)), ..ended(ResultKind::Failed) };
        book.apply(at(1), &Entry::Ended { id, outcome });
        assert_eq!(same(&book, 2, at(2)), None);
        book.apply(at(2), &Entry::UndoIntended { id, by: "its time is over".into() });
        book.apply(at(3), &Entry::Undone { id, answer: String::new() });
        assert_eq!(same(&book, 2, at(4)), None);
    }

    fn ended(result: ResultKind) -> Outcome {
        Outcome {
            result,
            detail: String::new(),
            object: None,
            process: None,
            processes: Vec::new(),
            until: None,
        }
    }

    #[test]
    fn t11_another_alert_about_the_same_target_joins() {
        let mut book = Book::default();
        let id = proposed(&mut book, 0, &plan(1));
        assert_eq!(same(&book, 2, at(500)), Some(id), "it is still open");
        book.apply(at(10), &Entry::Ended { id, outcome: ended(ResultKind::Done) });
        assert_eq!(same(&book, 2, at(69)), Some(id));
        assert_eq!(same(&book, 2, at(70)), None);
        assert_eq!(same(&book, 1, at(9999)), Some(id), "an alert acts once");
    }

    #[test]
    fn a_denied_plan_shields_nobody() {
        let mut book = Book::default();
        let id = proposed(&mut book, 0, &plan(1));
        let judgement = Judgement::Denied { gate: "freshness".into(), reason: "stale".into() };
        let judged = Entry::Judged {
            id,
            verdicts: Vec::new(),
            resolved: Box::default(),
            plan_hash: String::new(),
            judgement,
        };
        book.apply(at(1), &judged);
        assert_eq!(same(&book, 2, at(2)), None);
    }

    #[test]
    fn the_number_of_responses_in_memory_is_bounded() {
        let mut book = Book::default();
        for number in 0..(ENDED_MAX as u128 + 50) {
            let id = proposed(&mut book, 0, &plan(number));
            book.apply(at(1), &Entry::Ended { id, outcome: ended(ResultKind::Failed) });
        }
        assert_eq!(book.responses.len(), ENDED_MAX);
        assert_eq!(book.of_alert.len(), ENDED_MAX);
    }
}
