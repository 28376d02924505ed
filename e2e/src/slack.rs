//! An endpoint that is as strict as Slack documents its own to be: tokens, channels, limits of
//! texts and blocks, `ts` of an update.

mod blocks;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};

use crate::Http;

/// Texts above this are `msg_too_long`.
const TEXT_CHARS_MAX: usize = 40_000;

/// The endpoint. Its one channel is `#soc`.
#[derive(Debug)]
pub struct Slack {
    http: Http,
    shared: Arc<Mutex<Shared>>,
}

/// A message in the channel, or one that came through an incoming webhook.
#[derive(Clone, Debug)]
pub struct Message {
    pub ts: String,
    pub text: String,
    pub blocks: Value,
    pub thread_ts: Option<String>,
    /// How often it was updated.
    pub edits: u32,
    /// The whole last request.
    pub request: Value,
}

impl Message {
    /// Returns every text in which Slack would look for mentions and links, one per line.
    pub fn mrkdwn(&self) -> String {
        let mut texts = self.text.clone();
        collect_mrkdwn(&self.request["blocks"], &mut texts);
        collect_mrkdwn(&self.request["attachments"], &mut texts);
        texts
    }
}

fn collect_mrkdwn(value: &Value, texts: &mut String) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_mrkdwn(item, texts)),
        Value::Object(object) => {
            // A text object of type `plain_text` is shown as it is; texts elsewhere are read.
            if let Some(text) = object.get("text").and_then(Value::as_str)
                && object.get("type").and_then(Value::as_str) != Some("plain_text")
            {
                *texts += "\n";
                *texts += text;
            }
            object.values().for_each(|value| collect_mrkdwn(value, texts));
        }
        _ => {}
    }
}

#[derive(Debug, Default)]
struct Shared {
    messages: BTreeMap<String, Message>,
    /// What was asked and what was answered, for a failing test's report.
    answers: Vec<(String, Value)>,
    limit: Option<u32>,
    posted_count: u32,
}

impl Slack {
    pub const TOKEN: &str = "xoxb-1234567890-abcdefghijklmnop";
    pub const CHANNEL: &str = "C0123456789";
    const CHANNEL_NAME: &str = "soc";
    const WEBHOOK: &str = "T00000000/B00000000/abcdefghijklmnopqrstuvwx";

    pub fn start() -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let router = Router::new()
            .route("/api/{method}", post(api))
            .route("/services/{*path}", post(webhook))
            .with_state(Arc::clone(&shared));
        Self { http: Http::serve(router), shared }
    }

    /// Returns the port of loopback it listens on.
    pub fn port(&self) -> u16 {
        self.http.address.port()
    }

    /// Returns the base of the Web API's methods.
    pub fn api_url(&self) -> String {
        self.http.url("/api")
    }

    /// Returns the address of the incoming webhook.
    pub fn webhook_url(&self) -> String {
        self.http.url(&format!("/services/{}", Self::WEBHOOK))
    }

    /// Answers the next request with 429 and this `Retry-After`, in seconds.
    pub fn limit_next(&self, retry_after: u32) {
        self.shared.lock().expect("no panic").limit = Some(retry_after);
    }

    /// Returns the messages, the oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.shared.lock().expect("no panic").messages.values().cloned().collect()
    }

    /// Returns every method or webhook called, with the answer.
    pub fn answers(&self) -> Vec<(String, Value)> {
        self.shared.lock().expect("no panic").answers.clone()
    }
}

fn limited(shared: &mut Shared) -> Option<Response> {
    let seconds = shared.limit.take()?;
    let body = Json(json!({ "ok": false, "error": "ratelimited" }));
    let mut response = (StatusCode::TOO_MANY_REQUESTS, body).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    Some(response)
}

async fn api(
    State(shared): State<Arc<Mutex<Shared>>>,
    Path(method): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut shared = shared.lock().expect("no panic");
    if let Some(response) = limited(&mut shared) {
        return response;
    }
    // Slack answers 200 to errors too.
    let answer = match call(&mut shared, &method, &headers, &body) {
        Ok(answer) => answer,
        Err(error) => json!({ "ok": false, "error": error }),
    };
    shared.answers.push((method, answer.clone()));
    Json(answer).into_response()
}

