//! A Slack message: Block Kit built by serde, within Slack's limits.

use std::fmt::Write as _;

use alert::{Finding, Notification};
use serde::Serialize;
use templates::Escape;

use crate::Delivery;

/// `header.text`, in characters.
pub(super) const HEADER_CHARS_MAX: usize = 150;
/// `section.text`, in characters.
pub(super) const SECTION_CHARS_MAX: usize = 3_000;
/// A field takes 2,000, but all blocks together no more than about 13,200 (bolt-js#2509).
const FIELD_CHARS_MAX: usize = 400;
/// What is left of a message that Slack found too long.
const SHRUNK_CHARS_MAX: usize = 500;
/// One item of the context.
const CONTEXT_CHARS_MAX: usize = 300;

/// The body of `chat.postMessage`, `chat.update` and an incoming webhook.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Message {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_ts: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_broadcast: Option<bool>,
    /// What a phone shows, and what is read aloud.
    text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blocks: Vec<Block>,
    /// Nothing in the text becomes a link or a mention by itself.
    parse: &'static str,
    link_names: bool,
    unfurl_links: bool,
    unfurl_media: bool,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Header {
        text: Text,
    },
    Section {
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<Text>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        fields: Vec<Text>,
    },
    Context {
        elements: Vec<Text>,
    },
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Text {
    /// Shown as it is: no mentions, links, markup or emoji names.
    PlainText { text: String, emoji: bool },
    /// `verbatim`: only `<…>` makes a link or a mention.
    Mrkdwn { text: String, verbatim: bool },
}

impl Message {
    /// Returns the message of a group, without an address.
    pub(super) fn of(delivery: &Delivery<'_>, fields: &[String]) -> Self {
        let notification = delivery.notification;
        let title = or(delivery.parts.get("title"), notification.priority.name());
        let mut blocks = vec![Block::Header { text: Text::plain(title) }];
        let text = delivery.parts.get("text");
        if !text.is_empty() {
            blocks.push(Block::Section { text: Some(Text::mrkdwn(text)), fields: Vec::new() });
        }
        let fields = facts(notification, fields);
        blocks.push(Block::Section { text: None, fields });
        blocks.push(Block::Context { elements: vec![Text::mrkdwn(footer(notification))] });
        Self { blocks, ..Self::text(or(delivery.parts.get("summary"), title)) }
    }

    /// Returns what is new, as an answer in the thread of a group's message.
    pub(super) fn reply(
        delivery: &Delivery<'_>,
        channel: &str,
        thread_ts: &str,
        broadcast: bool,
    ) -> Self {
        let text = or(delivery.parts.get("thread"), delivery.notification.priority.name());
        Self {
            channel: Some(channel.into()),
            thread_ts: Some(thread_ts.into()),
            reply_broadcast: broadcast.then_some(true),
            ..Self::text(text)
        }
    }

    /// Returns the message for a channel, or in place of one that is there.
    pub(super) fn at(&self, channel: &str, ts: Option<&str>) -> Self {
        Self { channel: Some(channel.into()), ts: ts.map(str::to_owned), ..self.clone() }
    }

    /// Returns the message without its blocks, for when Slack finds it too long.
    pub(super) fn shrunk(&self) -> Self {
        let text = Escape::SlackMrkdwn.cut(&self.text, SHRUNK_CHARS_MAX);
        Self { blocks: Vec::new(), text, ..self.clone() }
    }

    fn text(text: &str) -> Self {
        Self {
            channel: None,
            ts: None,
            thread_ts: None,
            reply_broadcast: None,
            text: text.to_owned(),
            blocks: Vec::new(),
            parse: "none",
            link_names: false,
            unfurl_links: false,
            unfurl_media: false,
        }
    }
}

impl Text {
    fn plain(text: &str) -> Self {
        Self::PlainText { text: text.into(), emoji: false }
    }

    fn mrkdwn(text: impl Into<String>) -> Self {
        Self::Mrkdwn { text: text.into(), verbatim: true }
    }

    /// A name above its value.
    fn fact(name: &str, value: &str) -> Self {
        let name = shown(name, 60);
        Self::mrkdwn(format!("*{name}*\n{}", shown(value, FIELD_CHARS_MAX)))
    }
}

/// Returns data on one line, so that it cannot pass for another fact.
fn shown(data: &str, chars_max: usize) -> String {
    Escape::SlackMrkdwn.apply_max(&Escape::Line.apply_max(data, chars_max), chars_max)
}

/// Returns what the message says in two columns: when, how often, where, and the chosen fields.
fn facts(notification: &Notification, fields: &[String]) -> Vec<Text> {
    let mut facts = vec![
        Text::fact("Alerts", &count(notification)),
        Text::fact("Score", &format!("{} of 100", notification.score)),
        Text::mrkdwn(format!(
            "*First and last seen*\n{}\n{}",
            date(notification.first_seen),
            date(notification.last_seen)
        )),
    ];
    let Some(top) = notification.top() else { return facts };
    if !top.sample.hostname.is_empty() {
        facts.push(Text::fact("Host", &top.sample.hostname));
    }
    for name in fields {
        if let Some(value) = field(top, name) {
            facts.push(Text::fact(name, &value));
        }
    }
    facts
}

fn count(notification: &Notification) -> String {
    let told = match notification.findings_count {
        0 | 1 => notification.alerts_count.to_string(),
        findings => format!("{} in {findings} findings", notification.alerts_count),
    };
    match notification.findings_hidden_count {
        0 => told,
        hidden => format!("{told}, {hidden} more hidden"),
    }
}

/// Returns a field's value as text, unless it is missing, null or empty.
fn field(finding: &Finding, name: &str) -> Option<String> {
    match finding.sample.fields.get(name)? {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) if text.is_empty() => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Returns the small print: tags, route, and what names this in Saker.
fn footer(notification: &Notification) -> String {
    let mut footer = String::new();
    if let Some(top) = notification.top().filter(|top| !top.sample.tags.is_empty()) {
        footer = shown(&top.sample.tags.join(", "), CONTEXT_CHARS_MAX);
        footer.push_str(" · ");
    }
    let route = shown(&notification.route, 80);
    let written = write!(footer, "route {route} · group {}", notification.group);
    debug_assert!(written.is_ok(), "writing to a string cannot fail");
    footer
}

/// Returns a time that Slack shows in the reader's own zone.
fn date(time: jiff::Timestamp) -> String {
    let plain = time.strftime("%Y-%m-%d %H:%M:%S UTC");
    match time.as_second() {
        seconds @ 0..=253_402_300_799 => {
            format!("<!date^{seconds}^{{date_short_pretty}} {{time_secs}}|{plain}>")
        }
        _ => plain.to_string(),
    }
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.trim().is_empty() { otherwise } else { text }
}
