//! Stands in for what other crates are about to land.

use std::{fmt, str::FromStr, time::Duration};

use alert::{Alert, Fingerprint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct HumanDuration(pub Duration);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition(String);

impl Condition {
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.0.split_once('=').is_some_and(|(name, value)| match name.trim() {
            "rule" => subject.alert.rule == value.trim(),
            name => subject.alert.text(name) == Some(value.trim()),
        })
    }

    pub fn text(&self) -> &str {
        &self.0
    }
}

impl FromStr for Condition {
    type Err = fmt::Error;

    fn from_str(text: &str) -> Result<Self, fmt::Error> {
        Ok(Self(text.into()))
    }
}

#[derive(Debug)]
pub struct Subject<'a> {
    pub alert: &'a Alert,
    pub score: Option<u8>,
    pub count: Option<u64>,
    pub fingerprint: Option<Fingerprint>,
}
