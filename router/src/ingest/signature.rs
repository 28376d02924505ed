//! Signed requests, as Standard Webhooks defines them: an HMAC over id, time and body.

use std::time::Duration;

use ::http::HeaderMap;
use aws_lc_rs::{
    constant_time,
    hmac::{self, HMAC_SHA256, Key},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use service::config::Secret;

use super::{identity, senders::Sender};

/// Signatures of one request that are looked at: one for each secret its sender is changing between.
const SIGNATURES_MAX: usize = 16;
const ID_BYTES_MAX: usize = 256;
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=512;
const PREFIX: &str = "whsec_";

/// What the headers of a signed request say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    id: String,
    timestamp: String,
    seconds: i64,
    signatures: Vec<Vec<u8>>,
}

impl Signature {
    /// Returns what the headers say; `None` when one is missing, or not what it should be.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        let (id, timestamp) = (text("webhook-id")?, text("webhook-timestamp")?);
        let digits = timestamp.bytes().all(|byte| byte.is_ascii_digit());
        if id.is_empty() || id.len() > ID_BYTES_MAX || !digits {
            return None;
        }
        let signatures: Vec<Vec<u8>> = text("webhook-signature")?
            .split_ascii_whitespace()
            .filter_map(|signature| signature.strip_prefix("v1,"))
            .take(SIGNATURES_MAX)
            .filter_map(|signature| BASE64_STANDARD.decode(signature).ok())
            .collect();
        (!signatures.is_empty()).then_some(Self {
            id: id.to_owned(),
            timestamp: timestamp.to_owned(),
            seconds: timestamp.parse().ok()?,
            signatures,
        })
    }

    /// Returns whether anybody's headers are there at all.
    pub(super) fn is_claimed(headers: &HeaderMap) -> bool {
        headers.contains_key("webhook-signature")
    }

    /// Returns whether it was made around this time: an old request may be one that somebody kept.
    pub(super) fn is_fresh(&self, now: Timestamp, tolerance: Duration) -> bool {
        now.as_second().abs_diff(self.seconds) <= tolerance.as_secs()
    }

    /// Returns what names a message for ever: a sender sends it again under the same id.
    pub(super) fn identity(&self, sender: &Sender, body: &[u8]) -> u128 {
        let sender = sender.name.as_deref().unwrap_or_default();
        identity::derived(&[b"webhook", sender.as_bytes(), self.id.as_bytes(), body]).as_u128()
    }

    /// Returns whether one of the signatures is this key's. The time it takes tells nothing about
    /// the key.
    pub(super) fn is_by(&self, key: &Key, body: &[u8]) -> bool {
        let mut context = hmac::Context::with_key(key);
        for part in [self.id.as_bytes(), b".", self.timestamp.as_bytes(), b".", body] {
            context.update(part);
        }
        let expected = context.sign();
        let mut found = false;
        for signature in &self.signatures {
            found |= constant_time::verify_slices_are_equal(expected.as_ref(), signature).is_ok();
        }
        found
    }
}

/// Returns the key of a secret: base64, with `whsec_` before it or without.
pub(super) fn key(secret: &Secret) -> Result<Key, String> {
    let text = secret.expose().trim();
    let bytes = BASE64_STANDARD.decode(text.strip_prefix(PREFIX).unwrap_or(text));
    let bytes = bytes.map_err(|_| "a secret is base64, with `whsec_` before it or without")?;
    if !KEY_BYTES.contains(&bytes.len()) {
        let (min, max) = KEY_BYTES.into_inner();
        return Err(format!("a secret is made of {min} to {max} bytes; this is {}", bytes.len()));
    }
    Ok(Key::new(HMAC_SHA256, &bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example that the libraries of Standard Webhooks are tested with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP: &str = "1614265330";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn headers(id: &str, timestamp: &str, signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", id.parse().unwrap());
        headers.insert("webhook-timestamp", timestamp.parse().unwrap());
        headers.insert("webhook-signature", signature.parse().unwrap());
        headers
    }

    fn is_valid(id: &str, timestamp: &str, signature: &str, body: &[u8]) -> bool {
        let key = key(&Secret::new(SECRET)).unwrap();
        Signature::read(&headers(id, timestamp, signature))
            .is_some_and(|signature| signature.is_by(&key, body))
    }

    #[test]
    fn the_published_example_is_valid() {
        assert!(is_valid(ID, TIMESTAMP, SIGNATURE, BODY));
    }

    #[test]
    fn whatever_is_changed_makes_it_invalid() {
        assert!(!is_valid("msg_p5jXN8AQM9LWM0D4loKWxJej", TIMESTAMP, SIGNATURE, BODY));
        assert!(!is_valid(ID, "1614265331", SIGNATURE, BODY));
        assert!(!is_valid(ID, TIMESTAMP, SIGNATURE, br#"{"test": 2432232315}"#));
        assert!(!is_valid(ID, TIMESTAMP, &SIGNATURE.replace("g0", "g1"), BODY));
        assert!(!is_valid(ID, TIMESTAMP, &SIGNATURE.replace("v1,", "v1a,"), BODY));
        assert!(!is_valid(ID, TIMESTAMP, "v1,", BODY));
        assert!(!is_valid(ID, "+1614265330", SIGNATURE, BODY));
        assert!(!is_valid("", TIMESTAMP, SIGNATURE, BODY));
    }

    #[test]
    fn any_of_several_signatures_will_do() {
        let other = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
        assert!(is_valid(ID, TIMESTAMP, &format!("{other} v2,abc {SIGNATURE} !"), BODY));
        let many = vec![other; SIGNATURES_MAX].join(" ");
        assert!(!is_valid(ID, TIMESTAMP, &format!("{many} {SIGNATURE}"), BODY));
    }

    #[test]
    fn a_signature_is_fresh_around_its_time() {
        let signature = Signature::read(&headers(ID, TIMESTAMP, SIGNATURE)).unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        let tolerance = Duration::from_secs(300);
        for (second, fresh) in [(-300, true), (300, true), (-301, false), (301, false)] {
            assert_eq!(
                signature.is_fresh(at(1_614_265_330 + second), tolerance),
                fresh,
                "{second}"
            );
        }
        let far = Signature::read(&headers(ID, "9223372036854775807", SIGNATURE)).unwrap();
        assert!(!far.is_fresh(at(0), tolerance));
        assert_eq!(Signature::read(&headers(ID, "99999999999999999999", SIGNATURE)), None);
    }

    #[test]
    fn a_secret_is_base64_of_some_length() {
        assert!(key(&Secret::new("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).is_ok());
        assert!(key(&Secret::new("whsec_")).is_err());
        assert!(key(&Secret::new("whsec_c2hvcnQ=")).is_err());
        assert!(key(&Secret::new("not base64!")).is_err());
    }
}
