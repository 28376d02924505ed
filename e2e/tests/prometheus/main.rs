//! Prometheus pages through the router, Alertmanager hands on to it, and `amtool` works against it: all
//! three from the distribution, and unchanged.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod amtool;
mod paging;

use e2e::{Router, Webhook};
use serde_json::{Value, json};

/// Starts a router that tells a webhook at once.
fn router(webhook: &Webhook) -> Router {
    Router::start_with(&json!({
        "outputs": {
            "hook": { "webhook": { "url": webhook.url(), "signing_secrets": [Webhook::SECRET] } },
        },
        "routes": [{
            "name": "all", "group_by": ["label.alertname"],
            "group_wait": "0s", "group_interval": "1s",
        }],
    }))
}

/// Returns what the webhook was told, the oldest first.
fn told(webhook: &Webhook) -> Vec<Value> {
    assert_eq!(webhook.refused(), Vec::<String>::new());
    webhook.calls().into_iter().map(|call| call.body["notification"].clone()).collect()
}
