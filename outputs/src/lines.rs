//! The lines that the kinds `file` and `stdout` write.

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    Delivery, DeliveryError, envelope,
    human::{Date, Line},
};

/// How a notification is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A line for each finding, or the line of the template.
    Human,
    /// The documented envelope, on one line.
    Json,
}

/// Whose clock human lines show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Zone {
    /// The machine's.
    #[default]
    #[serde(rename = "local")]
    Local,
    #[serde(rename = "UTC")]
    Utc,
}

impl Zone {
    pub(crate) fn time_zone(self) -> TimeZone {
        match self {
            Self::Local => TimeZone::system(),
            Self::Utc => TimeZone::UTC,
        }
    }
}

/// Largest JSON line.
const JSON_BYTES_MAX: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) format: Format,
    pub(crate) line: Line,
}

impl Lines {
    /// Lines with dates and without colours.
    pub(crate) fn to_file(format: Format, zone: Zone) -> Self {
        let zone = zone.time_zone();
        Self { format, line: Line { color: false, width_max: None, zone, date: Date::With } }
    }

    /// Returns a notification as whole lines.
    pub(crate) fn print(&self, delivery: &Delivery<'_>) -> Result<Vec<u8>, DeliveryError> {
        let custom = delivery.parts.get("line");
        let mut lines = match self.format {
            Format::Human if custom.is_empty() => self.line.of_group(delivery.notification),
            Format::Human => custom.to_owned(),
            Format::Json => {
                let json = envelope::to_json(delivery.notification, JSON_BYTES_MAX);
                let mut json = json.map_err(|error| DeliveryError::Rejected {
                    reason: format!("failed to write the notification as JSON: {error}"),
                })?;
                json.push(b'\n');
                return Ok(json);
            }
        };
        lines.push('\n');
        Ok(lines.into_bytes())
    }
}
