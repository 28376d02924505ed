//! What the configuration puts into conditions, outputs and alerts.

use crate::{AppendOutput, ExtraField, LoadOptions, RuleSet, Source, sample};

/// Returns the output for an execve of `cat` with the fields that the options may add, or what is
/// wrong.
fn told(output: &str, condition: &str, options: &LoadOptions) -> String {
    let text = format!(
        "- rule: r\n  desc: d\n  output: '{output}'\n  priority: NOTICE\n  tags: [a, b]\n  \
         condition: evt.type = execve and {condition}\n"
    );
    let sources = [Source { name: "f".to_owned(), text }];
    let rules = match RuleSet::load_with(&sources, options).into_result() {
        Ok(loaded) => loaded.rules,
        Err(errors) => {
            let told = errors.iter().map(|error| format!("{}; {:?}", error.message, error.hints));
            return told.collect();
        }
    };
    let mut told = "no match".to_owned();
    let event = sample::exec("cat", &[]);
    rules.matcher().matches(&event, &mut |rule| {
        let rendered = rule.render(&event);
        told = rendered.output;
        let names = ["static.env", "proc.vpid", "who"].into_iter();
        for (name, value) in names.filter_map(|name| rendered.fields.get_key_value(name)) {
            told.push_str(&format!(" [{name}={value}]"));
        }
    });
    told
}

#[test]
fn a_static_field_is_a_constant() {
    let options = LoadOptions {
        static_fields: [("env".to_owned(), "cat".to_owned())].into(),
        ..LoadOptions::default()
    };
    for (condition, expected) in [
        ("static.env = cat", "o"),
        ("static.env = dog", "no match"),
        ("static.env != dog", "o"),
        ("static.env in (dog, cat)", "o"),
        ("static.env startswith d", "no match"),
        ("static.env exists", "o"),
        ("toupper(static.env) = CAT", "o"),
        ("proc.name = val(static.env)", "o"),
        ("concat(static.env, proc.name) = catcat", "o"),
        ("not static.env = cat", "no match"),
        ("static.other = x", "unknown field `static.other`; []"),
    ] {
        assert_eq!(told("o", condition, &options), expected, "{condition}");
    }
    for (output, expected) in [
        ("in %static.env.", r#"in cat. [static.env="cat"]"#),
        ("%5static.env|", r#"cat  | [static.env="cat"]"#),
        ("%toupper(static.env)", "CAT"),
        ("%static.other", "unknown field `static.other`; []"),
    ] {
        assert_eq!(told(output, "proc.name = cat", &options), expected, "{output}");
    }
}

#[test]
fn a_rule_that_a_static_field_decides_asks_no_event() {
    let text = "- rule: r\n  desc: d\n  output: o\n  priority: NOTICE\n  \
                condition: evt.type = execve and static.env = prod\n";
    let sources = [Source { name: "f".to_owned(), text: text.to_owned() }];
    let options = LoadOptions {
        static_fields: [("env".to_owned(), "test".to_owned())].into(),
        ..LoadOptions::default()
    };
    let loaded = RuleSet::load_with(&sources, &options).into_result().expect("it loads");
    assert!(loaded.rules.requirements().kinds.is_empty());
}

#[test]
fn outputs_and_fields_are_appended_where_they_match() {
    let all = AppendOutput::default;
    let field = |name: &str| ExtraField::Field(name.to_owned());
    let format = |name: &str, format: &str| ExtraField::Format {
        name: name.to_owned(),
        format: format.to_owned(),
    };
    let from = "it stands in `append_output` of the configuration";
    for (append, expected) in [
        (AppendOutput { extra_output: Some("by %proc.name".to_owned()), ..all() }, "o by cat"),
        (
            AppendOutput {
                rule: Some("other".to_owned()),
                extra_output: Some("x".to_owned()),
                ..all()
            },
            "o",
        ),
        (
            AppendOutput {
                rule: Some("r".to_owned()),
                source: Some("syscall".to_owned()),
                tags: vec!["b".to_owned()],
                extra_output: Some("x".to_owned()),
                ..all()
            },
            "o x",
        ),
        (
            AppendOutput {
                source: Some("k8s_audit".to_owned()),
                extra_output: Some("x".to_owned()),
                ..all()
            },
            "o",
        ),
        (
            AppendOutput {
                tags: vec!["a".to_owned(), "c".to_owned()],
                extra_output: Some("x".to_owned()),
                ..all()
            },
            "o",
        ),
        (AppendOutput { extra_fields: vec![field("proc.vpid")], ..all() }, "o [proc.vpid=100]"),
        (
            AppendOutput { extra_fields: vec![format("who", "%proc.name/%proc.vpid")], ..all() },
            r#"o [who="cat/100"]"#,
        ),
        (
            AppendOutput { suggested_output: true, ..all() },
            "o container_id=host container_name=host container_image_repository=<NA> \
             container_image_tag=<NA> k8s_ns_name=<NA> k8s_pod_name=<NA>",
        ),
        (
            AppendOutput { extra_output: Some("%nothing.here".to_owned()), ..all() },
            &format!("unknown field `nothing.here`; [\"{from}\"]"),
        ),
        (
            AppendOutput { extra_fields: vec![field("proc.name x")], ..all() },
            &format!("`proc.name x` is no field; [\"{from}\"]"),
        ),
    ] {
        let options = LoadOptions { append_output: vec![append], ..LoadOptions::default() };
        assert_eq!(told("o", "proc.name = cat", &options), expected, "{options:?}");
    }
}

#[test]
fn rules_that_are_switched_off_are_told_with_their_exceptions() {
    let text = "- rule: a\n  desc: d\n  output: o\n  priority: NOTICE\n  \
        condition: evt.type = execve\n  exceptions: [{ name: x, fields: proc.name }]\n\
        - rule: b\n  desc: d\n  output: o\n  priority: DEBUG\n  condition: evt.type = execve\n\
        - rule: c\n  desc: d\n  output: o\n  priority: ALERT\n  condition: evt.type = execve\n";
    let text = format!("{text}- rule: a\n  enabled: false\n  override: {{ enabled: replace }}\n");
    let options =
        LoadOptions { priority_min: Some(alert::Priority::Notice), ..LoadOptions::default() };
    let report = RuleSet::load_with(&[Source { name: "f".to_owned(), text }], &options);
    let names =
        |rules: &[crate::Rule]| rules.iter().map(|rule| rule.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&report.disabled), ["a", "b"]);
    assert_eq!(report.disabled[0].exceptions, ["x"]);
    assert_eq!(names(report.rules.as_ref().expect("rules").rules()), ["c"]);
}
