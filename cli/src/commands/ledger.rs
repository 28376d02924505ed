//! `saker ledger`: the account of every alert's end.

use router::api::types::Ledger;

use crate::{
    args::{ApiArgs, Format},
    client::Client,
    exit::Code,
    print,
};

pub(crate) async fn execute(arguments: ApiArgs) -> anyhow::Result<Code> {
    let ledger: Ledger = Client::new(&arguments)?.get("/api/v1/ledger").await?;
    let sound = ledger.check();
    match arguments.format {
        Format::Json => print::json(&ledger)?,
        Format::Text => {
            print::line(text(&ledger));
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
            std::iter::once(name.clone()).chain(counts.iter().map(u64::to_string)).collect()
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
