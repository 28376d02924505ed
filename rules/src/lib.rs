//! The condition language and the rules written in it.
//!
//! One language serves rules over events ([`RuleSet`], [`Matcher`]) and routes, silences and
//! searches over alerts ([`Condition`]). Rule files are Falco's; `docs/rules/README.md` describes them.

mod builtin;
mod case;
mod condition;
mod diagnostic;
mod explain;
mod filter;
mod guard;
mod ir;
mod lint;
mod load;
#[cfg(test)]
mod manual;
mod matcher;
mod parse;
mod question;
mod rule;
mod ruleset;
#[cfg(test)]
mod sample;
mod text;
mod yaml;

pub use builtin::{builtin, builtin_cases};
pub use case::{
    CaseList, Difference, NamedEvent, TestFailure, TestReport, read_events, redact, test,
    test_rules, write_case, write_head,
};
pub use condition::{Condition, Subject, Verdict};
pub use diagnostic::{Code, Diagnostic, Severity};
pub use explain::{Explanation, FieldUse, Operator, Seen, Step, Trace};
pub use filter::{
    Automaton, FilterView, KernelFilter, KernelPlan, KindFilter, Mask, NETWORKS_MAX, Network,
    Networks, PathMasks, PathText, Protocol, RANGES_MAX, Ranges, Scope, Sight, Table, open_row,
};
pub use guard::{Clause, Demand, ExecAtom, ExecFacts, ExecGuard, NotExpressible};
pub use lint::{Lint, LintOptions, lint, lints};
pub use load::{
    AppendOutput, ExtraField, FileReport, LoadOptions, LoadReport, Pick, Selection, wildcard,
};
pub use matcher::{
    KindPlan, Lifetime, Matcher, Plan, PredicateCost, PredicatePlan, RuleCost, StepPlan,
};
pub use parse::{ConditionFault, ConditionTree, parse_condition, quoted};
pub use question::Format;
pub use rule::{Rendered, Rule};
pub use ruleset::{Loaded, Requirements, RuleSet, Source};
