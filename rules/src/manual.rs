//! Pages of the manual that are written from the source: `UPDATE_EXPECT=1` writes them anew.

use alert::{ArgumentRule, Field, Type};

use crate::{
    Code, RuleSet, Severity, Source,
    parse::{Function, Modifier, Operator},
};

const NOTE: &str = "This page is written from the source; do not edit it.\n";

const TYPES: [(Type, &str, &str); 10] = [
    (Type::Text, "text", "open"),
    (Type::Path, "path", "/etc"),
    (Type::Signed, "number", "1"),
    (Type::Unsigned, "number ≥ 0", "1"),
    (Type::Bytes, "bytes", "cafe"),
    (Type::Bool, "truth", "true"),
    (Type::Ip, "address", "10.0.0.1"),
    (Type::Net, "network", "10.0.0.0/8"),
    (Type::Port, "port", "443"),
    (Type::Priority, "priority", "critical"),
];

const fn meaning(operator: Operator) -> &'static str {
    match operator {
        Operator::Exists => "the event has a value",
        Operator::Equal => "equal; `==` is the same",
        Operator::NotEqual => "there is a value, and it is another",
        Operator::Less => "less",
        Operator::LessEqual => "less or equal",
        Operator::Greater => "greater",
        Operator::GreaterEqual => "greater or equal",
        Operator::Contains => "the text is part of the value",
        Operator::IContains => "the same in any ASCII case",
        Operator::BContains => "bytes, given in hex, are part of the value",
        Operator::StartsWith => "the value begins with the text",
        Operator::BStartsWith => "the value begins with bytes given in hex",
        Operator::EndsWith => "the value ends with the text",
        Operator::Glob => {
            "a shell pattern over the whole value: `*` (also across `/`), `?`, `[a-z]`, `[[:digit:]]`, `\\`"
        }
        Operator::IGlob => "the same in any ASCII case",
        Operator::Regex => {
            "a regular expression in POSIX syntax over the whole value, in time linear to its length"
        }
        Operator::In => "one of the list's values; a value that is a list: each of its elements",
        Operator::Intersects => {
            "one of the list's values; a value that is a list: one of its elements"
        }
        Operator::PathMatch => {
            "below or at one of the paths, component by component; components may be patterns"
        }
    }
}

const fn modifier_meaning(modifier: Modifier) -> &'static str {
    match modifier {
        Modifier::One => "exactly one value of the list satisfies the operator",
        Modifier::Any => "at least one does",
        Modifier::All => "all do; of an empty list none",
    }
}

const fn function_meaning(function: Function) -> (&'static str, &'static str) {
    match function {
        Function::ToLower => ("proc.name", "ASCII letters made small"),
        Function::ToUpper => ("proc.name", "ASCII letters made capital"),
        Function::Base64 => ("proc.env[X]", "decoded from base64, with or without padding"),
        Function::BaseName => ("proc.exepath", "what follows the last `/`"),
        Function::Len => ("proc.args", "length of a text in bytes, or of a list"),
        Function::Join => ("\",\", proc.aname", "elements of a list with a text between them"),
        Function::Concat => ("proc.name, \"-\", proc.pname", "texts one after the other"),
        Function::GetOpt => (
            "(\"-e\", proc.name), \"e:\"",
            "short options and their values, as getopt(3) finds them; with `[e]` behind it the value of one",
        ),
    }
}

/// Returns whether a condition compiles.
fn compiles(condition: &str) -> bool {
    let text = format!(
        "- rule: R\n  desc: d\n  condition: 'evt.type = execve and {}'\n  output: \"%proc.name\"\n  \
         priority: NOTICE\n",
        condition.replace('\'', "''")
    );
    RuleSet::load(&[Source { name: "r".to_owned(), text }]).is_ok()
}

/// Returns whether an operator is accepted on a type.
fn fits(operator: Operator, value_type: Type, value: &str) -> bool {
    let plain = |field: &&Field| {
        field.value_type() == value_type
            && field.argument() == ArgumentRule::None
            && !field.is_list()
    };
    let right = match operator {
        Operator::Exists => String::new(),
        Operator::BContains | Operator::BStartsWith => "cafe".to_owned(),
        operator if operator.takes_list() => format!("({value})"),
        // Behind these stands a number, whatever it is compared with.
        operator if operator.is_order() && matches!(value_type, Type::Text | Type::Path) => {
            "1".to_owned()
        }
        _ => value.to_owned(),
    };
    match Field::ALL.iter().find(plain) {
        Some(field) => compiles(&format!("{} {} {right}", field.name(), operator.word())),
        // Only alerts have priorities; what they compare with is told with them.
        None => {
            let field = "priority";
            crate::Condition::parse(&format!("{field} {} {right}", operator.word())).is_ok()
        }
    }
}

