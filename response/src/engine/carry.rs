//! One response on its way: facts, gates, evidence, intent, act, outcome.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tracing::error;

use super::{Engine, collect::Collected};
use crate::{
    audit::AppendError,
    book::{Book, Response, State},
    config::ResponseConfig,
    entry::{Entry, ObjectSeen, Outcome, ProcessSeen, ResultKind, Step, bounded},
    gate::{self, Bench, Facts, Judgement, Moment, Outlook},
    plan::{Evidence, Plan, Resolved, ResponseId},
};

/// What was found about a plan's target, and when.
struct Looked {
    facts: Facts,
    at: Timestamp,
}

/// Whether the first step may follow at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Evidence, or others, come before it.
    Later,
    /// The intent is written with the judgement.
    Now,
    /// It was judged before, and now its time has come.
    Again,
}

/// Older facts are gathered again before anything is done by them.
const FACTS_AGE_MAX: SignedDuration = SignedDuration::from_secs(5);
/// A pod whose end we brought about still counts as ready for so long: those who count come later.
const READY_LAG: SignedDuration = SignedDuration::from_secs(5);

impl Engine {
    /// Looks into a plan, and carries it out if nothing is in its way.
    pub(super) async fn carry(self: Arc<Self>, id: ResponseId) {
        if let Err(error) = self.carried(id).await {
            // What it announced was never written down, so it never happened.
            error!(response = %id, %error, "not carried further");
        }
    }

    async fn carried(&self, id: ResponseId) -> Result<(), AppendError> {
        let Some(response) = self.response(id).await else { return Ok(()) };
        let (plan, decision) = (&response.plan, response.decision.as_ref());
        let moment = match decision {
            Some(decision) if decision.approved => Moment::Approved,
            _ => Moment::Planned,
        };
        let collects = plan.parameters.evidence != Evidence::None;
        let mut looked = self.look(id, plan).await;
        let room = if collects { None } else { self.actions.try_acquire().ok() };
        let turn = if room.is_some() { Turn::Now } else { Turn::Later };
        let Some(mut resolved) = self.settle(id, &response, &looked, moment, turn).await? else {
            return Ok(());
        };
        let room = match room {
            Some(room) => room,
            None => {
                if collects && !self.evidence(id, plan, &resolved).await? {
                    return Ok(());
                }
                let Ok(room) = self.actions.acquire().await else { return Ok(()) };
                if service::clock::now().duration_since(looked.at) > FACTS_AGE_MAX {
                    looked = self.look(id, plan).await;
                }
                // Time has passed: once more, all that can have changed in it.
                let again = self.settle(id, &response, &looked, moment, Turn::Again).await?;
                let Some(now) = again else { return Ok(()) };
                resolved = now;
                room
            }
        };
        let started = std::time::Instant::now();
        let outcome = self.perform(id, plan, &resolved, room).await;
        self.metrics.took(plan.action, "act", started.elapsed());
        self.end(id, plan, outcome).await
    }

    async fn look(&self, id: ResponseId, plan: &Plan) -> Looked {
        let _room = self.lookups.acquire().await;
        let (at, started) = (service::clock::now(), std::time::Instant::now());
        let facts = self.gather(id, plan).await;
        self.metrics.took(plan.action, "look", started.elapsed());
        Looked { facts, at }
    }

    /// Asks the gates, and writes down what they say; where the first step follows at once also the
    /// intent, in the same write: between question and intent nobody else can spend, stop or act.
    /// Returns the target where it may go on.
    async fn settle(
        &self,
        id: ResponseId,
        response: &Response,
        looked: &Looked,
        moment: Moment,
        turn: Turn,
    ) -> Result<Option<Resolved>, AppendError> {
        let plan = &response.plan;
        let config = self.config.load_full();
        let now = service::clock::now();
        let mut keeper = self.keeper.lock().await;
        let known = keeper.book.get(id);
        let is_ours = |known: &Response| matches!(known.state, State::Proposed | State::Approved);
        let Some(known) = known.filter(|known| is_ours(known)) else { return Ok(None) };
        let before = known.resolved.clone();

        let mut facts = looked.facts.clone();
        let resolved = facts.resolved(plan);
        if let (Outlook::Known(health), Some(workload)) = (&mut facts.health, &resolved.workload) {
            let since = looked.at - READY_LAG;
            health.in_flight = keeper.book.in_flight(plan.namespace(), workload, id, since);
        }
        let plan_hash = plan.hash(&resolved);
        let (verdicts, mut judgement) =
            match config.responses.iter().find(|rule| rule.name == plan.rule) {
                None => (Vec::new(), denied("match", "rule_gone")),
                Some(rule) => {
                    let bench = Bench {
                        config: &config,
                        rule,
                        spending: &keeper.book.spending,
                        stopped: keeper.book.stopped.is_some(),
                        now,
                        moment,
                    };
                    let verdicts = gate::ask(plan, &facts, &bench);
                    let judgement = gate::judge(plan, &verdicts, &bench);
                    (verdicts, judgement)
                }
            };
        if let Some(decision) = &response.decision
            && judgement == Judgement::Goes
            && moment == Moment::Approved
        {
            let over = decision.at.saturating_add(config.approval.expires.0);
            if plan_hash != decision.plan_hash {
                // What the person saw is not what is there now.
                judgement = denied("approval", "plan_changed");
            } else if over.is_ok_and(|over| over <= now) {
                // It was let go ahead, and then we were away.
                judgement = denied("approval", "expired");
            }
        }
        if let Judgement::Awaits { .. } = judgement
            && too_many_wait(&keeper.book, &config, plan.namespace())
        {
            judgement = denied("approval", "too_many_wait");
        }
        let goes = judgement == Judgement::Goes;
        let mut entries = Vec::new();
        // What was written before and still holds is not written again.
        if turn != Turn::Again || !goes || before != resolved {
            self.metrics.judged(&verdicts);
            entries.push(Entry::Judged {
                id,
                verdicts,
                resolved: Box::new(resolved.clone()),
                plan_hash,
                judgement,
            });
        }
        if goes && turn != Turn::Later {
            let account = plan.action.spends().then(|| facts.account(plan));
            entries.push(Entry::Intent { id, step: first_step(plan), account });
        }
        keeper.append(&entries)?;
        Ok(goes.then_some(resolved))
    }

