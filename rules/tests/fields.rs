//! `docs/fields.md` is written from the table of fields. `UPDATE_EXPECT=1` writes it anew.

use alert::{ArgumentRule, EventSource, Field, Type};

fn page() -> String {
    let mut page = String::from(
        "# Fields\n\n\
         What a condition or an output can name, and where its value comes from. This page is written \
         from the source; do not edit it.\n\n\
         A field with `[n]` takes the number of an ancestor, or nothing for any of them; `[…]` is an \
         argument that must be given, `[…]?` one that may be, `[i]?` a place in the list. The fields \
         marked *not yet*, and those with *none* as their source and why, are known, so that rules load \
         and can be tested; no sensor fills them in, and a rule that reads one is warned about. Notation: `type.member` is a kernel structure.\n",
    );
    for source in EventSource::ALL {
        page += &format!("\n## Source `{}`\n", source.name());
        let mut family = "";
        for field in Field::of(source) {
            let of = field.name().split('.').next().unwrap_or_default();
            if of != family {
                family = of;
                page += &format!("\n### {of}\n\n| field | type | meaning | from |\n");
                page += "| --- | --- | --- | --- |\n";
            }
            page += &row(field);
        }
    }
    page
}

fn row(field: Field) -> String {
    let argument = match field.argument() {
        ArgumentRule::None => "",
        ArgumentRule::Ancestor => "[n]",
        ArgumentRule::Required => "[…]",
        ArgumentRule::Optional => "[…]?",
        ArgumentRule::Index => "[i]?",
    };
    let kind = match field.value_type() {
        Type::Bool => "truth",
        Type::Signed => "number",
        Type::Unsigned => "number ≥ 0",
        Type::Text => "text",
        Type::Path => "path",
        Type::Bytes => "bytes",
        Type::Ip => "address",
        Type::Net => "network",
        Type::Port => "port",
        Type::Priority => "priority",
        Type::Any => "any",
    };
    let several = if field.is_list() { ", several" } else { "" };
    let (name, doc, origin) = (field.name(), field.doc(), field.origin().sentence());
    let origin = match (field.supplied(), origin.strip_prefix("None")) {
        (true, _) => origin.to_owned(),
        (false, Some(why)) => format!("*none*{why}"),
        (false, None) => format!("*not yet*: {origin}"),
    };
    format!("| `{name}{argument}` | {kind}{several} | {doc} | {origin} |\n")
}

#[test]
fn the_page_of_fields_is_current() {
    expect_test::expect_file!["../../docs/fields.md"].assert_eq(&page());
}
