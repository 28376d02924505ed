//! `saker silence`: hides alerts from people for a while; they are counted all the same.

use std::{path::Path, time::Duration};

use router::{
    api::types::{By, NewSilence, Preview, Silence, SilenceView},
    pipeline::{Interval, SilencePhase, Times},
};
use service::config::HumanDuration;

use super::send;
use crate::{
    args::{AddSilenceArgs, ApiArgs, Format, SilenceCommand, SilencedArgs},
    client::Client,
    exit::{Code, fail},
    print,
};

pub(crate) async fn execute(command: SilenceCommand) -> anyhow::Result<Code> {
    match command {
        SilenceCommand::Add(arguments) => add(*arguments).await?,
        SilenceCommand::Preview { what, api } => preview(what, &api).await?,
        SilenceCommand::List(api) => list(&api).await?,
        SilenceCommand::Show { id, api } => {
            let silence: SilenceView = Client::new(&api)?.get(&path(&id)).await?;
            show(&api, &silence, details)?;
        }
        SilenceCommand::Expire { id, author, api } => {
            let expired: SilenceView =
                Client::new(&api)?.delete(&path(&id), &By { by: author }).await?;
            show(&api, &expired, |view| {
                format!("{} expired, it hid {} alerts", view.silence.id, view.hits)
            })?;
        }
        SilenceCommand::Export(api) => export(&api).await?,
        SilenceCommand::Import { file, api } => import(&file, &api).await?,
    }
    Ok(Code::Success)
}

fn path(id: &str) -> String {
    format!("/api/v1/silences/{}", segment(id))
}

async fn add(arguments: AddSilenceArgs) -> anyhow::Result<()> {
    let AddSilenceArgs { what, duration, until, starts, comment, author, id, api, .. } = &arguments;
    let silence = NewSilence {
        condition: what.condition.clone(),
        matchers: what.matcher.clone(),
        times: times(&arguments)?,
        starts: *starts,
        ends: *until,
        duration: *duration,
        author: author.clone(),
        comment: comment.clone(),
    };
    let client = Client::new(api)?;
    let added: SilenceView = match id {
        Some(id) => client.put(&path(id), &silence).await?,
        None => client.post("/api/v1/silences", &silence).await?,
    };
    show(api, &added, |view| view.silence.id.to_string())
}

/// Returns the times of the calendar that hours and days name; none for always.
fn times(arguments: &AddSilenceArgs) -> anyhow::Result<Vec<Interval>> {
    let AddSilenceArgs { hours, weekdays, location, .. } = arguments;
    if hours.is_empty() && weekdays.is_empty() {
        return Ok(Vec::new());
    }
    let wrong = |text: &str, why: &str| fail(Code::Invalid, format!("`{text}`: {why}"));
    let hours = hours.iter().map(|text| {
        let (start, end) = text.split_once('-').ok_or_else(|| wrong(text, "write HH:MM-HH:MM"))?;
        let time = |part: &str| part.trim().parse().map_err(|why: String| wrong(text, &why));
        anyhow::Ok(Times { start_time: time(start)?, end_time: time(end)? })
    });
    let weekdays =
        weekdays.iter().map(|text| text.parse().map_err(|why: String| wrong(text, &why)));
    Ok(vec![Interval {
        times: hours.collect::<anyhow::Result<_>>()?,
        weekdays: weekdays.collect::<anyhow::Result<_>>()?,
        location: location.clone(),
        ..Interval::default()
    }])
}

async fn preview(what: SilencedArgs, api: &ApiArgs) -> anyhow::Result<()> {
    let silence = NewSilence {
        condition: what.condition,
        matchers: what.matcher,
        duration: Some(HumanDuration(Duration::from_secs(3600))),
        author: "preview".to_owned(),
        comment: "preview".to_owned(),
        ..NewSilence::default()
    };
    let preview: Preview = Client::new(api)?.post("/api/v1/silences/preview", &silence).await?;
    if api.format == Format::Json {
        return print::json(&preview);
    }
    print::line(format_args!(
        "it would hide {} of {} active findings, {} alerts so far{}",
        preview.findings,
        preview.examined,
        preview.alerts,
        preview.since.map(|since| format!(" since {since:.0}")).unwrap_or_default()
    ));
    if let Some(past) = &preview.past {
        print::line(format_args!(
            "in the last week it would have hidden {} of {} alerts{}, {} of which somebody heard of",
            past.alerts,
            past.examined,
            if past.incomplete { " (not all could be looked at)" } else { "" },
            past.told,
        ));
    }
    let rows: Vec<Vec<String>> = preview
        .listed
        .iter()
        .map(|it| {
            let (rule, seen) = (print::plain(&it.rule), format!("{:.0}", it.last_seen));
            vec![it.priority.to_string(), it.alerts.to_string(), seen, rule]
        })
        .collect();
    if !rows.is_empty() {
        print::line(print::table(&["priority", "alerts", "last seen", "rule"], &rows));
    }
    Ok(())
}

