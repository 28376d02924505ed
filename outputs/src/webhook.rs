//! Posts JSON to any address, signed as Standard Webhooks says.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use reqwest::{
    Method, RequestBuilder, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use schemars::JsonSchema;
use serde::Deserialize;
use templates::{Escape, builtin};

use service::{
    clock,
    config::{HumanBytes, SafeUrl, Secret},
};

use crate::{
    BuildContext, BuildError, Delivery, DeliveryError, Kind, Output, Part, Receipt, envelope,
    http::{Client, Secrets, Tls},
};

/// Any HTTP endpoint that takes JSON.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where to send. It may hold a credential and is never printed.
    url: SafeUrl,
    /// HTTP method. Default `post`.
    #[serde(default)]
    method: Verb,
    /// Headers sent besides ours; values may be secrets and are never printed.
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    /// Standard Webhooks signing secrets (`whsec_…`), the current one first. While one is being
    /// replaced, each signs.
    #[serde(default)]
    signing_secrets: Vec<Secret>,
    /// Largest body; findings, fields and long texts are left out to fit. Default 256KiB.
    #[serde(default = "default_body")]
    body_bytes_max: HumanBytes,
    #[serde(default)]
    tls: Tls,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Verb {
    #[default]
    Post,
    Put,
    Patch,
}

const fn default_body() -> HumanBytes {
    HumanBytes(256 << 10)
}

const HEADERS_MAX: usize = 32;
const SIGNING_SECRETS_MAX: usize = 4;
/// Lengths the standard allows for a secret, in bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

impl Kind for Webhook {
    const NAME: &'static str = "webhook";
    /// Without a template the body is the documented envelope.
    const PARTS: &'static [Part] = &[Part {
        name: "body",
        escape: Escape::Json,
        chars_max: 256 << 10,
        builtin: builtin!("webhook/body.json.hbs"),
    }];
    const EXAMPLE: &'static str = "url: https://soc.example.com/hooks/saker";

    fn validate(&self) -> Result<(), String> {
        self.header_map()?;
        if self.signing_secrets.len() > SIGNING_SECRETS_MAX {
            return Err(format!("`signing_secrets` has more than {SIGNING_SECRETS_MAX}"));
        }
        for (index, secret) in self.signing_secrets.iter().enumerate() {
            signing_key(secret)
                .map_err(|reason| format!("`signing_secrets[{index}]`: {reason}"))?;
        }
        self.tls.validate()
    }

    fn build(self, context: &BuildContext) -> Result<Arc<dyn Output>, BuildError> {
        let mut secrets = Secrets::default().with_url(self.url.expose());
        for secret in self.headers.values().chain(&self.signing_secrets) {
            secrets = secrets.with(secret.expose());
            // `Bearer x`: the scheme is not the secret.
            secrets = secrets.with(secret.expose().split_whitespace().last().unwrap_or_default());
        }
        let keys = self.signing_secrets.iter().map(signing_key).collect::<Result<_, _>>();
        Ok(Arc::new(WebhookOutput {
            http: Client::new(context, &self.tls, secrets)?,
            headers: self.header_map().map_err(BuildError::new)?,
            keys: keys.map_err(BuildError::new)?,
            body_bytes_max: usize::try_from(self.body_bytes_max.0).unwrap_or(usize::MAX),
            method: match self.method {
                Verb::Post => Method::POST,
                Verb::Put => Method::PUT,
                Verb::Patch => Method::PATCH,
            },
            url: self.url,
            now: clock::now,
        }))
    }
}

impl Webhook {
    fn header_map(&self) -> Result<HeaderMap, String> {
        if self.headers.len() > HEADERS_MAX {
            return Err(format!("`headers` has more than {HEADERS_MAX}"));
        }
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let header: HeaderName =
                name.parse().map_err(|_| format!("`headers`: `{name}` is no header name"))?;
            let ours = ["content-length", "host", "connection", "transfer-encoding", "upgrade"];
            if ours.contains(&header.as_str()) || header.as_str().starts_with("webhook-") {
                return Err(format!("`headers`: `{name}` is not yours to set"));
            }
            let mut value = HeaderValue::from_str(value.expose()).map_err(|_| {
                format!("`headers.{name}`: the value has characters a header cannot")
            })?;
            value.set_sensitive(true);
            map.insert(header, value);
        }
        Ok(map)
    }
}

/// Reads `whsec_<base64>`.
fn signing_key(secret: &Secret) -> Result<hmac::Key, String> {
    let text = secret.expose().trim();
    let text = text.strip_prefix("whsec_").ok_or("expected `whsec_` and base64")?;
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| "expected base64 after `whsec_`")?;
    if !SECRET_BYTES.contains(&bytes.len()) {
        let (min, max) = (SECRET_BYTES.start(), SECRET_BYTES.end());
        return Err(format!("has {} bytes, expected {min} to {max}", bytes.len()));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

struct WebhookOutput {
    http: Client,
    url: SafeUrl,
    method: Method,
    headers: HeaderMap,
    keys: Vec<hmac::Key>,
    body_bytes_max: usize,
    now: fn() -> Timestamp,
}

#[async_trait]
impl Output for WebhookOutput {
    fn reads_previous(&self) -> bool {
        false
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let custom = delivery.parts.get("body");
        let body = match custom {
            "" => {
                envelope::to_json(delivery.notification, self.body_bytes_max).map_err(unwritable)?
            }
            text => text.as_bytes().to_vec(),
        };
        let id = delivery.notification.id.to_string();
        let answer = self.http.send(self.request(&id, body)).await?;
        if answer.status != StatusCode::PAYLOAD_TOO_LARGE || !custom.is_empty() {
            self.http.judge(&answer)?;
            return Ok(Receipt::remote(id));
        }
        let body = envelope::shortest(delivery.notification).map_err(unwritable)?;
        self.http.deliver(self.request(&id, body)).await?;
        Ok(Receipt::remote(id))
    }
}

impl WebhookOutput {
    fn request(&self, id: &str, body: Vec<u8>) -> RequestBuilder {
        let timestamp = (self.now)().as_second();
        let mut request = self
            .http
            .request(self.method.clone(), self.url.expose().clone())
            .header(CONTENT_TYPE, "application/json")
            .headers(self.headers.clone())
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp);
        if !self.keys.is_empty() {
            request = request.header("webhook-signature", sign(&self.keys, id, timestamp, &body));
        }
        request.body(body)
    }
}

