//! Conditions, and alternatives in them, that can never or always be true.

use hashbrown::HashMap;

use super::{
    Finding,
    claims::{Asked, Conjunction, conjunction},
    reading::{Part, Shape, Subject, Written},
    reason::{Claim, contradict, contradict_given_a_value, is_single},
};
use crate::{diagnostic::Place, ir::Term, parse::Span};

/// Parts of one condition that are held against each other; a larger one is given up.
const WORK_MAX: usize = 20_000;
/// The same for all conditions together.
const TOTAL_WORK_MAX: usize = 1_000_000;

/// Rules that can never match, and macros that can never be true.
pub(super) fn never_true(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut total = TOTAL_WORK_MAX;
    let macros = subject.macros.iter().map(|written| (written, None));
    let rules = subject.rules.iter().map(|rule| (&rule.condition, Some(rule)));
    for (written, rule) in macros.chain(rules) {
        let mut search = Search::new(subject, total);
        let outcome = search.look(&written.root, true, None, &mut Vec::new());
        total = total.saturating_sub(search.work);
        let what = if rule.is_some() { "the rule can never match" } else { "this is never true" };
        let item = rule.map(|rule| rule.place.clone());
        let (span, message) = match outcome {
            Outcome::Impossible(conflict) => (conflict.span, format!("{what}: {}", conflict.why)),
            // `never_true` and empty lists are places for users to fill; only a whole rule that
            // waits for them deserves a word.
            Outcome::Folded(span) if rule.is_some() => {
                (span, format!("{what}: this part is false of every event"))
            }
            _ => continue,
        };
        findings.push(Finding {
            place: subject.place(written, span),
            item,
            message,
            hint: "to switch a rule off write `enabled: false`".to_owned(),
        });
    }
    findings
}

/// Alternatives of an `or` that the rest of the condition rules out.
pub(super) fn dead_branch(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut total = TOTAL_WORK_MAX;
    for (written, item) in conditions(subject) {
        let mut search = Search::new(subject, total);
        let outcome = search.look(&written.root, true, None, &mut Vec::new());
        total = total.saturating_sub(search.work);
        if !matches!(outcome, Outcome::Possible) {
            continue;
        }
        for conflict in search.dead {
            findings.push(Finding {
                place: subject.place(written, conflict.span),
                item: item.clone(),
                message: format!("this alternative can never be true: {}", conflict.why),
                hint: "remove it, or mend what rules it out".to_owned(),
            });
        }
    }
    findings
}

/// An `or` whose alternatives cover every value, such as `x != a or x != b`.
pub(super) fn always_true(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (written, item) in conditions(subject) {
        each(&written.root, true, &mut |part, positive| {
            let alternatives = match (&part.shape, positive) {
                (Shape::Any(_), true) | (Shape::All(_), false) => part,
                _ => return,
            };
            let mut refuted = Conjunction::default();
            conjunction(subject, alternatives, !positive, None, &mut refuted);
            let Some((one, other)) = covered(subject, &refuted.asked) else { return };
            let (one, other) = (negated(&one), negated(&other));
            findings.push(Finding {
                place: subject.place(written, other.span),
                item: item.clone(),
                message: format!("every value satisfies `{}` or `{}`", one.text(), other.text()),
                hint: "did you mean `and`?".to_owned(),
            });
        });
    }
    findings
}

fn negated<'a>(asked: &Asked<'a>) -> Asked<'a> {
    let claim = Claim { positive: !asked.claim.positive, ..asked.claim };
    Asked { claim, ..*asked }
}

/// Returns two questions that cannot both be answered as asked, whatever the value is.
fn covered<'a>(subject: &Subject, asked: &[Asked<'a>]) -> Option<(Asked<'a>, Asked<'a>)> {
    for (number, one) in asked.iter().enumerate() {
        for other in &asked[number + 1..] {
            let term = term(subject, one.claim);
            let opposite = negated(one).claim == other.claim;
            let excludes = || {
                term == self::term(subject, other.claim)
                    && is_single(term)
                    && one.claim.predicate != other.claim.predicate
                    && contradict_given_a_value(&subject.graph, &[one.claim, other.claim])
            };
            if one.own && other.own && (opposite || excludes()) {
                return Some((*one, *other));
            }
        }
    }
    None
}

fn term(subject: &Subject, claim: Claim) -> &Term {
    &subject.graph.predicate_of(claim.predicate).0.term
}

/// Returns every written condition with the rule it belongs to.
pub(super) fn conditions(subject: &Subject) -> impl Iterator<Item = (&Written, Option<Place>)> {
    let macros = subject.macros.iter().map(|written| (&**written, None));
    let rules = subject.rules.iter().map(|rule| (&*rule.condition, Some(rule.place.clone())));
    macros.chain(rules)
}

/// Calls `visit` with every part of a text, macros not followed.
pub(super) fn each<'a>(part: &'a Part, positive: bool, visit: &mut dyn FnMut(&'a Part, bool)) {
    visit(part, positive);
    match &part.shape {
        Shape::All(parts) | Shape::Any(parts) => {
            parts.iter().for_each(|part| each(part, positive, visit));
        }
        Shape::Not(part) => each(part, !positive, visit),
        Shape::Macro(_) | Shape::Check(_) => {}
    }
}

