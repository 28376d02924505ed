//! Names in certificates: which of them a sender goes by.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const NAME_BYTES_MAX: usize = 512;

/// A DNS name such as `*.agents.example.org`, or a URI such as `spiffe://prod/agent/*`. A `*` stands
/// for any text within one part: between dots of a name, between slashes of a URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateName(String);

impl CertificateName {
    fn is_uri(&self) -> bool {
        self.0.contains("://")
    }

    /// Returns the first of a certificate's names that this is.
    pub(super) fn find<'a>(&self, names: Names<'a>) -> Option<&'a str> {
        let (candidates, border) = if self.is_uri() { (names.uris, '/') } else { (names.dns, '.') };
        candidates.iter().map(|name| &**name).find(|name| self.covers(name, border))
    }

    fn covers(&self, name: &str, border: char) -> bool {
        let (wanted, found) = (self.0.split(border), name.split(border));
        self.0.matches(border).count() == name.matches(border).count()
            && wanted.zip(found).all(|(wanted, found)| self.covers_part(wanted, found))
    }

    fn covers_part(&self, wanted: &str, found: &str) -> bool {
        let same =
            |a: &str, b: &str| if self.is_uri() { a == b } else { a.eq_ignore_ascii_case(b) };
        let Some((start, end)) = wanted.split_once('*') else { return same(wanted, found) };
        // A `*` is at least one character: an empty part names nobody.
        found.len() > start.len() + end.len()
            && found.is_char_boundary(start.len())
            && found.is_char_boundary(found.len() - end.len())
            && same(start, &found[..start.len()])
            && same(end, &found[found.len() - end.len()..])
    }
}

/// The names of a client's certificate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Names<'a> {
    pub(super) dns: &'a [Box<str>],
    pub(super) uris: &'a [Box<str>],
}

impl FromStr for CertificateName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let border = if text.contains("://") { '/' } else { '.' };
        let odd = |c: char| c.is_control() || c.is_whitespace();
        let shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
        if text.is_empty() || text.len() > NAME_BYTES_MAX || text.contains(odd) {
            return Err(format!(
                "`{shown}` is no name of a certificate: write for example `*.agents.example.org` or \
                 `spiffe://prod/agent/*`"
            ));
        }
        if text.split(border).any(|part| part.matches('*').count() > 1) {
            return Err(format!("`{shown}` has more than one `*` between two `{border}`"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for CertificateName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CertificateName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for CertificateName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CertificateName".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": 512 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, dns: &[&str], uris: &[&str]) -> Option<String> {
        let boxed = |names: &[&str]| -> Vec<Box<str>> {
            names.iter().map(|name| Box::from(*name)).collect()
        };
        let (dns, uris) = (boxed(dns), boxed(uris));
        let pattern: CertificateName = pattern.parse().unwrap();
        pattern.find(Names { dns: &dns, uris: &uris }).map(str::to_owned)
    }

    #[test]
    fn a_star_stands_for_one_part_of_a_name() {
        let pattern = "*.agents.example.org";
        assert_eq!(
            found(pattern, &["n1.agents.Example.org"], &[]).unwrap(),
            "n1.agents.Example.org"
        );
        assert_eq!(
            found(pattern, &["other", "n2.agents.example.org"], &[]).unwrap(),
            "n2.agents.example.org"
        );
        for other in [
            "agents.example.org",
            "a.b.agents.example.org",
            ".agents.example.org",
            "xagents.example.org",
        ] {
            assert_eq!(found(pattern, &[other], &[]), None, "{other}");
        }
        assert!(found("node-*.example.org", &["node-7.example.org"], &[]).is_some());
        assert!(found("node-*.example.org", &["node-.example.org"], &[]).is_none());
        assert!(found("n*é.org", &["né.org"], &[]).is_none());
    }

    #[test]
    fn a_uri_is_only_compared_with_uris_and_letter_by_letter() {
        let pattern = "spiffe://prod/agent/*";
        assert!(found(pattern, &[], &["spiffe://prod/agent/n1"]).is_some());
        assert!(found(pattern, &["spiffe://prod/agent/n1"], &[]).is_none());
        for other in ["spiffe://prod/agent/a/b", "spiffe://Prod/agent/n1", "spiffe://prod/agent/"] {
            assert!(found(pattern, &[], &[other]).is_none(), "{other}");
        }
        assert!(found("n1", &[], &["n1"]).is_none());
    }

    #[test]
    fn a_name_nobody_can_have_is_refused() {
        for wrong in ["", "a b", "*.*x*.org", "a\n"] {
            assert!(wrong.parse::<CertificateName>().is_err(), "{wrong:?}");
        }
    }
}
