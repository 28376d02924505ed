//! Outputs stay whole and bounded, whatever a process puts into its name and arguments.

use proptest::prelude::*;

use super::*;
use crate::{
    RuleSet, Source,
    parse::{Span, output},
    sample::{exec, family},
};

/// What a value's bound may be passed by: the mark of a cut, and the padding of a width.
const SLACK: usize = 16;

fn rule(output: &str) -> Rule {
    let output = serde_json::to_string(output).unwrap();
    let text = format!(
        "- rule: r\n  desc: d\n  priority: INFO\n  condition: evt.type = execve\n  output: {output}\n"
    );
    let source = Source { name: "t.yaml".to_owned(), text };
    let rules = RuleSet::load(&[source]).unwrap_or_else(|errors| panic!("{}", errors[0])).rules;
    rules.rules()[0].clone()
}

#[test]
fn a_long_value_is_cut_between_characters() {
    let event = exec(&"é".repeat(10_000), &[]);
    let Rendered { output, fields } = rule("%proc.name").render(&event);
    assert_eq!(output.len(), print::VALUE_BYTES_MAX + '…'.len_utf8());
    assert!(output.ends_with("é…"));
    assert_eq!(fields["proc.name"], output.as_str());
    let exact = exec(&"x".repeat(print::VALUE_BYTES_MAX), &[]);
    assert!(!rule("%proc.name").render(&exact).output.contains('…'));
}

#[test]
fn a_list_of_long_values_is_cut_too() {
    let name = "x".repeat(1500);
    let mut event = exec("sh", &[]);
    Arc::make_mut(&mut event.process).parent = Some(family(&[name.as_str(); 20]));
    let Rendered { output, fields } = rule("%proc.aname").render(&event);
    assert!(output.len() <= print::VALUE_BYTES_MAX + SLACK && output.ends_with("…"));
    let shown = fields["proc.aname"].as_array().unwrap();
    assert_eq!(shown.len(), 4, "three names, the last cut, and the mark that more were left out");
    assert_eq!(shown[3], "…");
}

#[test]
fn a_whole_output_is_cut() {
    let format = "%proc.name ".repeat(100);
    let Rendered { output, fields } = rule(&format).render(&exec(&"x".repeat(4000), &[]));
    assert!(output.len() <= print::OUTPUT_BYTES_MAX + SLACK && output.ends_with('…'));
    assert!(fields.contains_key("proc.name"));
}

#[test]
fn control_characters_stay_inside_the_json_text() {
    let event = exec("a\n\u{1b}[31m\0\u{202e}", &["\"}\r\n{\"rule\":\"forged\""]);
    let rendered = rule("%proc.cmdline").render(&event);
    let line = serde_json::to_string(&rendered).unwrap();
    assert!(line.bytes().all(|byte| !byte.is_ascii_control()), "{line}");
    let read: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(read["output"], rendered.output.as_str());
    assert!(read["rule"].is_null());
}

proptest! {
    #[test]
    fn any_format_is_read_or_refused_with_its_place(
        parts in prop::collection::vec(
            prop_oneof![
                "%[0-9]{0,3}(proc\\.name|proc\\.aname|evt\\.arg|proc|fd\\.nam)[.a-z\\[\\]0-9\"]{0,6}",
                "%(toupper|len|join|getopt|concat)\\([a-z.,\"() -]{0,14}\\)?\\[?[a-z]?\\]?",
                ".{0,6}",
            ],
            0..6,
        ),
    ) {
        let format = parts.concat();
        match output(&format) {
            Ok(_) => prop_assert!(!format.ends_with('%')),
            Err(fault) => {
                let Span { start, end } = fault.span;
                prop_assert!(start <= end && end <= format.len() && !fault.message.is_empty());
                prop_assert!(format.is_char_boundary(start) && format.is_char_boundary(end));
            }
        }
    }

    #[test]
    fn hostile_values_are_printed_within_bounds(
        name in "\\PC{0,40}|[\\x00-\\x1f%*(){}\\[\\]]{0,40}",
        arguments in prop::collection::vec(".{0,60}", 0..6),
        repeated in 1..400_usize,
        width in 0..70_000_u32,
    ) {
        let arguments: Vec<_> = arguments.iter().map(|text| text.repeat(repeated)).collect();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let mut event = exec(&name, &arguments);
        Arc::make_mut(&mut event.process).parent = Some(family(&[&name, arguments.first().unwrap_or(&"")]));
        let format = format!("%{width}proc.cmdline|%proc.aname|%toupper(proc.args)|%evt.args");
        let Rendered { output, fields } = rule(&format).render(&event);
        // Three values are cut, and one may be padded behind its cut.
        prop_assert!(output.len() <= 5 * (print::VALUE_BYTES_MAX + SLACK));
        for value in fields.values() {
            prop_assert!(value.to_string().len() <= 6 * (print::VALUE_BYTES_MAX + SLACK));
        }
    }
}

#[test]
fn fields_keep_their_types() {
    let mut event = exec("bash", &["-c"]);
    Arc::make_mut(&mut event.process).parent = Some(family(&["sshd", "systemd"]));
    let format = "%user.uid %user.loginuid %proc.is_exe_writable %fd.name %proc.aname %proc.aname[1] \
                  %evt.arg.comm %evt.time.iso8601 %evt.datetime.s %toupper(proc.cwd) %join(\"-\", (proc.pname, \"x\"))";
    let fields = rule(format).render(&event).fields;
    for (name, expected) in [
        ("user.uid", serde_json::json!(0)),
        ("user.loginuid", serde_json::json!(-1)),
        ("proc.is_exe_writable", serde_json::json!(false)),
        ("fd.name", serde_json::Value::Null),
        ("proc.aname", serde_json::json!(["sshd", "systemd"])),
        ("proc.aname[1]", serde_json::json!("sshd")),
        ("evt.arg.comm", serde_json::json!("bash")),
        ("evt.time", serde_json::json!(3_000_000_000_u64)),
        ("evt.time.iso8601", serde_json::json!(3_000_000_000_u64)),
        ("evt.datetime.s", serde_json::json!(3_000_000_000_u64)),
        // A field that a function reads is one the output names; the function's result is not.
        ("proc.cwd", serde_json::json!("/srv/")),
        ("proc.pname", serde_json::json!("sshd")),
    ] {
        assert_eq!(fields.get(name), Some(&expected), "{name}");
    }
    assert!(!fields.keys().any(|name| name.contains('(')), "{fields:?}");
}
