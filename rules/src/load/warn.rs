//! What is valid in a condition but hardly meant.

use crate::{
    diagnostic::Code,
    parse::{Check, Expression, Fault, Literal, Operand, Operator, Right},
};

/// Fields that are missing rather than `<NA>`.
const NEVER_NA: [&str; 2] = ["ka.", "jevt."];
/// Letters that mean more than themselves in a regular expression.
const SPECIAL: [char; 14] = ['.', '+', '*', '?', '^', '$', '(', ')', '[', ']', '{', '}', '|', '\\'];

/// Returns what deserves a look in an expression; macros that it names are not looked into.
pub(super) fn look(expression: &Expression) -> Vec<(Code, Fault)> {
    let mut found = Vec::new();
    visit(expression, &mut |check| {
        found.extend(regex(check).map(|fault| (Code::Suspicious, fault)));
        found.extend(na(check).map(|fault| (Code::UnsafeNaCheck, fault)));
    });
    found
}

/// Calls `look` for every comparison.
fn visit(expression: &Expression, look: &mut dyn FnMut(&Check)) {
    match expression {
        Expression::And(children) | Expression::Or(children) => {
            children.iter().for_each(|child| visit(child, look));
        }
        Expression::Not(child, _) => visit(child, look),
        Expression::Macro(_) => {}
        Expression::Check(check) => look(check),
    }
}

fn na(check: &Check) -> Option<Fault> {
    use Operator as O;
    let Operand::Field { name, .. } = &check.left else { return None };
    let asks = NEVER_NA.iter().any(|prefix| name.starts_with(prefix))
        && matches!(check.operator, O::Equal | O::NotEqual | O::In | O::Intersects | O::PathMatch);
    let literals: &[Literal] = match &check.right {
        Right::Literal(literal) => std::slice::from_ref(literal),
        Right::List(literals, _) => literals,
        _ => &[],
    };
    let literal = literals.iter().find(|literal| asks && &*literal.text == "<NA>")?;
    let fault = Fault::new(literal.span, format!("`{name}` is never `<NA>`, but may be missing"));
    Some(fault.hint(format!("ask `{name} exists`")))
}

/// A regular expression must match the whole text, so that one of plain letters is a plain
/// comparison.
fn regex(check: &Check) -> Option<Fault> {
    let (Operator::Regex, Right::Literal(literal)) = (check.operator, &check.right) else {
        return None;
    };
    let pattern = literal.text.strip_prefix('^').unwrap_or(&literal.text);
    let pattern = pattern.strip_suffix('$').unwrap_or(pattern);
    let (pattern, open_start) = match pattern.strip_prefix(".*") {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    let (pattern, open_end) = match pattern.strip_suffix(".*") {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    if pattern.is_empty() || pattern.contains(SPECIAL) {
        return None;
    }
    let operator = match (open_start, open_end) {
        (false, false) => "=",
        (false, true) => "startswith",
        (true, false) => "endswith",
        (true, true) => "contains",
    };
    let fault = Fault::new(literal.span, "the regular expression is a plain comparison");
    Some(fault.hint(format!("`{operator} {pattern}` says the same and is faster")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Dialect, condition};

    #[test]
    fn what_is_hardly_meant_is_told_where_it_stands() {
        for (text, expected) in [
            ("ka.verb = get", ""),
            ("ka.user.name exists", ""),
            ("proc.name = <NA>", ""),
            ("ka.user.name contains <NA>", ""),
            ("ka.user.name = <NA>", "LOAD_UNSAFE_NA_CHECK <NA>"),
            ("not (ka.user.name == \"<NA>\")", "LOAD_UNSAFE_NA_CHECK \"<NA>\""),
            ("ka.verb = get and jevt.value[/a] != <NA>", "LOAD_UNSAFE_NA_CHECK <NA>"),
            ("ka.user.groups intersects (a, <NA>)", "LOAD_UNSAFE_NA_CHECK <NA>"),
            ("ka.uri pmatch (<NA>)", "LOAD_UNSAFE_NA_CHECK <NA>"),
            ("proc.name regex ca?t", ""),
            ("proc.name regex cat", "LOAD_COMPILE_CONDITION cat"),
        ] {
            let expression = condition(text, Dialect::Events).expect("it parses");
            let told = look(&expression).into_iter().map(|(code, fault)| {
                format!("{} {}", code.name(), &text[fault.span.start..fault.span.end])
            });
            assert_eq!(told.collect::<Vec<_>>().join(", "), expected, "{text}");
        }
    }
}
