//! Ends processes by rules: in the kernel, before a program's first instruction, where the rule can be
//! decided there; else after the match.
//!
//! Apart from `actions`, which carries out single orders of a responder: these rules are this
//! machine's own configuration, and act without anybody being asked.

mod after;
mod kernel;
mod plan;
mod protect;
mod status;
mod tables;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use alert::{Enforced, EnforcedOutcome, Event};
use probe::enforce::{Minute, bank, outcome};
use rules::RuleSet;
use tracing::warn;

pub(crate) use self::kernel::Kernel;
pub use self::status::{EnforceRuleStatus, EnforceStatus};
use self::{after::Hand, plan::Plan};
use crate::{
    config::{EnforceConfig, EnforceMode},
    sensor::boot_ns,
};

const MINUTE_NS: u64 = 60_000_000_000;
/// Generations of guards whose names are remembered: records of the one before may be on their way.
const GENERATIONS_MAX: usize = 4;
/// How often executables to spare are looked for.
const REFRESH_EVERY: Duration = Duration::from_secs(20);
/// Lines in the log a minute, beside those of what was ended.
const LINES_PER_MINUTE_MAX: u64 = 60;

/// Outcomes by name.
type Outcomes = BTreeMap<EnforcedOutcome, u64>;

/// A generation and the rules of its guards.
type Named = (u64, Arc<[Box<str>]>);

/// Decides and carries out. Shared by the sensor, the detector and the supervisor.
#[derive(Debug)]
pub struct Enforcer {
    config: EnforceConfig,
    protected: Vec<String>,
    hand: Hand,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    plan: Plan,
    kernel: Option<Kernel>,
    /// Even; one more than it while the tables change.
    generation: u64,
    /// Names of rules by the number of their guard, the newest generation last.
    names: VecDeque<Named>,
    /// What the agent ended in this minute, and whether anything is ended any more.
    minute: Minute,
    lines: Minute,
    kernel_before: BTreeMap<Box<str>, Outcomes>,
    after: BTreeMap<Box<str>, Outcomes>,
    /// The event that was acted on last, and how it ended.
    last: Option<(u64, u64, EnforcedOutcome)>,
    told: bool,
    refreshed: Option<Instant>,
    trouble: Option<String>,
}

impl Enforcer {
    /// Returns what acts for this configuration; `None` if it is off.
    pub fn new(config: &EnforceConfig) -> Option<Arc<Self>> {
        if config.mode == EnforceMode::Off || config.rules.is_empty() {
            return None;
        }
        let protected = plan::protected(config);
        let hand = Hand::new(protected.clone());
        let state = Mutex::default();
        Some(Arc::new(Self { config: config.clone(), protected, hand, state }))
    }

    /// Acts by these rules from now on.
    pub fn replan(&self, rules: &RuleSet) {
        let plan = Plan::new(&self.config, &self.protected, rules);
        for (rule, planned) in &plan.rules {
            let in_kernel = planned.guard.is_some();
            let after = planned.after.as_deref();
            tracing::info!(%rule, in_kernel, after, "the rule ends processes");
        }
        let mut state = self.lock();
        let same = (&state.plan.tables, &state.plan.guards) == (&plan.tables, &plan.guards);
        state.plan = plan;
        // Guards that stay as they are go on counting.
        if !same || state.generation == 0 || state.trouble.is_some() {
            state.install();
        }
    }

    /// Takes the tables of a new probe, before anything is attached.
    pub(crate) fn attach(&self, kernel: Kernel) {
        let mut state = self.lock();
        state.keep_counts(|_| true);
        state.kernel = Some(kernel);
        state.install();
        let pids = protect::pids();
        let result = state.with_kernel(|kernel| kernel.protect_pids(pids.into_iter()));
        state.note(result);
        self.refresh(&mut state);
    }

    /// Does what is due from time to time; returns whether enforcement has stopped since the last
    /// time.
    pub(crate) fn tick(&self) -> bool {
        let mut state = self.lock();
        if state.refreshed.is_none_or(|last| last.elapsed() >= REFRESH_EVERY) {
            self.refresh(&mut state);
        }
        if state.stopped() && state.minute.tripped == 0 {
            state.minute.tripped = 1;
            state.tell();
        }
        let stopped = state.stopped();
        stopped && !std::mem::replace(&mut state.told, true)
    }

    /// Looks anew for the executables to spare: an update puts other files in their places.
    fn refresh(&self, state: &mut State) {
        let files = protect::files(&self.protected);
        let result = state.with_kernel(|kernel| kernel.protect_files(files));
        state.note(result);
        state.refreshed = Some(Instant::now());
    }

