//! `saker status`: what the router has and what could not be had.

use router::api::types::{ResponderStatus, Status};

use crate::{
    args::{ApiArgs, Format},
    client::Client,
    exit::Code,
    print,
};

pub(crate) async fn execute(arguments: ApiArgs) -> anyhow::Result<Code> {
    let status: Status = Client::new(&arguments)?.get("/api/v1/status").await?;
    match arguments.format {
        Format::Json => print::json(&status)?,
        Format::Text => print::line(text(&status)),
    }
    Ok(if status.ready { Code::Success } else { Code::Failure })
}

fn text(status: &Status) -> String {
    let journal = &status.journal;
    let ready = match (&journal.failure, status.ready) {
        (Some(failure), _) => format!("not ready: {failure}"),
        (None, true) => "ready".to_owned(),
        (None, false) => "not ready: the journal is full".to_owned(),
    };
    let mut lines = vec![
        format!("saker {}, since {}, {ready}", status.version, status.started),
        format!(
            "journal   records {} to {}, {} of {} MiB, {} not yet decided upon",
            journal.first,
            journal.next,
            journal.bytes >> 20,
            journal.bytes_max >> 20,
            status.behind_records
        ),
        format!(
            "state     {} findings, {} groups, {} silences, {} undelivered, {} dead letters",
            status.counts.findings,
            status.counts.groups,
            status.counts.silences_active,
            status.counts.pending,
            status.counts.dead_letters
        ),
        format!("config    {}", status.config.file.as_deref().unwrap_or("defaults")),
    ];
    lines.extend(
        status
            .config
            .refused
            .iter()
            .map(|refused| format!("          a newer one was refused: {refused}")),
    );
    lines.extend(
        status.ledger_error.iter().map(|error| format!("ledger    does not add up: {error}")),
    );
    lines.extend(status.responder.iter().map(responder));
    let rows: Vec<Vec<String>> = status
        .outputs
        .iter()
        .map(|output| {
            vec![
                output.name.clone(),
                output.kind.clone(),
                format!("{:?}", output.breaker).to_lowercase(),
                output.queued.to_string(),
                output.delivered.to_string(),
                output.dead_lettered.to_string(),
                output.last_error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let head = ["output", "kind", "breaker", "queued", "delivered", "dead", "last error"];
        lines.push(String::new());
        lines.push(print::table(&head, &rows));
    }
    lines.join("\n")
}

fn responder(responder: &ResponderStatus) -> String {
    let ResponderStatus { sent, skipped, behind_records, last_error, .. } = responder;
    let error = last_error.as_ref().map(|error| format!("; not taking alerts: {error}"));
    let error = error.unwrap_or_default();
    format!(
        "responder {sent} alerts sent, {skipped} passed over, {behind_records} records behind{error}"
    )
}
