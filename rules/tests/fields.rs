//! `docs/fields.md` is written from the table of fields. `UPDATE_EXPECT=1` writes it anew.

use alert::{ArgumentRule, Field, Type};

fn page() -> String {
    let mut page = String::from(
        "# Fields\n\n\
         What a condition or an output can name. This page is written from the source; do not edit \
         it.\n\n\
         A field with `[n]` takes the number of an ancestor, or nothing for any of them; `[…]` is an \
         argument that must be given, `[…]?` one that may be.\n",
    );
    let mut family = "";
    for field in Field::ALL {
        let name = field.name();
        let of = name.split('.').next().unwrap_or_default();
        if of != family {
            family = of;
            page += &format!("\n## {of}\n\n| field | type | meaning |\n| --- | --- | --- |\n");
        }
        let argument = match field.argument() {
            ArgumentRule::None => "",
            ArgumentRule::Ancestor => "[n]",
            ArgumentRule::Required => "[…]",
            ArgumentRule::Optional => "[…]?",
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
        page += &format!("| `{name}{argument}` | {kind}{several} | {} |\n", field.doc());
    }
    page
}

#[test]
fn the_page_of_fields_is_current() {
    expect_test::expect_file!["../../docs/fields.md"].assert_eq(&page());
}
