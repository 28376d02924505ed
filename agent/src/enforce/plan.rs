//! Which rules end processes, and which of them the kernel decides.

use std::{collections::BTreeMap, sync::Arc};

use alert::EventKind;
use probe::enforce::mode;
use rules::{NotExpressible, RuleSet};

use super::{protect, tables::Tables};
use crate::config::{EnforceConfig, EnforceMode};

/// What the configuration makes of a rule set.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) rules: BTreeMap<Box<str>, Planned>,
    pub(super) tables: Tables,
    /// Names of rules by the number of their guard.
    pub(super) guards: Arc<[Box<str>]>,
}

/// A rule that ends processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    /// The kernel decides it, at least for some programs.
    pub(super) guard: Option<u32>,
    /// What the kernel cannot decide, so that it is done after the fact.
    pub(super) after: Option<String>,
}

impl Plan {
    /// Plans the rules that `config` names.
    pub(super) fn new(config: &EnforceConfig, protected: &[String], rules: &RuleSet) -> Self {
        let mut plan = Self::default();
        plan.tables.plan.mode = match config.mode {
            EnforceMode::Off => mode::OFF,
            EnforceMode::Monitor => mode::MONITOR,
            EnforceMode::Enforce => mode::ENFORCE,
        };
        plan.tables.plan.kills_per_minute_max = config.kills_per_minute_max.into();
        let unprotected = protected.iter().find_map(|path| plan.tables.protect(path).err());
        let mut guards: Vec<Box<str>> = Vec::new();
        for (number, rule) in rules.rules().iter().enumerate() {
            let named = |entry: &&_| names(entry, &rule.name);
            if config.rules.iter().find(named).is_none() {
                continue;
            }
            // Nothing is ended by a kernel that does not know whom to spare.
            let planned = match &unprotected {
                None => plan.decide(rules, number),
                Some(full) => Planned { guard: None, after: Some(full.to_string()) },
            };
            guards.extend(planned.guard.map(|_| Box::from(&*rule.name)));
            plan.rules.insert(rule.name.as_str().into(), planned);
        }
        plan.guards = guards.into();
        plan.tables.complete();
        plan
    }

    fn decide(&mut self, rules: &RuleSet, number: usize) -> Planned {
        let (mut guards, mut doubts) = (Vec::new(), Vec::new());
        for kind in [EventKind::Execve, EventKind::ExecveAt] {
            match rules.exec_guard(number, kind) {
                Ok(guard) => {
                    doubts.extend(guard.doubts.iter().cloned());
                    guards.push(guard);
                }
                Err(NotExpressible::NoExec) => {}
                Err(other) => doubts.push(other.to_string()),
            }
        }
        doubts.sort_unstable();
        doubts.dedup();
        if guards.is_empty() && doubts.is_empty() {
            doubts.push("it is not about starts of programs".to_owned());
        }
        let guard = match guards.is_empty() {
            true => None,
            false => self.tables.add(&guards).map_err(|full| doubts.push(full.to_string())).ok(),
        };
        Planned { guard, after: (!doubts.is_empty()).then(|| doubts.join("; ")) }
    }
}

fn names(entry: &crate::config::EnforceRuleConfig, rule: &str) -> bool {
    rules::wildcard(&entry.rule, rule)
}

/// Returns the patterns of executables that are never ended.
pub(super) fn protected(config: &EnforceConfig) -> Vec<String> {
    protect::patterns(&config.protect)
}

#[cfg(test)]
mod tests {
    use rules::Source;

    use super::*;
    use crate::config::{EnforceAction, EnforceRuleConfig};

    fn rules(conditions: &[&str]) -> Arc<RuleSet> {
        let rule = |(number, condition): (usize, &&str)| {
            format!(
                "- rule: Rule {number}\n  desc: d\n  priority: INFO\n  output: o\n  condition: {condition}\n"
            )
        };
        let text = conditions.iter().enumerate().map(rule).collect();
        RuleSet::load(&[Source { name: "t.yaml".to_owned(), text }]).unwrap().rules
    }

    fn config(patterns: &[&str]) -> EnforceConfig {
        let rule = |rule: &&str| EnforceRuleConfig {
            rule: (*rule).to_owned(),
            action: EnforceAction::Kill,
        };
        EnforceConfig {
            mode: EnforceMode::Enforce,
            rules: patterns.iter().map(rule).collect(),
            ..EnforceConfig::default()
        }
    }

    #[test]
    fn each_rule_named_is_the_kernel_s_or_says_why_not() {
        let rules = rules(&[
            "evt.type = execve and proc.exepath = /a",
            "evt.type = execve and proc.cmdline contains x",
            "evt.type = openat and fd.name = /etc/shadow",
            "evt.type = execve and (proc.exepath = /b or proc.args = x)",
            "evt.type = execve",
            "evt.type = execve and proc.exepath = /not/named",
        ]);
        let config = config(&["Rule 0", "Rule 1", "Rule 2", "Rule 3", "Rule 4"]);
        let plan = Plan::new(&config, &[], &rules);
        let of = |number: u32| &plan.rules[&*format!("Rule {number}")];
        assert_eq!((of(0).guard, &of(0).after), (Some(0), &None));
        assert!(of(1).after.as_deref().unwrap().contains("`proc.cmdline contains x`"));
        assert!(of(2).after.as_deref().unwrap().contains("not about starts of programs"));
        assert_eq!(of(3).guard, Some(1));
        assert!(of(3).after.as_deref().unwrap().contains("`proc.args = x`"));
        assert!(of(4).after.as_deref().unwrap().contains("every start"));
        assert_eq!(plan.rules.len(), 5);
        assert_eq!(*plan.guards, ["Rule 0".into(), "Rule 3".into()]);
    }

    #[test]
    fn a_kernel_that_cannot_be_told_whom_to_spare_ends_nobody() {
        let rules = rules(&["evt.type = execve and proc.exepath = /a"]);
        let many: Vec<_> = (0..10_000).map(|number| format!("/opt/{number}")).collect();
        let plan = Plan::new(&config(&["*"]), &many, &rules);
        assert_eq!(plan.rules["Rule 0"].guard, None);
        assert!(plan.rules["Rule 0"].after.as_deref().unwrap().contains("full"));
    }
}
