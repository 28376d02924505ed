//! `saker record`: real events from the running agent, as cases of a test.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use agent::tap::{Answer, Choice, End, Refusal, Request};
use alert::Event;
use anyhow::Context;
use rules::CaseList;

use crate::{
    args::{RecordArgs, RecordFormat},
    exit::{Code, fail},
    print,
};

/// Time for the agent's last word, beyond the time that was asked for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Stands where no rule was named.
const SOME_RULE: &str = "name of the rule";
const EVENTS: u32 = 20;
const SECONDS: u32 = 10;

pub(crate) fn execute(arguments: &RecordArgs) -> anyhow::Result<Code> {
    let request = request(arguments)?;
    let socket = match arguments.socket.clone().or_else(agent::tap::default_path) {
        Some(socket) => socket,
        None => return Err(fail(Code::Invalid, "name the agent's --socket")),
    };
    let stream = connect(&socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(request.seconds_max.into()) + PATIENCE))?;
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    (&stream).write_all(&line).context("the agent went away")?;
    let mut output = Output { arguments, events: 0 };
    for line in BufReader::new(stream).lines() {
        let line = line.context("the agent went away")?;
        let answer = serde_json::from_str(&line)
            .context("the agent's answer is not what this version of saker expects")?;
        match answer {
            Answer::Started { unwatched } => started(&unwatched),
            Answer::Event(event) => output.event(&event)?,
            Answer::Refused { why: Refusal::Busy, message } => {
                return Err(fail(Code::Failure, message));
            }
            Answer::Refused { why: Refusal::Wrong, message } => {
                return Err(fail(Code::Invalid, message));
            }
            Answer::Ended { why, seen, dropped } => {
                ended(why, output.events, seen, dropped);
                return Ok(if output.events > 0 { Code::Success } else { Code::Failure });
            }
        }
    }
    Err(fail(Code::Failure, "the agent went away before the end"))
}

fn request(arguments: &RecordArgs) -> anyhow::Result<Request> {
    let (choice, events, seconds) = match (&arguments.condition, &arguments.alert_rule) {
        (_, Some(rule)) => (Choice::Rule(rule.clone()), 1, Request::SECONDS_MAX),
        (Some(condition), None) => (Choice::Condition(condition.clone()), EVENTS, SECONDS),
        (None, None) => return Err(fail(Code::Invalid, "say which events, by a condition")),
    };
    let seconds = match &arguments.duration {
        None => seconds,
        Some(duration) => u32::try_from(duration.0.as_secs_f64().ceil() as u64).unwrap_or(u32::MAX),
    };
    Ok(Request { choice, events_max: arguments.max.unwrap_or(events), seconds_max: seconds })
}

fn connect(socket: &Path) -> anyhow::Result<UnixStream> {
    UnixStream::connect(socket).map_err(|error| {
        let cause = match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                "only root and the agent's own user may record".to_owned()
            }
            _ => error.to_string(),
        };
        let message = format!("cannot reach an agent at {}: {cause}", socket.display());
        fail(Code::Unreachable, message)
    })
}

fn started(unwatched: &[String]) {
    if !unwatched.is_empty() {
        print::note(format_args!(
            "no loaded rule needs these kinds of event, so none of them will come: {}",
            unwatched.join(" ")
        ));
    }
}

fn ended(why: End, events: u32, seen: u64, dropped: u64) {
    let why = match why {
        End::Events => "as many as were asked for",
        End::Time => "the time is over",
        End::Bytes => "the recording has its full size",
        End::Stopped => "the agent stops",
    };
    print::note(format_args!("{events} events recorded ({why})"));
    if dropped > 0 {
        print::note(format_args!(
            "{dropped} of {seen} events came faster than they were taken and are not among them"
        ));
    }
}

struct Output<'a> {
    arguments: &'a RecordArgs,
    events: u32,
}

impl Output<'_> {
    fn event(&mut self, event: &Event) -> anyhow::Result<()> {
        let redacted = self.arguments.redact.then(|| rules::redact(event));
        let event = redacted.as_ref().unwrap_or(event);
        let first = self.events == 0;
        self.events += 1;
        match self.arguments.format {
            RecordFormat::Recording => {
                if first {
                    print::line(agent::Recording::header());
                }
                print::json(event)
            }
            RecordFormat::Test => {
                if first {
                    print::line(self.head());
                }
                print::line(rules::write_case(event).trim_end());
                Ok(())
            }
        }
    }

    fn head(&self) -> String {
        let RecordArgs { alert_rule, rule, ignore, .. } = self.arguments;
        let list = match alert_rule.is_some() || *ignore {
            true => CaseList::Ignore,
            false => CaseList::Match,
        };
        let rule = rule.as_deref().or(alert_rule.as_deref()).unwrap_or(SOME_RULE);
        rules::write_head(rule, list).trim_end().to_owned()
    }
}
