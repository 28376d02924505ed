//! Posts to Slack: through an incoming webhook, or as a bot that keeps one message per group.
//!
//! A bot edits the group's message as counts change, puts what is new into its thread, tells the
//! channel when it gets worse, and marks the message when the group closes.

mod api;
mod message;

use std::sync::Arc;

use alert::{GroupState, Priority};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use templates::{Escape, builtin};
use url::Url;

use self::{api::Call, message::Message};
use service::config::{SafeUrl, Secret};

use crate::{
    BuildContext, BuildError, Delivery, DeliveryError, Kind, Output, Part, Receipt,
    http::{Client, Secrets, Tls},
};

/// Slack, by incoming webhook or as a bot.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slack {
    /// Incoming-webhook URL; it is the credential. Cannot update messages or use threads.
    #[serde(default)]
    webhook_url: Option<SafeUrl>,
    /// Bot token (`xoxb-…`) with the scope `chat:write`.
    #[serde(default)]
    token: Option<Secret>,
    /// Channel the bot posts to: its id (`C0123456789`), or a name such as `#soc`.
    #[serde(default)]
    channel: Option<String>,
    /// Where the Web API is. Default `https://slack.com/api`; GovSlack has another.
    #[serde(default)]
    api_url: Option<SafeUrl>,
    /// Whether the bot puts news of a group into its message's thread. Default true.
    #[serde(default = "yes")]
    threads: bool,
    /// Alert fields shown in the message, at most 6.
    #[serde(default = "default_fields")]
    fields: Vec<String>,
    #[serde(default)]
    tls: Tls,
}

const fn yes() -> bool {
    true
}

fn default_fields() -> Vec<String> {
    ["user.name", "proc.name", "fd.name"].map(str::to_owned).into()
}

/// A section takes ten fields, four of which are ours.
const FIELDS_MAX: usize = 6;

impl Kind for Slack {
    const NAME: &'static str = "slack";
    const PARTS: &'static [Part] = &[
        Part {
            name: "title",
            escape: Escape::Line,
            chars_max: message::HEADER_CHARS_MAX,
            builtin: builtin!("slack/title.line.hbs"),
        },
        Part {
            name: "text",
            escape: Escape::SlackMrkdwn,
            chars_max: message::SECTION_CHARS_MAX,
            builtin: builtin!("slack/text.mrkdwn.hbs"),
        },
        Part {
            name: "summary",
            escape: Escape::SlackMrkdwn,
            chars_max: 1_000,
            builtin: builtin!("slack/summary.mrkdwn.hbs"),
        },
        Part {
            name: "thread",
            escape: Escape::SlackMrkdwn,
            chars_max: message::SECTION_CHARS_MAX,
            builtin: builtin!("slack/thread.mrkdwn.hbs"),
        },
    ];
    const EXAMPLE: &'static str =
        "webhook_url: https://hooks.slack.com/services/T00000000/B00000000/from-a-secret-file";

    fn validate(&self) -> Result<(), String> {
        match (&self.webhook_url, &self.token, &self.channel) {
            (Some(_), None, None) | (None, Some(_), Some(_)) => {}
            (Some(_), None, Some(_)) => {
                return Err("`channel` is for a bot: a webhook posts to its own channel".into());
            }
            (None, Some(_), None) => return Err("`token` needs `channel`".into()),
            (Some(_), Some(_), _) => {
                return Err("set either `webhook_url` or `token`, not both".into());
            }
            (None, None, _) => return Err("set `webhook_url`, or `token` and `channel`".into()),
        }
        if self.channel.as_ref().is_some_and(|channel| channel.trim().is_empty()) {
            return Err("`channel` is empty".into());
        }
        if self.fields.len() > FIELDS_MAX {
            return Err(format!("`fields` has more than {FIELDS_MAX} names"));
        }
        self.tls.validate()
    }

    fn updates_in_place(&self) -> bool {
        self.token.is_some()
    }

    fn build(self, context: &BuildContext) -> Result<Arc<dyn Output>, BuildError> {
        let mut secrets = Secrets::default();
        if let Some(url) = &self.webhook_url {
            secrets = secrets.with_url(url.expose());
        }
        if let Some(token) = &self.token {
            secrets = secrets.with(token.expose());
        }
        let http = Client::new(context, &self.tls, secrets)?;
        let address = match (self.webhook_url, self.token, self.channel) {
            (Some(url), ..) => Address::Webhook(url),
            (None, Some(token), Some(channel)) => Address::Bot {
                api: api::base(self.api_url.as_ref()).map_err(BuildError::new)?,
                token,
                channel,
                threads: self.threads,
            },
            _ => return Err(BuildError::new("set `webhook_url`, or `token` and `channel`")),
        };
        Ok(Arc::new(SlackOutput { http, address, fields: self.fields }))
    }
}

