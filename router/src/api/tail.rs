//! Alerts as they are decided, as server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use rules::Condition;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

use super::{Api, ApiError, document::Busy, error, extract::Parameters};
use crate::{history::subject, live::Tail};

const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only alerts for which this holds.
    #[param(example = "priority >= critical")]
    condition: Option<String>,
}

/// One client's tail.
struct Watcher {
    alerts: broadcast::Receiver<Arc<Tail>>,
    condition: Option<Condition>,
    stop: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

/// Shows alerts as they are decided, as server-sent events: `alert`, each a `Tail`, and `dropped`,
/// with the number of alerts this client missed as `{"alerts": n}`.
#[utoipa::path(
    get, path = "/tail", operation_id = "tail", tag = "live",
    params(Wanted),
    responses(
        (status = 200, description = "Events without an end.", content_type = "text/event-stream"),
        Busy,
    ),
)]
pub(super) async fn tail(
    State(api): State<Arc<Api>>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Response, ApiError> {
    let condition = wanted.condition.filter(|text| !text.trim().is_empty());
    let condition = condition.map(|text| error::condition("condition", &text)).transpose()?;
    let permit = Arc::clone(&api.tails)
        .try_acquire_owned()
        .map_err(|_| ApiError::Busy("too many live tails are open"))?;
    let watcher = Watcher {
        alerts: api.live.subscribe(),
        condition,
        stop: api.stop.clone(),
        _permit: permit,
    };
    let events = stream::unfold(watcher, |mut watcher| async move {
        let event = watcher.next().await?;
        Some((Ok::<_, Infallible>(event), watcher))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

impl Watcher {
    /// Returns the next event, or `None` when the router stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let received = tokio::select! {
                received = self.alerts.recv() => received,
                () = self.stop.cancelled() => return None,
            };
            let event = match received {
                Ok(tail) if self.wants(&tail) => Event::default().event("alert").json_data(&*tail),
                Ok(_) => continue,
                Err(broadcast::error::RecvError::Lagged(alerts)) => {
                    let dropped = serde_json::json!({ "alerts": alerts });
                    Event::default().event("dropped").json_data(dropped)
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            };
            return event.ok();
        }
    }

    fn wants(&self, tail: &Tail) -> bool {
        let Some(condition) = &self.condition else { return true };
        condition.matches(&subject(&tail.alert, &tail.decision))
    }
}
