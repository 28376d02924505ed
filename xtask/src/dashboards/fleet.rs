//! The agents: do they run, what do they see, what do they lose, and what do they cost.

use super::panel::{Column, Dashboard, Filter, Panel, Row, Unit, query};

const PRIORITIES: &[(&str, &str)] = &[
    ("Emergency", "dark-purple"),
    ("Alert", "purple"),
    ("Critical", "dark-red"),
    ("Error", "red"),
    ("Warning", "orange"),
    ("Notice", "yellow"),
    ("Informational", "blue"),
    ("Debug", "text"),
];

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        file: "agent-fleet.json",
        uid: "saker-fleet",
        title: "Saker / Agent fleet",
        about: "Agents: events, drops, hooks, spool and uplink, containers, and what they cost.",
        filters: vec![Filter { name: "instance", label: "Agent", metric: "saker_agent_rules" }],
        rows: vec![state(), events(), uplink(), containers(), cost(), agents()],
    }
}

/// A series of the agents chosen at the top.
fn chosen(name: &str) -> String {
    format!("{name}{{instance=~\"$instance\"}}")
}

fn state() -> Row {
    Row {
        title: "State",
        panels: vec![
            Panel::number("Agents up", "Agents Prometheus reaches.", Unit::Count)
                .of(query("", "sum(up{job=\"saker-agent\"})"))
                .below(1.0)
                .runbook("agent-down"),
            Panel::number("Agents down", "Agents that do not answer.", Unit::Count)
                .of(query("", "count(up{job=\"saker-agent\"} == 0) or vector(0)"))
                .above(1.0, 5.0)
                .runbook("agent-down"),
            Panel::number(
                "Not ready",
                "Agents that run and cannot keep alerts: their spool failed.",
                Unit::Count,
            )
            .of(query("", "count(saker_ready{job=\"saker-agent\"} == 0) or vector(0)"))
            .above(1.0, 1.0)
            .runbook("agent-not-ready"),
            Panel::number(
                "Events lost",
                "Events the kernel saw and the agent did not, in the time shown.",
                Unit::Count,
            )
            .of(query(
                "",
                "sum(increase(saker_agent_kernel_events_total{outcome=\"lost\",\
                 instance=~\"$instance\"}[$__range]))",
            ))
            .above(1.0, 1000.0)
            .runbook("agent-losing-events"),
            Panel::number(
                "Rules refused",
                "Agents whose changed rule files are bad; the old rules stay in force.",
                Unit::Count,
            )
            .of(query("", format!("sum({})", chosen("saker_agent_rules_stale"))))
            .above(1.0, 1.0)
            .runbook("agent-rules-stale"),
            Panel::number(
                "Hooks missing",
                "Agents whose kernel does not give all the rules need.",
                Unit::Count,
            )
            .of(query(
                "",
                format!("count({} > 0) or vector(0)", chosen("saker_agent_hooks_unavailable")),
            ))
            .above(1.0, 10.0)
            .runbook("agent-hooks-missing"),
        ],
    }
}

