//! What can be typed for a span of time that is past.

use std::str::FromStr;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use service::config::HumanDuration;

#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct SpanArgs {
    /// From this time on: `2026-11-27T04:00:00Z`, or `24h` ago.
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
}

/// A time that is past.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moment(pub(crate) Timestamp);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(duration) = text.parse::<HumanDuration>() {
            let ago = SignedDuration::try_from(duration.0).map_err(|error| error.to_string())?;
            let time = service::clock::now().checked_sub(ago).map_err(|error| error.to_string())?;
            return Ok(Self(time));
        }
        text.parse().map(Self).map_err(|error: jiff::Error| {
            format!("neither a time nor a duration such as `24h`: {error}")
        })
    }
}

impl SpanArgs {
    pub(crate) fn is_all(self) -> bool {
        self.since.is_none() && self.until.is_none()
    }

    /// Returns the parameters of a request.
    pub(crate) fn query(self) -> Vec<(&'static str, String)> {
        let time = |name, moment: Option<Moment>| moment.map(|it| (name, it.0.to_string()));
        time("from", self.since).into_iter().chain(time("until", self.until)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_how_long_ago_it_was() {
        let at: Moment = "2026-11-27T04:00:00Z".parse().unwrap();
        assert_eq!(at.0.to_string(), "2026-11-27T04:00:00Z");
        let ago: Moment = "24h".parse().unwrap();
        let day = service::clock::now().duration_since(ago.0);
        assert!((86_400..86_460).contains(&day.as_secs()));
        let error = "yesterday".parse::<Moment>().unwrap_err();
        assert!(error.starts_with("neither a time nor a duration"), "{error}");
    }
}
