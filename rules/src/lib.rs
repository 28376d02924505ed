//! The condition language and the rules written in it.
//!
//! One language serves rules over events ([`RuleSet`], [`Matcher`]) and routes, silences and
//! searches over alerts ([`Condition`]). Rule files are Falco's; `docs/rules.md` describes them.

mod case;
mod condition;
mod diagnostic;
mod rule;
mod ruleset;

pub use case::{TestReport, test};
pub use condition::{Condition, Subject, Verdict};
pub use diagnostic::{Code, Diagnostic, Severity};
pub use rule::{Rendered, Rule};
pub use ruleset::{Loaded, Matcher, Requirements, RuleSet, Source};

/// Returns our own rules, compiled into the program.
pub fn builtin() -> Vec<Source> {
    Vec::new()
}
