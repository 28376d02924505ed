//! `saker ledger`: the account of every alert's end.

use router::api::types::{Ledger, SpanLedger};

use serde::Serialize;

use crate::{
    args::{Format, LedgerArgs},
    client::Client,
    exit::Code,
    print,
};

pub(crate) async fn execute(arguments: LedgerArgs) -> anyhow::Result<Code> {
    let client = Client::new(&arguments.api)?;
    let format = arguments.api.format;
    if arguments.span.is_all() {
        let ledger: Ledger = client.get("/api/v1/ledger").await?;
        return show(&ledger, ledger.check(), format, text);
    }
    let ledger: SpanLedger = client.query("/api/v1/ledger/span", &arguments.span.query()).await?;
    show(&ledger, ledger.check(), format, span_text)
}

fn show<T: Serialize>(
    ledger: &T,
    sound: Result<(), String>,
    format: Format,
    text: impl FnOnce(&T) -> String,
) -> anyhow::Result<Code> {
    match format {
        Format::Json => print::json(ledger)?,
        Format::Text => {
            print::line(text(ledger));
            if let Err(problem) = &sound {
                print::note(format_args!("the ledger does not add up: {problem}"));
            }
        }
    }
    Ok(if sound.is_ok() { Code::Success } else { Code::Failure })
}

fn text(ledger: &Ledger) -> String {
    let mut lines =
        vec![format!("accepted    {}", ledger.accepted), format!("routed      {}", ledger.routed)];
    for (reason, count) in ledger.suppressed.iter().filter(|(_, count)| **count > 0) {
        lines.push(format!("suppressed  {count} ({})", reason.name()));
    }
    let rows: Vec<Vec<String>> = ledger
        .outputs
        .iter()
        .map(|(name, output)| {
            let counts = [
                output.routed,
                output.pending,
                output.delivered,
                output.dead_lettered,
                output.suppressed,
            ];
            row(name, &counts)
        })
        .collect();
    if !rows.is_empty() {
        lines.push(String::new());
        lines.push(print::table(
            &["output", "routed", "pending", "delivered", "dead-lettered", "suppressed"],
            &rows,
        ));
    }
    lines.join("\n")
}

fn span_text(ledger: &SpanLedger) -> String {
    let mut lines = vec![
        format!("from        {}", ledger.from),
        format!("until       {}", ledger.until),
        format!("accepted    {}", ledger.accepted),
        format!("routed      {}", ledger.routed),
    ];
    for (reason, count) in ledger.suppressed.iter().filter(|(_, count)| **count > 0) {
        lines.push(format!("suppressed  {count} ({})", reason.name()));
    }
    let sources = ledger.sources.iter().map(|(name, source)| {
        let suppressed = source.accepted - source.routed;
        let counts = [source.accepted, source.routed, suppressed];
        row(name, &counts)
    });
    let outputs = ledger.outputs.iter().map(|(name, output)| {
        let counts = [
            output.pending_before,
            output.routed,
            output.replayed,
            output.delivered,
            output.dead_lettered,
            output.suppressed,
            output.pending_after,
        ];
        row(name, &counts)
    });
    let (sources, outputs): (Vec<_>, Vec<_>) = (sources.collect(), outputs.collect());
    if !sources.is_empty() {
        lines.push(String::new());
        lines.push(print::table(&["source", "accepted", "routed", "suppressed"], &sources));
    }
    if !outputs.is_empty() {
        lines.push(String::new());
        let columns = [
            "output",
            "pending before",
            "routed",
            "replayed",
            "delivered",
            "dead-lettered",
            "suppressed",
            "pending after",
        ];
        lines.push(print::table(&columns, &outputs));
    }
    lines.join("\n")
}

/// A row of a table. Names of sources are the senders' own.
fn row(name: &str, counts: &[u64]) -> Vec<String> {
    std::iter::once(print::plain(name)).chain(counts.iter().map(u64::to_string)).collect()
}
