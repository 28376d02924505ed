//! What the responder decided, did and may still do.

use super::panel::{Dashboard, Panel, Row, Unit, query};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        file: "responses.json",
        uid: "saker-responses",
        title: "Saker / Responses",
        about: "Plans, gates and outcomes of responses, budgets left, approvals that wait, the audit.",
        filters: Vec::new(),
        rows: vec![state(), plans(), budgets(), audit()],
    }
}

/// Counts over the panel's interval, by labels.
fn by(labels: &str, name: &str) -> String {
    format!("sum by ({labels}) (increase({name}[$__interval]))")
}

fn state() -> Row {
    Row {
        title: "State",
        panels: vec![
            Panel::number("Ready", "Whether the responder can keep what it decides.", Unit::YesNo)
                .of(query("", "min(saker_ready{job=\"saker-responder\"})"))
                .below(1.0)
                .runbook("responder-down"),
            Panel::number(
                "Pending",
                "Plans on their way, by state: those that wait for an approval wait for you.",
                Unit::Count,
            )
            .of(query("{{state}}", "sum by (state) (saker_response_pending)"))
            .width(8)
            .runbook("approvals-waiting"),
            Panel::number(
                "Active containments",
                "Isolations and labels in force that will be undone when their time is over.",
                Unit::Count,
            )
            .of(query("in force", "sum(saker_response_active_containments)"))
            .of(query("beyond their time", "sum(saker_response_overdue_containments)"))
            .runbook("containment-overdue"),
            Panel::number(
                "Unknown outcomes",
                "Responses in the time shown of which nobody knows whether they took effect.",
                Unit::Count,
            )
            .of(query(
                "",
                "sum(increase(saker_response_outcomes_total{outcome=\"unknown\"}[$__range]))",
            ))
            .above(1.0, 5.0)
            .runbook("outcomes-unknown"),
            Panel::number(
                "Lowest budget",
                "Tokens left in the emptiest budget: below one, nothing is done there.",
                Unit::Count,
            )
            .of(query("", "min(saker_response_budget_tokens)"))
            .below(1.0)
            .runbook("budget-exhausted"),
        ],
    }
}

fn plans() -> Row {
    Row {
        title: "From alert to outcome",
        panels: vec![
            Panel::stack("Alerts heard", "Alerts from the router, by result.", Unit::Count)
                .of(query("{{result}}", by("result", "saker_response_alerts_total"))),
            Panel::stack("Plans", "Plans made, by action and mode.", Unit::Count)
                .of(query("{{action}} {{mode}}", by("action, mode", "saker_response_plans_total"))),
            Panel::stack("Outcomes", "What was seen to come of it, by action.", Unit::Count)
                .of(query(
                    "{{action}} {{outcome}}",
                    by("action, outcome", "saker_response_outcomes_total"),
                ))
                .runbook("outcomes-unknown"),
            Panel::stack("Verdicts", "Verdicts of all gates together.", Unit::Count)
                .of(query("{{verdict}}", by("verdict", "saker_response_gates_total")))
                .width(12),
            Panel::bars(
                "Gates, by verdict",
                "The twenty most frequent verdicts in the time shown: why plans did not go on.",
                Unit::Count,
            )
            .of(query(
                "{{gate}} {{verdict}}",
                "sort_desc(topk(20, sum by (gate, verdict) \
                 (increase(saker_response_gates_total[$__range]))))",
            ))
            .width(12),
        ],
    }
}

fn budgets() -> Row {
    Row {
        title: "Budgets and time",
        panels: vec![
            Panel::lines(
                "Budgets left",
                "Tokens left, of the cluster and of the ten namespaces with fewest.",
                Unit::Count,
            )
            .of(query(
                "{{scope}} {{namespace}}",
                "bottomk(11, min by (scope, namespace) (saker_response_budget_tokens))",
            ))
            .runbook("budget-exhausted"),
            Panel::lines("Pending, by state", "Plans on their way, by state.", Unit::Count)
                .of(query("{{state}}", "sum by (state) (saker_response_pending)"))
                .runbook("approvals-waiting"),
            Panel::lines(
                "Duration of steps",
                "99th percentile of each step of an action.",
                Unit::Seconds,
            )
            .of(query(
                "{{action}} {{step}}",
                "histogram_quantile(0.99, sum by (action, step, le) \
                 (rate(saker_response_seconds_bucket[$__rate_interval])))",
            )),
        ],
    }
}

fn audit() -> Row {
    Row {
        title: "Audit and process",
        panels: vec![
            Panel::lines("Audit", "Size of the audit on disk.", Unit::Bytes)
                .of(query("{{instance}}", "saker_response_audit_bytes"))
                .width(6)
                .runbook("audit-failing"),
            Panel::stack("Audit entries", "Entries written to the audit.", Unit::Count)
                .of(query(
                    "entries",
                    "sum(increase(saker_response_audit_entries_total[$__interval]))",
                ))
                .width(6)
                .runbook("audit-failing"),
            Panel::lines("CPU", "Share of one core, by responder.", Unit::Cores)
                .of(query(
                    "{{instance}}",
                    "rate(process_cpu_seconds_total{job=\"saker-responder\"}[$__rate_interval])",
                ))
                .width(6),
            Panel::lines("Memory", "Resident memory, by responder.", Unit::Bytes)
                .of(query("{{instance}}", "process_resident_memory_bytes{job=\"saker-responder\"}"))
                .width(6),
        ],
    }
}
