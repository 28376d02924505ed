//! Slack's side in tests: refuses what Slack refuses, with its words.

use std::sync::Mutex;

use axum::{body::Body, http::Response};
use serde_json::{Value, json};

use crate::peer::{Request, answer};

/// A workspace with the channels `#soc` and `C1`, which keeps its messages.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    messages: Mutex<Vec<Value>>,
}

impl Workspace {
    /// Answers a call of the Web API.
    pub(super) fn answer(&self, request: &Request) -> Response<Body> {
        let outcome = self.call(request);
        let body = match outcome {
            Ok((channel, ts)) => json!({ "ok": true, "channel": channel, "ts": ts }),
            Err(error) => json!({ "ok": false, "error": error }),
        };
        answer(200, body.to_string())
    }

    pub(super) fn delete_all(&self) {
        self.messages.lock().unwrap().clear();
    }

    fn call(&self, request: &Request) -> Result<(String, String), &'static str> {
        let token = request.headers.get("authorization").and_then(|value| value.to_str().ok());
        match token {
            None => return Err("not_authed"),
            Some("Bearer xoxb-good") => {}
            Some(_) => return Err("invalid_auth"),
        }
        let body: Value = serde_json::from_slice(&request.body).map_err(|_| "invalid_json")?;
        if request.path == "/auth.test" {
            return Ok(("".into(), "".into()));
        }
        valid(&body)?;
        let channel = body["channel"].as_str().ok_or("channel_not_found")?;
        let mut messages = self.messages.lock().unwrap();
        match request.path.as_str() {
            "/chat.postMessage" => {
                if !matches!(channel, "#soc" | "C1") {
                    return Err("channel_not_found");
                }
                let ts = format!("1700000000.{:06}", messages.len() + 1);
                if let Some(parent) = body.get("thread_ts")
                    && !messages.iter().any(|message| message["ts"] == *parent)
                {
                    return Err("thread_not_found");
                }
                messages.push(json!({ "ts": ts, "body": body }));
                Ok(("C1".into(), ts))
            }
            // Unlike a new message, an edit names the channel by its id.
            "/chat.update" if channel != "C1" => Err("channel_not_found"),
            "/chat.update" => {
                let ts = body["ts"].as_str().ok_or("message_not_found")?;
                let message = messages
                    .iter_mut()
                    .find(|message| message["ts"] == ts)
                    .ok_or("message_not_found")?;
                message["body"] = body.clone();
                Ok(("C1".into(), ts.into()))
            }
            _ => Err("unknown_method"),
        }
    }
}

/// Answers an incoming webhook.
pub(super) fn webhook(request: &Request) -> Response<Body> {
    match serde_json::from_slice(&request.body).map_err(|_| "invalid_payload") {
        Ok(body) => match valid(&body) {
            Ok(()) => answer(200, "ok"),
            Err(error) => answer(400, error),
        },
        Err(error) => answer(400, error),
    }
}

/// Checks a message as Slack does.
pub(super) fn valid(body: &Value) -> Result<(), &'static str> {
    let text = body["text"].as_str().unwrap_or_default();
    let blocks =
        body.get("blocks").map_or(&[][..], |b| b.as_array().map_or(&[][..], Vec::as_slice));
    if text.is_empty() && blocks.is_empty() {
        return Err("no_text");
    }
    if length(text) > 40_000 {
        return Err("msg_too_long");
    }
    if blocks.len() > 50 || !blocks.iter().all(block_is_valid) {
        return Err("invalid_blocks");
    }
    // The sum is not in Slack's pages: bolt-js#2509 found it.
    if serde_json::to_string(blocks).is_ok_and(|all| length(&all) > 13_200) {
        return Err("msg_blocks_too_long");
    }
    Ok(())
}

fn block_is_valid(block: &Value) -> bool {
    let texts = |key: &str| block.get(key).and_then(Value::as_array);
    match block["type"].as_str() {
        Some("header") => {
            keys(block, &["type", "text", "block_id"])
                && block["text"]["type"] == "plain_text"
                && text_is_valid(&block["text"], 150)
        }
        Some("section") => {
            let text = block.get("text").is_none_or(|text| text_is_valid(text, 3_000));
            let fields = texts("fields").is_none_or(|fields| {
                (1..=10).contains(&fields.len()) && fields.iter().all(|f| text_is_valid(f, 2_000))
            });
            let some = block.get("text").is_some() || block.get("fields").is_some();
            keys(block, &["type", "text", "fields", "block_id", "accessory"])
                && some
                && text
                && fields
        }
        Some("context") => {
            keys(block, &["type", "elements", "block_id"])
                && texts("elements").is_some_and(|elements| {
                    (1..=10).contains(&elements.len())
                        && elements.iter().all(|element| text_is_valid(element, 2_000))
                })
        }
        _ => false,
    }
}

fn text_is_valid(text: &Value, chars_max: usize) -> bool {
    let known: &[&str] = match text["type"].as_str() {
        Some("plain_text") => &["type", "text", "emoji"],
        Some("mrkdwn") => &["type", "text", "verbatim"],
        _ => return false,
    };
    let content = text["text"].as_str().unwrap_or_default();
    keys(text, known) && !content.is_empty() && length(content) <= chars_max
}

fn keys(object: &Value, known: &[&str]) -> bool {
    object.as_object().is_some_and(|object| object.keys().all(|key| known.contains(&key.as_str())))
}

fn length(text: &str) -> usize {
    text.encode_utf16().count()
}
