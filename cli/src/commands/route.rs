//! `saker route`: who would hear of an alert, told from the configuration alone.

use std::{collections::BTreeSet, path::Path};

use alert::{Alert, wire};
use anyhow::Context;
use jiff::Timestamp;
use router::pipeline::{AlertDecision, PipelineConfig, Route, trial};

use super::{config, explain, send};
use crate::{
    args::{Format, RouteCommand, RouteTestArgs},
    exit::Code,
    print,
};

pub(crate) fn execute(command: &RouteCommand) -> anyhow::Result<Code> {
    match command {
        RouteCommand::Show { config } => show(config),
        RouteCommand::Test(arguments) => test(arguments),
    }
}

fn show(file: &Path) -> anyhow::Result<Code> {
    let config = config::load(Some(file))?.pipeline();
    if config.routes.is_empty() {
        print::line(format_args!("every alert → {}", print::plain(&config.outputs.join(", "))));
    }
    branch(&config.routes, &config.outputs, 0);
    Ok(Code::Success)
}

fn branch(routes: &[Route], inherited: &[String], depth: usize) {
    for (index, route) in routes.iter().enumerate() {
        let condition =
            route.condition.as_ref().map_or("every alert", |condition| condition.text());
        let outputs = route.outputs.as_deref().unwrap_or(inherited);
        let told = if outputs.is_empty() { "nobody".to_owned() } else { outputs.join(", ") };
        let mut notes = String::new();
        for (key, names) in [("active", &route.active), ("mute", &route.mute)] {
            if !names.is_empty() {
                notes.push_str(&format!(", {key} in {}", names.join(" or ")));
            }
        }
        if route.goes_on {
            notes.push_str(", and goes on");
        }
        let name = route.name.clone().unwrap_or_else(|| format!("route-{}", index + 1));
        let text = format!("{name}: {condition} → {told}{notes}");
        print::line(format_args!("{:indent$}{}", "", print::plain(&text), indent = 2 * depth));
        branch(&route.routes, outputs, depth + 1);
    }
}

fn test(arguments: &RouteTestArgs) -> anyhow::Result<Code> {
    let config = config::load(Some(&arguments.config))?.pipeline();
    let at = arguments.at.unwrap_or_else(service::clock::now);
    let mut code = Code::Success;
    let mut judge = |mut alert: Alert| {
        alert.received = at;
        let ended = judge(&config, &alert, arguments)?;
        if ended != Code::Success {
            code = ended;
        }
        anyhow::Ok(())
    };
    match &arguments.file {
        None => judge(send::compose(&arguments.alert)?)?,
        Some(file) => each(file, at, judge)?,
    }
    Ok(code)
}

/// Hands on each alert of a file; a line that is none is an error with its number.
fn each(
    file: &Path,
    at: Timestamp,
    mut take: impl FnMut(Alert) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    send::each_line(file, |line| take(wire::read_alert(line, at)?))
}

fn judge(
    config: &PipelineConfig,
    alert: &Alert,
    arguments: &RouteTestArgs,
) -> anyhow::Result<Code> {
    let decision = trial(config, alert).context("nothing was decided about the alert")?;
    let told = outputs(&decision);
    match arguments.format {
        Format::Json => print::json(&serde_json::json!({
            "rule": alert.rule,
            "outputs": told,
            "decision": decision,
        }))?,
        Format::Text => {
            print::line(format_args!(
                "alert      {}, {}",
                print::plain(&alert.rule),
                alert.priority
            ));
            explain::of_alert(&decision).into_iter().for_each(print::line);
        }
    }
    let Some(expected) = &arguments.expect else { return Ok(Code::Success) };
    let expected: BTreeSet<&str> =
        expected.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
    if expected == told {
        return Ok(Code::Success);
    }
    let list = |names: &BTreeSet<&str>| match names.len() {
        0 => "nobody".to_owned(),
        _ => names.iter().copied().collect::<Vec<_>>().join(", "),
    };
    print::note(format_args!(
        "saker: expected {} to hear of it, but {} would",
        print::plain(&list(&expected)),
        print::plain(&list(&told)),
    ));
    Ok(Code::Failure)
}

/// Returns who would hear of the alert.
fn outputs(decision: &AlertDecision) -> BTreeSet<&str> {
    let told = decision.routes.iter().filter(|routing| routing.group.is_some());
    told.flat_map(|routing| routing.outputs.iter().map(AsRef::as_ref)).collect()
}
