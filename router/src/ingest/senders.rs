//! Knows senders: by what they prove, and by where they come from.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use ::http::{HeaderMap, StatusCode, header};
use aws_lc_rs::{
    constant_time,
    digest::{Digest, SHA256, digest},
    hmac::Key,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::Secret;

use super::{
    address::{self, Network},
    certificate::{CertificateName, Names},
    decode::Refusal,
    limits::RateConfig,
    signature::{self, Signature},
};

/// A sender, and how it is known. It must meet everything that is asked of it here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SenderConfig {
    /// Bearer token.
    pub token: Option<Secret>,
    /// Secrets of signed requests (Standard Webhooks): base64, with `whsec_` before it or without.
    /// Any of them is fine, so that they can be changed one after the other.
    pub secrets: Vec<Secret>,
    /// DNS names or URIs of client certificates; any of them is fine. A `*` stands for any text
    /// between two dots of a name, or two slashes of a URI.
    pub certificates: Vec<CertificateName>,
    /// Addresses its requests come from; without any, all.
    pub from: Vec<Network>,
    /// Inputs it may use; without any, all.
    pub inputs: Vec<String>,
    /// How much it may send, if not as `rate` of `router.ingest` says.
    pub rate: Option<RateConfig>,
}

/// What is wrong with a sender: the key within it, why, and what to do.
pub(super) type SenderProblem = (String, String, Option<String>);

impl SenderConfig {
    /// Returns the first mistake. `inputs` are those there are; `certificates_asked` says whether
    /// clients must show one.
    pub(super) fn problem(
        &self,
        inputs: &[String],
        certificates_asked: bool,
    ) -> Option<SenderProblem> {
        let hint = |text: &str| Some(text.to_owned());
        let nothing = self.token.is_none() && self.secrets.is_empty();
        if nothing && self.certificates.is_empty() && self.from.is_empty() {
            let message = "nothing says who this sender is".to_owned();
            return Some((
                String::new(),
                message,
                hint("add `token`, `secrets`, `certificates` or `from`"),
            ));
        }
        if self.token.as_ref().is_some_and(|token| token.expose().trim().is_empty()) {
            return Some(("token".to_owned(), "the token is empty".to_owned(), None));
        }
        for (index, secret) in self.secrets.iter().enumerate() {
            if let Err(message) = signature::key(secret) {
                let hint = hint("make one with `openssl rand -base64 32`");
                return Some((format!("secrets[{index}]"), message, hint));
            }
        }
        if !self.certificates.is_empty() && !certificates_asked {
            let message = "no client is asked for a certificate".to_owned();
            return Some(("certificates".to_owned(), message, hint("set `router.tls.client_ca`")));
        }
        let unknown = self.inputs.iter().enumerate().find(|(_, input)| !inputs.contains(input));
        unknown.map(|(index, _)| {
            let message = format!("there is no such input; there are {}", inputs.join(", "));
            (format!("inputs[{index}]"), message, None)
        })
    }
}

/// Everybody who may send, those first that prove the most.
pub(super) struct Senders {
    known: Vec<Known>,
    /// What a request that proves nothing is told.
    asked: &'static str,
}

/// A token is kept as a digest: what is compared has one length and no meaning.
struct Known {
    name: String,
    /// It is one of `tokens`: whoever shows a certificate beside it goes by that.
    by_token: bool,
    token: Option<Digest>,
    keys: Vec<Key>,
    certificates: Vec<CertificateName>,
    from: Vec<Network>,
    inputs: Vec<String>,
}

/// What the head of a request shows of its sender.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'a> {
    pub(super) address: Option<IpAddr>,
    pub(super) names: Names<'a>,
    pub(super) headers: &'a HeaderMap,
    pub(super) now: Timestamp,
    /// How far the time of a signature may be from now.
    pub(super) tolerance: Duration,
}

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    /// The alerts' `saker.sender`, if anything says who it is.
    pub(super) name: Option<String>,
    /// It had a token or a signature, which a web page cannot make a browser send.
    pub(super) has_secret: bool,
}

/// Who sends a request, as far as its head tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Known(Sender),
    /// One of these, if a secret of theirs signed the body.
    Signed {
        signature: Signature,
        candidates: Vec<usize>,
    },
}

/// Why somebody is not this sender; the later ones are nearer to being it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unlike {
    Address,
    Certificate,
    Secret,
    Stale,
    Input,
}

impl Senders {
    /// `tokens` are senders of which only a token is asked. A secret that is no key is passed over:
    /// the configuration was checked.
    pub(super) fn new(
        senders: &BTreeMap<String, SenderConfig>,
        tokens: &BTreeMap<String, Secret>,
    ) -> Self {
        let digest = |token: &Secret| digest(&SHA256, token.expose().trim().as_bytes());
        let by_token = tokens.iter().map(|(name, token)| Known {
            name: format!("token:{name}"),
            by_token: true,
            token: Some(digest(token)),
            keys: Vec::new(),
            certificates: Vec::new(),
            from: Vec::new(),
            inputs: Vec::new(),
        });
        let named = senders.iter().map(|(name, sender)| Known {
            name: name.clone(),
            by_token: false,
            token: sender.token.as_ref().map(digest),
            keys: sender.secrets.iter().filter_map(|secret| signature::key(secret).ok()).collect(),
            certificates: sender.certificates.clone(),
            from: sender.from.clone(),
            inputs: sender.inputs.clone(),
        });
        let mut known: Vec<Known> = named.chain(by_token).collect();
        known.sort_by_key(|known| std::cmp::Reverse(known.strength()));
        let token = known.iter().any(|known| known.token.is_some());
        let signature = known.iter().any(|known| !known.keys.is_empty());
        let asked = match (token, signature) {
            (true, true) => "a known bearer token or a valid signature is required",
            (false, true) => "a valid signature is required",
            _ => "a known bearer token is required",
        };
        Self { known, asked }
    }

