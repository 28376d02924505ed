//! What people do with silences, by whichever API they speak. What is answered is durable and took
//! effect.

use crate::{
    api::error::ApiError,
    core::{Handle, State},
    pipeline::{DecisionKind, Page, Preview, Silence, SilenceId, SilenceView},
    record::Record,
};

/// Findings looked at in one turn of the core's thread.
const PREVIEWED_AT_ONCE: usize = 1000;

/// Returns all silences, also those that ended within the last day.
pub(crate) async fn all(core: &Handle) -> Result<Vec<SilenceView>, ApiError> {
    Ok(core.ask(|state| state.pipeline.silences()).await?)
}

/// Returns one silence.
pub(crate) async fn find(core: &Handle, id: &SilenceId) -> Result<SilenceView, ApiError> {
    look(core, id).await?.ok_or_else(|| missing(id))
}

/// Adds a silence; one that has its id already is changed in place and keeps what it did so far.
pub(crate) async fn put(core: &Handle, silence: Silence) -> Result<SilenceView, ApiError> {
    let id = silence.id.clone();
    if look(core, &id).await?.is_some_and(|known| known.configured) {
        return Err(of_the_file());
    }
    let at = service::clock::now();
    for decision in core.submit(&Record::SilenceAdded { at, silence }).await? {
        if let DecisionKind::SilenceRefused { reason, .. } = decision.kind {
            return Err(ApiError::Refused(reason));
        }
    }
    look(core, &id).await?.ok_or_else(|| ApiError::Refused("the silence is over already".into()))
}

/// Ends a silence now.
pub(crate) async fn end(core: &Handle, id: SilenceId, by: String) -> Result<SilenceView, ApiError> {
    if find(core, &id).await?.configured {
        return Err(of_the_file());
    }
    let at = service::clock::now();
    core.submit(&Record::SilenceExpired { at, id: id.clone(), by }).await?;
    find(core, &id).await
}

/// Returns which of the findings that are active now a silence would hide while it counts; nothing
/// of the past.
pub(crate) async fn preview(core: &Handle, silence: &Silence) -> Result<Preview, ApiError> {
    let (mut preview, mut after) = (Preview::default(), None);
    loop {
        let silence = silence.clone();
        let page = Page { after, limit: PREVIEWED_AT_ONCE };
        let look = move |state: &State| state.pipeline.would_hide(&silence, page);
        let (part, next) = core.ask(look).await?;
        preview.add(part);
        if next.is_none() {
            return Ok(preview);
        }
        after = next;
    }
}

async fn look(core: &Handle, id: &SilenceId) -> Result<Option<SilenceView>, ApiError> {
    let id = id.clone();
    Ok(core.ask(move |state| state.pipeline.silence(&id)).await?)
}

fn missing(id: &SilenceId) -> ApiError {
    ApiError::NotFound(format!("silence `{}`", id.0.escape_debug()))
}

fn of_the_file() -> ApiError {
    ApiError::Refused("this silence is from the configuration file: change it there".into())
}
