//! What an SRE looks at: does the router take alerts, keep them, and bring them to every output.

use super::panel::{Column, Dashboard, Filter, Panel, Row, Unit, query};

const RESULTS: &[(&str, &str)] = &[
    ("delivered", "green"),
    ("unavailable", "orange"),
    ("timeout", "yellow"),
    ("rejected", "red"),
    ("denied", "purple"),
    ("dead_lettered", "dark-red"),
];

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        file: "delivery-health.json",
        uid: "saker-delivery",
        title: "Saker / Delivery health",
        about: "From ingest over the journal to every output: queues, retries, breakers, dead letters.",
        filters: vec![Filter {
            name: "output",
            label: "Output",
            metric: "saker_dispatch_queue_notifications",
        }],
        rows: vec![state(), attempts(), queues(), ingest(), journal(), cluster(), process()],
    }
}

fn state() -> Row {
    Row {
        title: "State",
        panels: vec![
            Panel::number(
                "Ready",
                "Whether every router can keep what it accepts, as `/ready` says.",
                Unit::YesNo,
            )
            .of(query("", "min(saker_ready{job=\"saker-router\"})"))
            .below(1.0)
            .runbook("router-not-ready"),
            Panel::number("Breakers open", "Outputs to which nothing is sent.", Unit::Count)
                .of(query("", "count(saker_dispatch_breaker_state >= 2) or vector(0)"))
                .above(1.0, 1.0)
                .runbook("output-paused"),
            Panel::number(
                "Pending",
                "Notifications made and neither delivered nor dead-lettered.",
                Unit::Count,
            )
            .of(query("", "sum(saker_pipeline_pending_notifications)"))
            .above(1000.0, 50_000.0),
            Panel::number("Dead letters", "Notifications nobody received, kept.", Unit::Count)
                .of(query("", "sum(saker_pipeline_dead_letters)"))
                .above(1.0, 10.0)
                .runbook("dead-letters-growing"),
            Panel::number(
                "Configuration refused",
                "Routers whose changed configuration is bad; the old one stays in force.",
                Unit::Count,
            )
            .of(query("", "sum(saker_router_config_refused)"))
            .above(1.0, 1.0)
            .runbook("config-refused"),
            Panel::number("Behind", "Journal records not applied yet.", Unit::Count)
                .of(query("", "sum(saker_core_behind_records)"))
                .above(1000.0, 10_000.0)
                .runbook("router-behind"),
            Panel::states(
                "Breakers",
                "Each output's breaker: closed all is sent, trying one is, open nothing for a while.",
                Unit::Breaker,
            )
            .of(query(
                "{{output}}",
                "max by (output) (saker_dispatch_breaker_state{output=~\"$output\"})",
            ))
            .width(12)
            .runbook("output-paused"),
            Panel::lines(
                "Paused for",
                "Time until the next attempt of an output whose breaker is open, as its waits or its \
                 destination's Retry-After say.",
                Unit::Seconds,
            )
            .of(query(
                "{{output}}",
                "clamp_min(max by (output) (saker_dispatch_paused_until_seconds\
                 {output=~\"$output\"}) - time(), 0)",
            ))
            .width(6)
            .runbook("output-paused"),
            Panel::stack(
                "Retry-After",
                "Answers by which a destination asked for time: it throttles us.",
                Unit::Count,
            )
            .of(query(
                "{{output}}",
                "sum by (output) (increase(saker_dispatch_retry_after_total\
                 {output=~\"$output\"}[$__interval]))",
            ))
            .width(6),
        ],
    }
}

fn attempts() -> Row {
    let quantile = |share: &str| {
        format!(
            "histogram_quantile({share}, sum by (output, le) (rate(\
             saker_dispatch_attempt_seconds_bucket{{output=~\"$output\"}}[$__rate_interval])))"
        )
    };
    Row {
        title: "Attempts",
        panels: vec![
            Panel::stack(
                "Attempts, by result",
                "Attempts to deliver; all but delivered, rejected and denied are tried again.",
                Unit::Count,
            )
            .of(query(
                "{{result}}",
                "sum by (result) (increase(saker_dispatch_attempts_total\
                 {output=~\"$output\"}[$__interval]))",
            ))
            .colours(RESULTS),
            Panel::lines(
                "Failing attempts",
                "Share of attempts that did not deliver, by output.",
                Unit::Share,
            )
            .of(query(
                "{{output}}",
                "sum by (output) (rate(saker_dispatch_attempts_total\
                 {result!=\"delivered\",output=~\"$output\"}[$__rate_interval])) / \
                 (sum by (output) (rate(saker_dispatch_attempts_total\
                 {output=~\"$output\"}[$__rate_interval])) > 0)",
            ))
            .above(0.1, 0.5)
            .runbook("output-failing"),
            Panel::lines(
                "Duration of an attempt",
                "Median and 99th percentile of an attempt, rendering included, by output.",
                Unit::Seconds,
            )
            .of(query("{{output}} p50", quantile("0.5")))
            .of(query("{{output}} p99", quantile("0.99"))),
        ],
    }
}

