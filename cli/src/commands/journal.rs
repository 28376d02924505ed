//! `saker journal`: what is in journals on this machine's disk, and whether it is whole. Nothing is
//! changed, and whoever uses a journal is not disturbed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use journal::inspect::{Inspection, is_journal};
use serde::Serialize;
use serde_json::value::RawValue;
use service::ErrorChain;

use crate::{
    args::{DumpArgs, Format, JournalCommand, JournalPlace, Moment},
    exit::{Code, fail},
    print,
};

pub(crate) fn execute(command: &JournalCommand) -> anyhow::Result<Code> {
    match command {
        JournalCommand::Stat(place) => stat(place),
        JournalCommand::Verify(place) => verify(place),
        JournalCommand::Dump(arguments) => dump(arguments),
    }
}

/// Looks at every journal of a place.
fn journals(folder: &Path) -> anyhow::Result<Vec<Inspection>> {
    let mut found = Vec::new();
    for folder in folders(folder)? {
        found.push(Inspection::of(&folder)?);
    }
    if found.is_empty() {
        let message = format!("there is no journal in `{}`", folder.display());
        return Err(fail(Code::NotFound, message));
    }
    Ok(found)
}

/// Returns the folder itself if it is a journal's, or else those in it that are, by name.
fn folders(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if is_journal(folder)? {
        return Ok(vec![folder.to_owned()]);
    }
    let context = || format!("failed to list `{}`", folder.display());
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).with_context(context)? {
        let entry = entry.with_context(context)?;
        if entry.file_type().with_context(context)?.is_dir() && is_journal(&entry.path())? {
            folders.push(entry.path());
        }
    }
    folders.sort_unstable();
    Ok(folders)
}

/// A journal, as scripts read it.
#[derive(Serialize)]
struct View<'a> {
    folder: &'a Path,
    in_use: bool,
    first: u64,
    next: u64,
    segments: usize,
    file_bytes: u64,
    record_bytes: u64,
    unpacked_bytes: u64,
    /// Of the segments' format, lowest first.
    versions: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    earliest: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest: Option<Timestamp>,
    torn_bytes: u64,
    cursors: Vec<CursorView<'a>>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct CursorView<'a> {
    name: &'a str,
    position: u64,
    behind_records: u64,
}

fn view(journal: &Inspection) -> View<'_> {
    let segments = &journal.segments;
    let times = || segments.iter().filter_map(|segment| segment.times_ms);
    // What no clock tells is left out.
    let time = |ms: u64| Timestamp::from_millisecond(ms.try_into().ok()?).ok();
    let mut versions: Vec<u32> = segments.iter().map(|segment| segment.version).collect();
    versions.sort_unstable();
    versions.dedup();
    let records = journal.records();
    let cursors = journal.cursors.iter().map(|(name, position)| CursorView {
        name,
        position: *position,
        behind_records: records.end.saturating_sub(*position),
    });
    View {
        folder: &journal.dir,
        in_use: journal.in_use,
        first: records.start,
        next: records.end,
        segments: segments.len(),
        file_bytes: journal.file_bytes(),
        record_bytes: segments.iter().map(|segment| segment.used_bytes).sum(),
        unpacked_bytes: segments.iter().map(|segment| segment.unpacked_bytes).sum(),
        versions,
        earliest: times().map(|(earliest, _)| earliest).min().and_then(time),
        latest: times().map(|(_, latest)| latest).max().and_then(time),
        torn_bytes: journal.torn_bytes,
        cursors: cursors.collect(),
        problems: problems(journal),
    }
}

fn problems(journal: &Inspection) -> Vec<String> {
    journal.problems.iter().map(|problem| ErrorChain(problem).to_string()).collect()
}

