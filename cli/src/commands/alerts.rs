//! `saker alerts`: alerts of the past, the newest first.

use router::api::types::{Past, PastPage, Tail};

use crate::{
    args::{AlertsArgs, Format},
    client::Client,
    exit::Code,
    print, screen,
};

/// Alerts asked for at once.
const PAGE: u32 = 1000;

pub(crate) async fn execute(arguments: AlertsArgs) -> anyhow::Result<Code> {
    let client = Client::new(&arguments.api)?;
    let (mut left, mut before, color) = (arguments.limit, None, screen::color());
    loop {
        let mut query = filter(&arguments);
        query.push(("limit", left.min(PAGE).to_string()));
        query.extend(before.map(|before: u64| ("before", before.to_string())));
        let page: PastPage = client.query("/api/v1/alerts", &query).await?;
        for past in &page.items {
            show(past, arguments.api.format, color)?;
        }
        if page.incomplete {
            print::note("a part of the history could not be searched: there may be more");
        }
        left = left.saturating_sub(u32::try_from(page.items.len()).unwrap_or(u32::MAX));
        // A search that took too long goes on where it ended.
        before = page.next;
        if left == 0 || before.is_none() {
            return Ok(Code::Success);
        }
    }
}

fn filter(arguments: &AlertsArgs) -> Vec<(&'static str, String)> {
    let AlertsArgs { condition, span, rule, priority, source, hostname, verdict, .. } = arguments;
    let parameters = [
        ("condition", condition.clone()),
        ("rule", rule.clone()),
        ("priority_min", priority.map(|priority| priority.to_string())),
        ("source", source.clone()),
        ("hostname", hostname.clone()),
        ("verdict", verdict.clone()),
        ("fingerprint", arguments.fingerprint.clone()),
    ];
    let given = parameters.into_iter().filter_map(|(name, value)| Some((name, value?)));
    span.query().into_iter().chain(given).collect()
}

fn show(past: &Past, format: Format, color: bool) -> anyhow::Result<()> {
    match (format, &past.alert) {
        (Format::Json, _) => print::json(past)?,
        (Format::Text, Some(alert)) => {
            let tail = Tail { alert: alert.clone(), decision: past.decision.clone() };
            print::line(screen::tail_line(&tail, color));
        }
        (Format::Text, None) => {
            let json = serde_json::to_string(&past.decision)?;
            print::line(format_args!(
                "the alert is gone, this was decided: {}",
                print::plain(&json)
            ));
        }
    }
    Ok(())
}
