//! `saker explain`: where an alert went and why, in the order things were decided.

use alert::Alert;
use router::{
    api::types::{Decision, Explanation},
    pipeline::{AlertDecision, DecisionKind, Routing, Verdict},
};

use crate::{
    args::{ExplainArgs, Format},
    client::Client,
    exit::Code,
    print,
};

pub(crate) async fn execute(arguments: ExplainArgs) -> anyhow::Result<Code> {
    let path = format!("/api/v1/explain/{}", arguments.alert);
    let explanation: Explanation = Client::new(&arguments.api)?.get(&path).await?;
    match arguments.api.format {
        Format::Json => print::json(&explanation)?,
        Format::Text => print::line(text(&explanation)),
    }
    Ok(Code::Success)
}

fn text(explanation: &Explanation) -> String {
    let mut lines = Vec::new();
    if let Some(alert) = &explanation.alert {
        lines.push(outputs::human::alert_line(alert, false, None));
        lines.push(format!("received   {}, id {}", alert.received, alert.id));
        lines.extend(added(alert));
    }
    for decision in &explanation.decisions {
        lines.extend(sentences(decision));
    }
    if let Some(at) = explanation.responder_took {
        lines.push(format!("responder  {at:.3} has it"));
    }
    if explanation.pending {
        lines.push("pending    some outputs have not taken it yet".to_owned());
    }
    if explanation.incomplete {
        lines.push("           the search took too long: there may be more".to_owned());
    }
    lines.join("\n")
}

/// Fields the router itself adds, and what they are called here.
const ADDED: [(&str, &str); 4] = [
    ("saker.sender", "sender"),
    ("k8s.cluster.name", "cluster"),
    ("k8s.node.name", "node"),
    ("saker.owner.missing", "owner missing"),
];

/// Returns a line with what the router added to the alert, if it added anything.
fn added(alert: &Alert) -> Option<String> {
    let text = |field: &str| alert.text(field).map(print::plain);
    let owner = match (text("k8s.workload.kind"), text("k8s.workload.name")) {
        (Some(kind), Some(name)) => Some(format!("owner {kind}/{name}")),
        _ => None,
    };
    let others = ADDED.iter().filter_map(|(field, name)| Some(format!("{name} {}", text(field)?)));
    let parts: Vec<String> = owner.into_iter().chain(others).collect();
    (!parts.is_empty()).then(|| format!("known      {}", parts.join(", ")))
}

fn sentences(decision: &Decision) -> Vec<String> {
    let at = format!("{:.3}", decision.time);
    match &decision.kind {
        DecisionKind::Alert(alert) => of_alert(alert),
        DecisionKind::Notified(made) => {
            let replaced =
                made.replaces.map(|old| format!(", in place of {old}")).unwrap_or_default();
            let lane = made.lane.map(|lane| format!(", {} by score {}", lane.name(), made.score));
            let hidden = (made.hidden > 0).then(|| format!(", {} findings hidden", made.hidden));
            vec![format!(
                "notified   {at} {} for {} of {} alerts, {}{}{}{replaced}",
                made.notification,
                print::plain(&made.output),
                made.alerts,
                format!("{:?}", made.why).to_lowercase(),
                lane.unwrap_or_default(),
                hidden.unwrap_or_default(),
            )]
        }
        DecisionKind::Withheld(withheld) => vec![format!(
            "withheld   {at} from {}: {}",
            print::plain(&withheld.output),
            print::plain(&withheld.reason.to_string())
        )],
        DecisionKind::Returned { reason, routes, .. } => {
            let reason = print::plain(&reason.to_string());
            let mut lines = vec![format!("returned   {at} {reason} hides it no longer")];
            lines.extend(routes.iter().map(of_route));
            lines
        }
        DecisionKind::Delivered { notification, output, attempts, remote_id, .. } => {
            let remote =
                remote_id.as_deref().map(|id| format!(", there known as {}", print::plain(id)));
            vec![format!(
                "delivered  {at} {notification} by {} at attempt {attempts}{}",
                print::plain(output),
                remote.unwrap_or_default()
            )]
        }
        DecisionKind::DeadLettered { notification, output, attempts, reason, .. } => vec![format!(
            "dead       {at} {notification} for {} after {attempts} attempts: {}",
            print::plain(output),
            print::plain(reason)
        )],
        DecisionKind::Purged { notification, output, by, .. } => vec![format!(
            "purged     {at} {notification} for {} by {}",
            print::plain(output),
            print::plain(by)
        )],
        DecisionKind::Replayed { notification, output, by, to, .. } => vec![format!(
            "replayed   {at} {notification} for {} by {}",
            print::plain(to.as_ref().unwrap_or(output)),
            print::plain(by)
        )],
        other => {
            let json = serde_json::to_string(other).unwrap_or_default();
            vec![format!("then       {at} {}", print::plain(&json))]
        }
    }
}

/// Tells what was decided about an alert.
pub(super) fn of_alert(alert: &AlertDecision) -> Vec<String> {
    let score: Vec<String> = alert
        .score_items
        .iter()
        .map(|item| format!("{} {}", item.points, print::plain(&item.reason)))
        .collect();
    let mut lines = vec![
        format!(
            "finding    {}, alert {} of it, made of {}",
            alert.fingerprint,
            alert.finding_count,
            alert.fingerprint_fields.join(", ")
        ),
        format!("score      {} = {}", alert.score, score.join(" + ")),
    ];
    match &alert.verdict {
        Verdict::Routed => lines.push("verdict    routed".to_owned()),
        Verdict::Suppressed(reason) => {
            lines.push(format!("verdict    suppressed: {}", print::plain(&reason.to_string())));
        }
    }
    if let Some(window) = &alert.window {
        lines.push(format!("marked     by the maintenance window {}", print::plain(window)));
    }
    lines.extend(alert.routes.iter().map(of_route));
    lines
}

fn of_route(routing: &Routing) -> String {
    let group = routing.group.map(|group| format!(", group {group}")).unwrap_or_default();
    let outputs = match routing.outputs.as_ref() {
        [] => "nobody new".to_owned(),
        outputs => outputs.iter().map(|output| print::plain(output)).collect::<Vec<_>>().join(", "),
    };
    let told = match &routing.closed {
        Some(why) => format!("tells nobody at this time, {}", print::plain(why)),
        None if routing.storm => format!("tells {outputs}, in the summary of a storm"),
        None => format!("tells {outputs}"),
    };
    format!("route      {}{group}: {told}", print::plain(&routing.route))
}
