//! Tells how a rule is matched: what rules it out before it is evaluated, and how each of its
//! predicates is answered.

use alert::EventKind;
use hashbrown::HashSet;
use serde::Serialize;

use super::{
    estimate::{Class, Estimate},
    index::Index,
    program::Op,
};
use crate::{
    RuleSet,
    explain::{leaf as leaf_text, predicate as text, whole},
    ir::{Node, NodeId},
};

/// How a rule is matched.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    pub rule: String,
    /// Kinds of event under which the rule and all others are the same share one.
    pub kinds: Vec<KindPlan>,
}

/// How a rule is matched with events of some kinds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindPlan {
    pub kinds: Vec<&'static str>,
    /// Rules that events of these kinds can match.
    pub rules: usize,
    /// What is looked at, in this order, to rule out rules before any is evaluated.
    pub steps: Vec<StepPlan>,
    /// The predicates of the rule that are left for these kinds.
    pub predicates: Vec<PredicatePlan>,
}

/// One look at an event that rules out rules.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepPlan {
    /// The field whose predicates are answered together, or the predicates whose answers are.
    pub looks_at: String,
    pub kept: Lifetime,
    /// Rules that it leaves possible if none of its predicates holds.
    pub possible: usize,
    /// Whether this rule is one of those.
    pub keeps_rule: bool,
}

/// How one predicate is answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PredicatePlan {
    /// As a condition of its own.
    pub predicate: String,
    pub kept: Lifetime,
    /// Nanoseconds to answer it, estimated.
    pub cost_ns: f32,
    /// How often it holds, from 0 to 1, estimated.
    pub chance: f32,
    /// What answers it together with others of its field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<&'static str>,
}

/// How long an answer is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifetime {
    /// With the process, until it runs another program or changes.
    Process,
    /// For one event.
    Event,
    /// For one of the event's two paths.
    Path,
}

impl From<Class> for Lifetime {
    fn from(class: Class) -> Self {
        match class {
            Class::Process => Self::Process,
            Class::Event => Self::Event,
            Class::Path => Self::Path,
        }
    }
}

impl RuleSet {
    /// Returns how the rule of this name is matched; `None` if no enabled rule has it.
    pub fn plan(&self, rule: &str) -> Option<Plan> {
        let number = self.rules().iter().position(|known| known.name == rule)?;
        let mut kinds: Vec<(u32, KindPlan)> = Vec::new();
        for kind in EventKind::ALL {
            let Some((group, _)) = self.program().group(kind) else { continue };
            if let Some((_, plan)) = kinds.iter_mut().find(|(known, _)| *known == group) {
                plan.kinds.push(kind.name());
            } else if let Some(plan) = self.kind_plan(kind, number) {
                kinds.push((group, plan));
            }
        }
        let kinds = kinds.into_iter().map(|(_, plan)| plan).collect();
        Some(Plan { rule: rule.to_owned(), kinds })
    }

    /// Returns the condition of a rule with lists and macros in their places; `None` if no enabled
    /// rule has this name, or if the text would be longer than 16 MiB.
    pub fn expanded(&self, rule: &str) -> Option<String> {
        const BYTES_MAX: usize = 16 << 20;
        let number = self.rules().iter().position(|known| known.name == rule)?;
        whole(self.graph(), self.root(number), BYTES_MAX)
    }

    fn kind_plan(&self, kind: EventKind, rule: usize) -> Option<KindPlan> {
        let (_, group) = self.program().group(kind)?;
        let place = group.entries.iter().position(|entry| entry.rule as usize == rule)?;
        let steps = group.selector.steps().map(|step| StepPlan {
            looks_at: match step.index {
                Some(index) => leaf_text(&self.program().indexes[index as usize].leaf),
                None => self.table_text(step.bits),
            },
            kept: step.class.into(),
            possible: step.quiet.iter().map(|word| word.count_ones() as usize).sum(),
            keeps_rule: step.quiet[place / 64] >> (place % 64) & 1 != 0,
        });
        Some(KindPlan {
            kinds: vec![kind.name()],
            rules: group.entries.len(),
            steps: steps.collect(),
            predicates: self.predicates_below(group.conditions[place]),
        })
    }

    fn table_text(&self, bits: &[u32]) -> String {
        let texts = bits.iter().filter_map(|bit| match self.program().ops.get(*bit as usize) {
            Some(Op::Predicate(predicate) | Op::Fact(_, predicate)) => {
                Some(text(self.graph().predicate_of(*predicate).0))
            }
            _ => None,
        });
        texts.collect::<Vec<_>>().join(", ")
    }

    fn predicates_below(&self, root: NodeId) -> Vec<PredicatePlan> {
        let (mut open, mut seen, mut plans) = (vec![root], HashSet::new(), Vec::new());
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            match self.graph().node(id) {
                Node::False | Node::True => {}
                Node::Not(child) => open.push(*child),
                Node::And(children) | Node::Or(children) => open.extend(children.iter().rev()),
                Node::Predicate(number) => plans.push(self.predicate_plan(*number)),
            }
        }
        plans
    }

    fn predicate_plan(&self, number: u32) -> PredicatePlan {
        let (predicate, machine) = self.graph().predicate_of(number);
        let estimate = Estimate::of(predicate, machine);
        let index = self.program().indexes.iter().find(|index| index.predicates.contains(&number));
        PredicatePlan {
            predicate: text(predicate),
            kept: estimate.class.into(),
            cost_ns: estimate.cost,
            chance: estimate.chance,
            index: index.map(Index::name),
        }
    }
}
