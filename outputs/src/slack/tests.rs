//! Against a server that is as strict as Slack.

use std::sync::Arc;

use alert::{Notification, Priority};
use serde_json::{Value, json};
use templates::samples;

use super::strict::{self, Workspace};
use crate::{
    DeliveryError, Receipt,
    peer::{Configured, Peer, answer, parse},
};

struct Bot {
    peer: Peer,
    workspace: Arc<Workspace>,
    output: Configured,
}

impl Bot {
    async fn start(more: Value) -> Self {
        let workspace = Arc::new(Workspace::default());
        let answering = Arc::clone(&workspace);
        let peer = Peer::start(move |request| answering.answer(request)).await;
        let mut config = json!({ "api_url": peer.url(), "token": "xoxb-good", "channel": "#soc" });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let output = Configured::new("slack", &config);
        Self { peer, workspace, output }
    }

    async fn deliver(&self, notification: &Notification, previous: Option<&Receipt>) -> Receipt {
        self.output.deliver(notification, previous).await.unwrap()
    }

    /// Returns the methods called since, with what matters of their bodies.
    fn calls(&self) -> Vec<String> {
        let of = |body: &Value, key: &str| {
            body.get(key).map_or(String::new(), |value| format!(" {key}={value}"))
        };
        self.peer
            .take()
            .iter()
            .map(|request| {
                let body = request.json();
                let keys = ["channel", "ts", "thread_ts", "reply_broadcast"];
                let keys: String = keys.iter().map(|key| of(&body, key)).collect();
                format!("{}{keys}", request.path)
            })
            .collect()
    }
}

/// The group of `typical`, later: worse if `priority` is.
fn later(priority: Priority, new: u64) -> Notification {
    Notification {
        sequence: 2,
        priority,
        alerts_count: 1 + new,
        alerts_new_count: new,
        ..samples::typical()
    }
}

#[tokio::test]
async fn every_sample_is_a_message_slack_takes() {
    let bot = Bot::start(json!({})).await;
    let peer = Peer::start(strict::webhook).await;
    let webhook = Configured::new("slack", &json!({ "webhook_url": format!("{}/x", peer.url()) }));
    for (name, sample) in samples::all() {
        let receipt = bot.deliver(&sample, None).await;
        bot.deliver(&sample, Some(&receipt)).await;
        webhook.deliver(&sample, None).await.expect(name);
        for request in bot.peer.take().iter().chain(&peer.take()) {
            assert_eq!(strict::valid(&request.json()), Ok(()), "{name}");
        }
    }
}

