//! What the grammar takes and refuses, and that printing keeps a condition what it is.

use proptest::prelude::*;

use super::{Dialect, Expression, condition, output};

fn accepts(text: &str) -> bool {
    condition(text, Dialect::Events).is_ok()
}

#[test]
fn conditions_of_the_language_are_accepted() {
    for text in ACCEPTED {
        if let Err(fault) = condition(text, Dialect::Events) {
            panic!("{text:?}: {fault:?}");
        }
    }
}

#[test]
fn everything_else_is_refused() {
    for text in REFUSED {
        assert!(!accepts(text), "{text:?}");
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{}a.b exists{}", "(".repeat(depth), ")".repeat(depth));
    assert!(accepts(&nested(super::DEPTH_MAX)));
    assert!(!accepts(&nested(super::DEPTH_MAX + 1)));
    assert!(!accepts(&nested(1_000_000)));
    assert!(accepts(&format!("{}a.b exists", "not ".repeat(100_000))));
}

#[test]
fn a_call_may_nest_no_deeper_than_parentheses() {
    let nested = |depth: usize| format!("{}a.b{} = x", "tolower(".repeat(depth), ")".repeat(depth));
    assert!(accepts(&nested(50)));
    assert!(!accepts(&nested(100_000)));
}

const ACCEPTED: &[&str] = &[
    "a.b exists",
    "a.b.c exists",
    "proc.name=cat",
    "proc.name = cat",
    "proc.name == cat",
    "proc.name==cat",
    "proc.name != cat",
    "proc.name!=cat",
    "proc.name = \"cat\"",
    "proc.name = 'cat'",
    "proc.name = \"a b\"",
    "proc.name = \"a\\\"b\"",
    "proc.name = 'a\\'b'",
    "proc.name = \"\\x41\\n\\t\\r\\b\\f\\\\\\/\"",
    "proc.name = \"a\\ b\"",
    "proc.name = <NA>",
    "proc.name = \"\"",
    "proc.name = /a/b-c.d_e",
    "proc.name = a[1]",
    "proc.name contains a",
    "proc.name contains \"(\"",
    "proc.name icontains a",
    "proc.name bcontains cafe",
    "proc.name bstartswith cafe",
    "proc.name startswith a",
    "proc.name endswith a",
    "proc.name glob a*",
    "proc.name iglob A*",
    "proc.name regex a.*b",
    "proc.name regex \"(a|b)\"",
    "proc.name in ()",
    "proc.name in (a)",
    "proc.name in (a,b)",
    "proc.name in ( a , b )",
    "proc.name in(a,b)",
    "proc.name in (\"a b\", 'c')",
    "proc.name in names",
    "proc.name intersects (a, b)",
    "proc.name intersects(a)",
    "fd.name pmatch (/a, /b)",
    "fd.name pmatch(/a)",
    "fd.num < 3",
    "fd.num <= 3",
    "fd.num > 3",
    "fd.num >= 3",
    "fd.num>=3",
    "fd.num<3",
    "fd.num >= -1",
    "fd.num >= +1",
    "fd.num >= 1.5",
    "fd.num >= 1e5",
    "fd.num >= 1.5e-5",
    "fd.num >= 0x1f",
    "fd.num = -1",
    "proc.aname[2] = a",
    "proc.aname[\"2\"] = a",
    "proc.env[HOME] = /root",
    "evt.arg.flags contains O_CREAT",
    "evt.arg[0] = x",
    "container.mount.dest[/proc*] exists",
    "ka.req.pod.containers.image[0] = x",
    "jevt.value[/a/b] = x",
    "a",
    "some_macro",
    "some_macro and other2",
    "not some_macro",
    "not a.b exists",
    "not not a.b exists",
    "not not not a.b exists",
    "not(a.b exists)",
    "not (a.b exists)",
    "not not(a.b exists)",
    "(a.b exists)",
    "((a.b exists))",
    "( a.b exists )",
    "(a.b exists) and c",
    "(a.b exists)and c",
    "a and b",
    "a and b and c",
    "a or b",
    "a or b or c",
    "a and b or c",
    "a or b and c",
    "a or (b)",
    "a or(b)",
    "a or(b) or c",
    "a or(b)or(c)",
    "a and(b)",
    "a and(b) or c",
    "a and(b) and c",
    "a and not b",
    "a and not(b)",
    "a or not (b and c)",
    "a\nand\tb",
    "  a  ",
    "\n a \n",
    "a.b = b and c",
    "a.b in (x) and c",
    "a.b in (x)and c",
    "a.b exists and c",
    "a.b >= 3 and c",
    "tolower(proc.name) = cat",
    "toupper(proc.name) = CAT",
    "basename(proc.exepath) in (a, b)",
    "b64(proc.args) contains x",
    "len(proc.name) > 3",
    "len(fd.ip) > 1",
    "tolower(toupper(proc.name)) = a",
    "tolower( proc.name ) = a",
    "join(\",\", (proc.name, proc.pname)) = a",
    "concat(proc.name, \"x\", proc.pname) = a",
    "getopt(proc.args, \"a:\")[a] = x",
    "proc.name = val(proc.pname)",
    "proc.name = val( proc.pname )",
    "proc.name != val(proc.aname[2])",
    "proc.pid > val(proc.ppid)",
    "proc.name = tolower(proc.pname)",
    "proc.name in val(proc.aname)",
    "proc.name contains oneof (a, b)",
    "proc.name startswith anyof (a, b)",
    "proc.name glob allof (a*, *b)",
    "proc.name = anyof (a, b)",
    "proc.name = anyof names",
    "proc.name = oneof",
    "notes",
    "order and android",
    "proc.name = tolower",
];

const REFUSED: &[&str] = &[
    "",
    " ",
    "a b",
    "a and",
    "a or",
    "and",
    "or b",
    "and b",
    "not",
    "not not",
    "a and and b",
    "a or or b",
    "a && b",
    "a || b",
    "!a",
    "(",
    ")",
    "()",
    "(a",
    "a)",
    "((a)",
    "(a))",
    "a or(b) and c",
    "a or(b)and c",
    "a orb",
    "a andb",
    "a.b",
    "a.b and c",
    "a.b =",
    "a.b ==",
    "a.b !=",
    "a.b <",
    "a.b < x",
    "a.b < \"3\"",
    "a.b === c",
    "a.b = c d",
    "a.b = (c)",
    "a.b = c,d",
    "a.b = \"c",
    "a.b = 'c",
    "a.b = \"c\\q\"",
    "a.b = \"c\\'\"",
    "a.b = 'c\\\"'",
    "a.b = \"\\x4\"",
    "a.b = \"\\x00\"",
    "a.b = \"\\xzz\"",
    "a.b = \"\\xff\"",
    "a.b = \"\0\"",
    "a.b = x\0y",
    "a.b contains",
    "a.b contains\"x\"",
    "a.b startswith\"/x\"",
    "a.b startswith/x",
    "a.b endswith",
    "a.b glob",
    "a.b regex",
    "a.b in",
    "a.b in (",
    "a.b in (a",
    "a.b in (a,",
    "a.b in (a,)",
    "a.b in (,a)",
    "a.b in (a b)",
    "a.b in ((a))",
    "a.b in a, b",
    "a.b in \"a\"",
    "a.b inx (a)",
    "a.b intersects",
    "a.b pmatch",
    "a.b pmatch /x",
    "a.b existsx",
    "a.b exists = x",
    "a.b like x",
    "a.b ~ x",
    "a.b => 3",
    "a.b =< 3",
    "a.b <> 3",
    "a = b",
    "a in (b)",
    "a exists",
    "a.[b] = c",
    "a.b[ = c",
    "a.b[] = c",
    "a.b[x = c",
    "a.b[x y] = c",
    "a.b [x] = c",
    "a..b = c",
    ".a = c",
    "a. = c",
    "a.1b = c",
    "1a.b = c",
    "_a.b = c",
    "1",
    "\"a\"",
    "tolower() = a",
    "tolower(a) = a",
    "tolower(a.b = a",
    "tolower (a.b) = a",
    "tolower(a.b)",
    "tolower(a.b,) = a",
    "lower(a.b) = a",
    "join(\",\", (a.b, (c.d))) = a",
    "val(a.b) = c",
    "a.b = val()",
    "a.b = val(c)",
    "a.b = val(c.d",
    "a.b = val (c.d)",
    "a.b = oneof (a",
    "a.b contains oneof(a",
    "a.b exists c",
    "not and",
    "not()",
    "not(a",
    "nota.b",
    "a.b = c and",
    "a.b = c or (d",
    "a.b >= ",
    "a.b >= -",
    "a.b >= 1.",
    "a.b >= 0xzz",
    "a.b >= 3x",
    "é",
    "a.b = c é",
];

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

fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9_]{0,4}\\.[a-z][a-z0-9_]{0,4}",
        "[a-z]{1,4}\\.[a-z]{1,4}\\[[0-9a-zA-Z/*]{1,4}\\]",
        "(tolower|toupper|basename|b64|len)\\([a-z]{1,4}\\.[a-z]{1,4}\\)",
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z/<>.*-]{1,6}",
        "\"[ a-z(),='é]{0,6}\"",
        "'[ a-z(),=\"]{0,6}'",
        "\"(\\\\x[1-7][0-9a-f]|\\\\n|\\\\\\\\|\\\\\"){0,3}\"",
    ]
}

