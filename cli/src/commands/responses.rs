//! `saker responses`: what the responder did and would do, and a person's word about it.

use response::{
    api::types::{By, Choice, List, Status, Stop},
    book::{Response, State},
    gate::Pass,
    plan::ResponseId,
};

use super::silence::segment;
use crate::{
    args::{Format, ResponderApi, ResponsesCommand},
    client::Client,
    exit::Code,
    print,
};

pub(crate) async fn execute(command: ResponsesCommand) -> anyhow::Result<Code> {
    match command {
        ResponsesCommand::List { state, namespace, api } => list(&api, state, namespace).await?,
        ResponsesCommand::Show { id, api } => {
            let response = get(&Client::new(&api.router())?, id).await?;
            show(&api, &response)?;
        }
        ResponsesCommand::Approve { id, plan, comment, author, api } => {
            decide("approve", id, plan, comment, author, &api).await?;
        }
        ResponsesCommand::Deny { id, plan, comment, author, api } => {
            decide("deny", id, plan, comment, author, &api).await?;
        }
        ResponsesCommand::Undo { id, author, api } => {
            let path = format!("/api/v1/responses/{}/undo", segment(&id.to_string()));
            let undone: Response =
                Client::new(&api.router())?.post(&path, &By { by: author }).await?;
            show(&api, &undone)?;
        }
        ResponsesCommand::Stop { reason, author, api } => {
            switch("stop", reason, author, &api).await?
        }
        ResponsesCommand::Resume { reason, author, api } => {
            switch("resume", reason, author, &api).await?;
        }
        ResponsesCommand::Status(api) => {
            let status: Status = Client::new(&api.router())?.get("/api/v1/status").await?;
            show_status(&api, &status)?;
        }
        ResponsesCommand::Evidence { id, name, api } => evidence(id, name, &api).await?,
    }
    Ok(Code::Success)
}

async fn get(client: &Client, id: ResponseId) -> anyhow::Result<Response> {
    client.get(&format!("/api/v1/responses/{}", segment(&id.to_string()))).await
}

/// Without `--plan`, what is decided about is what this command has just been shown.
async fn decide(
    word: &str,
    id: ResponseId,
    plan: Option<String>,
    comment: Option<String>,
    author: String,
    api: &ResponderApi,
) -> anyhow::Result<()> {
    let client = Client::new(&api.router())?;
    let plan_hash = match plan {
        Some(plan) => plan,
        None => {
            let response = get(&client, id).await?;
            if api.format == Format::Text {
                print::note(what(&response));
            }
            response.plan_hash
        }
    };
    let path = format!("/api/v1/responses/{}/{word}", segment(&id.to_string()));
    let choice = Choice { plan_hash, by: author, comment };
    let decided: Response = client.post(&path, &choice).await?;
    match api.format {
        Format::Json => print::json(&decided),
        Format::Text => {
            print::line(format_args!("{id} is {}", decided.state.name()));
            Ok(())
        }
    }
}

async fn switch(
    word: &str,
    reason: String,
    author: String,
    api: &ResponderApi,
) -> anyhow::Result<()> {
    let client = Client::new(&api.router())?;
    let status: Status =
        client.post(&format!("/api/v1/{word}"), &Stop { by: author, reason }).await?;
    show_status(api, &status)
}

async fn list(
    api: &ResponderApi,
    state: Option<String>,
    namespace: Option<String>,
) -> anyhow::Result<()> {
    let query = [("state", state), ("namespace", namespace)];
    let query: Vec<String> = query
        .into_iter()
        .filter_map(|(key, value)| Some(format!("{key}={}", segment(&value?))))
        .collect();
    let path = format!("/api/v1/responses?{}", query.join("&"));
    let responses: List = Client::new(&api.router())?.get(&path).await?;
    if api.format == Format::Json {
        return responses.items.iter().try_for_each(print::json);
    }
    let rows: Vec<Vec<String>> = responses
        .items
        .iter()
        .map(|response| {
            vec![
                response.id.to_string(),
                stands(response),
                response.plan.action.to_string(),
                print::plain(&target(response)),
                print::plain(&response.plan.rule),
                format!("{:.0}", response.created),
            ]
        })
        .collect();
    print::line(print::table(&["id", "state", "action", "target", "rule", "since"], &rows));
    Ok(())
}

fn show(api: &ResponderApi, response: &Response) -> anyhow::Result<()> {
    if api.format == Format::Json {
        return print::json(response);
    }
    print::line(what(response));
    Ok(())
}

fn target(response: &Response) -> String {
    let target = &response.plan.target;
    let pod = target.pod.as_ref().map(|pod| format!("{}/{}", pod.namespace, pod.name));
    let process = target.process.as_ref().filter(|_| response.plan.action.on_process());
    let process = process.map(|process| format!("{} ({})", process.name, process.key.pid));
    let place = pod.unwrap_or_else(|| target.hostname.clone());
    process.map_or_else(|| place.clone(), |process| format!("{process} in {place}"))
}

