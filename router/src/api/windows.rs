//! Maintenance windows, by the API.

use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use service::access::Caller;

use super::{
    Api, ApiError,
    cursor::{self, Wanted},
    document::{Answer, Missing, Unprocessable},
    error,
    extract::{Body, Name, Parameters},
    types::{By, List, NewWindow, WindowView},
};
use crate::{pipeline::DecisionKind, record::Record};

/// Returns maintenance windows.
#[utoipa::path(
    get, path = "/windows", operation_id = "windows", tag = "windows",
    params(Wanted), responses(Answer<List<WindowView>>),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<List<WindowView>>, ApiError> {
    let all = api.core.ask(|state| state.pipeline.windows()).await?;
    cursor::named(all, &wanted, |view| &view.window.name)
}

/// Adds a window, in place of one with its name.
#[utoipa::path(
    put, path = "/windows/{name}", operation_id = "put_window", tag = "windows",
    params(("name" = String, Path, example = "night")),
    request_body(
        content = NewWindow,
        example = json!({ "by": "ann", "window": {
            "name": "night", "match": "k8s.ns.name = batch", "starts": "2026-11-28T22:00:00",
            "duration": "4h", "repeat": "FREQ=WEEKLY;BYDAY=SA",
        } }),
    ),
    responses(Answer<WindowView>, Unprocessable),
)]
pub(super) async fn put(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Body(NewWindow { window, by }): Body<NewWindow>,
) -> Result<Json<WindowView>, ApiError> {
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
#[utoipa::path(
    delete, path = "/windows/{name}", operation_id = "remove_window", tag = "windows",
    params(("name" = String, Path, example = "night")),
    request_body(content = By, example = json!({ "by": "ann" })),
    responses(Answer<WindowView>, Missing, Unprocessable),
)]
pub(super) async fn remove(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Body(By { by }): Body<By>,
) -> Result<Json<WindowView>, ApiError> {
    let by = error::author(&caller, &by)?;
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
