//! From the router to every kind of output.

use e2e::{Router, Webhook, eventually};
use serde_json::{Value, json};

use crate::{
    ingest::{falco, send},
    world::{
        http::{get, post},
        world,
    },
};

#[test]
fn an_alert_is_a_kafka_record_in_falcos_format() {
    send("Goes to Kafka");
    let record = eventually("a record", || {
        let records = world().stream.records();
        let found = records.into_iter().find(|record| record.value["rule"] == "Goes to Kafka");
        found.ok_or("none with this rule")
    });
    let mut expected = falco("Goes to Kafka");
    expected["uuid"] = record.value["uuid"].clone();
    assert_eq!(record.value, expected);
    assert_eq!(record.header("rule"), Some("Goes to Kafka"));
    assert_eq!(record.header("priority"), Some("Warning"));
    assert_eq!(record.header("saker-alert-id"), record.value["uuid"].as_str());
}

#[test]
fn an_alert_is_a_mail_over_starttls() {
    send("Goes by mail");
    let mail = world().mail_with("Goes by mail");
    assert!(mail.encrypted);
    assert_eq!(mail.header("Auto-Submitted"), Some("auto-generated"));
    let (text, html) = (mail.text.unwrap(), mail.html.unwrap());
    for body in [&text, &html] {
        for fact in ["Goes by mail", "falco-host", "bash -i", "Warning"] {
            assert!(body.contains(fact), "{fact:?} is missing: {body}");
        }
    }
}

#[test]
fn a_slack_message_is_posted_once_and_then_kept_up_to_date() {
    send("Goes to Slack");
    let first = world().slack_message_with("Goes to Slack", |message| message.edits == 0);
    for _ in 0..4 {
        send("Goes to Slack");
    }
    let updated = world().slack_message_with("Goes to Slack", |message| {
        message.edits > 0 && message.request.to_string().contains('5')
    });
    assert_eq!(updated.ts, first.ts, "the same message");
    let messages = world().slack.messages();
    let posted = messages
        .iter()
        .filter(|message| message.thread_ts.is_none())
        .filter(|message| message.request.to_string().contains("Goes to Slack"));
    assert_eq!(posted.count(), 1);
    let errors: Vec<_> =
        world().slack.answers().into_iter().filter(|(_, answer)| answer["ok"] == false).collect();
    assert!(errors.is_empty(), "Slack objected: {errors:?}");
}

#[test]
fn a_webhook_is_signed_and_says_which_notification_it_is() {
    send("Goes to the webhook");
    let call = eventually("a call", || {
        let calls = world().webhook.calls();
        let found = calls.into_iter().find(|c| c.body.to_string().contains("Goes to the webhook"));
        found.ok_or_else(|| format!("none; refused: {:?}", world().webhook.refused()))
    });
    assert!(!call.id.is_empty());
    assert_eq!(call.body["notification"]["state"], "open");
    assert_eq!(call.body["notification"]["alerts_count"], 1);
}

#[test]
fn alertmanager_shows_the_alert() {
    send("Goes to Alertmanager");
    let alert = eventually("an active alert", || {
        let alerts = get(&world().alertmanager.alerts()).json();
        let alerts = alerts.as_array().cloned().unwrap_or_default();
        let found = alerts
            .iter()
            .find(|alert| alert["labels"].to_string().contains("Goes to Alertmanager"))
            .cloned();
        found.ok_or_else(|| format!("{alerts:?}"))
    });
    assert_eq!(alert["status"]["state"], "active");
    assert!(alert["labels"]["alertname"].is_string(), "{alert:#}");
}

#[test]
fn prometheus_reads_our_metrics_and_falcosidekicks() {
    send("Is counted");
    let value = |expression: &str| {
        let answer = get(&world().prometheus.query(expression)).json();
        answer["data"]["result"][0]["value"][1].as_str().and_then(|text| text.parse::<f64>().ok())
    };
    for expression in [
        "falcosecurity_falcosidekick_falco_events_total{rule=\"Is counted\",priority=\"4\",\
         priority_raw=\"warning\",source=\"syscall\",k8s_ns_name=\"payments\",\
         hostname=\"falco-host\"}",
        "falcosecurity_falcosidekick_inputs_total{source=\"requests\",status=\"accepted\"}",
        "falcosecurity_falcosidekick_outputs_total{destination=\"kafka\",status=\"ok\"}",
        "up{job=\"router\"}",
        "process_resident_memory_bytes{job=\"router\"}",
    ] {
        eventually(expression, || match value(expression) {
            Some(value) if value >= 1.0 => Ok(()),
            other => Err(format!("is {other:?}")),
        });
    }
}

/// A router of its own with one signed webhook.
fn small(webhook: &Webhook) -> Router {
    Router::start(
        &json!({ "hook": { "webhook": {
            "url": webhook.url(),
            "signing_secrets": [Webhook::SECRET],
        } } }),
        &json!([{ "group_by": ["rule"], "group_wait": "0s", "group_interval": "1s" }]),
    )
}

fn rules_told_by(webhook: &Webhook) -> Vec<Value> {
    let calls = webhook.calls();
    calls
        .iter()
        .map(|call| call.body["notification"]["findings"][0]["sample"]["rule"].clone())
        .collect()
}

#[test]
fn what_was_answered_with_200_is_delivered_after_a_kill() {
    let webhook = Webhook::start();
    let mut router = small(&webhook);
    webhook.fail_next(503, Some(2));
    let answer = post(&router.ingest_url("/"), &[], falco("Survives").to_string());
    assert_eq!(answer.status, 200);
    router.kill();
    assert!(webhook.calls().is_empty());
    router.restart();
    eventually("the alert of before the kill", || {
        let told = rules_told_by(&webhook);
        if told.contains(&json!("Survives")) { Ok(()) } else { Err(format!("{told:?}")) }
    });
}

#[test]
fn one_outputs_trouble_holds_up_no_other() {
    let webhook = Webhook::start();
    let nobody = e2e::Port::reserve();
    let router = Router::start(
        &json!({
            "dead": { "webhook": { "url": format!("http://{}/", nobody.address()) } },
            "hook": { "webhook": {
                "url": webhook.url(),
                "signing_secrets": [Webhook::SECRET],
            } },
        }),
        &json!([{ "group_by": ["rule"], "group_wait": "0s" }]),
    );
    for rule in ["One", "Two", "Three"] {
        let answer = post(&router.ingest_url("/"), &[], falco(rule).to_string());
        assert_eq!(answer.status, 200);
    }
    eventually("all three", || {
        let told = rules_told_by(&webhook);
        if told.len() >= 3 { Ok(()) } else { Err(format!("{told:?}")) }
    });
}

#[test]
fn a_terminated_router_ends_in_order_and_takes_nothing_more() {
    let webhook = Webhook::start();
    let mut router = small(&webhook);
    post(&router.ingest_url("/"), &[], falco("Before the end").to_string());
    eventually("the alert", || {
        if rules_told_by(&webhook).is_empty() { Err("nothing") } else { Ok(()) }
    });
    let status = router.process().terminate();
    assert!(status.success(), "{status}: {}", router.process().log());
}