/// Returns the state in a few words.
fn stands(response: &Response) -> String {
    match &response.state {
        State::Denied { gate, reason } => format!("denied: {gate}/{reason}"),
        State::DryRun { would_act: true } => "dry run: would act".to_owned(),
        State::DryRun { would_act: false } => "dry run: would not act".to_owned(),
        State::Awaiting { expires, .. } => format!("awaiting until {expires:.0}"),
        State::Ended { result } => result.name().to_owned(),
        state => state.name().to_owned(),
    }
}

/// Returns all a person needs in order to decide.
fn what(response: &Response) -> String {
    let plan = &response.plan;
    let mut lines = vec![
        format!("{}  {} {}", response.id, plan.action, target(response)),
        format!("state     {}", stands(response)),
        format!("because   {} ({})", plan.cause.rule, plan.cause.priority),
        format!("alert     {} at {:.3}", plan.cause.alert, plan.cause.time),
        format!("output    {}", plan.cause.output),
        format!("rule      {} in mode {}", plan.rule, plan.mode),
    ];
    let resolved = &response.resolved;
    if let Some(pod) = &resolved.pod {
        lines.push(format!("pod       {}/{} {}", pod.namespace, pod.name, pod.uid));
    }
    if let Some((name, id)) = &resolved.container {
        lines.push(format!("container {name} {}", id.get(..12).unwrap_or(id)));
    }
    if let Some(image) = &resolved.image_id {
        lines.push(format!("image     {image}"));
    }
    if let Some(workload) = &resolved.workload {
        let count = |count: Option<u32>| count.map_or("?".to_owned(), |count| count.to_string());
        let (ready, desired) = (count(resolved.ready), count(resolved.desired));
        lines.push(format!("workload  {workload}, {ready} of {desired} ready"));
    }
    if let Some(node) = &resolved.node {
        lines.push(format!("node      {node}"));
    }
    let against = response
        .verdicts
        .iter()
        .filter(|verdict| matches!(verdict.result, Pass::Denied | Pass::NeedsApproval));
    for verdict in against {
        let (gate, reason) = (verdict.gate, &verdict.reason);
        lines.push(format!("gate      {gate}: {reason} ({})", verdict.detail));
    }
    if let Some(decision) = &response.decision {
        let word = if decision.approved { "approved" } else { "denied" };
        lines.push(format!("decision  {word} by {}", decision.by));
    }
    for step in &response.steps {
        let answer = step.answer.as_deref().unwrap_or("no answer yet");
        lines.push(format!("step      {:?} at {:.3}: {answer}", step.step, step.at));
    }
    for document in &response.documents {
        let cut = if document.truncated { ", cut" } else { "" };
        let hash = document.sha256.get(..12).unwrap_or_default();
        lines.push(format!("evidence  {} {} bytes{cut} {hash}…", document.name, document.bytes));
    }
    for failure in &response.evidence_failures {
        lines.push(format!("missing   {failure}"));
    }
    if let Some(outcome) = &response.outcome {
        lines.push(format!("outcome   {}: {}", outcome.result.name(), outcome.detail));
        if let Some(until) = outcome.until {
            lines.push(format!("until     {until:.0}"));
        }
    }
    lines.push(format!("plan      {}", response.plan_hash));
    lines.iter().map(|line| print::plain(line)).collect::<Vec<_>>().join("\n")
}

fn show_status(api: &ResponderApi, status: &Status) -> anyhow::Result<()> {
    if api.format == Format::Json {
        return print::json(status);
    }
    let mut lines = vec![format!("mode      {}", status.mode)];
    if let Some(stop) = &status.stopped {
        lines.push(format!("stopped   by {}: {}", stop.by, stop.reason));
    }
    for action in &status.actions {
        let namespaces = action.namespaces.join(", ");
        lines.push(format!("action    {} {} in {namespaces}", action.action, action.mode));
    }
    for (namespace, left) in &status.budgets {
        lines.push(format!("budget    {left} left in {namespace}"));
    }
    lines.push(format!("awaiting  {}", status.awaiting));
    lines.push(format!("in force  {}", status.in_force));
    lines.push(format!("audit     {}", status.audit_head));
    if let Some(failure) = &status.audit_failure {
        lines.push(format!("FAILED    {failure}"));
    }
    print::line(lines.iter().map(|line| print::plain(line)).collect::<Vec<_>>().join("\n"));
    Ok(())
}

async fn evidence(id: ResponseId, name: String, api: &ResponderApi) -> anyhow::Result<()> {
    use std::io::Write;
    let path =
        format!("/api/v1/responses/{}/evidence/{}", segment(&id.to_string()), segment(&name));
    let mut document = Client::new(&api.router())?.stream(&path, &[]).await?;
    let mut out = std::io::stdout().lock();
    while let Some(chunk) = document.chunk().await? {
        out.write_all(&chunk)?;
    }
    Ok(out.flush()?)
}
