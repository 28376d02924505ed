//! How severe the author of a rule says its alerts are.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Falco's eight priorities. The greater one is the more severe one: `Critical > Warning`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Priority {
    Debug,
    Informational,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl Priority {
    /// All priorities, the least severe first.
    pub const ALL: [Self; 8] = [
        Self::Debug,
        Self::Informational,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// Returns the name as Falco prints it, for example `Informational`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "Debug",
            Self::Informational => "Informational",
            Self::Notice => "Notice",
            Self::Warning => "Warning",
            Self::Error => "Error",
            Self::Critical => "Critical",
            Self::Alert => "Alert",
            Self::Emergency => "Emergency",
        }
    }

    /// Returns the syslog severity (RFC 5424 §6.2.1): 0 is Emergency, 7 is Debug.
    pub const fn syslog(self) -> u8 {
        7 - self as u8
    }

    /// Returns falcosidekick's number in its metric labels: 1 is Debug, 8 is Emergency.
    pub const fn sidekick(self) -> u8 {
        self as u8 + 1
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text is no priority; it is kept, cut to a length that is safe to print.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown priority `{0}`, expected one of emergency, alert, critical, error, warning, notice, informational, debug"
)]
pub struct UnknownPriority(pub String);

impl FromStr for Priority {
    type Err = UnknownPriority;

    /// Reads a name in any case; `info` is `Informational`, as in Falco.
    fn from_str(text: &str) -> Result<Self, UnknownPriority> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("info") {
            return Ok(Self::Informational);
        }
        Self::ALL
            .into_iter()
            .find(|priority| priority.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                UnknownPriority(text.chars().take(40).flat_map(char::escape_default).collect())
            })
    }
}

impl Serialize for Priority {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Priority {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_printed_in_falcos() {
        for priority in Priority::ALL {
            assert_eq!(priority.name().to_uppercase().parse(), Ok(priority));
        }
        assert_eq!("info".parse(), Ok(Priority::Informational));
        assert!("urgent".parse::<Priority>().is_err());
    }

    #[test]
    fn the_three_numberings_agree_with_their_sources() {
        assert_eq!((Priority::Emergency.syslog(), Priority::Debug.syslog()), (0, 7));
        assert_eq!((Priority::Emergency.sidekick(), Priority::Debug.sidekick()), (8, 1));
        assert!(Priority::Critical > Priority::Warning);
    }

    #[test]
    fn an_unknown_name_is_escaped_and_cut_in_the_error() {
        let error = format!("\x1b[31m{}", "x".repeat(100)).parse::<Priority>().unwrap_err();
        assert!(error.0.starts_with("\\u{1b}") && error.0.len() < 60, "{error}");
    }
}
