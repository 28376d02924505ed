//! One response on its way: facts, gates, evidence, intent, act, outcome.

use std::sync::Arc;

use tracing::{error, warn};

use super::{Engine, collect::Collected};
use crate::{
    audit::AppendError,
    book::{Response, State},
    budget::Account,
    entry::{Entry, Judgement, ObjectSeen, Outcome, ProcessSeen, ResultKind, Step},
    gate::{self, Bench, Moment},
    plan::{Evidence, Plan, Resolved, ResponseId},
};

/// What the gates made of a plan, and what they judged by.
struct Judged {
    judgement: Judgement,
    resolved: Resolved,
    account: Account,
}

impl Engine {
    /// Looks into a plan, and carries it out if nothing is in its way.
    pub(super) async fn carry(self: Arc<Self>, id: ResponseId) {
        let Some(response) = self.response(id).await else { return };
        let moment = match (&response.state, &response.decision) {
            (State::Approved, Some(decision)) if decision.approved => Moment::Approved,
            (State::Proposed | State::Approved, _) => Moment::Planned,
            _ => return,
        };
        let judged = match self.judge(id, &response, moment).await {
            Ok(judged) => judged,
            Err(error) => return warn!(response = %id, %error, "not carried further"),
        };
        if judged.judgement == Judgement::Goes
            && let Err(error) = self.go(id, &response.plan, judged).await
        {
            // What it announced was never written down, so it never happened.
            error!(response = %id, %error, "not carried out");
        }
    }

    async fn judge(
        &self,
        id: ResponseId,
        response: &Response,
        moment: Moment,
    ) -> Result<Judged, AppendError> {
        let plan = &response.plan;
        let started = std::time::Instant::now();
        let facts = {
            let _room = self.lookups.acquire().await;
            self.gather(id, plan).await
        };
        self.metrics.took(plan.action, "look", started.elapsed());
        let config = self.config.load_full();
        let now = service::clock::now();
        let mut keeper = self.keeper.lock().await;
        let resolved = facts.resolved(plan);
        let plan_hash = plan.hash(&resolved);
        let (verdicts, mut judgement) = {
            let Some(rule) = config.responses.iter().find(|rule| rule.name == plan.rule) else {
                return self.gone(&mut keeper, id, "rule_gone");
            };
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
        };
        if moment == Moment::Approved && plan_hash != response.plan_hash {
            // What the person saw is not what is there now.
            judgement = denied("approval", "plan_changed");
        }
        if let Judgement::Awaits { .. } = judgement {
            let waiting = |response: &Response| matches!(response.state, State::Awaiting { .. });
            if keeper.book.count(waiting) >= config.approval.pending_max {
                judgement = denied("approval", "too_many_wait");
            }
        }
        self.metrics.judged(&verdicts);
        let entry = Entry::Judged {
            id,
            verdicts,
            resolved: Box::new(resolved.clone()),
            plan_hash,
            judgement: judgement.clone(),
        };
        let mut entries = vec![entry];
        let account = facts.account(plan);
        if judgement == Judgement::Goes && plan.parameters.evidence == Evidence::None {
            // Nothing comes between: one write for both.
            entries.push(intent(id, plan, &account));
        }
        keeper.append(&entries)?;
        Ok(Judged { judgement, resolved, account })
    }

    fn gone(
        &self,
        keeper: &mut super::keeper::Keeper,
        id: ResponseId,
        reason: &str,
    ) -> Result<Judged, AppendError> {
        let judgement = denied("match", reason);
        keeper.append(&[Entry::Judged {
            id,
            verdicts: Vec::new(),
            resolved: Box::default(),
            plan_hash: String::new(),
            judgement: judgement.clone(),
        }])?;
        let account = Account { namespace: String::new(), workload: String::new() };
        Ok(Judged { judgement, resolved: Resolved::default(), account })
    }

