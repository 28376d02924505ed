//! Knows senders by their bearer token.

use std::collections::BTreeMap;

use ::http::{HeaderMap, header};
use aws_lc_rs::{
    constant_time,
    digest::{Digest, SHA256, digest},
};
use service::config::Secret;

/// The senders' names and tokens. The tokens are digests: what is compared has one length and no
/// meaning.
pub(super) struct Tokens(Vec<(String, Digest)>);

/// Who sent a request, as far as a token tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission<'a> {
    /// The token of this name.
    Token(&'a str),
    /// No token is asked for.
    Anyone,
    Refused,
}

impl Tokens {
    pub(super) fn new(tokens: &BTreeMap<String, Secret>) -> Self {
        let digest = |token: &Secret| digest(&SHA256, token.expose().as_bytes());
        Self(tokens.iter().map(|(name, token)| (name.clone(), digest(token))).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whose token the request has. The time it takes tells nothing about a token.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Admission<'_> {
        if self.0.is_empty() {
            return Admission::Anyone;
        }
        let given = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
        let Some((scheme, token)) = given.and_then(|value| value.split_at_checked(7)) else {
            return Admission::Refused;
        };
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return Admission::Refused;
        }
        let token = digest(&SHA256, token.trim_ascii());
        let mut admission = Admission::Refused;
        for (name, known) in &self.0 {
            if constant_time::verify_slices_are_equal(known.as_ref(), token.as_ref()).is_ok() {
                admission = Admission::Token(name);
            }
        }
        admission
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
        for (value, admission) in [
            ("Bearer s3cret", Admission::Token("agents")),
            ("bearer  s3cret ", Admission::Token("agents")),
            ("Bearer s3cre", Admission::Refused),
            ("Bearer ", Admission::Refused),
            ("Basic s3cret", Admission::Refused),
            ("s3cret", Admission::Refused),
        ] {
            let headers = [(header::AUTHORIZATION, value.parse().unwrap())].into_iter().collect();
            assert_eq!(tokens.admit(&headers), admission, "{value}");
        }
        assert_eq!(tokens.admit(&HeaderMap::new()), Admission::Refused);
        assert_eq!(Tokens::new(&BTreeMap::new()).admit(&HeaderMap::new()), Admission::Anyone);
    }
}
