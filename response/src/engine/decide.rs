//! People's words: approve, deny, stop, resume, undo. First word wins.

use std::sync::Arc;

use super::Engine;
use crate::{
    audit::AppendError,
    book::{Response, State},
    entry::Entry,
    plan::ResponseId,
};

/// A word is not taken.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    #[error("there is no response {0}")]
    Unknown(ResponseId),
    #[error("{id} waits for nobody: it is {state}{}", by.as_ref().map(|by| format!(", decided by {by}")).unwrap_or_default())]
    NotAwaiting { id: ResponseId, state: &'static str, by: Option<String> },
    #[error("its time to be approved is over")]
    Expired,
    #[error("the plan is another one now ({0}): look at it again")]
    OtherPlan(String),
    #[error("there is nothing of {0} to take back")]
    NothingToUndo(ResponseId),
    #[error("a person stopped all responses; `saker responses resume` lets them go on")]
    Stopped,
    #[error(transparent)]
    Audit(#[from] AppendError),
}

impl Engine {
    /// Lets a waiting plan go ahead, or not. The plan must be the one with this hash.
    pub async fn decide(
        self: &Arc<Self>,
        id: ResponseId,
        approved: bool,
        plan_hash: &str,
        by: String,
        comment: Option<String>,
    ) -> Result<Response, DecideError> {
        let mut keeper = self.keeper.lock().await;
        let response = keeper.book.get(id).ok_or(DecideError::Unknown(id))?;
        let State::Awaiting { expires, .. } = &response.state else {
            let by = response.decision.as_ref().map(|decision| decision.by.clone());
            return Err(DecideError::NotAwaiting { id, state: response.state.name(), by });
        };
        if *expires <= service::clock::now() {
            return Err(DecideError::Expired);
        }
        if response.plan_hash != plan_hash {
            return Err(DecideError::OtherPlan(response.plan_hash.clone()));
        }
        if approved && keeper.book.stopped.is_some() {
            return Err(DecideError::Stopped);
        }
        // The last of its space is for the ends of what is under way.
        if approved && let Some(failure) = keeper.audit.failure() {
            return Err(AppendError::Failed(failure).into());
        }
        let plan_hash = plan_hash.to_owned();
        keeper.append(&[Entry::Decided { id, approved, by, plan_hash, comment }])?;
        let response = keeper.book.get(id).cloned().ok_or(DecideError::Unknown(id))?;
        drop(keeper);
        if approved {
            self.spawn_carry(id);
        }
        Ok(response)
    }

    /// Stops everything that has not begun, or lets it go on.
    pub async fn switch(
        &self,
        stopped: bool,
        by: String,
        reason: String,
    ) -> Result<(), DecideError> {
        let entry = Entry::Switched { stopped, by, reason };
        Ok(self.keeper.lock().await.append(&[entry])?)
    }

    /// Takes back what a response left in the cluster, before its time.
    pub async fn undo_now(&self, id: ResponseId, by: &str) -> Result<Response, DecideError> {
        let response = self.response(id).await.ok_or(DecideError::Unknown(id))?;
        if !response.in_force() {
            return Err(DecideError::NothingToUndo(id));
        }
        self.undo(id, by).await;
        self.response(id).await.ok_or(DecideError::Unknown(id))
    }
}