    /// Evidence, intent, act, outcome.
    async fn go(&self, id: ResponseId, plan: &Plan, judged: Judged) -> Result<(), AppendError> {
        let Judged { resolved, account, .. } = judged;
        if plan.parameters.evidence != Evidence::None {
            let collected = self.collect(id, plan, &resolved).await;
            let had = !collected.documents.is_empty() && collected.failures.is_empty();
            let proofs = self.keep(id, collected).await?;
            if plan.parameters.evidence == Evidence::Required && !had {
                let detail = "evidence is required and could not be had whole".to_owned();
                return self.end(id, plan, failed(detail)).await;
            }
            if !plan.action.spends() {
                let detail = format!("{proofs} document(s) collected");
                return self.end(id, plan, outcome(ResultKind::Done, detail)).await;
            }
            // Time has passed: once more, all that can have changed in it.
            if let Some(reason) = self.stopped_meanwhile(plan, &account).await {
                return self.end(id, plan, failed(reason)).await;
            }
            let mut keeper = self.keeper.lock().await;
            keeper.append(&[intent(id, plan, &account)])?;
        }
        let _room = self.actions.acquire().await;
        let started = std::time::Instant::now();
        let outcome = self.perform(id, plan, &resolved).await;
        self.metrics.took(plan.action, "act", started.elapsed());
        self.end(id, plan, outcome).await
    }

    async fn stopped_meanwhile(&self, plan: &Plan, account: &Account) -> Option<String> {
        let keeper = self.keeper.lock().await;
        if keeper.book.stopped.is_some() {
            return Some("a person stopped all responses meanwhile".into());
        }
        let config = self.config.load();
        let (shares, now) = (config.namespaces().len(), service::clock::now());
        let spending = &keeper.book.spending;
        let exhausted = spending.exhausted(&config.budgets, shares, account, now);
        match exhausted {
            Some(scope) if plan.mode == crate::action::Mode::Auto => {
                Some(format!("the budget was spent meanwhile: {scope:?}"))
            }
            _ => None,
        }
    }

    async fn keep(&self, id: ResponseId, collected: Collected) -> Result<usize, AppendError> {
        let Collected { documents, mut failures } = collected;
        let written = tokio::task::block_in_place(|| self.store.write(id, &documents));
        let documents = written.unwrap_or_else(|error| {
            failures.push(format!("failed to write: {error}"));
            Vec::new()
        });
        let count = documents.len();
        let mut keeper = self.keeper.lock().await;
        keeper.append(&[Entry::Evidence { id, documents, failures }])?;
        Ok(count)
    }

    pub(super) async fn end(
        &self,
        id: ResponseId,
        plan: &Plan,
        outcome: Outcome,
    ) -> Result<(), AppendError> {
        self.metrics.ended(plan.action, outcome.result);
        self.keeper.lock().await.append(&[Entry::Ended { id, outcome }])
    }

    /// Writes down what was answered to a step. That this fails changes nothing that happened.
    pub(super) async fn answered(&self, id: ResponseId, step: Step, answer: impl Into<String>) {
        let answer = answer.into().chars().filter(|c| !c.is_control()).take(500).collect();
        let entry = Entry::Answered { id, step, answer };
        if let Err(error) = self.keeper.lock().await.append(&[entry]) {
            error!(response = %id, %error, "an answer could not be written down");
        }
    }

    /// Writes down that a step comes, without spending more.
    pub(super) async fn intend(&self, id: ResponseId, step: Step) -> Result<(), AppendError> {
        let entry = Entry::Intent { id, step, account: None };
        self.keeper.lock().await.append(&[entry])
    }
}

fn denied(gate: &str, reason: &str) -> Judgement {
    Judgement::Denied { gate: gate.to_owned(), reason: reason.to_owned() }
}

fn intent(id: ResponseId, plan: &Plan, account: &Account) -> Entry {
    let step = first_step(plan);
    Entry::Intent { id, step, account: plan.action.spends().then(|| account.clone()) }
}

/// Returns the request an action begins with.
pub(super) const fn first_step(plan: &Plan) -> Step {
    use crate::action::Action;
    match plan.action {
        Action::SnapshotEvidence => Step::Collect,
        Action::LabelPod => Step::Label,
        Action::IsolatePod => Step::Isolate,
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
