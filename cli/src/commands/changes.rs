//! `saker changes`: what people changed, the newest first.

use router::{
    api::types::{ChangesPage, Decision},
    pipeline::DecisionKind,
};

use crate::{
    args::{ChangesArgs, Format},
    client::Client,
    exit::Code,
    print,
};

/// Changes asked for at once.
const PAGE: u32 = 1000;

pub(crate) async fn execute(arguments: ChangesArgs) -> anyhow::Result<Code> {
    let client = Client::new(&arguments.api)?;
    let (mut left, mut before) = (arguments.limit, None);
    loop {
        let mut query = arguments.span.query();
        query.extend(arguments.by.clone().map(|by| ("by", by)));
        query.push(("limit", left.min(PAGE).to_string()));
        query.extend(before.map(|before| ("before", before)));
        let page: ChangesPage = client.query("/api/v1/changes", &query).await?;
        for change in &page.items {
            match arguments.api.format {
                Format::Json => print::json(change)?,
                Format::Text => print::line(sentence(change)),
            }
        }
        if page.incomplete {
            print::note("a part of the history could not be searched: there may be more");
        }
        left = left.saturating_sub(u32::try_from(page.items.len()).unwrap_or(u32::MAX));
        before = page.next;
        if left == 0 || before.is_none() {
            return Ok(Code::Success);
        }
    }
}

fn sentence(change: &Decision) -> String {
    let what = match &change.kind {
        DecisionKind::Replayed { notification, output, alerts, to, .. } => {
            let to = to.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
            format!("replayed dead letter {notification} for {output}{to}, of {alerts} alerts")
        }
        DecisionKind::Purged { notification, output, alerts, .. } => {
            format!("gave up dead letter {notification} for {output}, of {alerts} alerts")
        }
        DecisionKind::ReplayRefused { notification, reason, .. } => {
            format!("could not replay dead letter {notification}: {reason}")
        }
        DecisionKind::SilenceAdded { silence, ends, .. } => {
            format!("added or changed silence {silence} until {ends:.0}")
        }
        DecisionKind::SilenceRefused { silence, reason, .. } => {
            format!("could not add silence {silence}: {reason}")
        }
        DecisionKind::SilenceExpired { silence, hits, .. } => {
            format!("ended silence {silence}, which hid {hits} alerts")
        }
        DecisionKind::WindowAdded { window, .. } => format!("added or changed window {window}"),
        DecisionKind::WindowRefused { window, reason, .. } => {
            format!("could not add window {window}: {reason}")
        }
        DecisionKind::WindowRemoved { window, hits, .. } => {
            format!("removed window {window}, which hid {hits} alerts")
        }
        DecisionKind::Configured { routes, silences, outputs } => {
            format!("took effect with {routes} routes, {silences} silences and {outputs} outputs")
        }
        other => serde_json::to_string(other).unwrap_or_default(),
    };
    let by = change.kind.changed_by().unwrap_or("nobody");
    format!("{:.0}  {}  {}", change.time, print::plain(by), print::plain(&what))
}