fn queues() -> Row {
    let gauge = |name: &str| format!("sum by (output) ({name}{{output=~\"$output\"}})");
    Row {
        title: "Queues and ends",
        panels: vec![
            Panel::lines("Queue", "Notifications in each output's queue.", Unit::Count)
                .of(query("{{output}}", gauge("saker_dispatch_queue_notifications"))),
            Panel::lines("Queue, bytes", "Size of each output's queue.", Unit::Bytes)
                .of(query("{{output}}", gauge("saker_dispatch_queue_bytes"))),
            Panel::lines(
                "Oldest in the queue",
                "Age of the oldest notification that waits, by output.",
                Unit::Seconds,
            )
            .of(query(
                "{{output}}",
                "max by (output) (saker_dispatch_queue_oldest_seconds{output=~\"$output\"})",
            ))
            .above(60.0, 900.0)
            .runbook("notifications-waiting"),
            Panel::stack(
                "Ends, by result",
                "Notifications delivered and dead-lettered, of the outputs chosen.",
                Unit::Count,
            )
            .of(query(
                "{{result}}",
                "sum by (result) (increase(saker_dispatch_notifications_total\
                 {output=~\"$output\"}[$__interval]))",
            ))
            .colours(RESULTS)
            .runbook("dead-letters-growing"),
            Panel::lines("Attempts under way", "Attempts in flight, by output.", Unit::Count)
                .of(query("{{output}}", gauge("saker_dispatch_in_flight"))),
            Panel::stack(
                "Queue full, template broken",
                "Notifications left in the router's state because the queue was full, and parts \
                 rendered by the built-in template because the configured one failed.",
                Unit::Count,
            )
            .of(query(
                "{{output}} queue full",
                "sum by (output) (increase(saker_dispatch_queue_refused_total\
                 {output=~\"$output\"}[$__interval]))",
            ))
            .of(query(
                "{{output}} built-in template",
                "sum by (output) (increase(saker_dispatch_template_fallbacks_total\
                 {output=~\"$output\"}[$__interval]))",
            ))
            .runbook("template-falls-back"),
        ],
    }
}

fn ingest() -> Row {
    let quantile = |share: &str| {
        format!(
            "histogram_quantile({share}, sum by (le) (rate(\
             saker_ingest_request_seconds_bucket[$__rate_interval])))"
        )
    };
    Row {
        title: "Ingest",
        panels: vec![
            Panel::lines("Alerts accepted", "Alerts made durable, a second.", Unit::PerSecond)
                .of(query("alerts", "sum(rate(saker_ingest_alerts_total[$__rate_interval]))"))
                .width(6),
            Panel::stack("Answers, by status", "Requests answered, by HTTP status.", Unit::Count)
                .of(query(
                    "{{status}}",
                    "sum by (status) (increase(saker_ingest_requests_total[$__interval]))",
                ))
                .width(6),
            Panel::stack(
                "Refused, by reason",
                "Requests not taken. Reasons full, journal and overload are the router's, the others \
                 the sender's.",
                Unit::Count,
            )
            .of(query(
                "{{reason}}",
                "sum by (reason) (increase(saker_ingest_rejected_total[$__interval]))",
            ))
            .width(6)
            .runbook("ingest-rejecting"),
            Panel::lines(
                "Time to the answer",
                "From a request's head to its answer: a 200 includes the disk.",
                Unit::Seconds,
            )
            .of(query("p50", quantile("0.5")))
            .of(query("p99", quantile("0.99")))
            .width(6),
            Panel::lines("Bytes taken", "Bytes of bodies as they were sent.", Unit::BytesPerSecond)
                .of(query("bytes", "sum(rate(saker_ingest_bytes_total[$__rate_interval]))"))
                .width(12),
            Panel::stack(
                "Counted as other",
                "Alerts without a series of their own, as there are too many combinations of labels: \
                 the SOC overview knows only their priority.",
                Unit::Count,
            )
            .of(query("alerts", "sum(increase(saker_ingest_series_overflow_total[$__interval]))"))
            .width(12),
        ],
    }
}