    /// Collects evidence and writes down what it is; returns whether an action follows.
    async fn evidence(
        &self,
        id: ResponseId,
        plan: &Plan,
        resolved: &Resolved,
    ) -> Result<bool, AppendError> {
        let Ok(_room) = self.collections.acquire().await else { return Ok(false) };
        let Collected { documents, mut failures } = self.collect(id, plan, resolved).await;
        let written = tokio::task::block_in_place(|| self.store.write(id, &documents));
        drop(documents);
        let documents = written.unwrap_or_else(|error| {
            failures.push(format!("failed to write: {error}"));
            Vec::new()
        });
        let (count, whole) = (documents.len(), failures.is_empty());
        let failures = failures.iter().map(|text| bounded(text)).collect();
        let entry = Entry::Evidence { id, documents, failures };
        self.keeper.lock().await.append(&[entry])?;
        if plan.parameters.evidence == Evidence::Required && !whole {
            let detail = "evidence is required and could not be had whole".to_owned();
            self.end(id, plan, failed(detail)).await?;
            return Ok(false);
        }
        if !plan.action.spends() {
            let detail = format!("{count} document(s) collected");
            self.end(id, plan, outcome(ResultKind::Done, detail)).await?;
            return Ok(false);
        }
        Ok(true)
    }

    pub(super) async fn end(
        &self,
        id: ResponseId,
        plan: &Plan,
        outcome: Outcome,
    ) -> Result<(), AppendError> {
        self.metrics.ended(plan.action, outcome.result);
        let entry = Entry::Ended { id, outcome: outcome.bounded() };
        self.keeper.lock().await.append(&[entry])
    }

    /// Writes down what was answered to a step. That this fails changes nothing that happened.
    pub(super) async fn answered(&self, id: ResponseId, step: Step, answer: impl Into<String>) {
        let answer = bounded(&answer.into());
        let entry = Entry::Answered { id, step, answer };
        if let Err(error) = self.keeper.lock().await.append(&[entry]) {
            error!(response = %id, %error, "an answer could not be written down");
        }
    }
}

fn denied(gate: &str, reason: &str) -> Judgement {
    Judgement::Denied { gate: gate.to_owned(), reason: reason.to_owned() }
}

/// Returns whether one more plan of a namespace would take a place that is another's.
fn too_many_wait(book: &Book, config: &ResponseConfig, namespace: &str) -> bool {
    let pending_max = config.approval.pending_max;
    let waits = |response: &Response| matches!(response.state, State::Awaiting { .. });
    let here = |response: &Response| waits(response) && response.plan.namespace() == namespace;
    let share = pending_max.div_ceil(config.namespaces().len().max(1));
    book.count(waits) >= pending_max || book.count(here) >= share
}

/// Returns the request an action begins with.
pub(super) const fn first_step(plan: &Plan) -> Step {
    use crate::action::Action;
    match plan.action {
        Action::SnapshotEvidence => Step::Collect,
        // The policy selects by the label, so that comes first.
        Action::LabelPod | Action::IsolatePod => Step::Label,
        Action::KillProcess => Step::Kill,
        Action::KillProcessTree => Step::KillTree,
        Action::KillPod => Step::Evict,
    }
}

pub(super) fn outcome(result: ResultKind, detail: impl Into<String>) -> Outcome {
    Outcome {
        result,
        detail: detail.into(),
        object: None,
        process: None,
        processes: Vec::new(),
        until: None,
    }
}

pub(super) fn failed(detail: impl Into<String>) -> Outcome {
    outcome(ResultKind::Failed, detail)
}

/// Returns an outcome that says what was seen of pod and processes.
pub(super) fn seen(
    result: ResultKind,
    detail: impl Into<String>,
    object: ObjectSeen,
    process: ProcessSeen,
) -> Outcome {
    Outcome { object: Some(object), process: Some(process), ..outcome(result, detail) }
}
