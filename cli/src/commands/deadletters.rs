//! `saker deadletters`: what could not be delivered, and once more.

use alert::Notification;
use router::api::types::{By, DeadLetterView, PurgeAll, Purged, ReplayAll, ReplayOne, Replayed};

use super::silence::segment;
use crate::{
    args::{ApiArgs, DeadLettersCommand, Format},
    client::Client,
    exit::Code,
    print,
};

pub(crate) async fn execute(command: DeadLettersCommand) -> anyhow::Result<Code> {
    match command {
        DeadLettersCommand::List(api) => list(&api).await,
        DeadLettersCommand::Replay { id: Some(id), to, author, api, .. } => {
            let path = format!("/api/v1/deadletters/{}/replay", segment(&id));
            let replayed = Client::new(&api)?.post(&path, &ReplayOne { by: author, to }).await?;
            show(&api, &replayed)
        }
        DeadLettersCommand::Replay { id: None, output, before, to, author, api, .. } => {
            let before = before.map(|before| before.0);
            let all = ReplayAll { by: author, output, before, to };
            let replayed = Client::new(&api)?.post("/api/v1/deadletters/replay", &all).await?;
            show(&api, &replayed)
        }
        DeadLettersCommand::Show { id, api } => {
            let path = format!("/api/v1/notifications/{}", segment(&id));
            let notification: Notification = Client::new(&api)?.get(&path).await?;
            match api.format {
                Format::Json => print::json(&notification)?,
                Format::Text => print::line(serde_json::to_string_pretty(&notification)?),
            }
            Ok(Code::Success)
        }
        DeadLettersCommand::Purge { id: Some(id), author, api, .. } => {
            let path = format!("/api/v1/deadletters/{}", segment(&id));
            let purged = Client::new(&api)?.delete(&path, &By { by: author }).await?;
            show_purged(&api, &purged)
        }
        DeadLettersCommand::Purge { id: None, output, before, author, api, .. } => {
            let all = PurgeAll { by: author, output, before: before.map(|before| before.0) };
            let purged = Client::new(&api)?.post("/api/v1/deadletters/purge", &all).await?;
            show_purged(&api, &purged)
        }
    }
}

fn show_purged(api: &ApiArgs, purged: &Purged) -> anyhow::Result<Code> {
    match api.format {
        Format::Json => print::json(purged)?,
        Format::Text => print::line(format_args!(
            "{} given up, which told of {}",
            print::counted(purged.notifications.len(), "dead letter"),
            print::counted_u64(purged.alerts, "alert")
        )),
    }
    Ok(Code::Success)
}

fn show(api: &ApiArgs, replayed: &Replayed) -> anyhow::Result<Code> {
    match api.format {
        Format::Json => print::json(replayed)?,
        Format::Text => {
            for notification in &replayed.notifications {
                print::line(format_args!("{notification} will be delivered again"));
            }
            for refused in &replayed.refused {
                print::line(format_args!(
                    "{} refused: {}",
                    refused.notification,
                    print::plain(&refused.reason)
                ));
            }
        }
    }
    Ok(if replayed.refused.is_empty() { Code::Success } else { Code::Failure })
}

async fn list(api: &ApiArgs) -> anyhow::Result<Code> {
    let letters: Vec<DeadLetterView> = Client::new(api)?.list("/api/v1/deadletters").await?;
    if api.format == Format::Json {
        letters.iter().try_for_each(print::json)?;
        return Ok(Code::Success);
    }
    let rows: Vec<Vec<String>> = letters
        .iter()
        .map(|letter| {
            vec![
                letter.notification.to_string(),
                letter.output.to_string(),
                format!("{:.0}", letter.at),
                letter.priority.to_string(),
                letter.alerts.to_string(),
                letter.attempts.to_string(),
                print::plain(&letter.reason),
            ]
        })
        .collect();
    let head = ["notification", "output", "at", "priority", "alerts", "attempts", "reason"];
    print::line(print::table(&head, &rows));
    Ok(Code::Success)
}
