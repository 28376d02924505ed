//! `saker record`: events of a running agent, in a file or as cases of a test.

mod output;
mod surroundings;

use std::{ops::ControlFlow, path::Path};

use agent::{
    Recording,
    config::AroundConfig,
    tap::{Answer, Choice, Form, Request, Surroundings},
};

use self::output::Output;
use super::events::{EVERY, behind, matching, seconds, started, told};
use crate::{
    agent_client,
    args::RecordArgs,
    exit::{Code, fail},
    print,
};

/// Of a test.
const EVENTS: u64 = 20;
const SECONDS: u32 = 10;
const ALERT_SECONDS: u32 = 3600;
const FILE_SECONDS: u32 = 30;
/// In a folder.
const RECORDINGS: u32 = 20;

pub(crate) async fn execute(arguments: RecordArgs) -> anyhow::Result<Code> {
    if let Some(fault) = arguments.fault() {
        return Err(fail(Code::Invalid, fault));
    }
    if let Some(recording) = &arguments.recording {
        return part(&arguments, recording);
    }
    let mut output = Output::new(&arguments)?;
    let request = request(&arguments, output.form());
    let mut ended = false;
    let mut on_answer = |answer| {
        match answer {
            Answer::Started { unwatched } => started(&unwatched),
            Answer::Event(event) => output.event(&arguments, &event)?,
            Answer::Around { moment, from_ns } => output.around(&moment, from_ns)?,
            Answer::Part(part) => output.part(&part)?,
            Answer::Whole { events } => output.whole(events)?,
            Answer::Ended { why, dropped, limited, .. } => {
                print::note(format_args!("{} ({})", output.sum(), told(why)));
                behind(dropped, limited);
                ended = true;
                return Ok(ControlFlow::Break(()));
            }
            Answer::Behind { .. } | Answer::Called(_) | Answer::Refused { .. } => {}
        }
        Ok(ControlFlow::Continue(()))
    };
    agent_client::ask(&arguments.place, &request, &mut on_answer).await?;
    let recorded = output.finish()?;
    Ok(if ended && recorded > 0 { Code::Success } else { Code::Failure })
}

/// Writes a part of a recording.
fn part(arguments: &RecordArgs, file: &Path) -> anyhow::Result<Code> {
    let recording = Recording::open(file)?.only(arguments.selection.of(file)?);
    let mut output = Output::part_of(arguments, recording.header())?;
    let left = usize::try_from(arguments.max.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    for event in matching(recording, arguments.condition.as_deref())?.take(left) {
        output.event(arguments, &event?)?;
    }
    print::note(output.sum());
    Ok(if output.finish()? > 0 { Code::Success } else { Code::Failure })
}

fn request(arguments: &RecordArgs, form: Form) -> Request {
    let condition = |otherwise: &str| {
        let condition = arguments.condition.clone();
        Choice::Condition(condition.unwrap_or_else(|| otherwise.to_owned()))
    };
    let rule = arguments.alert_rule.clone().map(Choice::Rule);
    let around = surroundings(arguments, rule.clone());
    let (choice, events, time) = match (rule, &arguments.file) {
        _ if around.is_some() => {
            (condition(&AroundConfig::default().condition), u64::MAX, Request::SECONDS_MAX)
        }
        (Some(rule), None) => (rule, 1, ALERT_SECONDS),
        (Some(rule), Some(_)) => (rule, u64::MAX, ALERT_SECONDS),
        (None, None) => (condition(EVERY), EVENTS, SECONDS),
        (None, Some(_)) => (condition(EVERY), u64::MAX, FILE_SECONDS),
    };
    Request {
        choice,
        form,
        events_max: arguments.max.filter(|_| around.is_none()).unwrap_or(events),
        seconds_max: arguments.duration.as_ref().map_or(time, |duration| seconds(duration.0)),
        rate_max: None,
        bytes_max: arguments.file.is_some().then_some(arguments.size_max.0),
        around,
    }
}

/// Returns around what to record, if not simply from now on.
fn surroundings(arguments: &RecordArgs, rule: Option<Choice>) -> Option<Surroundings> {
    let span = arguments.around?;
    let of = rule.or_else(|| arguments.when.clone().map(Choice::Condition))?;
    let otherwise = match surroundings::is_folder(arguments.file.as_deref()?) {
        true => RECORDINGS,
        false => 1,
    };
    let recordings = arguments.max.unwrap_or_else(|| otherwise.into());
    Some(Surroundings {
        of,
        seconds: seconds(span.0),
        ring_bytes_max: arguments.ring_max.0,
        recordings_max: u32::try_from(recordings).unwrap_or(u32::MAX),
    })
}