fn journal() -> Row {
    Row {
        title: "Journal and core",
        panels: vec![
            Panel::lines("Journal", "Size of the journal on disk, by router.", Unit::Bytes)
                .of(query("{{instance}}", "saker_journal_bytes"))
                .width(6)
                .runbook("journal-full"),
            Panel::lines(
                "Journal full or failed",
                "1 while the disk has no space, or after the disk failed: nothing is accepted.",
                Unit::Count,
            )
            .of(query("{{instance}} full", "saker_journal_full"))
            .of(query("{{instance}} failed", "saker_journal_failed"))
            .width(6)
            .above(1.0, 1.0)
            .runbook("journal-failed"),
            Panel::lines(
                "Records in the journal",
                "Records kept, and those the core has not applied.",
                Unit::Count,
            )
            .of(query("{{instance}} kept", "saker_journal_records"))
            .of(query("{{instance}} not applied", "saker_core_behind_records"))
            .width(6)
            .runbook("router-behind"),
            Panel::lines(
                "Core",
                "Records applied a second by the core, by router.",
                Unit::PerSecond,
            )
            .of(query("{{instance}}", "rate(saker_core_records_total[$__rate_interval])"))
            .width(6),
            Panel::lines(
                "Core's turn",
                "99th percentile of the time the core takes for one turn of records.",
                Unit::Seconds,
            )
            .of(query(
                "p99",
                "histogram_quantile(0.99, sum by (le) (rate(\
                 saker_core_turn_seconds_bucket[$__rate_interval])))",
            ))
            .above(0.1, 1.0),
            Panel::lines("Snapshot", "Size of the newest snapshot, by router.", Unit::Bytes)
                .of(query("{{instance}}", "saker_core_snapshot_bytes"))
                .runbook("snapshots-failing"),
            Panel::stack(
                "What should not happen",
                "Snapshots not written, decisions lost to explain, journal records that cannot be read.",
                Unit::Count,
            )
            .of(query(
                "snapshots failed",
                "sum(increase(saker_core_snapshots_failed_total[$__interval]))",
            ))
            .of(query(
                "decisions lost",
                "sum(increase(saker_core_decisions_lost_total[$__interval]))",
            ))
            .of(query(
                "records unreadable",
                "sum(increase(saker_core_unreadable_records_total[$__interval]))",
            ))
            .runbook("decisions-lost"),
        ],
    }
}

fn cluster() -> Row {
    Row {
        title: "Towards the cluster and the responder",
        panels: vec![
            Panel::stack(
                "Owners looked up",
                "Pods whose owner was looked for, by result.",
                Unit::Count,
            )
            .of(query(
                "{{result}}",
                "sum by (result) (increase(saker_router_owners_total[$__interval]))",
            ))
            .width(6),
            Panel::lines("Objects known", "Objects of the cluster kept, by kind.", Unit::Count)
                .of(query("{{kind}}", "sum by (kind) (saker_router_owner_objects)")),
            Panel::lines(
                "API server silent",
                "Time since the API server last told of a kind; -1 when it never did.",
                Unit::Seconds,
            )
            .of(query("{{kind}}", "max by (kind) (saker_router_owner_watch_lag_seconds)"))
            .above(120.0, 600.0)
            .runbook("owners-stale"),
            Panel::stack(
                "Contradictions",
                "Alerts whose sender claimed another place or owner than the cluster knows.",
                Unit::Count,
            )
            .of(query(
                "alerts",
                "sum(increase(saker_router_owner_contradictions_total[$__interval]))",
            ))
            .runbook("owner-contradicted"),
            Panel::stack(
                "Alerts to the responder",
                "Alerts sent to the responder and those passed over as too old.",
                Unit::Count,
            )
            .of(query(
                "{{end}}",
                "sum by (end) (increase(saker_router_responder_alerts_total[$__interval]))",
            ))
            .of(query(
                "attempts failed",
                "sum(increase(saker_router_responder_failures_total[$__interval]))",
            ))
            .colours(&[("sent", "green"), ("skipped", "orange"), ("attempts failed", "red")])
            .runbook("responder-lag"),
            Panel::lines(
                "Responder behind",
                "Age of the oldest alert the responder has not heard of.",
                Unit::Seconds,
            )
            .of(query("lag", "max(saker_router_responder_lag_seconds)"))
            .above(30.0, 120.0)
            .runbook("responder-lag"),
        ],
    }
}

fn process() -> Row {
    let router = |name: &str| format!("{name}{{job=\"saker-router\"}}");
    Row {
        title: "Process",
        panels: vec![
            Panel::lines("CPU", "Share of one core, by router.", Unit::Cores)
                .of(query(
                    "{{instance}}",
                    "rate(process_cpu_seconds_total{job=\"saker-router\"}[$__rate_interval])",
                ))
                .width(6),
            Panel::lines("Memory", "Resident memory, by router.", Unit::Bytes)
                .of(query("{{instance}}", router("process_resident_memory_bytes")))
                .width(6),
            Panel::lines("Open files", "File descriptors, by router.", Unit::Count)
                .of(query("{{instance}}", router("process_open_fds")))
                .width(6),
            Panel::table(
                "Routers",
                "Version and time since the start of each router.",
                [
                    Column("instance", "Router", Unit::Count),
                    Column("version", "Version", Unit::Count),
                    Column("Value #B", "Up for", Unit::Seconds),
                ],
            )
            .of(query("", "max by (instance, version) (saker_build_info{job=\"saker-router\"})"))
            .of(query(
                "",
                "time() - max by (instance) (process_start_time_seconds{job=\"saker-router\"})",
            ))
            .width(6),
        ],
    }
}
