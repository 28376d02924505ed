//! The gates: every reason not to act, asked each time and all of them, so that a dry run tells the
//! whole truth. Pure: they judge a plan by facts somebody else gathered.

mod facts;
mod protected;

use std::fmt;

use alert::order::KillOutcome;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::facts::{Facts, Found, Health, Outlook};
use crate::{
    action::{Mode, Urgency},
    budget::{Account, Scope, Spending},
    cluster::Pod,
    config::{MinHealthy, ResponseConfig, ResponseRule},
    plan::{HOST, Plan, PodClaim},
};

/// One question each; the order is that of the verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// May it act at all, here?
    Mode,
    /// Did somebody we trust say so?
    Source,
    /// Is it still so?
    Freshness,
    /// Do people want to hear of it?
    Silence,
    /// Is the target one that may be touched?
    Scope,
    /// Is the target the one that was meant?
    Identity,
    /// Would too few be left?
    Health,
    /// Does a PodDisruptionBudget forbid it?
    Disruption,
    /// Has enough been done already?
    Budget,
    /// Does doing it again help?
    CoolDown,
    /// Is this a time in which nothing is done?
    Freeze,
    /// Would the API server, or the agent, take the request?
    Preflight,
}

impl Gate {
    /// All gates.
    pub const ALL: [Self; 12] = [
        Self::Mode,
        Self::Source,
        Self::Freshness,
        Self::Silence,
        Self::Scope,
        Self::Identity,
        Self::Health,
        Self::Disruption,
        Self::Budget,
        Self::CoolDown,
        Self::Freeze,
        Self::Preflight,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::Source => "source",
            Self::Freshness => "freshness",
            Self::Silence => "silence",
            Self::Scope => "scope",
            Self::Identity => "identity",
            Self::Health => "health",
            Self::Disruption => "disruption",
            Self::Budget => "budget",
            Self::CoolDown => "cool_down",
            Self::Freeze => "freeze",
            Self::Preflight => "preflight",
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a gate says of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub gate: Gate,
    pub result: Pass,
    /// A stable word for the reason; empty where it passes.
    pub reason: String,
    pub detail: String,
}

/// How a plan fares at a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pass {
    Passed,
    /// The question does not arise for this action.
    NotAsked,
    /// Only with a person's approval.
    NeedsApproval,
    Denied,
}

impl Pass {
    /// All answers.
    pub const ALL: [Self; 4] = [Self::Passed, Self::NotAsked, Self::NeedsApproval, Self::Denied];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NotAsked => "not_asked",
            Self::NeedsApproval => "needs_approval",
            Self::Denied => "denied",
        }
    }
}

/// What the gates make of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum Judgement {
    /// For this reason, the first of those in `verdicts`.
    Denied { gate: String, reason: String },
    /// Nothing is done; this is whether it would have been.
    DryRun { would_act: bool },
    /// A person must decide until then.
    Awaits { expires: Timestamp, because: String },
    /// It goes ahead by itself.
    Goes,
}

/// When the gates are asked: age counts once, when it is planned, and again only where no person
/// decided in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Planned,
    /// Just before the first step, after a person approved it.
    Approved,
}

/// All a judgement depends on beside the plan and the facts.
#[derive(Clone, Copy, Debug)]
pub struct Bench<'a> {
    pub config: &'a ResponseConfig,
    pub rule: &'a ResponseRule,
    pub spending: &'a Spending,
    /// A person stopped everything.
    pub stopped: bool,
    pub now: Timestamp,
    pub moment: Moment,
}

