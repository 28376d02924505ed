//! Knows senders by their bearer token.

use std::collections::BTreeMap;

use ::http::{HeaderMap, header};
use aws_lc_rs::{
    constant_time,
    digest::{Digest, SHA256, digest},
};
use service::config::Secret;

/// The senders' tokens, as digests: what is compared has one length and no meaning.
pub(super) struct Tokens(Vec<Digest>);

impl Tokens {
    pub(super) fn new(tokens: &BTreeMap<String, Secret>) -> Self {
        Self(tokens.values().map(|token| digest(&SHA256, token.expose().as_bytes())).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether the request may send. The time it takes tells nothing about a token.
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let given = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
        let Some((scheme, token)) = given.and_then(|value| value.split_at_checked(7)) else {
            return false;
        };
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return false;
        }
        let token = digest(&SHA256, token.trim_ascii());
        let mut admitted = false;
        for known in &self.0 {
            admitted |=
                constant_time::verify_slices_are_equal(known.as_ref(), token.as_ref()).is_ok();
        }
        admitted
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_token_is_admitted() {
        let config = BTreeMap::from([("agents".to_owned(), Secret::new("s3cret"))]);
        let tokens = Tokens::new(&config);
        for (value, admitted) in [
            ("Bearer s3cret", true),
            ("bearer  s3cret ", true),
            ("Bearer s3cre", false),
            ("Bearer ", false),
            ("Basic s3cret", false),
            ("s3cret", false),
        ] {
            let headers = [(header::AUTHORIZATION, value.parse().unwrap())].into_iter().collect();
            assert_eq!(tokens.admit(&headers), admitted, "{value}");
        }
        assert!(!tokens.admit(&HeaderMap::new()));
        assert!(Tokens::new(&BTreeMap::new()).admit(&HeaderMap::new()));
    }
}