#[tokio::test]
async fn a_group_has_one_message_which_is_edited_and_news_in_its_thread() {
    let bot = Bot::start(json!({})).await;
    let first = bot.deliver(&samples::typical(), None).await;
    assert_eq!(first.remote_id.as_deref(), Some("C1/1700000000.000001"));
    assert_eq!(bot.calls(), [r##"/chat.postMessage channel="#soc""##]);

    let second = bot.deliver(&later(Priority::Warning, 3), Some(&first)).await;
    assert_eq!(
        bot.calls(),
        [
            r#"/chat.update channel="C1" ts="1700000000.000001""#,
            r#"/chat.postMessage channel="C1" thread_ts="1700000000.000001""#,
        ]
    );
    assert_eq!(second, first);
}

#[tokio::test]
async fn a_group_that_gets_worse_tells_the_channel_once() {
    let bot = Bot::start(json!({})).await;
    let first = bot.deliver(&samples::typical(), None).await;
    let second = bot.deliver(&later(Priority::Critical, 1), Some(&first)).await;
    assert!(bot.calls()[2].ends_with("reply_broadcast=true"));
    bot.deliver(&later(Priority::Critical, 1), Some(&second)).await;
    assert!(!bot.calls()[1].contains("reply_broadcast"));
}

#[tokio::test]
async fn a_group_that_ends_is_marked_in_its_message_and_nowhere_else() {
    let bot = Bot::start(json!({})).await;
    let first = bot.deliver(&samples::typical(), None).await;
    bot.peer.take();
    bot.deliver(&samples::closed(), Some(&first)).await;
    let requests = bot.peer.take();
    assert_eq!(requests.len(), 1);
    let title = requests[0].json()["blocks"][0]["text"]["text"].clone();
    assert_eq!(title, "✅ Closed: Shell in a container");
}

#[tokio::test]
async fn without_threads_only_the_message_is_edited() {
    let bot = Bot::start(json!({ "threads": false })).await;
    let first = bot.deliver(&samples::typical(), None).await;
    bot.deliver(&later(Priority::Critical, 9), Some(&first)).await;
    assert_eq!(bot.calls().len(), 2);
}

#[tokio::test]
async fn a_message_that_someone_deleted_is_posted_anew() {
    let bot = Bot::start(json!({})).await;
    let first = bot.deliver(&samples::typical(), None).await;
    bot.workspace.delete_all();
    bot.deliver(&samples::grouped(), Some(&first)).await;
    let calls = bot.calls();
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[2], r##"/chat.postMessage channel="#soc""##);
}

#[tokio::test]
async fn a_message_in_a_channel_that_was_given_up_is_posted_in_the_configured_one() {
    let bot = Bot::start(json!({})).await;
    let mut before = bot.deliver(&samples::typical(), None).await;
    before.state.insert("channel".into(), "C-archived".into());
    let after = bot.deliver(&later(Priority::Warning, 1), Some(&before)).await;
    assert_eq!(bot.calls()[2], r##"/chat.postMessage channel="#soc""##);
    assert_eq!(after.state["channel"], "C1");
}

#[tokio::test]
async fn hostile_data_neither_mentions_nor_links() {
    let bot =
        Bot::start(json!({ "fields": ["proc.cmdline", "k8s.pod.name", "container.name"] })).await;
    let receipt = bot.deliver(&samples::hostile(), None).await;
    let mut worse = samples::hostile();
    worse.priority = Priority::Emergency;
    bot.deliver(&worse, Some(&receipt)).await;
    for request in bot.peer.take() {
        let body = request.json();
        assert_eq!((&body["parse"], &body["link_names"]), (&json!("none"), &json!(false)));
        check_texts(&body);
    }
}

/// In mrkdwn, `<` begins nothing but our dates, and only our own fences are there.
fn check_texts(value: &Value) {
    match value {
        Value::Object(object) => {
            let mrkdwn = object.get("type").is_some_and(|kind| kind == "mrkdwn");
            let body = object.contains_key("link_names");
            if let Some(text) = object.get("text").and_then(Value::as_str)
                && (mrkdwn || body)
            {
                assert!(!text.replace("<!date^", "").contains('<'), "{text}");
                assert!(text.matches("```").count() % 2 == 0, "{text}");
                assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{200b}', '\0']), "{text}");
            }
            object.values().for_each(check_texts);
        }
        Value::Array(items) => items.iter().for_each(check_texts),
        _ => {}
    }
}

async fn slack_says(error: &str) -> DeliveryError {
    let body = json!({ "ok": false, "error": error }).to_string();
    let peer = Peer::start(move |_| {
        let mut response = answer(200, body.clone());
        response.headers_mut().insert("retry-after", "30".parse().unwrap());
        response
    })
    .await;
    let config = json!({ "api_url": peer.url(), "token": "xoxb-good", "channel": "#soc" });
    Configured::new("slack", &config).deliver(&samples::typical(), None).await.unwrap_err()
}

#[tokio::test]
async fn slacks_own_errors_decide_what_happens_next() {
    for error in ["ratelimited", "internal_error", "service_unavailable"] {
        let said = slack_says(error).await;
        let DeliveryError::Unavailable { retry_after, reason } = said else { panic!("{said}") };
        assert_eq!((retry_after.unwrap().as_secs(), reason.as_str()), (30, error));
    }
    let denied = [
        "invalid_auth",
        "account_inactive",
        "token_revoked",
        "missing_scope",
        "channel_not_found",
        "is_archived",
        "not_in_channel",
    ];
    for error in denied {
        let said = slack_says(error).await;
        assert!(matches!(said, DeliveryError::Denied { .. }), "{said}");
    }
    for error in ["no_text", "an_error_of_tomorrow", ""] {
        let said = slack_says(error).await;
        assert!(matches!(said, DeliveryError::Rejected { .. }), "{said}");
    }
}

#[tokio::test]
async fn a_message_slack_finds_too_long_is_sent_again_without_blocks() {
    let peer = Peer::start(|request| {
        let blocks = request.json().get("blocks").is_some();
        let long = json!({ "ok": false, "error": "msg_too_long" });
        let taken = json!({ "ok": true, "channel": "C1", "ts": "1.1" });
        answer(200, if blocks { long } else { taken }.to_string())
    })
    .await;
    let config = json!({ "api_url": peer.url(), "token": "xoxb-good", "channel": "#soc" });
    let output = Configured::new("slack", &config);
    output.deliver(&samples::huge(), None).await.unwrap();
    let requests = peer.take();
    assert_eq!(requests.len(), 2);
    let text = requests[1].json()["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("Warning: A rule") && text.ends_with('…'), "{text}");

    let said = slack_says("msg_too_long").await;
    assert!(matches!(said, DeliveryError::Rejected { .. }), "{said}");
}

#[tokio::test]
async fn an_answer_that_is_not_slacks_is_tried_again() {
    let peer = Peer::start(|_| answer(200, "<html>captive portal</html>")).await;
    let config = json!({ "api_url": peer.url(), "token": "xoxb-good", "channel": "#soc" });
    let said = Configured::new("slack", &config).deliver(&samples::typical(), None).await;
    assert!(matches!(said, Err(DeliveryError::Unavailable { .. })), "{said:?}");
}

#[tokio::test]
async fn a_removed_webhook_is_denied() {
    let peer = Peer::start(|_| answer(404, "no_service")).await;
    let config = json!({ "webhook_url": format!("{}/services/x", peer.url()) });
    let said = Configured::new("slack", &config).deliver(&samples::typical(), None).await;
    assert!(matches!(said, Err(DeliveryError::Denied { .. })), "{said:?}");
}

#[tokio::test]
async fn check_tells_a_wrong_token_without_posting() {
    let bot = Bot::start(json!({})).await;
    bot.output.output.check().await.unwrap();
    let wrong = Bot::start(json!({ "token": "xoxb-wrong" })).await;
    let said = wrong.output.output.check().await;
    assert!(matches!(said, Err(DeliveryError::Denied { .. })), "{said:?}");
    assert_eq!(wrong.calls(), ["/auth.test"]);
}

#[test]
fn a_configuration_that_cannot_work_says_what_to_set() {
    let check = |config: Value, expect: &str| {
        let error = parse("slack", &config).err().expect(expect).to_string();
        assert!(error.contains(expect), "{error}");
    };
    check(json!({}), "set `webhook_url`, or `token` and `channel`");
    check(json!({ "token": "x" }), "`token` needs `channel`");
    check(json!({ "webhook_url": "https://h/x", "channel": "#a" }), "a webhook posts to its own");
    check(json!({ "webhook_url": "https://h/x", "token": "x" }), "not both");
    check(json!({ "webhook_url": "ftp://h/x" }), "http");
    check(json!({ "token": "x", "channel": "#a", "chanel": "#a" }), "unknown field `chanel`");
}
