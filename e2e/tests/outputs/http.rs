//! The HTTP kinds against servers that share no code with them.

use std::{sync::Arc, time::Duration};

use alert::{GroupState, Notification};
use e2e::{Alertmanager, Slack, Webhook};
use outputs::{DeliveryError, KINDS, Output, Parts, Receipt};
use serde_json::{Value, json};

use crate::sample::{build, deliver_parts, notification};

/// Delivers with the kind's built-in templates.
async fn deliver(
    kind: &str,
    output: &Arc<dyn Output>,
    notification: &Notification,
    previous: Option<&Receipt>,
) -> Result<Receipt, DeliveryError> {
    let descriptor = KINDS.iter().find(|descriptor| descriptor.name == kind).unwrap();
    let engine = descriptor.engine(&Default::default(), "/".as_ref()).unwrap();
    let parts = Parts::from(engine.render(notification));
    deliver_parts(output, notification, &parts, previous).await
}

fn slack(slack: &Slack, token: &str, channel: &str) -> Arc<dyn Output> {
    let config = json!({ "api_url": slack.api_url(), "token": token, "channel": channel });
    build("slack", config)
}

#[tokio::test]
async fn slack_takes_every_sample_within_its_limits() {
    let server = Slack::start();
    let output = slack(&server, Slack::TOKEN, "#soc");
    output.check().await.unwrap();
    for (name, sample) in templates::samples::all() {
        deliver("slack", &output, &sample, None).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    for message in server.messages() {
        for mention in ["<!channel>", "<!here>", "<@U0123>", "<https://evil.example"] {
            assert!(!message.mrkdwn().contains(mention), "{mention} in {message:#?}");
        }
    }
}

#[tokio::test]
async fn slack_edits_the_groups_message() {
    let server = Slack::start();
    let output = slack(&server, Slack::TOKEN, "#soc");
    let first = deliver("slack", &output, &notification(1), None).await.unwrap();
    let mut grown = notification(2);
    (grown.sequence, grown.alerts_count) = (2, 4_711);
    deliver("slack", &output, &grown, Some(&first)).await.unwrap();
    let messages = server.messages();
    let root: Vec<_> = messages.iter().filter(|message| message.thread_ts.is_none()).collect();
    assert_eq!(root.len(), 1, "{messages:#?}");
    assert_eq!(root[0].edits, 1);
    assert!(root[0].request.to_string().contains("4711"), "{:#}", root[0].request);
}

#[tokio::test]
async fn slacks_complaints_are_told_apart() {
    let server = Slack::start();
    let token = slack(&server, "xoxb-wrong", "#soc");
    let error = deliver("slack", &token, &notification(1), None).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Denied { .. }), "{error:?}");

    let output = slack(&server, Slack::TOKEN, "#soc");
    server.limit_next(7);
    let error = deliver("slack", &output, &notification(1), None).await.unwrap_err();
    assert!(
        matches!(error, DeliveryError::Unavailable { retry_after: Some(wait), .. }
            if wait >= Duration::from_secs(7)),
        "{error:?}"
    );
}

#[tokio::test]
async fn slacks_incoming_webhook_takes_every_sample() {
    let server = Slack::start();
    let output = build("slack", json!({ "webhook_url": server.webhook_url() }));
    for (name, sample) in templates::samples::all() {
        deliver("slack", &output, &sample, None).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    assert_eq!(server.messages().len(), templates::samples::all().len());
}

#[tokio::test]
async fn webhooks_carry_a_signature_that_others_can_check() {
    let server = Webhook::start();
    let config = json!({ "url": server.url(), "signing_secrets": [Webhook::SECRET] });
    let output = build("webhook", config);
    deliver("webhook", &output, &notification(1), None).await.unwrap();
    server.fail_next(503, Some(3));
    let error = deliver("webhook", &output, &notification(2), None).await.unwrap_err();
    assert!(
        matches!(error, DeliveryError::Unavailable { retry_after: Some(wait), .. }
            if wait >= Duration::from_secs(3)),
        "{error:?}"
    );
    deliver("webhook", &output, &notification(2), None).await.unwrap();

    let calls = server.calls();
    assert_eq!(calls.len(), 2, "{:?}", server.refused());
    assert_ne!(calls[0].id, calls[1].id);
    assert_eq!(calls[0].body["notification"]["findings"][1]["sample"]["hostname"], "node-2");

    let wrong = json!({ "url": server.url(), "signing_secrets": ["whsec_d3JvbmctZW5kLXRvLWVuZC10ZXN0LXNlY3JldCE="] });
    let error = deliver("webhook", &build("webhook", wrong), &notification(3), None).await;
    assert!(error.is_err());
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn alertmanager_shows_findings_and_forgets_them_when_the_group_closes() {
    let server = Alertmanager::start();
    let output = build("alertmanager", json!({ "urls": [server.url()] }));
    output.check().await.unwrap();
    let receipt = deliver("alertmanager", &output, &just_now(1), None).await.unwrap();
    let alerts = active(&server).await;
    assert_eq!(alerts.len(), 2, "{alerts:#?}");
    for alert in &alerts {
        assert_eq!(alert["status"]["state"], "active");
        assert!(alert["labels"].to_string().contains("Shell in a container"), "{alert:#}");
    }

    let mut closed = just_now(2);
    closed.state = GroupState::Closed;
    deliver("alertmanager", &output, &closed, Some(&receipt)).await.unwrap();
    let alerts = active(&server).await;
    assert!(alerts.is_empty(), "{alerts:#?}");
}

/// A notification of this moment: Alertmanager forgets what ended.
fn just_now(id: u64) -> Notification {
    let (now, mut notification) = (jiff::Timestamp::now(), notification(id));
    notification.created = now;
    notification.last_seen = now;
    for finding in &mut notification.findings {
        finding.last_seen = now;
    }
    notification
}

async fn active(server: &Alertmanager) -> Vec<Value> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10));
    let response = client.build().unwrap().get(server.alerts()).send().await.unwrap();
    let body = response.text().await.unwrap();
    serde_json::from_str(&body).unwrap()
}
