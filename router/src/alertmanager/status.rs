//! `GET /api/v2/status` and `/api/v2/receivers`.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};

use super::{Reading, answer::Refusal};

/// Stands above the configuration, which is not Alertmanager's.
const REMARK: &str = "# What decides about alerts here. It is Saker's, not Alertmanager's: \
                      `saker route show` and `saker route test` read it.\n";

pub(super) async fn status(State(reading): State<Arc<Reading>>) -> Result<Json<Value>, Refusal> {
    let api = &reading.api;
    let config = api.core.ask(|state| state.pipeline.config().clone()).await?;
    // A configuration was read from text, and so can be written as text.
    let config = serde_json::to_string_pretty(&config).unwrap_or_default();
    Ok(Json(json!({
        "cluster": { "name": "", "status": "disabled", "peers": [] },
        "config": { "original": format!("{REMARK}{config}\n") },
        "uptime": api.started,
        "versionInfo": {
            "version": env!("CARGO_PKG_VERSION"), "revision": "", "branch": "saker",
            "buildUser": "", "buildDate": "", "goVersion": "",
        },
    })))
}

pub(super) async fn receivers(State(reading): State<Arc<Reading>>) -> Result<Json<Value>, Refusal> {
    let names = reading.api.core.ask(|state| state.pipeline.config().outputs.clone()).await?;
    Ok(Json(names.into_iter().map(|name| json!({ "name": name })).collect()))
}

pub(super) async fn ready(State(reading): State<Arc<Reading>>) -> (StatusCode, &'static str) {
    match reading.api.ready() {
        true => (StatusCode::OK, "OK"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "the journal takes no alerts"),
    }
}