fn stat(place: &JournalPlace) -> anyhow::Result<Code> {
    for journal in journals(&place.folder)? {
        let view = view(&journal);
        if place.format == Format::Json {
            print::json(&view)?;
            continue;
        }
        let state = if view.in_use { "in use" } else { "not in use" };
        print::line(format_args!(
            "{}  {state}\n  records   {} to {}, {}\n  segments  {}, {} on disk, {} of it used by records of {}",
            print::plain(&view.folder.display().to_string()),
            view.first,
            view.next,
            print::counted_u64(view.next - view.first, "record"),
            view.segments,
            print::size(view.file_bytes),
            print::size(view.record_bytes),
            print::size(view.unpacked_bytes),
        ));
        if let (Some(earliest), Some(latest)) = (view.earliest, view.latest) {
            print::line(format_args!("  written   {earliest:.0} to {latest:.0}"));
        }
        if view.versions.iter().any(|version| *version != journal::FORMAT_VERSION) {
            let versions: Vec<_> = view.versions.iter().map(ToString::to_string).collect();
            print::line(format_args!("  format    version {}", versions.join(" and ")));
        }
        for cursor in &view.cursors {
            let behind = print::counted_u64(cursor.behind_records, "record");
            print::line(format_args!(
                "  cursor    {} at {}, {behind} behind",
                cursor.name, cursor.position
            ));
        }
        tell(&view);
    }
    Ok(Code::Success)
}

/// Says what is not as it should be.
fn tell(view: &View<'_>) {
    if view.torn_bytes > 0 {
        print::line(format_args!(
            "  torn      {} at the end, of a write that nobody was told of; the next start cuts it off",
            print::size(view.torn_bytes),
        ));
    }
    for problem in &view.problems {
        print::line(format_args!("  DAMAGED   {}", print::plain(problem)));
    }
}

fn verify(place: &JournalPlace) -> anyhow::Result<Code> {
    let mut code = Code::Success;
    for journal in journals(&place.folder)? {
        let view = view(&journal);
        if !view.problems.is_empty() {
            code = Code::Failure;
        }
        if place.format == Format::Json {
            print::json(&view)?;
            continue;
        }
        print::line(format_args!(
            "{}: {}, {} in {}",
            print::plain(&view.folder.display().to_string()),
            if view.problems.is_empty() { "whole" } else { "damaged" },
            print::counted_u64(view.next - view.first, "record"),
            print::counted(view.segments, "segment"),
        ));
        tell(&view);
    }
    Ok(code)
}

/// One record, as scripts read it: what is no JSON is told in base64.
#[derive(Serialize)]
struct RecordView<'a> {
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

fn dump(arguments: &DumpArgs) -> anyhow::Result<Code> {
    if !is_journal(&arguments.folder)? {
        let message = format!("`{}` is not a journal's folder", arguments.folder.display());
        return Err(fail(Code::NotFound, message));
    }
    let journal = Inspection::of(&arguments.folder)?;
    let end = journal.records().end;
    let to = arguments.to.unwrap_or(end);
    let wanted = match (arguments.last, arguments.since) {
        (Some(last), _) => end.saturating_sub(last)..end,
        // No record is from before 1970.
        (None, Some(Moment(since))) => {
            journal.written_since(since.as_millisecond().try_into().unwrap_or(0))?..to
        }
        (None, None) => arguments.from..to,
    };
    for record in journal.read(wanted) {
        let (sequence, bytes) = record?;
        if arguments.format == Format::Text {
            let text = String::from_utf8_lossy(&bytes);
            print::line(format_args!("{sequence} {}", print::plain(&text)));
            continue;
        }
        let record = serde_json::from_slice(&bytes).ok();
        let base64 = record.is_none().then(|| STANDARD.encode(&bytes));
        print::json(&RecordView { sequence, record, base64 })?;
    }
    let problems = problems(&journal);
    for problem in &problems {
        print::note(format_args!("saker: {}", print::plain(problem)));
    }
    Ok(if problems.is_empty() { Code::Success } else { Code::Failure })
}
