//! Where the router brings alerts: one a line, at least once, in order. 200 means that everything
//! that follows from them is written down.

use std::sync::Arc;

use alert::Alert;
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};
use service::{problem::Problem, server::PeerNames};

use crate::engine::Engine;

/// Largest body.
const BODY_BYTES_MAX: usize = 32 << 20;
/// Alerts in one request.
const ALERTS_MAX: usize = 10_000;

/// An alert as the router brings it; its `sequence` there is of no use here.
#[derive(Clone, Debug, Deserialize)]
struct Delivered {
    alert: Alert,
    /// The silence that hides it from people.
    #[serde(default)]
    silenced: Option<String>,
}

#[derive(Debug, Serialize)]
struct Accepted {
    accepted: usize,
}

#[derive(Clone)]
struct Intake {
    engine: Arc<Engine>,
    callers: Callers,
}

/// Whether callers have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callers {
    /// Those of their certificates.
    Named,
    /// Without TLS: the port is then a loopback one.
    Nameless,
}

pub(crate) fn routes(engine: Arc<Engine>, callers: Callers) -> Router {
    let intake = Intake { engine, callers };
    Router::new()
        .route("/v1/alerts", post(receive))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(intake)
}

async fn receive(
    State(intake): State<Intake>,
    Extension(names): Extension<PeerNames>,
    body: Bytes,
) -> Response {
    let config = intake.engine.config();
    let known = names.first().is_some_and(|name| config.senders.contains(name));
    if !known && intake.callers == Callers::Named {
        let detail = "the client's certificate has no name among `response.senders`";
        return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    let delivered = match read(&body) {
        Ok(delivered) => delivered,
        Err(error) => return Problem::new(StatusCode::BAD_REQUEST, error).into_response(),
    };
    for Delivered { alert, silenced, .. } in &delivered {
        if let Err(error) = intake.engine.alert(alert, silenced.as_deref()).await {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return Problem::new(status, error.to_string()).into_response();
        }
    }
    Json(Accepted { accepted: delivered.len() }).into_response()
}

fn read(body: &[u8]) -> Result<Vec<Delivered>, String> {
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let mut delivered = Vec::new();
    for (index, line) in lines.enumerate() {
        if index >= ALERTS_MAX {
            return Err(format!("more than {ALERTS_MAX} alerts"));
        }
        let line = serde_json::from_slice(line);
        delivered.push(line.map_err(|error| format!("line {}: {error}", index + 1))?);
    }
    Ok(delivered)
}
