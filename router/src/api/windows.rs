//! Maintenance windows, by the API.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State},
};
use service::access::Caller;

use super::{
    Api, ApiError, error,
    types::{By, List, NewWindow, WindowView},
};
use crate::{pipeline::DecisionKind, record::Record};

pub(super) async fn list(State(api): State<Arc<Api>>) -> Result<Json<List<WindowView>>, ApiError> {
    let items = api.core.ask(|state| state.pipeline.windows()).await?;
    Ok(Json(List { items, next: None }))
}

/// Adds a window, in place of one with its name.
pub(super) async fn put(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<WindowView>, ApiError> {
    let NewWindow { window, by } = error::body(&body)?;
    if window.name != name {
        return Err(ApiError::Invalid("`name` is not the one of the path".into()));
    }
    window.check().map_err(ApiError::Invalid)?;
    let by = error::author(&caller, &by)?;
    let (at, window) = (service::clock::now(), Box::new(window));
    for decision in api.core.submit(&Record::WindowAdded { at, window, by }).await? {
        if let DecisionKind::WindowRefused { reason, .. } = decision.kind {
            return Err(ApiError::Refused(reason));
        }
    }
    match find(&api, &name).await? {
        Some(view) => Ok(Json(view)),
        None => Err(ApiError::Refused("the window will not open any more".into())),
    }
}

/// Removes a window; what it hid and is still active is told of.
pub(super) async fn remove(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<WindowView>, ApiError> {
    let by = error::author(&caller, &error::body::<By>(&body)?.by)?;
    let missing = || ApiError::NotFound(format!("window `{}`", name.escape_debug()));
    let known = find(&api, &name).await?.ok_or_else(missing)?;
    if known.configured {
        let reason = "this window is from the configuration file: remove it there";
        return Err(ApiError::Refused(reason.into()));
    }
    let at = service::clock::now();
    api.core.submit(&Record::WindowRemoved { at, name, by }).await?;
    Ok(Json(known))
}

async fn find(api: &Api, name: &str) -> Result<Option<WindowView>, ApiError> {
    let name = name.to_owned();
    Ok(api.core.ask(move |state| state.pipeline.window(&name)).await?)
}
