//! What a person reads who mistypes a condition over alerts: the column, what is wrong, and what
//! to write instead.

use rules::Condition;

#[track_caller]
fn check(condition: &str, expected: &str) {
    let fault = Condition::parse(condition).expect_err(condition);
    let mut found = format!("{} {}", fault.column, fault.message);
    for hint in &fault.hints {
        found += &format!(" | {hint}");
    }
    assert_eq!(found, expected, "{condition}");
}

const PLAIN: &str = "a field has a dot, as in `proc.name`; those without are priority rule source \
                     hostname output tags score count fingerprint state";

#[test]
fn a_name_that_is_no_field() {
    check("severity = critical", &format!("1 `severity` is no field | {PLAIN}"));
    check("prioritty = critical", "1 `prioritty` is no field | did you mean `priority`?");
    check("rule = a or critical", &format!("13 unknown field `critical` | {PLAIN}"));
    check("rule = a and", "13 expected a field or `(`, found the end");
}

#[test]
fn a_value_that_the_field_cannot_have() {
    check("priority > warn", "12 expected a priority, found `warn` | did you mean `warning`?");
    check(
        "priority >= critcal",
        "13 expected a priority, found `critcal` | did you mean `critical`?",
    );
    check(
        "priority in (high)",
        "14 expected a priority, found `high` | the priorities are debug informational notice warning error \
         critical alert emergency",
    );
    check("score = abc", "9 expected a decimal number, found `abc`");
    check("rule regex '('", "12 a `(` is not closed");
    check("rule regex '\\\\d+'", "12 `\\d` is not POSIX syntax: write `[0-9]`");
    check(
        "rule regex '(?i)x'",
        "12 `(?…)` is not POSIX syntax; for any case compare `tolower(…)`, or use `icontains` or `iglob`",
    );
    check(
        "proc.name bcontains 616",
        "21 expected hex digits in pairs, found `616` | as in `evt.buffer bcontains cafebabe`",
    );
}

#[test]
fn an_operator_that_does_not_fit() {
    let fitting = "it takes exists <= < >= > = != intersects in";
    check(
        "priority contains crit",
        &format!("10 `contains` cannot be used on `priority`, which is a priority | {fitting}"),
    );
    check(
        "score startswith 1",
        &format!("7 `startswith` cannot be used on `score`, which is a number | {fitting}"),
    );
    check(
        "score = val(rule)",
        "13 a number cannot be compared with a text | both sides must have the same type",
    );
    check(
        "rule in production",
        "9 there is no list `production` | values stand in parentheses: `(production)`",
    );
    check(
        "getopt(rule, \"ab\") intersects (a)",
        "1 `getopt` takes a list and the letters of the options",
    );
    check(
        "getopt(tags, \"ab\")[ab] = a",
        "1 in brackets behind `getopt` stands the letter of one option",
    );
    check("len(score) = 3", "1 `len` takes a text, bytes or a list; `score` is a number");
}
