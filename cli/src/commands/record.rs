//! `saker record`: events of a running agent, in a file or as cases of a test.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    ops::ControlFlow,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use agent::{
    recorder::{Header, Recorded, Recorder},
    tap::{Answer, Choice, Form, Request},
};
use alert::Event;
use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use rules::CaseList;

use super::events::{EVERY, behind, seconds, started, told};
use crate::{
    agent_client,
    args::{RecordArgs, RecordFormat},
    exit::Code,
    print,
};

/// Stands where no rule was named.
const SOME_RULE: &str = "name of the rule";
/// Of a test.
const EVENTS: u64 = 20;
const SECONDS: u32 = 10;
const ALERT_SECONDS: u32 = 3600;
const FILE_SECONDS: u32 = 30;

pub(crate) async fn execute(arguments: RecordArgs) -> anyhow::Result<Code> {
    let mut output = Output::new(&arguments)?;
    let request = request(&arguments, output.form());
    let mut ended = false;
    let mut on_answer = |answer| {
        match answer {
            Answer::Started { unwatched } => started(&unwatched),
            Answer::Event(event) => output.event(&arguments, &event)?,
            Answer::Part(part) => output.part(&part)?,
            Answer::Ended { why, seen, dropped, limited } => {
                output.counted(seen.saturating_sub(dropped));
                let events = print::counted_u64(output.events, "event");
                print::note(format_args!("{events} recorded ({})", told(why)));
                behind(dropped, limited);
                ended = true;
                return Ok(ControlFlow::Break(()));
            }
            Answer::Behind { .. } | Answer::Refused { .. } => {}
        }
        Ok(ControlFlow::Continue(()))
    };
    agent_client::ask(&arguments.place, &request, &mut on_answer).await?;
    let recorded = output.finish()?;
    Ok(if ended && recorded > 0 { Code::Success } else { Code::Failure })
}

fn request(arguments: &RecordArgs, form: Form) -> Request {
    let condition = || arguments.condition.clone().unwrap_or_else(|| EVERY.to_owned());
    let (choice, events, time) = match (&arguments.alert_rule, &arguments.file) {
        (Some(rule), None) => (Choice::Rule(rule.clone()), 1, ALERT_SECONDS),
        (Some(rule), Some(_)) => (Choice::Rule(rule.clone()), u64::MAX, ALERT_SECONDS),
        (None, None) => (Choice::Condition(condition()), EVENTS, SECONDS),
        (None, Some(_)) => (Choice::Condition(condition()), u64::MAX, FILE_SECONDS),
    };
    Request {
        choice,
        form,
        events_max: arguments.max.unwrap_or(events),
        seconds_max: arguments.duration.as_ref().map_or(time, |duration| seconds(duration.0)),
        rate_max: None,
        bytes_max: arguments.file.is_some().then_some(arguments.size_max.0),
    }
}

/// Where events go.
struct Output {
    way: Way,
    events: u64,
}

enum Way {
    /// Cases or text on standard output.
    Lines,
    /// The agent's own bytes.
    Bytes(File),
    /// Events that are changed first.
    Recorder(Box<Recorder>),
}

impl Output {
    fn new(arguments: &RecordArgs) -> anyhow::Result<Self> {
        let way = match &arguments.file {
            None => Way::Lines,
            // Which host and kernel the agent has is not known here.
            Some(file) if arguments.redact => {
                let bytes_max = arguments.size_max.0;
                let header = Header::here(String::new());
                Way::Recorder(Box::new(Recorder::create(file, bytes_max, &header)?))
            }
            Some(file) => Way::Bytes(create(file)?),
        };
        Ok(Self { way, events: 0 })
    }

    const fn form(&self) -> Form {
        match self.way {
            Way::Bytes(_) => Form::Recording,
            Way::Lines | Way::Recorder(_) => Form::Events,
        }
    }

    /// Takes the agent's word for how many events its bytes hold.
    fn counted(&mut self, events: u64) {
        if matches!(self.way, Way::Bytes(_)) {
            self.events = events;
        }
    }

    fn part(&mut self, part: &str) -> anyhow::Result<()> {
        let Way::Bytes(file) = &mut self.way else { return Ok(()) };
        let bytes =
            STANDARD.decode(part).context("the agent sent what is no part of a recording")?;
        file.write_all(&bytes).context("failed to write the recording")
    }

    fn event(&mut self, arguments: &RecordArgs, event: &Event) -> anyhow::Result<()> {
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
            Way::Bytes(_) => {}
        }
        Ok(())
    }

    /// Returns how many events were recorded.
    fn finish(self) -> anyhow::Result<u64> {
        match self.way {
            Way::Lines => Ok(self.events),
            Way::Bytes(file) => {
                file.sync_all().context("failed to write the recording")?;
                Ok(self.events)
            }
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
