//! What a person sees of a running Saker: once what runs, then a line for each alert.

use std::{fmt::Write as _, io::IsTerminal};

use agent::AgentStatus;
use router::{
    api::types::Tail,
    pipeline::{DecisionKind, Verdict},
};

use crate::print;

/// Returns whether standard output is a terminal that wants colours (no-color.org).
pub(crate) fn color() -> bool {
    std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// What the start-up screen tells.
#[derive(Debug)]
pub(crate) struct Started<'a> {
    pub(crate) config: Option<&'a str>,
    pub(crate) data: String,
    pub(crate) input: String,
    pub(crate) api: String,
    /// Name and kind of each output.
    pub(crate) outputs: Vec<(String, String)>,
    /// The agent, or why there is none.
    pub(crate) agent: Result<AgentStatus, String>,
}

impl Started<'_> {
    /// Returns the screen, without a line break at its end.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("\nSaker {}\n\n", env!("CARGO_PKG_VERSION"));
        let mut row = |name: &str, value: &str| {
            writeln!(text, "  {name:<10} {value}").ok();
        };
        match &self.agent {
            Ok(agent) => watched(agent, &mut row),
            Err(why) => row("watching", &format!("nothing on this machine: {why}")),
        }
        let outputs: Vec<String> = self
            .outputs
            .iter()
            .map(|(name, kind)| format!("{} ({kind})", print::plain(name)))
            .collect();
        let outputs = if outputs.is_empty() {
            "none: nobody hears of alerts".to_owned()
        } else {
            outputs.join(", ")
        };
        row("outputs", &outputs);
        row(
            "alerts in",
            &format!("{}   Falco, falcosidekick's clients, Prometheus, `saker send`", self.input),
        );
        row("api", &format!("{}   /api/v1, /metrics, /ready; `saker status`", self.api));
        row("kept in", &self.data);
        row("config", self.config.unwrap_or("defaults; `--config FILE` for your own"));
        text.push_str("\n  Alerts follow. Ctrl-C ends.\n");
        text
    }
}

fn watched(agent: &AgentStatus, row: &mut impl FnMut(&str, &str)) {
    let kinds: std::collections::BTreeSet<&str> =
        agent.sensor.hooks.iter().flat_map(|hook| hook.kinds.iter().map(String::as_str)).collect();
    row("watching", &format!("{} with {} rules", agent.hostname, agent.rules.rules));
    row("rules", "`saker rules list` shows them, `saker rules top` what they cost");
    row("agent", "`saker agent status` shows hooks, losses and costs, `saker events` what happens");
    row("events", &kinds.into_iter().collect::<Vec<_>>().join(" "));
    let hooks: Vec<String> = agent
        .sensor
        .hooks
        .iter()
        .map(|hook| format!("{} ({})", hook.program, hook.backend))
        .collect();
    row("hooks", &hooks.join(", "));
    for missing in &agent.sensor.unavailable {
        row("not had", &format!("{}: {}", missing.what, missing.why));
    }
    if let Some(error) = &agent.rules.error {
        row("not taken", error);
    }
}

/// Returns an alert's line, with its id for `saker explain`, and what became of it when that is not
/// simply "told".
pub(crate) fn tail_line(tail: &Tail, color: bool) -> String {
    let line = outputs::human::alert_line(&tail.alert, color, None);
    let mut note = tail.alert.id.to_string();
    if let DecisionKind::Alert(decision) = &tail.decision.kind
        && let Verdict::Suppressed(reason) = &decision.verdict
    {
        write!(note, " {reason}, {} so far", decision.finding_count).ok();
    }
    let (dim, plain) = if color { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
    format!("{line}  {dim}[{}]{plain}", print::plain(&note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_right_to_load_the_probe_the_screen_says_so_and_shows_the_rest() {
        let started = Started {
            config: None,
            data: "/tmp/x".into(),
            input: "http://127.0.0.1:1".into(),
            api: "http://127.0.0.1:2".into(),
            outputs: vec![("alerts".into(), "file".into())],
            agent: Err("CAP_BPF is missing".into()),
        };
        let text = started.text();
        assert!(text.contains("watching   nothing on this machine: CAP_BPF is missing"), "{text}");
        assert!(text.contains("outputs    alerts (file)"), "{text}");
    }
}
