//! One attempt: render the notification as it is now, hand it to the output, wait no longer than
//! allowed.

use std::{sync::Arc, time::Duration};

use alert::Notification;
use outputs::{Delivery, DeliveryError, Output, Parts, Receipt};
use templates::Fallback;

use crate::core::{Handle, Stopped};

/// An output that is ready to deliver, with its templates and bounds.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) kind: &'static str,
    pub(crate) output: Arc<dyn Output>,
    pub(crate) engine: templates::Engine,
    pub(crate) attempt_timeout: Duration,
}

/// What came of an attempt.
#[derive(Debug, PartialEq)]
pub(crate) enum Attempt {
    Delivered(Receipt),
    Unavailable {
        reason: String,
        retry_after: Option<Duration>,
    },
    /// No answer in time. A later one is ignored.
    TimedOut,
    Rejected(String),
    Denied(String),
    Gone(String),
    /// The router is shutting down; nothing was sent.
    Stopped,
}

impl Attempt {
    /// Returns the label for metrics.
    pub(crate) fn result(&self) -> &'static str {
        match self {
            Self::Delivered(_) => "delivered",
            Self::Unavailable { .. } | Self::Stopped => "unavailable",
            Self::TimedOut => "timeout",
            Self::Rejected(_) => "rejected",
            Self::Denied(_) => "denied",
            Self::Gone(_) => "gone",
        }
    }
}

/// Makes one attempt; also returns the templates that failed and were replaced.
pub(crate) async fn attempt(
    target: &Target,
    core: &Handle,
    notification: &Notification,
    number: u32,
) -> (Attempt, Vec<Fallback>) {
    let mut known = None;
    if target.output.reads_previous() {
        let Ok(previous) = previous(core, notification).await else {
            return (Attempt::Stopped, Vec::new());
        };
        known = previous;
    }
    let rendered = target.engine.render(notification);
    let parts = Parts(rendered.parts);
    let previous = known.as_ref();
    let delivery = Delivery { notification, parts: &parts, previous, attempt: number };
    let machine = &**core.machine();
    let deadline = machine.instant() + target.attempt_timeout;
    let attempt = match machine.until(deadline, target.output.deliver(&delivery)).await {
        Some(Ok(receipt)) => Attempt::Delivered(receipt),
        Some(Err(DeliveryError::Unavailable { reason, retry_after })) => {
            Attempt::Unavailable { reason, retry_after }
        }
        Some(Err(DeliveryError::Rejected { reason })) => Attempt::Rejected(reason),
        Some(Err(DeliveryError::Denied { reason })) => Attempt::Denied(reason),
        Some(Err(DeliveryError::Gone { reason })) => Attempt::Gone(reason),
        None => Attempt::TimedOut,
    };
    (attempt, rendered.fallbacks)
}

/// Returns the receipt of the group's last delivered notification to this output.
async fn previous(core: &Handle, notification: &Notification) -> Result<Option<Receipt>, Stopped> {
    let (group, output) = (notification.group, notification.output.clone());
    core.ask(move |state| state.pipeline.receipt(group, &output).cloned()).await
}
