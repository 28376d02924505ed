//! What matchers become: conditions over the labels' fields.

use router::pipeline::{Comparison, Matcher};
use rules::quoted;

use super::pattern;

/// Returns the condition that holds for the same alerts. A label that an alert lacks is an empty one.
pub(super) fn condition(matcher: &Matcher) -> Result<String, String> {
    let mut letters = matcher.name().chars();
    let begins = letters.next().is_some_and(|first| first.is_ascii_alphabetic());
    if !begins || !letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        let name = matcher.name().escape_debug();
        return Err(format!("a label named `{name}` cannot be a field's name"));
    }
    let field = format!("label.{}", matcher.name());
    let (is_regex, negated) = match matcher.comparison() {
        Comparison::Equal => (false, false),
        Comparison::NotEqual => (false, true),
        Comparison::Regex => (true, false),
        Comparison::NotRegex => (true, true),
    };
    let (compared, takes_empty) = if is_regex {
        let converted = pattern::convert(matcher.value())?;
        (format!("{field} regex {}", quoted(&converted.text)), converted.takes_empty)
    } else {
        (format!("{field} = {}", quoted(matcher.value())), matcher.value().is_empty())
    };
    Ok(match (takes_empty, negated) {
        (false, false) => compared,
        (false, true) => format!("not {compared}"),
        (true, false) => format!("(not {field} exists or {compared})"),
        (true, true) => format!("({field} exists and not {compared})"),
    })
}
