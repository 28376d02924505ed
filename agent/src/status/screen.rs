//! The status as a person reads it: what is wrong first, then what is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
};

use super::table::{table, wrapped};
use super::{
    ActionsStatus, AgentStatus, AroundStatus, ContainersReport, KindReport, RuntimeReport,
    SensorReport, UplinkStatus,
};

/// Kinds and programs shown; JSON has all.
const ROWS_MAX: usize = 30;
/// A bounded table that is fuller than this is told of.
const NEARLY_FULL: f64 = 0.9;

impl fmt::Display for AgentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trouble = trouble(self);
        let up = self.time.duration_since(self.started).as_secs().max(0);
        let state = if trouble.is_empty() { "nothing wrong" } else { "trouble:" };
        writeln!(f, "agent {} on {}, up {}, {state}", self.version, self.hostname, time(up))?;
        for (what, why) in &trouble {
            writeln!(f, "  {what:<14}  {why}")?;
        }
        writeln!(f)?;
        for (what, value) in facts(self) {
            writeln!(f, "{what:<10}  {value}")?;
        }
        f.write_str(&kinds(&self.sensor))?;
        f.write_str(&costs(&self.sensor))
    }
}

impl fmt::Display for ActionsStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reach = if self.host_processes { ", processes of the host included" } else { "" };
        write!(f, "on {} from {}{reach}", self.listen, self.clients.join(", "))?;
        match self.watchers.as_slice() {
            [] => Ok(()),
            watchers => write!(f, "; events for {}", watchers.join(", ")),
        }
    }
}

/// Returns what somebody should look at, the worst first.
fn trouble(status: &AgentStatus) -> Vec<(&'static str, String)> {
    let mut trouble = Vec::new();
    let sensor = &status.sensor;
    if let Some(error) = &status.rules.error {
        trouble.push(("rules", format!("the last change was not taken: {error}")));
    }
    let lost: Vec<String> = sensor
        .kinds
        .iter()
        .filter(|kind| kind.counters.lost > 0)
        .map(|kind| format!("{} {}", kind.kind, kind.counters.lost))
        .collect();
    if !lost.is_empty() {
        trouble.push(("events lost", lost.join(", ")));
    }
    for missing in &sensor.unavailable {
        trouble.push(("not watched", format!("{}: {}", missing.what, missing.why)));
    }
    let blind: Vec<&str> =
        status.rule_gaps.iter().filter(|gap| gap.blind).map(|gap| gap.rule.as_str()).collect();
    if !blind.is_empty() {
        trouble.push(("blind rules", listed(&blind)));
    }
    uplink_trouble(status.uplink.as_ref(), &mut trouble);
    if status.alerts_held_back > 0 {
        let count = status.alerts_held_back;
        trouble.push(("alerts", format!("{count} held back, their rules are too noisy")));
    }
    if let Some(around) = status.around.as_ref().filter(|around| around.failed > 0) {
        trouble.push(("around", format!("{} alerts without a whole recording", around.failed)));
    }
    table_trouble(sensor, &mut trouble);
    if let Some(why) = status.actions.as_ref().and_then(|actions| actions.trouble.as_ref()) {
        trouble.push(("orders", why.clone()));
    }
    trouble
}