fn events() -> Row {
    let by_kind = |outcome: &str| {
        format!(
            "sum by (kind) (rate(saker_agent_kernel_events_total{{outcome=\"{outcome}\",\
             instance=~\"$instance\"}}[$__rate_interval])) > 0"
        )
    };
    Row {
        title: "Events",
        panels: vec![
            Panel::lines("Seen, by kind", "Events the kernel side saw, a second.", Unit::PerSecond)
                .of(query("{{kind}}", by_kind("seen"))),
            Panel::lines(
                "Outcomes",
                "Events left out in the kernel, sent to the agent, and lost as the ring was full.",
                Unit::PerSecond,
            )
            .of(query(
                "{{outcome}}",
                "sum by (outcome) (rate(saker_agent_kernel_events_total{outcome!~\"seen|truncated|faulted\",\
                 instance=~\"$instance\"}[$__rate_interval]))",
            ))
            .colours(&[("lost", "red"), ("sent", "green"), ("filtered", "blue")]),
            Panel::lines("Lost, by kind", "Events lost because a ring was full.", Unit::PerSecond)
                .of(query("{{kind}}", by_kind("lost")))
                .above(1.0, 100.0)
                .runbook("agent-losing-events"),
            Panel::stack("Alerts, by priority", "Alerts raised by the rules.", Unit::Count)
                .of(query(
                    "{{priority}}",
                    "sum by (priority) (increase(saker_agent_alerts_total\
                     {instance=~\"$instance\"}[$__interval]))",
                ))
                .colours(PRIORITIES),
            Panel::stack(
                "Held back",
                "Alerts not raised because their rule was too noisy on that machine.",
                Unit::Count,
            )
            .of(query(
                "{{instance}}",
                "topk(10, increase(saker_agent_alerts_held_back_total\
                 {instance=~\"$instance\"}[$__interval]) > 0)",
            )),
            Panel::lines(
                "Events matched",
                "Events matched against the rules, a second, of the ten busiest agents.",
                Unit::PerSecond,
            )
            .of(query(
                "{{instance}}",
                "topk(10, rate(saker_agent_events_total{instance=~\"$instance\"}\
                 [$__rate_interval]))",
            )),
        ],
    }
}

fn uplink() -> Row {
    let sum = |name: &str| format!("sum(increase({}[$__interval]))", chosen(name));
    Row {
        title: "Spool and uplink",
        panels: vec![
            Panel::lines(
                "Lag",
                "Age of the oldest alert the router does not have, of the ten worst agents.",
                Unit::Seconds,
            )
            .of(query(
                "{{instance}}",
                format!("topk(10, {})", chosen("saker_agent_spool_lag_seconds")),
            ))
            .above(60.0, 300.0)
            .width(6)
            .runbook("agent-uplink-lag"),
            Panel::lines(
                "Spool filled",
                "Share of the spool in use, of the ten worst: from four fifths on, alerts below \
                 Warning are refused.",
                Unit::Share,
            )
            .of(query(
                "{{instance}}",
                format!(
                    "topk(10, {} / ({} > 0))",
                    chosen("saker_agent_spool_bytes"),
                    chosen("saker_agent_spool_bytes_max")
                ),
            ))
            .above(0.5, 0.8)
            .width(6)
            .runbook("agent-spool-filling"),
            Panel::lines("Alerts in the spool", "Alerts waiting, of the ten worst.", Unit::Count)
                .of(query(
                    "{{instance}}",
                    format!("topk(10, {})", chosen("saker_agent_spool_alerts")),
                ))
                .width(6),
            Panel::stack(
                "Ends of alerts",
                "Alerts acknowledged by the router, refused by a full spool, and put aside because \
                 the router refuses them; attempts that failed.",
                Unit::Count,
            )
            .of(query("acknowledged", sum("saker_agent_delivered_total")))
            .of(query("refused", sum("saker_agent_refused_total")))
            .of(query("put aside", sum("saker_agent_dead_letters_total")))
            .of(query("attempts failed", sum("saker_agent_delivery_failures_total")))
            .colours(&[
                ("acknowledged", "green"),
                ("refused", "red"),
                ("put aside", "purple"),
                ("attempts failed", "orange"),
            ])
            .width(6)
            .runbook("agent-alerts-refused"),
        ],
    }
}

