//! The rule language over alerts: routes, silences, searches and the live tail.

use std::fmt;

use alert::{Alert, Fingerprint};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Diagnostic;

/// What a condition is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub alert: &'a Alert,
    pub score: Option<u8>,
    pub count: Option<u64>,
    pub fingerprint: Option<Fingerprint>,
    /// State of the alert's end or finding, where one is known: `pending`, `delivered` …
    pub state: Option<&'a str>,
}

impl<'a> Subject<'a> {
    /// Returns a subject of which only the alert is known.
    pub fn new(alert: &'a Alert) -> Self {
        Self { alert, score: None, count: None, fingerprint: None, state: None }
    }
}

/// The answer when a missing value may make a question undecidable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    True,
    False,
    Unknown,
}

/// A compiled condition over alerts. Serialises as its text.
#[derive(Clone)]
pub struct Condition {
    text: String,
}

impl Condition {
    /// Compiles a condition; the diagnostic points into `text`.
    pub fn parse(text: &str) -> Result<Self, Diagnostic> {
        Ok(Self { text: text.to_owned() })
    }

    /// Returns whether the subject satisfies it; a comparison with a missing value is false.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        todo!("{subject:?}")
    }

    /// Returns the same, but [`Verdict::Unknown`] where a missing value decides.
    pub fn evaluate(&self, subject: &Subject<'_>) -> Verdict {
        todo!("{subject:?}")
    }

    /// Returns the text it was compiled from.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Condition {}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::str::FromStr for Condition {
    type Err = Diagnostic;

    fn from_str(text: &str) -> Result<Self, Diagnostic> {
        Self::parse(text)
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