fn uplink_trouble(uplink: Option<&UplinkStatus>, trouble: &mut Vec<(&'static str, String)>) {
    let Some(uplink) = uplink else { return };
    if let Some(why) = &uplink.trouble {
        trouble.push(("router", why.clone()));
    }
    if uplink.refused > 0 {
        trouble.push(("alerts lost", format!("{}: the spool was full", uplink.refused)));
    }
    if uplink.dead_letters > 0 {
        trouble.push(("dead letters", format!("{}: the router refuses them", uplink.dead_letters)));
    }
    if is_nearly_full(uplink.spool_bytes, uplink.spool_bytes_max) {
        trouble.push((
            "spool",
            format!("{} of {}", mebi(uplink.spool_bytes), mebi(uplink.spool_bytes_max)),
        ));
    }
}

fn table_trouble(sensor: &SensorReport, trouble: &mut Vec<(&'static str, String)>) {
    if sensor.malformed > 0 {
        trouble.push(("records", format!("{} cannot be read", sensor.malformed)));
    }
    if sensor.evicted > 0 || is_nearly_full(sensor.processes, sensor.processes_max) {
        let SensorReport { processes, processes_max, evicted, .. } = sensor;
        let text = format!("{processes} of {processes_max} remembered, {evicted} forgotten early");
        trouble.push(("processes", text));
    }
    let ContainersReport { hold_ends, .. } = &sensor.containers;
    let vain: u64 = ["timeout", "full"].iter().filter_map(|end| hold_ends.get(*end)).sum();
    if vain > 0 {
        trouble.push(("containers", format!("{vain} events waited in vain for their container")));
    }
}

fn is_nearly_full(used: u64, max: u64) -> bool {
    max > 0 && used as f64 > max as f64 * NEARLY_FULL
}

/// Returns what there is to know about each part.
fn facts(status: &AgentStatus) -> Vec<(&'static str, String)> {
    let (rules, sensor) = (&status.rules, &status.sensor);
    let warnings = match rules.warnings {
        0 => String::new(),
        count => format!(", {count} warnings"),
    };
    let mut facts = vec![
        ("rules", format!("{} in force{warnings}, {}", rules.rules, files(&rules.files))),
        ("events", format!("{} matched, {:.1}/s", status.events.total, status.events.per_second)),
        ("alerts", format!("{} raised, {:.1}/s", status.alerts.total, status.alerts.per_second)),
    ];
    facts.push((
        "router",
        match &status.uplink {
            None => "none: alerts are only printed".to_owned(),
            Some(uplink) => format!(
                "{} delivered, {} waiting ({:.0} s behind), spool {} of {}",
                uplink.delivered,
                uplink.pending,
                uplink.lag_seconds,
                mebi(uplink.spool_bytes),
                mebi(uplink.spool_bytes_max),
            ),
        },
    ));
    facts.push((
        "orders",
        match &status.actions {
            None => "are not taken".to_owned(),
            Some(actions) => actions.to_string(),
        },
    ));
    if let Some(enforce) = &status.enforce {
        let text = enforce.to_string();
        let mut what = "enforce";
        for line in text.lines() {
            facts.push((what, line.trim_start_matches(what).trim_start().to_owned()));
            what = "";
        }
    }
    let memory = &status.memory;
    let rings = mebi(memory.rings_bytes);
    facts.push(("memory", format!("{} resident, {rings} of rings", mebi(memory.resident_bytes))));
    if let Some(around) = &status.around {
        let AroundStatus { folder, recordings, ring_bytes, .. } = around;
        let text = format!(
            "{recordings} recordings of alerts in {}, {} of events ready",
            folder.display(),
            mebi(*ring_bytes)
        );
        facts.push(("around", text));
    }
    if sensor.running {
        let SensorReport { processes, processes_max, .. } = sensor;
        facts.push(("processes", format!("{processes} of {processes_max} remembered")));
        facts.push(("containers", containers(&sensor.containers)));
        if sensor.muted + sensor.muted_processes > 0 {
            let SensorReport { muted, muted_processes, .. } = sensor;
            let text =
                format!("{muted_processes} processes now, {muted} events left out by the agent");
            facts.push(("muted", text));
        }
    }
    facts
}

fn containers(containers: &ContainersReport) -> String {
    let runtime = |it: &RuntimeReport| format!("{} at {}", it.name, it.socket.display());
    let from = match &containers.runtimes[..] {
        [] => "no container runtime answers".to_owned(),
        all => format!("told by {}", all.iter().map(runtime).collect::<Vec<_>>().join(", ")),
    };
    let ContainersReport { known, held, held_max, .. } = containers;
    format!("{known} known, {from}; {held} of {held_max} events wait")
}

/// Returns the table of kinds that rules need, the busiest first, those of which nothing came, and what
/// serves them less well.
fn kinds(sensor: &SensorReport) -> String {
    let needed = sensor.kinds.iter().filter(|kind| kind.rules > 0);
    let (mut kinds, quiet): (Vec<&KindReport>, Vec<&KindReport>) =
        needed.partition(|kind| kind.counters.seen > 0 || !is_served(sensor, kind));
    kinds.sort_by(|one, other| {
        other.per_second.seen.total_cmp(&one.per_second.seen).then(one.kind.cmp(&other.kind))
    });
    let rows: Vec<Vec<String>> =
        kinds.iter().take(ROWS_MAX).map(|kind| row(sensor, kind)).collect();
    let mut text = String::new();
    if !rows.is_empty() {
        let head = ["kind", "rules", "hook", "seen/s", "filtered", "sent/s", "lost", "us/event"];
        write!(text, "\n{}", table(&head, &rows)).ok();
    }
    if kinds.len() > ROWS_MAX {
        writeln!(text, "{} more kinds: --format json", kinds.len() - ROWS_MAX).ok();
    }
    if !quiet.is_empty() {
        let names: Vec<&str> = quiet.iter().map(|kind| kind.kind.as_str()).collect();
        write!(text, "\n{}", wrapped("watched, and nothing came:", &names)).ok();
    }
    text + &weaker(sensor)
}

fn is_served(sensor: &SensorReport, kind: &KindReport) -> bool {
    sensor.hooks.iter().any(|hook| hook.serves(&kind.kind))
}

/// Returns why system call hooks serve what trampolines might, each cause once.
fn weaker(sensor: &SensorReport) -> String {
    let mut causes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for hook in &sensor.hooks {
        let Some(why) = hook.refusal() else { continue };
        // `no trampoline: FUNCTION: CAUSE`
        let cause = why.splitn(3, ": ").nth(2).unwrap_or(why);
        causes.entry(cause).or_default().extend(hook.kinds.iter().map(String::as_str));
    }
    let mut text = String::new();
    for (cause, kinds) in causes {
        let kinds: Vec<&str> = kinds.into_iter().collect();
        let (count, names) = (kinds.len(), listed(&kinds));
        writeln!(text, "\nno trampoline for {count} kinds: {cause} ({names})").ok();
    }
    text
}

fn row(sensor: &SensorReport, kind: &KindReport) -> Vec<String> {
    let KindReport { kind: name, rules, counters, per_second, user_ns, .. } = kind;
    let hooks: BTreeSet<String> = sensor
        .hooks
        .iter()
        .filter(|hook| hook.serves(name))
        .map(|hook| format!("{} {}", hook.backend, hook.target))
        .collect();
    let hooks: Vec<String> = hooks.into_iter().collect();
    let filtered = match counters.seen {
        0 => "-".to_owned(),
        seen => format!("{:.1}%", 100.0 * counters.filtered as f64 / seen as f64),
    };
    vec![
        name.clone(),
        rules.to_string(),
        if hooks.is_empty() { "none".to_owned() } else { hooks.join(", ") },
        format!("{:.1}", per_second.seen),
        filtered,
        format!("{:.1}", per_second.sent),
        counters.lost.to_string(),
        user_ns.map_or_else(|| "-".to_owned(), |ns| format!("{:.1}", ns / 1000.0)),
    ]
}

/// Returns what programs cost in the kernel, or how to have that counted.
fn costs(sensor: &SensorReport) -> String {
    let Some(programs) = &sensor.programs else {
        return match sensor.running {
            true => {
                "\nkernel cost is not counted: `sysctl kernel.bpf_stats_enabled=1` has it counted, \
                     at some 20 ns a run\n"
                    .to_owned()
            }
            false => String::new(),
        };
    };
    let mut programs: Vec<_> = programs.iter().filter(|program| program.runs > 0).collect();
    programs.sort_by_key(|program| std::cmp::Reverse(program.nanoseconds));
    let rows = programs.iter().take(ROWS_MAX).map(|program| {
        let each = program.nanoseconds as f64 / program.runs as f64;
        let total = format!("{:.1}", program.nanoseconds as f64 / 1e6);
        vec![program.program.clone(), program.runs.to_string(), format!("{each:.0}"), total]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    match rows.is_empty() {
        true => String::new(),
        false => format!("\n{}", table(&["kernel program", "runs", "ns/run", "ms"], &rows)),
    }
}

/// Returns names in a row, not too many.
fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(6).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(6) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn files(files: &[String]) -> String {
    let (builtin, own): (Vec<&str>, Vec<&str>) =
        files.iter().map(String::as_str).partition(|file| file.starts_with("builtin/"));
    match (builtin.len(), own.is_empty()) {
        (0, true) => "from no file".to_owned(),
        (0, false) => format!("from {}", listed(&own)),
        (_, true) => "built in".to_owned(),
        (_, false) => format!("built in and from {}", listed(&own)),
    }
}

fn mebi(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn time(seconds: i64) -> String {
    match (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