    /// Returns in words what the probe did to a program. By which rules is not known any more when they
    /// were replaced several times since.
    pub(crate) fn name(&self, enforced: probe::enforce::Enforced) -> Option<Enforced> {
        let outcome = outcome_of(enforced.outcome)?;
        let state = self.lock();
        let known = state.names.iter().find(|(generation, _)| *generation == enforced.generation);
        let held = (0..64).filter(|number| enforced.guards >> number & 1 == 1);
        let rules = known.map_or_else(Vec::new, |(_, names)| {
            held.filter_map(|number| names.get(number).cloned()).collect()
        });
        Some(Enforced { outcome, rules })
    }

    /// Does what a rule that matched an event asks for; returns what was done, `None` if it asks for
    /// nothing.
    pub fn matched(&self, rule: &str, event: &Event) -> Option<Enforced> {
        let mut state = self.lock();
        state.plan.rules.get(rule)?;
        let decided = event.process.extra.as_deref().and_then(|extra| extra.enforced.clone());
        if let Some(enforced) = decided
            && (enforced.outcome == EnforcedOutcome::Killed
                || enforced.rules.iter().any(|by| **by == *rule))
            && enforced.outcome != EnforcedOutcome::Failed
        {
            if enforced.rules.is_empty() || enforced.rules.iter().any(|by| **by == *rule) {
                state.log(rule, event, "kernel", enforced.outcome);
            }
            return Some(enforced);
        }
        let outcome = match state.last {
            Some((number, time_ns, outcome))
                if (number, time_ns) == (event.number, event.time_ns) =>
            {
                outcome
            }
            _ => self.act(&mut state, event),
        };
        state.last = Some((event.number, event.time_ns, outcome));
        let outcomes = state.after.entry(rule.into()).or_default();
        *outcomes.entry(outcome).or_default() += 1;
        state.log(rule, event, "after", outcome);
        Some(Enforced { outcome, rules: vec![rule.into()] })
    }

    /// Notes what no rule says any more: the probe acted by rules that were replaced meanwhile.
    pub(crate) fn unmatched(&self, event: &Event) {
        let enforced = event.process.extra.as_deref().and_then(|extra| extra.enforced.as_ref());
        let Some(enforced) = enforced else { return };
        let rules = enforced.rules.join(", ");
        self.lock().log(&rules, event, "kernel, without a match", enforced.outcome);
    }

    fn act(&self, state: &mut State, event: &Event) -> EnforcedOutcome {
        let mode = if state.stopped() { EnforceMode::Monitor } else { self.config.mode };
        let now = boot_ns() / MINUTE_NS;
        if state.minute.minute != now {
            (state.minute.minute, state.minute.kills) = (now, 0);
        }
        let probe = state.kernel.as_ref().map(Kernel::minute).unwrap_or_default();
        let by_probe = if probe.minute == now { probe.kills } else { 0 };
        if state.minute.kills + by_probe >= self.config.kills_per_minute_max.into() {
            if mode == EnforceMode::Enforce {
                state.minute.tripped = 1;
                state.tell();
            }
            return EnforcedOutcome::OverBound;
        }
        let outcome = self.hand.kill(event, mode);
        if matches!(outcome, EnforcedOutcome::Killed | EnforcedOutcome::WouldKill) {
            state.minute.kills += 1;
            state.tell();
        }
        outcome
    }