fn containers() -> Row {
    let by = |label: &str, name: &str| {
        format!("sum by ({label}) (increase({}[$__interval]))", chosen(name))
    };
    let sum = |name: &str| format!("sum(increase({}[$__interval]))", chosen(name));
    Row {
        title: "Containers, orders and recordings",
        panels: vec![
            Panel::stack(
                "Lookups, by result",
                "Containers asked for at the runtime's socket, by result.",
                Unit::Count,
            )
            .of(query("{{result}}", by("result", "saker_agent_container_lookups_total")))
            .width(5),
            Panel::lines("Containers known", "Containers the agents know.", Unit::Count)
                .of(query("containers", format!("sum({})", chosen("saker_agent_containers_known"))))
                .width(4),
            Panel::stack(
                "Holds, by end",
                "Events that waited for their container: enriched in time, or gone on without.",
                Unit::Count,
            )
            .of(query("{{end}}", by("end", "saker_agent_held_events_total")))
            .of(query("held now", format!("sum({})", chosen("saker_agent_held_events"))))
            .colours(&[("enriched", "green"), ("timeout", "orange"), ("full", "red")])
            .width(5)
            .runbook("agent-containers-unknown"),
            Panel::stack(
                "Orders, by action and outcome",
                "What the responder ordered, and what came of it.",
                Unit::Count,
            )
            .of(query("{{action}} {{outcome}}", by("action, outcome", "saker_agent_orders_total")))
            .width(5),
            Panel::stack(
                "Recordings around alerts",
                "Recordings completed, alerts without a whole one, and recordings removed for others.",
                Unit::Count,
            )
            .of(query("completed", sum("saker_agent_around_recordings_total")))
            .of(query("failed", sum("saker_agent_around_failed_total")))
            .of(query("removed", sum("saker_agent_around_removed_total")))
            .colours(&[("completed", "green"), ("failed", "red"), ("removed", "purple")])
            .width(5),
        ],
    }
}

fn cost() -> Row {
    let agent = "job=\"saker-agent\",instance=~\"$instance\"";
    Row {
        title: "Cost",
        panels: vec![
            Panel::lines("CPU", "Share of one core, of the ten most costly agents.", Unit::Cores)
                .of(query(
                    "{{instance}}",
                    format!(
                        "topk(10, rate(process_cpu_seconds_total{{{agent}}}[$__rate_interval]))"
                    ),
                ))
                .above(0.1, 0.5),
            Panel::lines("Memory", "Resident memory of the ten largest agents.", Unit::Bytes).of(
                query(
                    "{{instance}}",
                    format!("topk(10, process_resident_memory_bytes{{{agent}}})"),
                ),
            ),
            Panel::lines(
                "Processes remembered",
                "Processes in memory, of the ten that remember most.",
                Unit::Count,
            )
            .of(query("{{instance}}", format!("topk(10, {})", chosen("saker_agent_processes")))),
        ],
    }
}

fn agents() -> Row {
    let by_instance = |expression: String| query("", format!("sum by (instance) ({expression})"));
    let hooks = |backend: &str| {
        by_instance(format!("saker_agent_hooks{{backend=\"{backend}\",instance=~\"$instance\"}}"))
    };
    Row {
        title: "Every agent",
        panels: vec![
            Panel::table(
                "Agents",
                "Version, rules, hooks by back end (S system calls, T trampolines), what is missing \
                 or lost, and cost.",
                [
                    Column("instance", "Agent", Unit::Count),
                    Column("version", "Version", Unit::Count),
                    Column("Value #B", "Rules", Unit::Count),
                    Column("Value #C", "Hooks S", Unit::Count),
                    Column("Value #D", "Hooks T", Unit::Count),
                    Column("Value #E", "Missing", Unit::Count),
                    Column("Value #F", "Lost in 1 h", Unit::Count),
                    Column("Value #G", "Lag", Unit::Seconds),
                    Column("Value #H", "CPU", Unit::Cores),
                    Column("Value #I", "Memory", Unit::Bytes),
                ],
            )
            .of(query(
                "",
                "max by (instance, version) \
                 (saker_build_info{job=\"saker-agent\",instance=~\"$instance\"})",
            ))
            .of(by_instance(chosen("saker_agent_rules")))
            .of(hooks("S"))
            .of(hooks("T"))
            .of(by_instance(chosen("saker_agent_hooks_unavailable")))
            .of(by_instance(
                "increase(saker_agent_kernel_events_total{outcome=\"lost\",\
                 instance=~\"$instance\"}[1h])"
                    .into(),
            ))
            .of(by_instance(chosen("saker_agent_spool_lag_seconds")))
            .of(by_instance(
                "rate(process_cpu_seconds_total{job=\"saker-agent\",instance=~\"$instance\"}\
                 [$__rate_interval])"
                    .into(),
            ))
            .of(by_instance(
                "process_resident_memory_bytes{job=\"saker-agent\",instance=~\"$instance\"}".into(),
            )),
        ],
    }
}
