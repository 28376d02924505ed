//! What can be typed after `saker replay`, and which part of a recording is meant.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use agent::{Recording, Selection};
use alert::EventKind;
use clap::Args;
use service::config::HumanDuration;

use super::Format;
use crate::exit::{Code, fail};

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// A file of recorded events.
    pub(crate) events: PathBuf,
    /// Rule files; the built-in rules without it.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) rules: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// A part of a recording.
#[derive(Debug, Default, Args)]
pub(crate) struct SelectionArgs {
    /// Only events from this time on: `2026-11-27T04:00:00Z`, or `10s` after the recording began.
    #[arg(long, value_name = "TIME")]
    from: Option<Moment>,
    /// Only events before this time.
    #[arg(long, value_name = "TIME")]
    to: Option<Moment>,
    /// Only events of this kind; may be repeated.
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Vec<EventKind>,
    /// Only events of this process.
    #[arg(long)]
    pid: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    /// Nanoseconds since 1970.
    At(u64),
    /// After the recording began.
    After(Duration),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(duration) = text.parse::<HumanDuration>() {
            return Ok(Self::After(duration.0));
        }
        let time: jiff::Timestamp = text.parse().map_err(|error: jiff::Error| error.to_string())?;
        u64::try_from(time.as_nanosecond()).map(Self::At).map_err(|_| "is before 1970".to_owned())
    }
}

fn kind(name: &str) -> Result<EventKind, String> {
    let known = EventKind::ALL.into_iter().find(|kind| kind.name() == name);
    known.ok_or_else(|| "no kind of event has this name".to_owned())
}

impl SelectionArgs {
    /// Returns whether anything was chosen.
    pub(crate) fn is_any(&self) -> bool {
        self.from.is_some() || self.to.is_some() || !self.kind.is_empty() || self.pid.is_some()
    }

    /// Returns what is meant of this recording.
    pub(crate) fn of(&self, file: &Path) -> anyhow::Result<Selection> {
        let from_start = |moment: &Moment| matches!(moment, Moment::After(_));
        let began = match self.from.iter().chain(&self.to).any(from_start) {
            true => Recording::open(file)?.header().map(|header| header.started_ns),
            false => None,
        };
        let time = |moment: Option<Moment>| match (moment, began) {
            (None, _) => Ok(None),
            (Some(Moment::At(time)), _) => Ok(Some(time)),
            (Some(Moment::After(after)), Some(began)) => {
                let after = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
                Ok(Some(began.saturating_add(after)))
            }
            (Some(Moment::After(_)), None) => {
                Err(fail(Code::Invalid, "this recording does not tell when it began: name a time"))
            }
        };
        Ok(Selection {
            from_ns: time(self.from)?,
            to_ns: time(self.to)?,
            kinds: self.kind.clone(),
            pid: self.pid,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_of_the_clock_or_after_the_start() {
        assert_eq!("1970-01-01T00:00:02Z".parse(), Ok(Moment::At(2_000_000_000)));
        assert_eq!("90s".parse(), Ok(Moment::After(Duration::from_secs(90))));
        assert!("yesterday".parse::<Moment>().is_err());
        assert_eq!(kind("execve"), Ok(EventKind::Execve));
        assert!(kind("exceve").is_err());
    }
}
