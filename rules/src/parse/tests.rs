//! What the grammar takes and refuses, and that printing keeps a condition what it is.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::{DEPTH_MAX, Dialect, Expression, Fault, NESTING_MAX, condition, output};

fn accepts(text: &str) -> bool {
    condition(text, Dialect::Events).is_ok()
}

#[test]
fn groups_and_calls_nest_only_so_deep() {
    let groups = |depth: usize| format!("{}a.b exists{}", "(".repeat(depth), ")".repeat(depth));
    assert!(accepts(&groups(DEPTH_MAX)));
    assert!(!accepts(&groups(DEPTH_MAX + 1)));
    assert!(!accepts(&groups(1_000_000)));
    assert!(accepts(&format!("{}a.b exists", "not ".repeat(100_000))));
    let calls = |depth: usize| format!("{}a.b{} = x", "tolower(".repeat(depth), ")".repeat(depth));
    assert!(accepts(&calls(100)));
    assert!(!accepts(&calls(101)));
    assert!(!accepts(&calls(100_000)));
}

#[test]
fn the_deepest_tree_is_walked_in_a_small_thread() {
    let nested = |depth: usize| format!("{}a{}", "not (b or ".repeat(depth), ")".repeat(depth));
    assert!(!accepts(&nested(NESTING_MAX / 2 + 1)));
    let show = move || {
        let expression = read(&nested(NESTING_MAX / 2));
        (serde_json::to_string(&expression), expression.to_string())
    };
    let thread = std::thread::Builder::new().stack_size(512 << 10).spawn(show);
    let (json, printed) = thread.expect("a thread").join().expect("no overflow");
    assert_eq!(json.expect("JSON").matches("\"not\"").count(), NESTING_MAX / 2);
    assert_eq!(printed.matches("not (").count(), NESTING_MAX / 2);
}

/// The faults of a condition as `column message`.
fn check_faults(text: &str, expect: Expect) {
    let faults = condition(text, Dialect::Events).map(|_| ()).expect_err("it has faults");
    let mut lines = String::new();
    for Fault { span, message, hint } in faults {
        let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        lines += &format!("{} {message}{hint}\n", span.start + 1);
    }
    expect.assert_eq(&lines);
}

