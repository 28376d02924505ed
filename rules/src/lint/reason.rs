//! What follows from what: whether questions about one value can hold together, and whether one
//! answers another.

use alert::{Argument, Field, Type, Value};

use crate::{
    ir::{Graph, Leaf, Literal, Machine, Predicate, Term, Test},
    parse::Operator,
};

/// A predicate of the graph that must hold, or must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) predicate: u32,
    pub(super) positive: bool,
}

/// Sets larger than this are not reasoned about.
const CANDIDATES_MAX: usize = 2_000;

/// Returns whether a term yields at most one value, so that two questions ask about the same.
pub(super) fn is_single(term: &Term) -> bool {
    match term {
        Term::Leaf(Leaf::Event(field, argument)) => {
            !field.yields_list(argument)
                && !matches!(field, Field::FdIp | Field::FdNet | Field::FdPort | Field::FdProto)
                && (*field != Field::EvtArg || matches!(argument, Argument::Key(_)))
        }
        Term::Leaf(Leaf::Alert(_)) | Term::List(_) => false,
        Term::Call(_, terms) => terms.iter().all(is_single),
        Term::Constant(_) => true,
    }
}

/// Returns whether no value satisfies all claims, which are about one term. At least one of them
/// must need a value: what is missing satisfies every `not`.
pub(super) fn contradict(graph: &Graph, claims: &[Claim]) -> bool {
    if !claims.iter().any(|claim| claim.positive) {
        return false;
    }
    contradict_given_a_value(graph, claims)
}

/// As [`contradict`], but the value is taken to be there.
pub(super) fn contradict_given_a_value(graph: &Graph, claims: &[Claim]) -> bool {
    for (number, claim) in claims.iter().enumerate() {
        for other in &claims[number + 1..] {
            if pair_contradicts(graph, *claim, *other) {
                return true;
            }
        }
    }
    let Some(candidates) = claims.iter().find_map(|claim| candidates(graph, *claim)) else {
        return bounds(graph, claims).is_some_and(|(low, high)| low > high);
    };
    !candidates.is_empty()
        && candidates.iter().all(|value| claims.iter().any(|claim| refutes(graph, *claim, value)))
}

fn pair_contradicts(graph: &Graph, left: Claim, right: Claim) -> bool {
    match (left.positive, right.positive) {
        (true, false) => implies(graph, left.predicate, right.predicate),
        (false, true) => implies(graph, right.predicate, left.predicate),
        (false, false) => false,
        (true, true) => {
            let (left, right) = (test(graph, left), test(graph, right));
            match (left, right) {
                (
                    Test::Text(Operator::StartsWith, one),
                    Test::Text(Operator::StartsWith, other),
                ) => !one.starts_with(&**other) && !other.starts_with(&**one),
                (Test::Text(Operator::EndsWith, one), Test::Text(Operator::EndsWith, other)) => {
                    !one.ends_with(&**other) && !other.ends_with(&**one)
                }
                _ => false,
            }
        }
    }
}

fn test(graph: &Graph, claim: Claim) -> &Test {
    &graph.predicate_of(claim.predicate).0.test
}

/// Returns whether a value is known not to satisfy a claim.
fn refutes(graph: &Graph, claim: Claim, value: &Value<'_>) -> bool {
    let (predicate, machine) = graph.predicate_of(claim.predicate);
    known_answer(predicate, machine, value).is_some_and(|answer| answer != claim.positive)
}

fn known_answer(predicate: &Predicate, machine: &Machine, value: &Value<'_>) -> Option<bool> {
    match &predicate.test {
        Test::Term(..) => None,
        _ => Some(predicate.holds(machine, value)),
    }
}

