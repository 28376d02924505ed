//! *kill process* and *kill process tree*: an order to the agent of the machine, which checks for
//! itself who is meant.

use alert::order::KillOutcome;

use super::{Engine, failed, outcome};
use crate::{
    agents::AgentError,
    engine::{carry::first_step, gather::order},
    entry::{Outcome, ProcessSeen, ResultKind},
    plan::{Plan, ResponseId},
};

impl Engine {
    pub(super) async fn kill_process(&self, id: ResponseId, plan: &Plan) -> Outcome {
        let Some(order) = order(id, plan, false) else {
            return failed("the alert names no process");
        };
        let step = first_step(plan);
        let agent = match self.agents.of(&plan.target.hostname).await {
            Ok(agent) => agent,
            Err(error) => return failed(error.to_string()),
        };
        let mut answer = agent.kill(&order).await;
        self.answered(id, step, told(&answer)).await;
        let lost = matches!(answer, Err(AgentError::Unknown(_)));
        if (lost || matches!(answer, Err(AgentError::NotSent(_))))
            && self.once_more(id, step).await.is_some()
        {
            // The order's id makes a second sending the same order.
            answer = agent.kill(&order).await;
            self.answered(id, step, told(&answer)).await;
        }
        let report = match answer {
            Ok(report) => report,
            Err(AgentError::Unknown(reason)) => return outcome(ResultKind::Unknown, reason),
            // The first one may have been carried out.
            Err(error) if lost => return outcome(ResultKind::Unknown, error.to_string()),
            Err(error) => return failed(error.to_string()),
        };
        let (result, detail, process) = match report.outcome {
            KillOutcome::Dead => {
                (ResultKind::Done, "the agent saw it die".to_owned(), ProcessSeen::Dead)
            }
            KillOutcome::Gone if lost => {
                let detail = "it has ended; the first answer was lost, so nobody knows by whom";
                (ResultKind::NotVerified, detail.to_owned(), ProcessSeen::NotSeen)
            }
            KillOutcome::Gone => {
                (ResultKind::Noop, "it had ended already".to_owned(), ProcessSeen::NotSeen)
            }
            KillOutcome::Refused { detail, .. } => {
                (ResultKind::Failed, detail, ProcessSeen::NotSeen)
            }
            KillOutcome::Unknown { detail } => (ResultKind::Unknown, detail, ProcessSeen::Alive),
            KillOutcome::WouldKill => {
                let detail = "the agent took it for a dry run".to_owned();
                (ResultKind::Failed, detail, ProcessSeen::NotSeen)
            }
        };
        Outcome { process: Some(process), processes: report.processes, ..outcome(result, detail) }
    }
}

fn told(answer: &Result<alert::order::KillReport, AgentError>) -> String {
    match answer {
        Ok(report) => serde_json::to_string(&report.outcome).unwrap_or_default(),
        Err(error) => error.to_string(),
    }
}
