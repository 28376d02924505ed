//! What is valid in a rule file and yet hardly what its author meant.
//!
//! Every lint has a name, a code and a page, `docs/rules/lint/<name>.md`. The ones on by default
//! tell only what a reviewer would insist on; the pedantic ones are house rules.

mod claims;
mod constant;
mod domain;
mod exceptions;
mod kinds;
mod lists;
mod networks;
mod outputs;
mod patterns;
mod pedantic;
mod precedence;
mod reading;
mod reason;
mod redundant;
mod shadowed;
mod silence;
mod supply;
mod units;
mod values;

use hashbrown::HashSet;

use crate::{
    Source,
    diagnostic::{Code, Diagnostic, Place},
};
use reading::Subject;

/// A check of rule files.
#[derive(Debug)]
pub struct Lint {
    /// Names its page and silences it.
    pub name: &'static str,
    pub code: Code,
    /// Whether it runs only when asked for.
    pub pedantic: bool,
    check: fn(&Subject) -> Vec<Finding>,
}

/// Which lints run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LintOptions {
    /// Runs the pedantic lints too.
    pub pedantic: bool,
    /// Names of lints that do not run.
    pub ignored: Vec<String>,
}

/// What a lint found.
#[derive(Debug)]
struct Finding {
    place: Place,
    /// The rule it was found for, whose silence counts too.
    item: Option<Place>,
    message: String,
    hint: String,
}

macro_rules! lints {
    ($($group:ident { $($name:literal $code:ident $check:path;)+ })+) => {
        /// Every lint, in the order of the documentation.
        const LINTS: &[Lint] = &[$($(Lint {
            name: $name,
            code: Code::$code,
            pedantic: lints!(@pedantic $group),
            check: $check,
        },)+)+];
    };
    (@pedantic standard) => { false };
    (@pedantic pedantic) => { true };
}

lints! {
    standard {
        "never-true" LintNeverTrue constant::never_true;
        "dead-branch" LintDeadBranch constant::dead_branch;
        "always-true" LintAlwaysTrue constant::always_true;
        "impossible-value" LintImpossibleValue values::check;
        "dead-kind" LintDeadKind kinds::check;
        "unrestricted-branch" LintUnrestrictedBranch precedence::check;
        "redundant" LintRedundant redundant::check;
        "shadowed-rule" LintShadowedRule shadowed::check;
        "forgeable-exception" LintForgeableException exceptions::check;
        "wildcard-as-text" LintWildcardAsText patterns::wildcard_as_text;
        "plain-pattern" LintPlainPattern patterns::plain_pattern;
        "unclosed-bracket" LintUnclosedBracket patterns::unclosed_bracket;
        "empty-text" LintEmptyText patterns::empty_text;
        "several-networks" LintSeveralNetworks networks::check;
        "nanoseconds" LintNanoseconds units::check;
        "duplicate-value" LintDuplicateValue lists::check;
        "output-without-value" LintOutputWithoutValue outputs::without_value;
        "output-without-fields" LintOutputWithoutFields outputs::without_fields;
        "unused-silence" LintUnusedSilence silence::nothing;
    }
    pedantic {
        "metadata-only-negated" LintMetadataOnlyNegated pedantic::metadata_only_negated;
        "rule-without-technique" LintRuleWithoutTechnique pedantic::without_technique;
        "rule-without-test" LintRuleWithoutTest pedantic::without_test;
    }
}

/// Returns every lint.
pub const fn lints() -> &'static [Lint] {
    LINTS
}

/// Returns what the lints find in rule files, in the order of the files. What does not load is left
/// out: [`crate::RuleSet::load`] tells that.
pub fn lint(sources: &[Source], options: &LintOptions) -> Vec<Diagnostic> {
    let subject = Subject::read(sources);
    let mut silences = silence::read(&subject);
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for lint in LINTS {
        let runs = !lint.pedantic || options.pedantic;
        if !runs || options.ignored.iter().any(|name| name == lint.name) {
            silences.spare(lint.name);
            continue;
        }
        let mut findings = (lint.check)(&subject);
        if lint.code == Code::LintUnusedSilence {
            findings = silences.unused();
        }
        for finding in findings {
            let span = &finding.place.span;
            let key = (lint.name, finding.place.file.name.clone(), span.start, span.end);
            if !silences.cover(lint.name, &finding) && seen.insert(key) {
                found.push((subject.files.number(&finding.place.file), finding, lint.code));
            }
        }
    }
    found.sort_by_key(|(file, finding, code)| (*file, finding.place.span.start, *code));
    let diagnostic = |(_, finding, code): (usize, Finding, Code)| {
        Diagnostic::at(code, &finding.place, finding.message).hint(finding.hint)
    };
    found.into_iter().map(diagnostic).collect()
}