struct SlackOutput {
    http: Client,
    address: Address,
    fields: Vec<String>,
}

enum Address {
    Webhook(SafeUrl),
    Bot { api: Url, token: Secret, channel: String, threads: bool },
}

#[async_trait]
impl Output for SlackOutput {
    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let message = Message::of(delivery, &self.fields);
        match &self.address {
            Address::Webhook(url) => self.post_to_webhook(url, &message).await,
            Address::Bot { api, token, channel, threads } => {
                let bot = Bot { call: Call { http: &self.http, api, token }, channel };
                bot.deliver(delivery, &message, *threads).await
            }
        }
    }

    async fn check(&self) -> Result<(), DeliveryError> {
        match &self.address {
            // A webhook answers nothing without posting.
            Address::Webhook(_) => Ok(()),
            Address::Bot { api, token, .. } => {
                let call = Call { http: &self.http, api, token };
                call.method("auth.test", &serde_json::json!({})).await?;
                Ok(())
            }
        }
    }
}

impl SlackOutput {
    async fn post_to_webhook(
        &self,
        url: &SafeUrl,
        message: &Message,
    ) -> Result<Receipt, DeliveryError> {
        match api::webhook(&self.http, url, message).await {
            Err(api::Error::TooLong(_)) => {
                api::webhook(&self.http, url, &message.shrunk()).await?;
            }
            other => other?,
        }
        Ok(Receipt::accepted())
    }
}

/// One attempt by a bot.
struct Bot<'a> {
    call: Call<'a>,
    channel: &'a str,
}

/// Where a group's message is; what a receipt keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    channel: String,
    ts: String,
    /// The worst the channel was told of.
    priority: Option<Priority>,
}

impl Bot<'_> {
    async fn deliver(
        &self,
        delivery: &Delivery<'_>,
        message: &Message,
        threads: bool,
    ) -> Result<Receipt, DeliveryError> {
        let notification = delivery.notification;
        let Some(place) = delivery.previous.and_then(Place::of) else {
            return self.post(message, notification.priority).await;
        };
        // The edit first: it can be repeated without harm when what follows fails.
        match self.write("chat.update", &message.at(&place.channel, Some(&place.ts))).await {
            // Deleted, or in a channel that was archived or is no longer the configured one.
            Err(api::Error::Gone(_) | api::Error::Channel(_)) => {
                return self.post(message, notification.priority).await;
            }
            other => other?,
        };
        let news = notification.state == GroupState::Open && notification.alerts_new_count > 0;
        let worse = place.priority.is_some_and(|before| notification.priority > before);
        if threads && news {
            let reply = Message::reply(delivery, &place.channel, &place.ts, worse);
            match self.write("chat.postMessage", &reply).await {
                // The message was deleted meanwhile; the next notification posts anew.
                Err(api::Error::Gone(_)) => {}
                other => {
                    other?;
                }
            }
        }
        Ok(Place { priority: place.priority.max(Some(notification.priority)), ..place }.receipt())
    }

    async fn post(&self, message: &Message, priority: Priority) -> Result<Receipt, DeliveryError> {
        let posted = self.write("chat.postMessage", &message.at(self.channel, None)).await?;
        let (Some(channel), Some(ts)) = (posted.channel, posted.ts) else {
            // It was taken; without its place it cannot be edited.
            return Ok(Receipt::accepted());
        };
        Ok(Place { channel, ts, priority: Some(priority) }.receipt())
    }

    /// Writes a message, and writes it again without blocks if Slack finds it too long.
    async fn write(&self, method: &str, message: &Message) -> Result<api::Posted, api::Error> {
        match self.call.method(method, message).await {
            Err(api::Error::TooLong(_)) => self.call.method(method, &message.shrunk()).await,
            other => other,
        }
    }
}

impl Place {
    fn of(receipt: &Receipt) -> Option<Self> {
        Some(Self {
            channel: receipt.state.get("channel")?.clone(),
            ts: receipt.state.get("ts")?.clone(),
            priority: receipt.state.get("priority").and_then(|text| text.parse().ok()),
        })
    }

    fn receipt(self) -> Receipt {
        let mut receipt = Receipt::remote(format!("{}/{}", self.channel, self.ts));
        if let Some(priority) = self.priority {
            receipt.state.insert("priority".into(), priority.name().into());
        }
        receipt.state.insert("channel".into(), self.channel);
        receipt.state.insert("ts".into(), self.ts);
        receipt
    }
}

#[cfg(test)]
mod strict;
#[cfg(test)]
mod tests;
