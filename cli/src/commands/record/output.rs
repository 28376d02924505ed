//! Where recorded events go: lines on standard output, a file, or several.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use agent::{
    recorder::{Header, Recorded, Recorder},
    tap::{Form, Moment},
};
use alert::Event;
use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use rules::CaseList;

use super::surroundings::Files;
use crate::{
    args::{RecordArgs, RecordFormat},
    print,
};

/// Stands where no rule was named.
const SOME_RULE: &str = "name of the rule";

/// Where events go.
pub(super) struct Output {
    way: Way,
    events: u64,
}

enum Way {
    /// Cases or text on standard output.
    Lines,
    /// The agent's own bytes.
    Bytes(File),
    /// The same, a file for each moment.
    Around(Files),
    /// Events that are changed or chosen first.
    Recorder(Box<Recorder>),
}

impl Output {
    pub(super) fn new(arguments: &RecordArgs) -> anyhow::Result<Self> {
        let way = match &arguments.file {
            None => Way::Lines,
            Some(path) if arguments.around.is_some() => {
                Way::Around(Files::new(path, arguments.max, arguments.size_max.0)?)
            }
            Some(_) if arguments.redact => return Self::part_of(arguments, None),
            Some(file) => Way::Bytes(create(file)?),
        };
        Ok(Self { way, events: 0 })
    }

    /// Returns one for chosen or changed events of a recording, or of an agent of which is not known what
    /// host and kernel it has.
    pub(super) fn part_of(arguments: &RecordArgs, of: Option<&Header>) -> anyhow::Result<Self> {
        let file = arguments.file.as_deref().unwrap_or(Path::new("-"));
        let header = of.cloned().unwrap_or_else(|| Header::here(String::new()));
        let recorder = Recorder::create(file, arguments.size_max.0, &header)?;
        Ok(Self { way: Way::Recorder(Box::new(recorder)), events: 0 })
    }

    pub(super) const fn form(&self) -> Form {
        match self.way {
            Way::Bytes(_) | Way::Around(_) => Form::Recording,
            Way::Lines | Way::Recorder(_) => Form::Events,
        }
    }

    /// Returns what was recorded, in words.
    pub(super) fn sum(&self) -> String {
        match &self.way {
            Way::Around(files) => print::counted_u64(files.whole(), "recording"),
            _ => format!("{} recorded", print::counted_u64(self.events, "event")),
        }
    }

    pub(super) fn part(&mut self, part: &str) -> anyhow::Result<()> {
        let bytes =
            STANDARD.decode(part).context("the agent sent what is no part of a recording")?;
        match &mut self.way {
            Way::Bytes(file) => file.write_all(&bytes).context("failed to write the recording"),
            Way::Around(files) => files.write(&bytes),
            Way::Lines | Way::Recorder(_) => Ok(()),
        }
    }

    /// Begins the recording of what is around a moment.
    pub(super) fn around(&mut self, moment: &Moment, from_ns: Option<u64>) -> anyhow::Result<()> {
        match &mut self.way {
            Way::Around(files) => files.begin(moment, from_ns),
            _ => Ok(()),
        }
    }

    /// Takes the agent's word for how many events the recording holds that was begun last.
    pub(super) fn whole(&mut self, events: u64) -> anyhow::Result<()> {
        match &mut self.way {
            Way::Around(files) => files.end(events)?,
            Way::Bytes(_) => self.events = events,
            Way::Lines | Way::Recorder(_) => {}
        }
        Ok(())
    }

    pub(super) fn event(&mut self, arguments: &RecordArgs, event: &Event) -> anyhow::Result<()> {
        let redacted = arguments.redact.then(|| rules::redact(event));
        let event = redacted.as_ref().unwrap_or(event);
        let first = self.events == 0;
        self.events += 1;
        match &mut self.way {
            Way::Recorder(recorder) => {
                if recorder.record(event)? == Recorded::Full {
                    self.events -= 1;
                }
            }
            Way::Lines if arguments.format == RecordFormat::Recording => {
                if first {
                    print::line(agent::Recording::text_header());
                }
                print::json(event)?;
            }
            Way::Lines => {
                if first {
                    print::line(head(arguments));
                }
                print::line(rules::write_case(event).trim_end());
            }
            Way::Bytes(_) | Way::Around(_) => {}
        }
        Ok(())
    }

    /// Returns how many events or recordings there are.
    pub(super) fn finish(self) -> anyhow::Result<u64> {
        match self.way {
            Way::Lines => Ok(self.events),
            Way::Bytes(file) => {
                file.sync_all().context("failed to write the recording")?;
                Ok(self.events)
            }
            Way::Around(files) => Ok(files.whole()),
            Way::Recorder(recorder) => Ok(recorder.finish()?),
        }
    }
}

/// Makes a file that only its owner can read.
fn create(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    file.with_context(|| format!("failed to write {}", path.display()))
}

fn head(arguments: &RecordArgs) -> String {
    let RecordArgs { alert_rule, rule, ignore, .. } = arguments;
    let list = match alert_rule.is_some() || *ignore {
        true => CaseList::Ignore,
        false => CaseList::Match,
    };
    let rule = rule.as_deref().or(alert_rule.as_deref()).unwrap_or(SOME_RULE);
    rules::write_head(rule, list).trim_end().to_owned()
}