#[derive(Debug)]
struct Conflict {
    span: Span,
    own: bool,
    why: String,
}

#[derive(Debug)]
enum Outcome {
    Possible,
    Impossible(Conflict),
    /// False before any event, as `evt.num = 0` and an empty list are.
    Folded(Span),
}

struct Search<'a> {
    subject: &'a Subject,
    dead: Vec<Conflict>,
    work: usize,
    work_max: usize,
}

impl<'a> Search<'a> {
    fn new(subject: &'a Subject, left: usize) -> Self {
        Self { subject, dead: Vec::new(), work: 0, work_max: left.min(WORK_MAX) }
    }

    /// Says whether a part can be true while all of `context` holds.
    fn look(
        &mut self,
        part: &'a Part,
        positive: bool,
        within: Option<Span>,
        context: &mut Vec<Asked<'a>>,
    ) -> Outcome {
        if self.work >= self.work_max {
            return Outcome::Possible;
        }
        let mut parts = Conjunction::default();
        conjunction(self.subject, part, positive, within, &mut parts);
        if let Some(span) = parts.folded {
            return Outcome::Folded(span);
        }
        let known = context.len();
        self.work += known + parts.work();
        context.append(&mut parts.asked);
        let outcome = match self.conflict(context, known) {
            Some(conflict) => Outcome::Impossible(conflict),
            None => self.choices(&parts, context),
        };
        context.truncate(known);
        outcome
    }

    fn choices(&mut self, parts: &Conjunction<'a>, context: &mut Vec<Asked<'a>>) -> Outcome {
        for choice in &parts.choices {
            let (mut possible, mut folded) = (false, None);
            let mut dead = Vec::new();
            for part in choice.parts {
                match self.look(part, choice.positive, choice.within, context) {
                    Outcome::Possible => possible = true,
                    Outcome::Impossible(conflict) => dead.push(conflict),
                    Outcome::Folded(span) => folded = Some(span),
                }
            }
            match (possible, dead.pop(), folded) {
                (false, Some(last), _) => {
                    let why = match choice.parts.len() {
                        1 => last.why,
                        _ => format!("no alternative is left; of the last, {}", last.why),
                    };
                    return Outcome::Impossible(Conflict { why, ..last });
                }
                (false, None, Some(span)) => return Outcome::Folded(span),
                // `x = a and not (x = a and …)` is a way to write; nothing is wrong with it.
                (true, last, _) if choice.positive && choice.within.is_none() => {
                    self.dead.extend(dead.into_iter().chain(last).filter(|dead| dead.own));
                }
                _ => {}
            }
        }
        Outcome::Possible
    }

    /// Returns what of `context` from `known` on cannot hold with the rest.
    fn conflict(&mut self, context: &[Asked<'a>], known: usize) -> Option<Conflict> {
        let mut by_term: HashMap<&Term, Vec<Asked<'a>>> = HashMap::new();
        for asked in &context[known..] {
            by_term.entry(term(self.subject, asked.claim)).or_default();
        }
        for asked in context {
            if let Some(group) = by_term.get_mut(term(self.subject, asked.claim)) {
                group.push(*asked);
            }
        }
        for asked in &context[known..] {
            let term = term(self.subject, asked.claim);
            let Some(group) = by_term.remove(term) else { continue };
            // Each is held against each.
            self.work += group.len() * group.len();
            let claims: Vec<_> = group.iter().map(|asked| asked.claim).collect();
            let same = group.iter().find_map(|one| {
                let opposite = negated(one).claim;
                group.iter().find(|other| other.claim == opposite).map(|other| (*one, *other))
            });
            if let Some((one, other)) = same {
                return Some(explain(one, other));
            }
            if is_single(term) && contradict(&self.subject.graph, &claims) {
                return Some(self.culprits(&group));
            }
        }
        None
    }

    /// Names two questions that contradict each other, or all of them.
    fn culprits(&self, group: &[Asked<'a>]) -> Conflict {
        for (number, one) in group.iter().enumerate() {
            if contradict(&self.subject.graph, &[one.claim]) {
                let why = format!("no value satisfies `{}`", one.text());
                return Conflict { span: one.span, own: one.own, why };
            }
            for other in &group[number + 1..] {
                if contradict(&self.subject.graph, &[one.claim, other.claim]) {
                    return explain(*one, *other);
                }
            }
        }
        let texts: Vec<_> = group.iter().map(|asked| format!("`{}`", asked.text())).collect();
        let last = group.last().map_or((Span::default(), false), |last| (last.span, last.own));
        let why = format!("no value satisfies all of {}", texts.join(", "));
        Conflict { span: last.0, own: last.1, why }
    }
}

fn explain(one: Asked<'_>, other: Asked<'_>) -> Conflict {
    let (one, other) = if one.own && !other.own { (other, one) } else { (one, other) };
    let why = format!("`{}` and `{}` exclude each other", one.text(), other.text());
    Conflict { span: other.span, own: other.own, why }
}