/// Returns the values that a claim leaves, if they can be counted.
fn candidates(graph: &Graph, claim: Claim) -> Option<Vec<Value<'_>>> {
    let predicate = graph.predicate_of(claim.predicate).0;
    match (&predicate.test, claim.positive) {
        (Test::Equal(literal), true) | (Test::NotEqual(literal), false) => {
            Some(vec![value(literal)?])
        }
        (Test::In(items) | Test::Intersects(items), true) if items.len() <= CANDIDATES_MAX => {
            items.iter().map(value).collect()
        }
        _ if predicate.term.value_type() == Type::Bool => {
            Some(vec![Value::Bool(false), Value::Bool(true)])
        }
        _ => None,
    }
}

fn value(literal: &Literal) -> Option<Value<'_>> {
    Some(match literal {
        Literal::Text(text) => Value::text(text),
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Number(number) => match i64::try_from(*number) {
            Ok(number) => Value::I64(number),
            Err(_) => Value::U64(u64::try_from(*number).ok()?),
        },
        Literal::Ip(ip) => Value::Ip(*ip),
        _ => return None,
    })
}

/// Returns the numbers that claims leave; nothing if they do not bound any.
fn bounds(graph: &Graph, claims: &[Claim]) -> Option<(i128, i128)> {
    let first = graph.predicate_of(claims.first()?.predicate).0;
    let (mut low, mut high) = range(first.term.value_type())?;
    let mut bounded = false;
    for claim in claims {
        let Test::Order(operator, Literal::Number(number)) = test(graph, *claim) else { continue };
        bounded = true;
        match (operator, claim.positive) {
            (Operator::Less, true) | (Operator::GreaterEqual, false) => high = high.min(number - 1),
            (Operator::LessEqual, true) | (Operator::Greater, false) => high = high.min(*number),
            (Operator::Greater, true) | (Operator::LessEqual, false) => low = low.max(number + 1),
            _ => low = low.max(*number),
        }
    }
    bounded.then_some((low, high))
}

fn range(value_type: Type) -> Option<(i128, i128)> {
    match value_type {
        Type::Signed => Some((i64::MIN.into(), i64::MAX.into())),
        Type::Unsigned => Some((0, u64::MAX.into())),
        Type::Port => Some((0, u16::MAX.into())),
        _ => None,
    }
}

/// Returns whether whatever satisfies the one predicate satisfies the other, both about one term.
pub(super) fn implies(graph: &Graph, left: u32, right: u32) -> bool {
    if left == right {
        return true;
    }
    let (one, _) = graph.predicate_of(left);
    let (other, machine) = graph.predicate_of(right);
    if one.term != other.term || !is_single(&one.term) {
        return false;
    }
    if other.test == Test::Exists {
        return true;
    }
    let claim = Claim { predicate: left, positive: true };
    if !matches!(one.test, Test::Term(..) | Test::Exists)
        && let Some(values) = candidates(graph, claim)
    {
        let left_values = values.iter().filter(|value| !refutes(graph, claim, value));
        let mut left_values = left_values.peekable();
        return left_values.peek().is_some()
            && left_values.all(|value| known_answer(other, machine, value) == Some(true));
    }
    match (&one.test, &other.test) {
        (Test::Text(first, have), Test::Text(second, want)) => {
            text_implies(*first, have, *second, want)
        }
        (Test::Text(Operator::StartsWith, have), Test::NotEqual(Literal::Text(other))) => {
            !other.starts_with(&**have)
        }
        (Test::Order(..), Test::Order(..)) => {
            let negated = Claim { predicate: right, positive: false };
            bounds(graph, &[claim, negated]).is_some_and(|(low, high)| low > high)
        }
        _ => false,
    }
}

fn text_implies(first: Operator, have: &str, second: Operator, want: &str) -> bool {
    use Operator as O;
    match (first, second) {
        (O::StartsWith, O::StartsWith) => have.starts_with(want),
        (O::EndsWith, O::EndsWith) => have.ends_with(want),
        (O::StartsWith | O::EndsWith | O::Contains, O::Contains) => have.contains(want),
        (O::StartsWith | O::EndsWith | O::Contains | O::IContains, O::IContains) => {
            have.to_ascii_lowercase().contains(&want.to_ascii_lowercase())
        }
        _ => false,
    }
}