    /// Returns who sends a request. Without known senders, anybody may: then the name of its
    /// certificate is who it is.
    pub(super) fn admit(&self, shown: &Shown<'_>, input: &str) -> Result<Admission, Refusal> {
        if self.known.is_empty() {
            let name = shown.names.dns.first().map(ToString::to_string);
            return Ok(Admission::Known(Sender { name, has_secret: false }));
        }
        let signature = Signature::read(shown.headers);
        let token = token(shown.headers).map(|token| digest(&SHA256, token));
        let (mut nearest, mut proven, mut candidates) = (Unlike::Address, None, Vec::new());
        for (index, known) in self.known.iter().enumerate() {
            match known.compare(shown, token.as_ref(), signature.as_ref(), input) {
                Err(unlike) => nearest = nearest.max(unlike),
                Ok(()) if known.keys.is_empty() => {
                    proven.get_or_insert(known);
                }
                Ok(()) => candidates.push(index),
            }
        }
        if let Some(signature) = signature.filter(|_| !candidates.is_empty()) {
            return Ok(Admission::Signed { signature, candidates });
        }
        let proven = proven.map(|known| Admission::Known(known.sender(shown.names)));
        proven.ok_or_else(|| self.refusal(nearest, Signature::is_claimed(shown.headers)))
    }

    /// Returns whose secret signed the body.
    pub(super) fn prove(
        &self,
        signature: &Signature,
        candidates: &[usize],
        body: &[u8],
    ) -> Result<Sender, Refusal> {
        let mut signer = None;
        for known in candidates.iter().filter_map(|index| self.known.get(*index)) {
            for key in &known.keys {
                if signature.is_by(key, body) {
                    signer.get_or_insert(known);
                }
            }
        }
        let sender = signer.map(|known| known.sender(Names::default()));
        sender.ok_or_else(|| self.refusal(Unlike::Secret, true))
    }

    fn refusal(&self, unlike: Unlike, has_signature: bool) -> Refusal {
        let (status, reason, error) = match unlike {
            Unlike::Address => {
                (StatusCode::FORBIDDEN, "address", "no alerts are taken from this address")
            }
            Unlike::Certificate => (
                StatusCode::FORBIDDEN,
                "certificate",
                "no sender goes by a name of this client certificate",
            ),
            Unlike::Secret if has_signature => (StatusCode::UNAUTHORIZED, "signature", self.asked),
            Unlike::Secret => (StatusCode::UNAUTHORIZED, "auth", self.asked),
            Unlike::Stale => (
                StatusCode::UNAUTHORIZED,
                "stale",
                "the `webhook-timestamp` is too far from the router's clock",
            ),
            Unlike::Input => (StatusCode::FORBIDDEN, "input", "this sender may not use this input"),
        };
        Refusal::new(status, reason, error)
    }
}

impl Known {
    fn strength(&self) -> [bool; 4] {
        [
            !self.keys.is_empty(),
            self.token.is_some(),
            !self.certificates.is_empty(),
            !self.from.is_empty(),
        ]
    }

    /// Compares what a head shows; what is left is the signature over the body.
    fn compare(
        &self,
        shown: &Shown<'_>,
        token: Option<&Digest>,
        signature: Option<&Signature>,
        input: &str,
    ) -> Result<(), Unlike> {
        if !address::allowed(&self.from, shown.address) {
            return Err(Unlike::Address);
        }
        let goes_by = |name: &CertificateName| name.find(shown.names).is_some();
        if !self.certificates.is_empty() && !self.certificates.iter().any(goes_by) {
            return Err(Unlike::Certificate);
        }
        if let Some(known) = &self.token {
            let same = |token: &Digest| {
                constant_time::verify_slices_are_equal(known.as_ref(), token.as_ref()).is_ok()
            };
            token.filter(|token| same(token)).ok_or(Unlike::Secret)?;
        }
        if !self.keys.is_empty() {
            let signature = signature.ok_or(Unlike::Secret)?;
            if !signature.is_fresh(shown.now, shown.tolerance) {
                return Err(Unlike::Stale);
            }
        }
        // Who may use all of several may use each.
        let all = input.split('/').next();
        let may = |allowed: &String| allowed == input || Some(allowed.as_str()) == all;
        if !self.inputs.is_empty() && !self.inputs.iter().any(may) {
            return Err(Unlike::Input);
        }
        Ok(())
    }

    fn sender(&self, names: Names<'_>) -> Sender {
        let certificate = names.dns.first().filter(|_| self.by_token);
        Sender {
            name: Some(certificate.map_or_else(|| self.name.clone(), ToString::to_string)),
            has_secret: self.token.is_some() || !self.keys.is_empty(),
        }
    }
}

/// Returns the bearer token of a request.
fn token(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

impl std::fmt::Debug for Senders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} senders", self.known.len())
    }
}

#[cfg(test)]
mod tests;