type Answer = (Pass, &'static str, String);

fn pass() -> Answer {
    (Pass::Passed, "", String::new())
}

fn not_asked() -> Answer {
    (Pass::NotAsked, "", String::new())
}

fn deny(reason: &'static str, detail: impl Into<String>) -> Answer {
    (Pass::Denied, reason, detail.into())
}

fn ask_a_person(reason: &'static str, detail: impl Into<String>) -> Answer {
    (Pass::NeedsApproval, reason, detail.into())
}

/// Asks every gate.
pub fn ask(plan: &Plan, facts: &Facts, bench: &Bench<'_>) -> Vec<Verdict> {
    let verdict = |gate: Gate| {
        let (result, reason, detail) = match gate {
            Gate::Mode => mode(plan, bench),
            Gate::Source => source(plan, facts, bench),
            // A person decided in between: the approval has an end of its own.
            Gate::Freshness if bench.moment == Moment::Approved => not_asked(),
            Gate::Freshness => freshness(plan, bench.config, bench.now),
            Gate::Silence => silence(plan),
            Gate::Scope => protected::scope(plan, facts, bench.config),
            Gate::Identity => identity(plan, facts, bench.config),
            Gate::Health => health(plan, facts, bench.rule),
            Gate::Disruption => disruption(plan, facts),
            Gate::Budget => budget(plan, facts, bench),
            Gate::CoolDown => cool_down(plan, facts, bench),
            Gate::Freeze => freeze(plan, bench),
            Gate::Preflight => preflight(plan, facts),
        };
        Verdict { gate, result, reason: reason.to_owned(), detail }
    };
    Gate::ALL.into_iter().map(verdict).collect()
}

/// Returns what follows from the verdicts.
pub fn judge(plan: &Plan, verdicts: &[Verdict], bench: &Bench<'_>) -> Judgement {
    // Whatever was allowed when it was planned.
    let mode = effective(plan, bench);
    let denied = verdicts.iter().find(|verdict| verdict.result == Pass::Denied);
    let asked = verdicts.iter().find(|verdict| verdict.result == Pass::NeedsApproval);
    if plan.mode == Mode::DryRun && denied.is_none_or(|verdict| verdict.gate != Gate::Mode) {
        return Judgement::DryRun { would_act: denied.is_none() && asked.is_none() };
    }
    if let Some(verdict) = denied {
        let (gate, reason) = (verdict.gate.name().to_owned(), verdict.reason.clone());
        return Judgement::Denied { gate, reason };
    }
    if bench.moment == Moment::Approved {
        return Judgement::Goes;
    }
    let because = match (asked, mode) {
        (Some(verdict), _) => verdict.reason.clone(),
        (None, Mode::Auto) => return Judgement::Goes,
        (None, _) => "mode".to_owned(),
    };
    let expires = bench.now.saturating_add(bench.config.approval.expires.0);
    Judgement::Awaits { expires: expires.unwrap_or(bench.now), because }
}

/// Returns the lowest mode of all that apply now and that applied when it was planned.
fn effective(plan: &Plan, bench: &Bench<'_>) -> Mode {
    bench.config.ceiling(plan.action, plan.namespace()).min(bench.rule.mode).min(plan.mode)
}

/// Returns whether a plan will be denied whatever its target is: nobody we trust said so, it is too
/// old, or people do not want to hear of it.
pub fn is_hopeless(plan: &Plan, config: &ResponseConfig, now: Timestamp) -> bool {
    [sender(plan, config), freshness(plan, config, now), silence(plan)]
        .iter()
        .any(|(result, ..)| *result == Pass::Denied)
}

fn silence(plan: &Plan) -> Answer {
    match &plan.cause.silence {
        Some(id) => deny("silenced", format!("silence {id} hides this alert")),
        None => pass(),
    }
}

fn mode(plan: &Plan, bench: &Bench<'_>) -> Answer {
    if bench.stopped {
        return deny("stopped", "a person stopped all responses");
    }
    match effective(plan, bench) {
        Mode::Off => {
            deny("off", format!("{} is off in namespace {}", plan.action, plan.namespace()))
        }
        // The ceiling was lowered since.
        Mode::DryRun if plan.mode > Mode::DryRun => deny("lowered", "the mode is `dry_run` now"),
        _ => pass(),
    }
}

fn sender(plan: &Plan, config: &ResponseConfig) -> Answer {
    match &plan.cause.sender {
        None => deny("unauthenticated", "nobody known gave this alert to the router"),
        Some(sender) if !config.trusted_sources.contains(sender) => {
            deny("untrusted", format!("{sender} is not among `trusted_sources`"))
        }
        Some(_) => pass(),
    }
}

fn source(plan: &Plan, facts: &Facts, bench: &Bench<'_>) -> Answer {
    let said = sender(plan, bench.config);
    if said.0 == Pass::Denied {
        return said;
    }
    let hostname = &plan.target.hostname;
    match facts.pod().map(|pod| pod.node.as_deref()) {
        Some(None) => deny("other_node", format!("{hostname} reports a pod of no node")),
        Some(Some(node)) if node != hostname => {
            deny("other_node", format!("{hostname} reports a pod of node {node}"))
        }
        _ => pass(),
    }
}

fn freshness(plan: &Plan, config: &ResponseConfig, now: Timestamp) -> Answer {
    let limits = &config.freshness;
    let limit = match plan.action.urgency() {
        Urgency::Observe => limits.observe.0,
        Urgency::Contain => limits.contain.0,
        Urgency::Kill => limits.kill.0,
    };
    let age = now.duration_since(plan.cause.time);
    match std::time::Duration::try_from(age) {
        Ok(age) if age > limit => deny("stale", format!("it happened {} s ago", age.as_secs())),
        Ok(_) => pass(),
        Err(_) if age.unsigned_abs() > limits.skew.0 => {
            deny("future", "it has not happened yet, by this clock")
        }
        Err(_) => pass(),
    }
}

fn identity(plan: &Plan, facts: &Facts, config: &ResponseConfig) -> Answer {
    if plan.action.on_process() && plan.target.process.is_none() {
        return deny("no_process", "the alert does not name a process by pid and start");
    }
    let Some(claim) = &plan.target.pod else {
        // It may be any pod's: what protects that one would not be asked.
        if plan.target.container.is_some() && config.kubernetes.is_some() {
            return deny("pod_unknown", "the process is in a container, and its pod is not known");
        }
        if plan.action.on_process() {
            return pass();
        }
        return deny("no_pod", "the alert does not name a pod");
    };
    match &facts.pod {
        Found::NotAsked => deny("not_looked_up", "the cluster was not asked"),
        Found::Failed(reason) => deny("unreadable", reason.clone()),
        Found::Missing => deny("gone", format!("there is no pod {}", claim.name)),
        Found::Ambiguous => deny("ambiguous", "more than one pod has such a container"),
        Found::One(pod) => one_pod(plan, claim, pod),
    }
}

fn one_pod(plan: &Plan, claim: &PodClaim, pod: &Pod) -> Answer {
    match &claim.uid {
        Some(uid) if *uid != pod.reference.uid => {
            return deny(
                "replaced",
                format!("the pod of this name has UID {} now", pod.reference.uid),
            );
        }
        // Falco's alerts have no UID: the container says which pod it was.
        None if facts::container_of(pod, plan.target.container.as_deref()).is_none() => {
            return deny("unproven", "neither the pod's UID nor its container tells which it was");
        }
        _ => {}
    }
    if let Some(id) = &plan.target.container
        && facts::container_of(pod, Some(id)).is_none()
        && !plan.target.container_is_sandbox(pod)
    {
        return deny("container_gone", "the alert's container is not in the pod any more");
    }
    if pod.deleting.is_some() && plan.action.disrupts() {
        return deny("terminating", "the pod is being deleted already");
    }
    if matches!(pod.phase.as_str(), "Succeeded" | "Failed") {
        return deny("ended", format!("the pod has ended: {}", pod.phase));
    }
    pass()
}

fn health(plan: &Plan, facts: &Facts, rule: &ResponseRule) -> Answer {
    if !plan.action.disrupts() {
        return not_asked();
    }
    let health = match &facts.health {
        Outlook::NotAsked => return not_asked(),
        Outlook::Failed(reason) => return deny("unreadable", reason.clone()),
        Outlook::Known(health) => health,
    };
    let replaced = !matches!(health.workload.kind.as_str(), "Pod" | "Node");
    if plan.action == crate::action::Action::KillPod && !replaced && !rule.allow_standalone {
        return deny(
            "standalone",
            "no controller makes another pod: `allow_standalone` is not set",
        );
    }
    if rule.min_healthy == MinHealthy::Count(0) {
        return pass();
    }
    let (Some(desired), Some(ready)) = (health.workload.desired, health.workload.ready) else {
        return deny("unknown_health", format!("a {} does not say", health.workload.kind));
    };
    // Those whose end is under way count as gone, and so does this one.
    let left =
        ready.saturating_sub(health.in_flight).saturating_sub(u32::from(health.target_ready));
    let floor = rule.min_healthy.floor(desired);
    if left >= floor {
        return pass();
    }
    deny("too_few_left", format!("{left} of {desired} would be ready, {floor} must be"))
}

fn disruption(plan: &Plan, facts: &Facts) -> Answer {
    if plan.action != crate::action::Action::KillPod {
        return not_asked();
    }
    match &facts.disruptions {
        Outlook::NotAsked => not_asked(),
        Outlook::Failed(reason) => deny("unreadable", reason.clone()),
        Outlook::Known(budgets) => match budgets.iter().find(|budget| budget.allowed < 1) {
            Some(budget) => deny("disruption_budget", format!("{} allows none now", budget.name)),
            None => pass(),
        },
    }
}

fn budget(plan: &Plan, facts: &Facts, bench: &Bench<'_>) -> Answer {
    if !plan.action.spends() {
        return not_asked();
    }
    let account = facts.account(plan);
    let shares = bench.config.namespaces().len();
    match bench.spending.exhausted(&bench.config.budgets, shares, &account, bench.now) {
        None => pass(),
        Some(scope) => {
            let reason = match scope {
                Scope::Workload => "workload_budget",
                Scope::Namespace => "namespace_budget",
                Scope::Cluster => "cluster_budget",
            };
            ask_a_person(reason, format!("{} of {}", account.workload, account.namespace))
        }
    }
}

fn cool_down(plan: &Plan, facts: &Facts, bench: &Bench<'_>) -> Answer {
    if !plan.action.spends() {
        return not_asked();
    }
    let limits = &bench.config.cool_down;
    let account: Account = facts.account(plan);
    let done = bench.spending.of_workload(&account, limits.within.0, bench.now);
    if limits.breaker_actions > 0 && done >= limits.breaker_actions {
        let detail = format!("{done} actions on {} did not help", account.workload);
        return ask_a_person("breaker", detail);
    }
    pass()
}

fn freeze(plan: &Plan, bench: &Bench<'_>) -> Answer {
    let frozen = bench.config.freezes.iter().find(|freeze| {
        let here = freeze.namespaces.is_empty() || freeze.namespaces.contains(plan.namespace());
        here && freeze.starts <= bench.now && bench.now < freeze.ends
    });
    match frozen {
        Some(freeze) => deny("frozen", freeze.reason.clone()),
        None => pass(),
    }
}

fn preflight(plan: &Plan, facts: &Facts) -> Answer {
    if let Some(missing) = facts.rights_missing.first() {
        return deny("no_right", format!("our account may not {missing}"));
    }
    if plan.action.on_process() {
        return match &facts.agent {
            Outlook::NotAsked => deny("no_agent", "no agent was asked"),
            Outlook::Failed(reason) => deny("agent_unreachable", reason.clone()),
            Outlook::Known(KillOutcome::WouldKill) => pass(),
            Outlook::Known(KillOutcome::Gone) => deny("process_gone", "the process has ended"),
            Outlook::Known(KillOutcome::Refused { detail, .. }) => {
                deny("agent_refuses", detail.clone())
            }
            Outlook::Known(KillOutcome::Dead | KillOutcome::Unknown { .. }) => {
                deny("agent_refuses", "the agent does not know dry runs")
            }
        };
    }
    match &facts.trial {
        Outlook::NotAsked => not_asked(),
        Outlook::Known(()) => pass(),
        Outlook::Failed(reason) => deny("refused", reason.clone()),
    }
}

/// Returns whether a namespace stands for what is in no pod.
pub(crate) fn is_host(namespace: &str) -> bool {
    namespace == HOST
}

#[cfg(test)]
mod tests;