fn call(
    shared: &mut Shared,
    method: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Value, String> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = authorization.ok_or("not_authed")?.strip_prefix("Bearer ").ok_or("not_authed")?;
    if token != Slack::TOKEN {
        return Err("invalid_auth".to_owned());
    }
    match method {
        "auth.test" => Ok(json!({ "ok": true, "team": "Test", "user": "saker", "bot_id": "B1" })),
        "chat.postMessage" => post_message(shared, read_json(headers, body)?),
        "chat.update" => update(shared, read_json(headers, body)?),
        _ => Err("unknown_method".to_owned()),
    }
}

fn read_json(headers: &HeaderMap, body: &[u8]) -> Result<Value, String> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("application/json")) {
        return Err("invalid_post_type".to_owned());
    }
    let request: Value = serde_json::from_slice(body).map_err(|_| "invalid_json")?;
    if request.is_object() { Ok(request) } else { Err("json_not_object".to_owned()) }
}

fn post_message(shared: &mut Shared, request: Value) -> Result<Value, String> {
    let channel = request["channel"].as_str().ok_or("channel_not_found")?;
    let name = channel.strip_prefix('#').unwrap_or(channel);
    if name != Slack::CHANNEL && name != Slack::CHANNEL_NAME {
        return Err("channel_not_found".to_owned());
    }
    let (text, blocks) = content(&request)?;
    let thread_ts = request["thread_ts"].as_str().map(str::to_owned);
    if let Some(parent) = &thread_ts
        && !shared.messages.contains_key(parent)
    {
        return Err("thread_not_found".to_owned());
    }
    shared.posted_count += 1;
    let ts = format!("1790000000.{:06}", shared.posted_count * 100);
    let message = Message { ts: ts.clone(), text, blocks, thread_ts, edits: 0, request };
    shared.messages.insert(ts.clone(), message);
    Ok(json!({ "ok": true, "channel": Slack::CHANNEL, "ts": ts, "message": { "ts": ts } }))
}

fn update(shared: &mut Shared, request: Value) -> Result<Value, String> {
    // Unlike chat.postMessage this wants the channel's id.
    if request["channel"].as_str() != Some(Slack::CHANNEL) {
        return Err("channel_not_found".to_owned());
    }
    let (text, blocks) = content(&request)?;
    let ts = request["ts"].as_str().unwrap_or_default().to_owned();
    let message = shared.messages.get_mut(&ts).ok_or("message_not_found")?;
    message.text = text;
    message.blocks = blocks;
    message.edits += 1;
    message.request = request;
    Ok(json!({ "ok": true, "channel": Slack::CHANNEL, "ts": ts, "text": message.text }))
}

fn content(request: &Value) -> Result<(String, Value), String> {
    let text = request["text"].as_str().unwrap_or_default().to_owned();
    let blocks = request["blocks"].clone();
    let attachments = request["attachments"].as_array().map_or(0, Vec::len);
    if text.is_empty() && blocks.is_null() && attachments == 0 {
        return Err("no_text".to_owned());
    }
    if text.chars().count() > TEXT_CHARS_MAX {
        return Err("msg_too_long".to_owned());
    }
    blocks::check(&blocks).map_err(|why| format!("invalid_blocks: {why}"))?;
    for attachment in request["attachments"].as_array().into_iter().flatten() {
        blocks::check(&attachment["blocks"]).map_err(|why| format!("invalid_blocks: {why}"))?;
    }
    Ok((text, blocks))
}

async fn webhook(
    State(shared): State<Arc<Mutex<Shared>>>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut shared = shared.lock().expect("no panic");
    if let Some(response) = limited(&mut shared) {
        return response;
    }
    let answer = if path != Slack::WEBHOOK {
        (StatusCode::NOT_FOUND, "no_service".to_owned())
    } else {
        let taken = read_json(&headers, &body).and_then(|request| {
            content(&request)?;
            let channel = json!({ "channel": Slack::CHANNEL });
            let mut request = request;
            request
                .as_object_mut()
                .expect("an object")
                .extend(channel.as_object().expect("an object").clone());
            post_message(&mut shared, request)
        });
        match taken {
            Ok(_) => (StatusCode::OK, "ok".to_owned()),
            Err(error) => (StatusCode::BAD_REQUEST, error),
        }
    };
    shared.answers.push(("webhook".to_owned(), json!(answer.1)));
    answer.into_response()
}
