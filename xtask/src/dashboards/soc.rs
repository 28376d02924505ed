//! What a SOC looks at: what was seen, what it became, and whether people heard of it.

use super::panel::{Dashboard, Filter, Panel, Row, Unit, counted, query};

/// The per-alert counter, with what is chosen at the top.
const ALERTS: &str = "falcosecurity_falcosidekick_falco_events_total\
                      {source=~\"$source\",k8s_ns_name=~\"$k8s_ns_name\"}";

const PRIORITIES: &[(&str, &str)] = &[
    ("emergency", "dark-purple"),
    ("alert", "purple"),
    ("critical", "dark-red"),
    ("error", "red"),
    ("warning", "orange"),
    ("notice", "yellow"),
    ("informational", "blue"),
    ("debug", "text"),
];

const ENDS: &[(&str, &str)] =
    &[("delivered", "green"), ("dead_lettered", "red"), ("pending", "yellow")];

pub(super) fn dashboard() -> Dashboard {
    let filter = |name, label| Filter {
        name,
        label,
        metric: "falcosecurity_falcosidekick_falco_events_total",
    };
    Dashboard {
        file: "soc-overview.json",
        uid: "saker-soc",
        title: "Saker / SOC overview",
        about: "Alerts by priority, rule, source and namespace, what they became, and where they went.",
        filters: vec![filter("source", "Source"), filter("k8s_ns_name", "Namespace")],
        rows: vec![now(), alerts(), talkers(), ends()],
    }
}

fn now() -> Row {
    let severe = ALERTS.replace('{', "{priority_raw=~\"emergency|alert|critical\",");
    Row {
        title: "Now",
        panels: vec![
            Panel::number("Alerts", "Alerts accepted in the time shown.", Unit::Count)
                .of(query("", "sum(increase(saker_ingest_alerts_total[$__range]))")),
            Panel::number(
                "Critical and above",
                "Alerts of priority Critical, Alert or Emergency in the time shown, of the source and \
                 namespace chosen.",
                Unit::Count,
            )
            .of(query(
                "",
                format!("sum({}) or vector(0)", counted("rule", &severe, "$__range")),
            ))
            .above(1.0, 10.0),
            Panel::number(
                "Live findings",
                "Findings that are not quiet yet: alerts that are the same are one finding.",
                Unit::Count,
            )
            .of(query("", "sum(saker_pipeline_findings)")),
            Panel::number(
                "Open groups",
                "Groups people have been or will be told of and that have not closed.",
                Unit::Count,
            )
            .of(query("", "sum(saker_pipeline_groups)")),
            Panel::number(
                "Active silences",
                "Silences in force: what they match is counted and told to nobody.",
                Unit::Count,
            )
            .of(query("", "sum(saker_pipeline_silences_active)")),
            Panel::number(
                "Dead letters",
                "Notifications kept that nobody received. Each is worth a look.",
                Unit::Count,
            )
            .of(query("", "sum(saker_pipeline_dead_letters)"))
            .above(1.0, 10.0)
            .runbook("dead-letters-growing"),
        ],
    }
}

fn alerts() -> Row {
    let over_time = |labels| counted(labels, ALERTS, "$__interval");
    Row {
        title: "Alerts",
        panels: vec![
            Panel::stack("By priority", "Alerts accepted, by priority.", Unit::Count)
                .of(query("{{priority_raw}}", over_time("priority_raw")))
                .colours(PRIORITIES)
                .width(12),
            Panel::stack(
                "Routed and suppressed",
                "Alerts of which somebody is told, and those of which nobody is, by reason.",
                Unit::Count,
            )
            .of(query("routed", "sum(increase(saker_pipeline_alerts_routed_total[$__interval]))"))
            .of(query(
                "{{reason}}",
                "sum by (reason) (increase(saker_pipeline_alerts_suppressed_total[$__interval]))",
            ))
            .colours(&[("routed", "green")])
            .width(12),
            Panel::stack("By source", "Alerts accepted, by source.", Unit::Count)
                .of(query("{{source}}", over_time("source"))),
            Panel::stack(
                "By namespace",
                "Alerts accepted, by Kubernetes namespace; without one they come from a host.",
                Unit::Count,
            )
            .of(query("{{k8s_ns_name}}", over_time("k8s_ns_name"))),
            Panel::lines(
                "Findings, groups, silences",
                "How many are live, open and active at each moment.",
                Unit::Count,
            )
            .of(query("findings", "sum(saker_pipeline_findings)"))
            .of(query("groups", "sum(saker_pipeline_groups)"))
            .of(query("silences", "sum(saker_pipeline_silences_active)")),
        ],
    }
}

fn talkers() -> Row {
    let top = |labels| format!("sort_desc(topk(10, {}))", counted(labels, ALERTS, "$__range"));
    Row {
        title: "Who talks most, in the time shown",
        panels: vec![
            Panel::bars("Rules", "The ten rules with most alerts.", Unit::Count)
                .of(query("{{rule}}", top("rule"))),
            Panel::bars("Hosts", "The ten hosts with most alerts.", Unit::Count)
                .of(query("{{hostname}}", top("hostname"))),
            Panel::bars("Pods", "The ten pods with most alerts.", Unit::Count).of(query(
                "{{k8s_ns_name}}/{{k8s_pod_name}}",
                format!(
                    "sort_desc(topk(10, {}))",
                    counted(
                        "k8s_ns_name, k8s_pod_name",
                        &ALERTS.replace('{', "{k8s_pod_name!=\"\","),
                        "$__range",
                    )
                ),
            )),
        ],
    }
}

fn ends() -> Row {
    Row {
        title: "Did people hear of it",
        panels: vec![
            Panel::bars(
                "Ends of notifications",
                "What became of the notifications made: delivered, dead-lettered, or pending now.",
                Unit::Count,
            )
            .of(query(
                "{{result}}",
                "sum by (result) (increase(saker_dispatch_notifications_total[$__range]))",
            ))
            .of(query("pending", "sum(saker_pipeline_pending_notifications)"))
            .colours(ENDS)
            .runbook("dead-letters-growing"),
            Panel::stack(
                "Notifications, by why",
                "Notifications made, by what made them: opened, updated, escalated, counted, closed, resolved.",
                Unit::Count,
            )
            .of(query(
                "{{why}}",
                "sum by (why) (increase(saker_pipeline_notifications_total[$__interval]))",
            )),
            Panel::lines(
                "Longest wait for an output",
                "Age of the oldest notification waiting, by output: how late people would hear.",
                Unit::Seconds,
            )
            .of(query("{{output}}", "max by (output) (saker_dispatch_queue_oldest_seconds)"))
            .above(60.0, 900.0)
            .runbook("notifications-waiting"),
        ],
    }
}
