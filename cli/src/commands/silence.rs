//! `saker silence`: hides alerts from people for a while; they are counted all the same.

use router::{
    api::types::{By, List, NewSilence, SilenceView},
    pipeline::SilencePhase,
};

use crate::{
    args::{ApiArgs, Format, SilenceCommand},
    client::Client,
    exit::Code,
    print,
};

pub(crate) async fn execute(command: SilenceCommand) -> anyhow::Result<Code> {
    match command {
        SilenceCommand::Add { condition, duration, comment, author, api } => {
            let silence = NewSilence {
                condition,
                starts: None,
                ends: None,
                duration: Some(duration),
                author,
                comment,
            };
            let added: SilenceView = Client::new(&api)?.post("/api/v1/silences", &silence).await?;
            show(&api, &added, |view| view.silence.id.to_string())?;
        }
        SilenceCommand::List(api) => list(&api).await?,
        SilenceCommand::Expire { id, author, api } => {
            let path = format!("/api/v1/silences/{}", segment(&id));
            let expired: SilenceView = Client::new(&api)?.delete(&path, &By { by: author }).await?;
            show(&api, &expired, |view| {
                format!("{} expired, it hid {} alerts", view.silence.id, view.hits)
            })?;
        }
    }
    Ok(Code::Success)
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

async fn list(api: &ApiArgs) -> anyhow::Result<()> {
    let silences: List<SilenceView> = Client::new(api)?.get("/api/v1/silences").await?;
    if api.format == Format::Json {
        return silences.items.iter().try_for_each(print::json);
    }
    let rows: Vec<Vec<String>> = silences
        .items
        .iter()
        .map(|view| {
            let silence = &view.silence;
            vec![
                silence.id.to_string(),
                phase(view.phase).to_owned(),
                format!("{:.0}", silence.ends),
                view.hits.to_string(),
                print::plain(&silence.author),
                print::plain(silence.condition.text()),
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
