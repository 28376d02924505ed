//! Stands in for what other crates are about to land.

use std::{fmt, str::FromStr, time::Duration};

use alert::{Alert, Fingerprint, Priority};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct HumanDuration(Duration);

impl HumanDuration {
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub const fn get(self) -> Duration {
        self.0
    }
}

impl TryFrom<String> for HumanDuration {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (number, unit) = text.split_at(text.len() - 1);
        let number: u64 = number.parse().map_err(|_| text.clone())?;
        let unit = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(text),
        };
        Ok(Self::from_secs(number * unit))
    }
}

impl From<HumanDuration> for String {
    fn from(duration: HumanDuration) -> Self {
        format!("{}s", duration.0.as_secs())
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition(String);

impl Condition {
    pub fn parse(text: &str) -> Result<Self, fmt::Error> {
        Ok(Self(text.into()))
    }

    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.0.split(" and ").all(|term| {
            if let Some((name, value)) = term.split_once(">=") {
                return match name.trim() {
                    "priority" => {
                        subject.alert.priority
                            >= value.trim().parse::<Priority>().unwrap_or(Priority::Emergency)
                    }
                    "score" => subject.score >= value.trim().parse().ok(),
                    _ => subject.count >= value.trim().parse().ok(),
                };
            }
            term.split_once('=').is_some_and(|(name, value)| match name.trim() {
                "rule" => subject.alert.rule == value.trim().trim_matches('"'),
                name => subject.alert.text(name) == Some(value.trim()),
            })
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
    pub state: Option<&'a str>,
}

impl<'a> Subject<'a> {
    pub fn new(alert: &'a Alert) -> Self {
        Self { alert, score: None, count: None, fingerprint: None, state: None }
    }
}