#[test]
fn a_fault_does_not_hide_those_of_other_operands() {
    check_faults(
        "proc.name ~ cat and (fd.num > x or fd.name = a b) or evt.type in (open, and) and c.d",
        expect![[r#"
            11 expected an operator, found `~` (patterns take `glob` or `regex`, inequality is `!=`)
            31 expected a number, found `x`
            48 expected `and`, `or` or `)`, found `b` (a value with a blank is put in quotes)
            85 expected an operator, found the end (the operators are exists <= < >= > = != contains icontains bcontains startswith bstartswith endswith glob iglob regex intersects in pmatch)
        "#]],
    );
    check_faults(
        "a.b = \"\\q\" or c.d \"and e.f\" and g.h => 3",
        expect![[r#"
            8 unknown escape `\q` (the escapes are `\b \f \n \r \t \\ \/ \xHH` and the quote; a backslash is written `\\`)
            19 expected an operator, found `"` (the operators are exists <= < >= > = != contains icontains bcontains startswith bstartswith endswith glob iglob regex intersects in pmatch)
            40 expected `and`, `or` or the end of the condition, found `3` (`>=` is an operator, `=>` is none)
        "#]],
    );
    check_faults(
        "a or(b) and c andd e",
        expect![[r#"
        9 after `or(…)` only `or` may follow, found `and` (that is Falco's grammar: put a blank after `or`)
        15 expected `and`, `or` or the end of the condition, found `andd` (`and` and `or` need a blank or `(` behind them)
    "#]],
    );
    check_faults(
        "a.b in (x y) and not tolower(c) = d and e",
        expect![[r#"
        11 expected `,` or `)`, found `y`
        30 expected a field, a call, a number or a quoted value, found `c`
    "#]],
    );
}

#[test]
fn after_a_fault_that_leaves_doubt_nothing_more_is_said() {
    check_faults(
        "a.b in (x and c ~ d or e.f ! g",
        expect![[r#"
        11 expected `,` or `)`, found `and`
    "#]],
    );
    check_faults(
        "a.b = \"x and c.d ~ e",
        expect![[r#"
        7 the quote is not closed
    "#]],
    );
    check_faults(
        "a.b ~ 'x and c.d ~ e",
        expect![[r#"
        5 expected an operator, found `~` (patterns take `glob` or `regex`, inequality is `!=`)
    "#]],
    );
    check_faults(
        "(a and (b or c",
        expect![[r#"
        8 the `(` is not closed
    "#]],
    );
    check_faults(
        "a) and b.c ~ d",
        expect![[r#"
        2 a `)` without its `(`
    "#]],
    );
}

#[test]
fn faults_are_not_told_without_end() {
    let text = ["a.b ~ c"; 100].join(" and ");
    assert_eq!(condition(&text, Dialect::Events).map(|_| ()).expect_err("faults").len(), 20);
}

#[test]
fn an_error_says_what_to_write() {
    for (text, hint) in [
        ("a && b", "write `and`"),
        ("a OR b", "write `or`"),
        ("a andb", "`and` and `or` need a blank or `(` behind them"),
        ("a.b = c d", "a value with a blank is put in quotes"),
        ("a.b = c, d", "several values are written `in (…, …)`"),
        ("a.b => 3", "`>=` is an operator, `=>` is none"),
        ("a.b <> 3", "inequality is written `!=`"),
        ("a.b > \"3\"", "a number stands without quotes"),
        ("a.b not in (c)", "`not` stands before the field: `not proc.name in (…)`"),
        ("a.b is c", "equality is written `=`"),
        ("a.b like c", "patterns take `glob` or `regex`, inequality is `!=`"),
        ("a.b strartswith c", "did you mean `startswith`?"),
        ("a.b startswith/c", "`startswith` needs a blank behind it"),
        ("a.b intersect (c)", "did you mean `intersects`?"),
        ("tolower (a.b) = c", "write `tolower(` without the blank"),
        ("a.b = val (c.d)", "write `val(` without the blank"),
        ("a.b = val(tolower(c.d))", "a call needs no `val` around it"),
        ("tolowr(a.b) = c", "did you mean `tolower(`?"),
        ("name = c", "a field has a dot, as in `proc.name = …`; without one it is a macro"),
        ("a.b[c d] = e", "an argument with blanks or brackets is put in quotes"),
    ] {
        let faults = condition(text, Dialect::Events).map(|_| ()).expect_err(text);
        assert_eq!(faults[0].hint.as_deref(), Some(hint), "{text}");
    }
}

#[test]
fn outputs_of_the_language_are_accepted() {
    for text in [
        "plain",
        "%proc.name",
        "%proc.name.",
        "a %proc.name b %fd.name",
        "*%proc.name",
        "%proc.aname[2]",
        "%proc.aname[2].",
        "%evt.arg.flags",
        "%evt.arg[0]",
        "%proc.env[HOME]",
        "%12proc.name|",
        "%tolower(proc.name)",
        "%basename(tolower(proc.exepath))!",
        "(%proc.name)",
        "%proc.name%proc.pname",
        "%proc.name[",
        "",
    ] {
        assert!(output(text).is_ok(), "{text}");
    }
}

#[test]
fn a_percent_without_a_field_is_refused() {
    for text in
        ["%", "100%", "%%", "% x", "%nothing", "%proc", "%proc.nmae", "%tolower(proc.name", "%5"]
    {
        assert!(output(text).is_err(), "{text}");
    }
}

fn read(text: &str) -> Expression {
    condition(text, Dialect::Events).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
}

/// A reader that goes back, or looks far ahead for each word, would not come to an end here.
#[test]
fn a_megabyte_of_anything_is_read_in_time_linear_to_its_length() {
    const BYTES: usize = 1 << 20;
    for piece in [
        "(",
        ")",
        "not ",
        "not(",
        "a and ",
        "a or(",
        "a.b = \"",
        "\"",
        "'",
        "\\\"",
        "\\",
        "a.b in (",
        "x, ",
        "a.b ~ c and ",
        "a.b ~ (c) and (",
        "tolower(",
        "join(\",\", (",
        "a.",
        "a",
        "[",
        "1",
        "-",
        " ",
        "é",
        "\0",
        "val(",
        "a.b = val(c.d) or ",
        "a.b contains anyof (c, d) and ",
    ] {
        let text = piece.repeat(BYTES / piece.len());
        drop(condition(&text, Dialect::Events));
        drop(condition(&format!("a.b in ({text}"), Dialect::Events));
        drop(condition(&format!("a.b = \"{text}"), Dialect::Alerts));
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,80}") {
        drop(condition(&text, Dialect::Events));
        drop(condition(&text, Dialect::Alerts));
        drop(output(&text));
    }

    #[test]
    fn no_text_of_the_languages_own_words_panics(
        words in prop::collection::vec(
            "(and|or|not|in|\\(|\\)|,|=|\"|'|\\\\|\\[|\\]|a\\.b|tolower\\(|val\\(|%|%proc\\.name|exists|oneof|0x|-|1e| )",
            0..40,
        )
    ) {
        let text = words.concat();
        drop(condition(&text, Dialect::Events));
        drop(condition(&text, Dialect::Alerts));
        drop(output(&text));
    }
}
