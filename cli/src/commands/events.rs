//! `saker events`: what happens on a machine now, or happened in a recording.

use std::ops::ControlFlow;

use agent::{
    Recording,
    recorder::ReplayError,
    tap::{Answer, Choice, End, Form, Request},
};
use alert::Event;
use rules::{Matcher, RuleSet};

use crate::{
    agent_client,
    args::{EventsArgs, Format},
    exit::{Code, fail},
    print,
};

/// Holds for every event.
pub(super) const EVERY: &str = "evt.type exists";
/// How an event is shown unless somebody says otherwise. The parameters of a program's start are its
/// whole state.
const OUTPUT: &str =
    "%evt.time %evt.type %proc.pname(%proc.ppid) > %proc.name(%proc.pid) %evt.args";
const OUTPUT_OF_EXEC: &str =
    "%evt.time %evt.type %proc.pname(%proc.ppid) > %proc.name(%proc.pid) %evt.res %proc.cmdline";
const OUTPUT_OF_CLONE: &str =
    "%evt.time %evt.type %proc.pname(%proc.ppid) > %proc.name(%proc.pid) %evt.res %evt.arg.flags";

pub(crate) async fn execute(arguments: EventsArgs) -> anyhow::Result<Code> {
    let show = Show::new(&arguments)?;
    match &arguments.recording {
        Some(_) => recorded(&arguments, &show),
        None => live(&arguments, &show).await,
    }
}

/// How events are shown.
enum Show {
    Format(rules::Format),
    /// By kind: execs, clones, others.
    Formats([rules::Format; 3]),
    Json,
}

impl Show {
    fn new(arguments: &EventsArgs) -> anyhow::Result<Self> {
        if arguments.format == Format::Json {
            return Ok(Self::Json);
        }
        let parse = |text: &str| {
            rules::Format::parse(text).map_err(|fault| fail(Code::Invalid, fault.to_string()))
        };
        match &arguments.output {
            Some(output) => parse(output).map(Self::Format),
            None => {
                let formats = [parse(OUTPUT_OF_EXEC)?, parse(OUTPUT_OF_CLONE)?, parse(OUTPUT)?];
                Ok(Self::Formats(formats))
            }
        }
    }

    fn event(&self, event: &Event) -> anyhow::Result<()> {
        match self {
            Self::Format(format) => print::line(print::plain(&format.text(event))),
            Self::Formats([exec, clone, other]) => {
                let format = match event.kind {
                    kind if kind.is_exec() => exec,
                    kind if kind.is_clone() => clone,
                    _ => other,
                };
                print::line(print::plain(&format.text(event)));
            }
            Self::Json => print::json(event)?,
        }
        Ok(())
    }
}

async fn live(arguments: &EventsArgs, show: &Show) -> anyhow::Result<Code> {
    let request = Request {
        choice: Choice::Condition(arguments.condition.clone().unwrap_or_else(|| EVERY.to_owned())),
        form: Form::Events,
        events_max: arguments.max.unwrap_or(u64::MAX),
        seconds_max: match &arguments.duration {
            Some(duration) => seconds(duration.0),
            None => Request::SECONDS_MAX,
        },
        rate_max: (arguments.rate_max > 0).then_some(arguments.rate_max),
        bytes_max: None,
        around: None,
    };
    let mut code = Code::Failure;
    let mut on_answer = |answer| {
        match answer {
            Answer::Started { unwatched } => started(&unwatched),
            Answer::Event(event) => show.event(&event)?,
            Answer::Behind { dropped, limited } => behind(dropped, limited),
            Answer::Ended { why, seen, dropped, limited } => {
                print::note(format_args!("{} ({})", print::counted_u64(seen, "event"), told(why)));
                behind(dropped, limited);
                code = if why == End::Stopped { Code::Failure } else { Code::Success };
                return Ok(ControlFlow::Break(()));
            }
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    };
    agent_client::ask(&arguments.place, &request, &mut on_answer).await?;
    Ok(code)
}

fn recorded(arguments: &EventsArgs, show: &Show) -> anyhow::Result<Code> {
    let Some(file) = &arguments.recording else { return Ok(Code::Invalid) };
    let selection = arguments.selection.of(file)?;
    let left = usize::try_from(arguments.max.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let recording = Recording::open(file)?.only(selection);
    for event in matching(recording, arguments.condition.as_deref())?.take(left) {
        show.event(&event?)?;
    }
    Ok(Code::Success)
}

/// Returns the events of a recording for which a condition holds, and what is wrong with the recording.
pub(super) fn matching(
    recording: Recording,
    condition: Option<&str>,
) -> anyhow::Result<impl Iterator<Item = Result<Event, ReplayError>>> {
    let mut matcher = condition.map(matcher).transpose()?;
    Ok(recording.filter(move |event| match (event, &mut matcher) {
        (Ok(event), Some(matcher)) => {
            let mut matched = false;
            matcher.matches(event, &mut |_| matched = true);
            matched
        }
        _ => true,
    }))
}

fn matcher(condition: &str) -> anyhow::Result<Matcher> {
    let set = RuleSet::of_condition(condition);
    Ok(set.map_err(|fault| fail(Code::Invalid, fault.to_string()))?.matcher())
}

/// Returns whole seconds that are at least as long.
pub(super) fn seconds(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).unwrap_or(u32::MAX)
}

pub(super) fn started(unwatched: &[String]) {
    if !unwatched.is_empty() {
        print::note(format_args!("this machine tells nothing of: {}", unwatched.join(" ")));
    }
}

pub(super) fn behind(dropped: u64, limited: u64) {
    if dropped > 0 {
        print::note(format_args!(
            "{} came faster than taken and left out",
            print::counted_u64(dropped, "event")
        ));
    }
    if limited > 0 {
        print::note(format_args!(
            "{} above the rate and left out",
            print::counted_u64(limited, "event")
        ));
    }
}

pub(super) const fn told(why: End) -> &'static str {
    match why {
        End::Events => "as many as were asked for",
        End::Recordings => "as many recordings as were asked for",
        End::Enough => "interrupted",
        End::Time => "the time is over",
        End::Bytes => "the recording has its full size",
        End::Stopped => "the agent stops",
    }
}