    pub fn status(&self) -> EnforceStatus {
        let state = self.lock();
        let mut kernel = state.kernel_before.clone();
        state.add_counts(|_| true, &mut kernel);
        let named = |outcomes: Option<&Outcomes>| {
            let count = |outcome| outcomes.and_then(|all| all.get(&outcome)).copied().unwrap_or(0);
            EnforcedOutcome::ALL.map(|outcome| (outcome.name().to_owned(), count(outcome))).into()
        };
        let rules = state.plan.rules.iter().map(|(name, planned)| EnforceRuleStatus {
            rule: name.to_string(),
            in_kernel: planned.guard.is_some() && state.trouble.is_none(),
            after_the_fact: planned.after.clone(),
            kernel: named(kernel.get(name)),
            after: named(state.after.get(name)),
        });
        EnforceStatus {
            mode: self.config.mode.name().to_owned(),
            stopped: state.stopped(),
            kills_per_minute_max: self.config.kills_per_minute_max,
            rules: rules.collect(),
            trouble: state.trouble.clone().or_else(crate::actions::trouble),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn stopped(&self) -> bool {
        self.minute.tripped != 0
            || self.kernel.as_ref().is_some_and(|kernel| kernel.minute().tripped != 0)
    }

    /// Writes the plan into the probe's tables.
    fn install(&mut self) {
        self.generation += 2;
        // The tables are written where those of the generation before the last are.
        let bank = bank(self.generation);
        self.keep_counts(|generation| probe::enforce::bank(generation) == bank);
        self.names.push_back((self.generation, Arc::clone(&self.plan.guards)));
        if self.names.len() > GENERATIONS_MAX {
            self.names.pop_front();
        }
        self.trouble = None;
        let (tables, generation) = (self.plan.tables.clone(), self.generation);
        let result = self.with_kernel(|kernel| kernel.install(&tables, generation));
        self.note(result);
        self.tell();
    }

    fn tell(&mut self) {
        let minute = self.minute;
        let result = self.with_kernel(|kernel| kernel.tell(minute));
        self.note(result);
    }

    fn with_kernel<E>(
        &mut self,
        change: impl FnOnce(&mut Kernel) -> Result<(), E>,
    ) -> Result<(), E> {
        self.kernel.as_mut().map_or(Ok(()), change)
    }

    /// A probe that could not be told decides nothing any more, and all is done after the fact.
    fn note(&mut self, result: Result<(), aya::maps::MapError>) {
        let Err(error) = result else { return };
        let why = format!("the probe's tables cannot be written: {error}");
        if self.trouble.as_ref() != Some(&why) {
            warn!(error = %service::ErrorChain(&error), "the kernel decides no rules");
            self.trouble = Some(why);
        }
    }

    /// Takes the probe's counts of some generations over before they are lost.
    fn keep_counts(&mut self, of: impl Fn(u64) -> bool) {
        let mut kept = std::mem::take(&mut self.kernel_before);
        self.add_counts(of, &mut kept);
        self.kernel_before = kept;
    }

    fn add_counts(&self, of: impl Fn(u64) -> bool, to: &mut BTreeMap<Box<str>, Outcomes>) {
        let Some(kernel) = &self.kernel else { return };
        for (generation, guards) in self.names.iter().filter(|(generation, _)| of(*generation)) {
            for (name, counts) in guards.iter().zip(kernel.counts(*generation)) {
                let outcomes = to.entry(name.clone()).or_default();
                for (number, count) in (0..).zip(counts) {
                    if let Some(outcome) = outcome_of(number) {
                        *outcomes.entry(outcome).or_default() += count;
                    }
                }
            }
        }
    }

    /// Writes down what was done. What a process chose itself is quoted.
    fn log(&mut self, rule: &str, event: &Event, how: &str, outcome: EnforcedOutcome) {
        let now = boot_ns() / MINUTE_NS;
        if self.lines.minute != now {
            (self.lines.minute, self.lines.kills) = (now, 0);
        }
        self.lines.kills += 1;
        if outcome != EnforcedOutcome::Killed && self.lines.kills > LINES_PER_MINUTE_MAX {
            return;
        }
        let process = &event.process;
        warn!(
            rule,
            outcome = outcome.name(),
            how,
            pid = process.key.pid,
            start_boot_ns = process.key.start_boot_ns,
            executable = ?process.executable.path,
            uid = process.uid,
            container = process.container.as_ref().map(|container| &*container.id),
            "a rule acted on a process"
        );
    }
}

fn outcome_of(number: u64) -> Option<EnforcedOutcome> {
    Some(match number {
        outcome::KILLED => EnforcedOutcome::Killed,
        outcome::WOULD_KILL => EnforcedOutcome::WouldKill,
        outcome::PROTECTED => EnforcedOutcome::Protected,
        outcome::OVER_BOUND => EnforcedOutcome::OverBound,
        outcome::FAILED => EnforcedOutcome::Failed,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use rules::Source;

    use super::*;
    use crate::config::{EnforceAction, EnforceRuleConfig};

    #[test]
    fn what_the_probe_ended_is_told_also_when_its_rules_are_long_gone() {
        let rule = EnforceRuleConfig { rule: "Old".to_owned(), action: EnforceAction::Kill };
        let config = EnforceConfig {
            mode: EnforceMode::Enforce,
            rules: vec![rule],
            ..EnforceConfig::default()
        };
        let enforcer = Enforcer::new(&config).unwrap();
        let replan = |path: &str| {
            let text = format!(
                "- {{ rule: Old, desc: d, priority: ERROR, output: o, \
                 condition: 'evt.type = execve and proc.exepath = {path}' }}\n"
            );
            let sources = [Source { name: "t.yaml".to_owned(), text }];
            enforcer.replan(&RuleSet::load(&sources).unwrap().rules);
        };
        replan("/bin/old");
        let ended =
            || probe::enforce::Enforced { guards: 1, generation: 2, outcome: outcome::KILLED };
        let told = enforcer.name(ended()).unwrap();
        assert_eq!((told.outcome, told.rules), (EnforcedOutcome::Killed, vec!["Old".into()]));
        for number in 0..GENERATIONS_MAX {
            replan(&format!("/bin/{number}"));
        }
        let told = enforcer.name(ended()).unwrap();
        assert_eq!((told.outcome, told.rules), (EnforcedOutcome::Killed, Vec::new()));
    }
}