/// Returns one `v1,<base64>` per key, over `id.timestamp.body`.
fn sign(keys: &[hmac::Key], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signatures: Vec<String> = keys
        .iter()
        .map(|key| {
            let mut context = hmac::Context::with_key(key);
            context.update(format!("{id}.{timestamp}.").as_bytes());
            context.update(body);
            format!("v1,{}", BASE64_STANDARD.encode(context.sign()))
        })
        .collect();
    signatures.join(" ")
}

fn unwritable(error: serde_json::Error) -> DeliveryError {
    DeliveryError::Rejected { reason: format!("failed to write the notification as JSON: {error}") }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use templates::samples;

    use super::*;
    use crate::peer::{Configured, Peer, answer, parse};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const NEXT: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn key(secret: &str) -> hmac::Key {
        signing_key(&Secret::new(secret)).unwrap()
    }

    #[test]
    fn the_signature_is_the_standards_own_example() {
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            sign(&[key(SECRET)], id, 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[tokio::test]
    async fn a_receiver_can_verify_it_with_the_old_secret_or_the_new() {
        let peer = Peer::start(|_| answer(204, "")).await;
        let config = json!({ "url": peer.url(), "signing_secrets": [SECRET, NEXT] });
        let notification = samples::hostile();
        let receipt =
            Configured::new("webhook", &config).deliver(&notification, None).await.unwrap();
        let request = &peer.take()[0];
        let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
        assert_eq!(header("webhook-id"), notification.id.to_string());
        assert_eq!(receipt.remote_id, Some(notification.id.to_string()));
        let timestamp: i64 = header("webhook-timestamp").parse().unwrap();
        assert!(clock::now().as_second() - timestamp < 60);
        let signatures = header("webhook-signature");
        let signatures: Vec<&str> = signatures.split(' ').collect();
        assert_eq!(signatures.len(), 2);
        for (secret, signature) in [SECRET, NEXT].iter().zip(signatures) {
            let signed = [header("webhook-id"), timestamp.to_string(), String::new()].join(".");
            let mut message = signed.into_bytes();
            message.extend_from_slice(&request.body);
            let tag = BASE64_STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
            hmac::verify(&key(secret), &message, &tag).unwrap();
        }
        assert_eq!(request.json()["notification"], serde_json::to_value(&notification).unwrap());
    }

    #[tokio::test]
    async fn a_body_the_receiver_finds_too_large_is_sent_once_more_and_short() {
        let peer =
            Peer::start(|request| answer(if request.body.len() > 10_000 { 413 } else { 200 }, ""))
                .await;
        let output = Configured::new("webhook", &json!({ "url": peer.url() }));
        output.deliver(&samples::huge(), None).await.unwrap();
        let requests = peer.take();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[1].json()["truncated"], true);

        let peer = Peer::start(|_| answer(413, "")).await;
        let output = Configured::new("webhook", &json!({ "url": peer.url() }));
        let error = output.deliver(&samples::huge(), None).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Rejected { .. }), "{error}");
        assert_eq!(peer.take().len(), 2);
    }

    #[test]
    fn a_configuration_that_cannot_work_says_why_and_shows_no_secret() {
        let check = |config: Value, expect: &str| {
            let mut whole = json!({ "url": "https://soc.example.com/hook" });
            whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
            let error = parse("webhook", &whole).err().expect(expect).to_string();
            assert!(error.contains(expect) && !error.contains("s3cr3t"), "{error}");
        };
        check(json!({ "headers": { "bad name": "s3cr3t" } }), "`bad name` is no header name");
        check(json!({ "headers": { "x-a": "s3cr3t\nb: c" } }), "`headers.x-a`");
        check(json!({ "headers": { "Host": "s3cr3t" } }), "`Host` is not yours to set");
        check(json!({ "headers": { "webhook-id": "s3cr3t" } }), "not yours to set");
        check(json!({ "signing_secrets": ["s3cr3t"] }), "`signing_secrets[0]`: expected `whsec_`");
        check(json!({ "signing_secrets": ["whsec_s3cr3t=="] }), "`signing_secrets[0]`");
        check(json!({ "signing_secrets": ["whsec_AAAA"] }), "has 3 bytes, expected 24 to 64");
        check(json!({ "tls": { "key": "k.pem" } }), "`tls.key` needs `tls.certificate`");
        check(json!({ "method": "get" }), "unknown variant `get`");
    }
}