async fn export(api: &ApiArgs) -> anyhow::Result<()> {
    let silences: Vec<SilenceView> = Client::new(api)?.list("/api/v1/silences").await?;
    let kept = |view: &&SilenceView| view.phase != SilencePhase::Expired && !view.configured;
    silences.iter().filter(kept).try_for_each(|view| print::json(&view.silence))
}

async fn import(file: &Path, api: &ApiArgs) -> anyhow::Result<()> {
    let mut silences: Vec<Silence> = Vec::new();
    send::each_line(file, |line| {
        silences.push(serde_json::from_slice(line)?);
        Ok(())
    })?;
    let client = Client::new(api)?;
    for silence in &silences {
        let added: SilenceView = client.put(&path(&silence.id.0), &again(silence)).await?;
        show(api, &added, |view| view.silence.id.to_string())?;
    }
    Ok(())
}

/// Returns what adds this silence.
fn again(silence: &Silence) -> NewSilence {
    NewSilence {
        condition: silence.condition.as_ref().map(|condition| condition.text().to_owned()),
        matchers: silence.matchers.iter().map(ToString::to_string).collect(),
        times: silence.times.clone(),
        starts: silence.starts,
        ends: Some(silence.ends),
        duration: None,
        author: silence.author.clone(),
        comment: silence.comment.clone(),
    }
}

fn show(
    api: &ApiArgs,
    view: &SilenceView,
    text: impl Fn(&SilenceView) -> String,
) -> anyhow::Result<()> {
    match api.format {
        Format::Json => print::json(view),
        Format::Text => {
            print::line(text(view));
            Ok(())
        }
    }
}

fn details(view: &SilenceView) -> String {
    let silence = &view.silence;
    let mut lines = vec![
        format!("{} {}, hid {} alerts", silence.id, phase(view.phase), view.hits),
        format!("match    {}", print::plain(&silence.what())),
    ];
    if !silence.times.is_empty() {
        let times = serde_json::to_string(&silence.times).unwrap_or_default();
        lines.push(format!("within   {}", print::plain(&times)));
    }
    if let Some(starts) = silence.starts {
        lines.push(format!("starts   {starts:.0}"));
    }
    lines.push(format!("ends     {:.0}", silence.ends));
    lines.push(format!("author   {}", print::plain(&silence.author)));
    lines.push(format!("comment  {}", print::plain(&silence.comment)));
    for former in &view.history {
        let (what, author) = (former.silence.what(), &former.silence.author);
        lines.push(format!(
            "before   {:.0} it was {}, until {:.0}, by {}",
            former.until,
            print::plain(&what),
            former.silence.ends,
            print::plain(author)
        ));
    }
    lines.join("\n")
}

async fn list(api: &ApiArgs) -> anyhow::Result<()> {
    let silences: Vec<SilenceView> = Client::new(api)?.list("/api/v1/silences").await?;
    if api.format == Format::Json {
        return silences.iter().try_for_each(print::json);
    }
    let rows: Vec<Vec<String>> = silences
        .iter()
        .map(|view| {
            let silence = &view.silence;
            vec![
                silence.id.to_string(),
                phase(view.phase).to_owned(),
                format!("{:.0}", silence.ends),
                view.hits.to_string(),
                print::plain(&silence.author),
                print::plain(&silence.what()),
                print::plain(&silence.comment),
            ]
        })
        .collect();
    print::line(print::table(&["id", "phase", "ends", "hid", "author", "match", "comment"], &rows));
    Ok(())
}

const fn phase(phase: SilencePhase) -> &'static str {
    match phase {
        SilencePhase::Pending => "pending",
        SilencePhase::Active => "active",
        SilencePhase::Expired => "expired",
    }
}

/// Returns a text as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_its_segment() {
        assert_eq!(segment("../a b"), "..%2Fa%20b");
    }
}