fn check() -> impl Strategy<Value = String> {
    let operator = "(=|!=|contains|icontains|startswith|endswith|glob|iglob|regex)";
    prop_oneof![
        field().prop_map(|field| format!("{field} exists")),
        (field(), operator, value()).prop_map(|(field, op, value)| format!("{field} {op} {value}")),
        (field(), "(<|<=|>|>=)", -99..99_i32)
            .prop_map(|(field, op, n)| format!("{field} {op} {n}")),
        (field(), "(in|intersects|pmatch)", prop::collection::vec(value(), 0..4))
            .prop_map(|(field, op, items)| format!("{field} {op} ({})", items.join(", "))),
        (field(), "(oneof|anyof|allof)", prop::collection::vec(value(), 0..3))
            .prop_map(|(field, word, items)| format!("{field} glob {word} ({})", items.join(","))),
        (field(), field()).prop_map(|(field, other)| format!("{field} = val({other})")),
        "[a-m]{1,6}".prop_filter("a keyword", |name| name != "and"),
    ]
    .prop_filter("val of a call", |text| !text.contains("val(t") || accepts(text))
}

fn any_condition() -> impl Strategy<Value = String> {
    check().prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|all| all.join(") and (")),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|all| all.join(") or (")),
            inner.prop_map(|inner| format!("not ({inner}")),
        ]
        .prop_map(|inner| format!("({inner})"))
        .prop_filter("balanced", |text| accepts(text))
    })
}

fn read(text: &str) -> Expression {
    condition(text, Dialect::Events).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
}

proptest! {
    #[test]
    fn printing_and_reading_again_gives_the_same(text in any_condition()) {
        if let Ok(expression) = condition(&text, Dialect::Events) {
            let printed = expression.to_string();
            prop_assert_eq!(read(&printed).to_string(), printed);
        }
    }

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