fn operators() -> String {
    let mut page = format!(
        "# Operators and functions\n\n{NOTE}\n\
         An operator on a type that does not have it is an error when the rule is loaded. A field's \
         type is in [fields.md](../fields.md). A value that is missing satisfies no operator, `!=` \
         neither.\n\n| operator | holds if |\n| --- | --- |\n"
    );
    for operator in Operator::ALL {
        page += &format!("| `{}` | {} |\n", operator.word(), meaning(*operator));
    }
    page += "\n## Which type has which\n\n| operator |";
    for (_, name, _) in TYPES {
        page += &format!(" {name} |");
    }
    page += &format!("\n| --- |{}\n", " :-: |".repeat(TYPES.len()));
    for operator in Operator::ALL {
        page += &format!("| `{}` |", operator.word());
        for (value_type, _, value) in TYPES {
            page += if fits(*operator, value_type, value) { " ● |" } else { "  |" };
        }
        page += "\n";
    }
    page += "\n## Modifiers\n\nThey stand between `=`, `!=` or an operator on texts and a list, as in \
             `proc.args contains anyof (\"-e\", \"-c\")`.\n\n\
             | modifier | holds if |\n| --- | --- |\n";
    for modifier in Modifier::ALL {
        page += &format!("| `{}` | {} |\n", modifier.word(), modifier_meaning(*modifier));
    }
    page += "\n## Functions\n\nThey stand for a field, on either side of an operator and in \
             outputs, and nest. Of a missing value the result is missing.\n\n\
             | function | result |\n| --- | --- |\n";
    for function in Function::ALL {
        let (arguments, result) = function_meaning(*function);
        page += &format!("| `{}({arguments})` | {result} |\n", function.word());
    }
    page
}

/// What to do about a diagnostic; a lint's page says it at length.
const REMEDIES: &[(Code, &str)] = &[
    (Code::FileRead, "Look at the path and its permissions."),
    (Code::Extension, "Nothing: no extension gives it here."),
    (Code::WarningExtension, "Nothing: no extension gives it here."),
    (Code::UnsafeNaCheck, "Write `field exists` instead of comparing with `<NA>`."),
    (Code::SelectionUnused, "Correct the name or the tag in the configuration."),
    (
        Code::YamlParse,
        "Mend the YAML at the place told: mostly a missing quote or wrong indentation.",
    ),
    (
        Code::YamlValidate,
        "Give the key the value told. [README.md](README.md#a-rule-file) lists the keys.",
    ),
    (
        Code::CompileCondition,
        "Mend the condition at the place told; the hint names the likely cause. Fields are in \
             [fields.md](../fields.md), operators in [operators.md](operators.md).",
    ),
    (Code::CompileOutput, "Mend the output: every `%` must begin a field."),
    (Code::Validate, "Define what is named, put it before what changes it, or end the loop."),
    (
        Code::UnknownSource,
        "Nothing, if the events of that source come from elsewhere; else remove the rule.",
    ),
    (
        Code::NoEventType,
        "Restrict the rule, as in `evt.type = execve and …`, or set `warn_evttypes: false`.",
    ),
    (Code::UnknownFilter, "Nothing: the rule asked to be skipped. Look for a newer version."),
    (Code::UnusedMacro, "Remove it, or use it."),
    (Code::UnusedList, "Remove it, or use it."),
    (Code::UnknownItem, "Correct the word; the hint tells the nearest one."),
    (Code::UnknownKey, "Correct the word; the hint tells the nearest one."),
    (Code::DeprecatedItem, "Write it the way the hint tells."),
    (Code::AppendNoValues, "Give the exception `values`, or remove it."),
    (Code::ExceptionNameNotUnique, "Rename one of the two."),
    (Code::InvalidMacroName, "Use a letter, then letters, digits and underscores."),
    (Code::InvalidListName, "Use no blanks, quotes, parentheses, commas or equals signs."),
    (Code::Suspicious, "Read the hint: most often `val(field)` was meant, or a simpler operator."),
    (Code::Unobservable, "Remove the rule, or use an agent whose sensor reports such events."),
    (
        Code::FieldUnsupplied,
        "Nothing, if the rest of the rule decides without the field; else wait for a version \
             that supplies it. [fields.md](../fields.md) tells which do.",
    ),
    (Code::CaseFailed, "Mend the rule or its test."),
];

fn remedy(code: Code) -> String {
    if let Some((_, text)) = REMEDIES.iter().find(|(known, _)| *known == code) {
        return (*text).to_owned();
    }
    let lint = crate::lints().iter().find(|lint| lint.code == code);
    let name = lint.map(|lint| lint.name).expect("a new code tells here what to do");
    format!("See [{name}](lint/{name}.md).")
}

fn diagnostics() -> String {
    let mut page = format!(
        "# Diagnostics\n\n{NOTE}\n\
         An error keeps all files from loading: the rules that were in force stay. A warning is \
         told and changes nothing. Codes that begin with `LOAD_` are Falco's.\n"
    );
    for (severity, title) in [(Severity::Error, "Errors"), (Severity::Warning, "Warnings")] {
        page += &format!("\n## {title}\n\n| code | meaning | what to do |\n| --- | --- | --- |\n");
        for code in Code::ALL.iter().filter(|code| code.severity() == severity) {
            page += &format!("| `{}` | {} | {} |\n", code.name(), code.meaning(), remedy(*code));
        }
    }
    page
}

#[test]
fn the_page_of_operators_is_current() {
    expect_test::expect_file!["../../docs/rules/operators.md"].assert_eq(&operators());
}

#[test]
fn the_page_of_diagnostics_is_current() {
    expect_test::expect_file!["../../docs/rules/diagnostics.md"].assert_eq(&diagnostics());
}

#[test]
fn every_function_compiles_as_it_is_shown() {
    for function in Function::ALL {
        let (arguments, _) = function_meaning(*function);
        let condition = match function {
            Function::GetOpt => format!("{}({arguments}) intersects (e)", function.word()),
            Function::Len => format!("{}({arguments}) > 1", function.word()),
            _ => format!("{}({arguments}) = abc", function.word()),
        };
        assert!(compiles(&condition), "{condition}");
    }
}
