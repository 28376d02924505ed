//! Tells what the kernel can decide of one rule.

use alert::EventKind;
use serde::Serialize;

use super::{compile::Parts, conditions::Conditions, draft::Draft, is_process_life, path::Clause};
use crate::{RuleSet, explain::predicate as text};

/// What the kernel can decide of a rule, for kinds of event in which that is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KernelPlan {
    pub kinds: Vec<&'static str>,
    /// The kernel tells of every such event, whatever rules there are.
    pub always: bool,
    /// What of an event can rule this rule out.
    pub looks_at: Vec<&'static str>,
    /// Conditions of which one must hold of a path; none if the path rules nothing out.
    pub paths: Vec<String>,
}

impl RuleSet {
    /// Returns what the kernel can decide of the rule of this name; `None` if no enabled rule has
    /// it.
    pub fn kernel_plan(&self, rule: &str) -> Option<Vec<KernelPlan>> {
        let number = self.rules().iter().position(|known| known.name == rule)?;
        let mut plans: Vec<KernelPlan> = Vec::new();
        for kind in EventKind::ALL {
            let Some(plan) = self.plan_of_kind(kind, number) else { continue };
            match plans
                .iter_mut()
                .find(|known| KernelPlan { kinds: plan.kinds.clone(), ..(*known).clone() } == plan)
            {
                Some(known) => known.kinds.extend(plan.kinds),
                None => plans.push(plan),
            }
        }
        Some(plans)
    }

    fn plan_of_kind(&self, kind: EventKind, rule: usize) -> Option<KernelPlan> {
        let mut own = self.program().conditions(kind);
        own.retain(|(number, _)| *number as usize == rule);
        if own.is_empty() {
            return None;
        }
        let mut plan = KernelPlan {
            kinds: vec![kind.name()],
            always: is_process_life(kind),
            looks_at: Vec::new(),
            paths: Vec::new(),
        };
        if !plan.always {
            let parts = Parts::new(self.graph(), kind, &own);
            let draft = Draft::new(&Conditions::new(kind, self.graph(), &parts.roots));
            plan.looks_at = draft
                .dimensions()
                .into_iter()
                .filter(|(_, rows)| rows.iter().any(|row| row.iter().all(|word| *word == 0)))
                .map(|(name, _)| name)
                .collect();
            if draft.typed.clauses.iter().all(Option::is_some) {
                plan.looks_at.push("text as typed");
            }
            plan.paths = self.paths(&draft.paths.clauses);
        }
        Some(plan)
    }

    /// Returns the conditions on paths; none if a part of the rule has none.
    fn paths(&self, clauses: &[Option<Clause>]) -> Vec<String> {
        let mut numbers = Vec::new();
        for clause in clauses {
            let Some(clause) = clause else { return Vec::new() };
            numbers.extend(clause);
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers.iter().map(|number| text(self.graph().predicate_of(*number).0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::{RuleSet, Source};

    fn plans(condition: &str) -> Vec<String> {
        let text =
            format!("- {{rule: r, desc: d, priority: INFO, output: o, condition: '{condition}'}}");
        let source = Source { name: "t".to_owned(), text };
        let rules = RuleSet::load(&[source]).expect("a rule").rules;
        let shown = rules.kernel_plan("r").expect("the rule").into_iter().map(|plan| {
            let kinds = plan.kinds.join(" ");
            let always = if plan.always { " always" } else { "" };
            format!("{kinds}{always}: {:?} {:?}", plan.looks_at, plan.paths)
        });
        shown.collect()
    }

    #[test]
    fn what_can_rule_a_rule_out_is_named() {
        assert_eq!(
            plans(
                "evt.type in (open, openat) and evt.is_open_read = true and fd.num >= 0 \
                 and fd.name startswith /etc/ and (fd.name = /etc/a or fd.filename = b) \
                 and proc.name != c"
            ),
            [r#"open openat: ["result", "flags"] ["fd.name = /etc/a", "fd.filename = b"]"#]
        );
    }

    #[test]
    fn what_was_typed_is_looked_at_beside_the_paths() {
        assert_eq!(
            plans("evt.type = open and fd.name startswith /etc/ and fd.nameraw contains ../"),
            [r#"open: ["text as typed"] ["fd.name startswith /etc/"]"#]
        );
        assert_eq!(
            plans("evt.type = open and (fd.name = /a or fd.nameraw contains ../)"),
            [r#"open: [] []"#]
        );
    }

    #[test]
    fn a_part_without_a_path_and_how_processes_begin_are_told_of() {
        assert_eq!(
            plans("evt.type in (execve, unlink) and (proc.name = a or evt.arg.path = /a)"),
            [r#"execve always: [] []"#, r#"unlink: [] []"#]
        );
    }

    #[test]
    fn no_plan_is_made_for_a_rule_that_is_not_there() {
        let rules = RuleSet::load(&[]).expect("no rules").rules;
        assert_eq!(rules.kernel_plan("r"), None);
    }
}
