//! Our own rules load, keep their promises and are told apart by their cases.

use std::{fmt::Display, sync::Arc};

use rules::{RuleSet, Source, builtin, builtin_cases, test};

/// Enterprise tactics of ATT&CK v19, which split Defense Evasion into two.
const TACTICS: [&str; 15] = [
    "reconnaissance",
    "resource_development",
    "initial_access",
    "execution",
    "persistence",
    "privilege_escalation",
    "stealth",
    "defense_impairment",
    "credential_access",
    "discovery",
    "lateral_movement",
    "collection",
    "command_and_control",
    "exfiltration",
    "impact",
];
/// Techniques that v19 gave other numbers; the last two are a part of what had been T1070.
const RETIRED: [&str; 3] = ["T1562", "T1070.001", "T1070.002"];

fn all() -> Vec<Source> {
    builtin().into_iter().chain(builtin_cases()).collect()
}

fn told(diagnostics: &[impl Display]) -> String {
    diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect()
}

fn loaded() -> Arc<RuleSet> {
    let loaded = RuleSet::load(&builtin()).unwrap_or_else(|errors| panic!("{}", told(&errors)));
    assert!(loaded.warnings.is_empty(), "{}", told(&loaded.warnings));
    loaded.rules
}

/// Returns the text of each item of one kind, by its name, in the order of the files.
fn items(sources: &[Source], kind: &str) -> Vec<(String, String)> {
    let mark = format!("- {kind}: ");
    let mut items: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in sources.iter().flat_map(|source| source.text.lines()) {
        if let Some(name) = line.strip_prefix(&mark) {
            items.push((name.to_owned(), String::new()));
        }
        inside = if line.starts_with("- ") { line.starts_with(&mark) } else { inside };
        if let Some((_, text)) = items.last_mut().filter(|_| inside) {
            *text += line;
            text.push('\n');
        }
    }
    items
}

/// Returns name and fields of each exception of a rule's text.
fn exceptions(text: &str) -> Vec<(&str, Vec<&str>)> {
    let exception = |line| -> Option<(&str, Vec<&str>)> {
        let (name, rest) = str::strip_prefix(line, "    - { name: ")?.split_once(", fields: [")?;
        Some((name, rest.split_once("], comps")?.0.split(", ").collect()))
    };
    text.lines().filter_map(exception).collect()
}

#[test]
fn they_load_without_a_warning_and_are_many() {
    assert!(loaded().rules().len() >= 60);
}

#[test]
fn every_case_holds() {
    let report = test(&all());
    assert!(report.passed(), "{}", told(&report.failures));
    assert_eq!(report.untested, Vec::<String>::new());
}

#[test]
fn every_rule_has_two_events_it_matches_and_two_it_ignores() {
    for (name, text) in items(&builtin_cases(), "test") {
        let (matching, ignored) = text.split_once("  ignore:\n").expect("events to ignore");
        let events = |text: &str| text.lines().filter(|line| line.starts_with("    - ")).count();
        assert!(events(matching) >= 2, "{name}");
        assert!(events(ignored) >= 2, "{name}");
    }
}

#[test]
fn every_rule_names_tactic_and_technique_of_attack_19() {
    for rule in loaded().rules() {
        let tactics: Vec<_> =
            rule.tags.iter().filter_map(|tag| tag.strip_prefix("mitre_")).collect();
        assert!(!tactics.is_empty(), "{}", rule.name);
        assert!(tactics.iter().all(|tactic| TACTICS.contains(tactic)), "{}", rule.name);
        let techniques: Vec<_> = rule.tags.iter().filter(|tag| tag.starts_with('T')).collect();
        assert!(!techniques.is_empty(), "{}", rule.name);
        for technique in techniques {
            let (number, part) = technique[1..].split_once('.').unwrap_or((&technique[1..], "001"));
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            assert!(number.len() == 4 && digits(number), "{}: {technique}", rule.name);
            assert!(part.len() == 3 && digits(part), "{}: {technique}", rule.name);
            let retired =
                |old: &&str| technique == *old || technique.starts_with(&format!("{old}."));
            assert!(!RETIRED.iter().any(retired), "{}: {technique}", rule.name);
        }
    }
}

#[test]
fn every_rule_says_what_it_saw_and_who_did_it_where() {
    for (name, text) in items(&builtin(), "rule") {
        let (_, output) = text.split_once("  output: >\n").expect("an output");
        assert!(output.contains("%proc.cmdline") || output.contains("%proc.pcmdline"), "{name}");
        for field in ["%proc.", "%user.name", "%container.id"] {
            assert!(output.contains(field), "{name}: its output lacks {field}");
        }
    }
    for rule in loaded().rules() {
        assert!(rule.description.len() > 40, "{}", rule.name);
    }
}

#[test]
fn every_exception_takes_values_an_operator_appends() {
    let mut text = String::new();
    for (name, rule) in items(&builtin(), "rule") {
        let exceptions = exceptions(&rule);
        assert!(!exceptions.is_empty(), "{name}");
        for (exception, fields) in exceptions {
            let value = |field: &&str| if *field == "fd.snet" { "192.0.2.0/24" } else { "/srv/x" };
            let row = fields.iter().map(value).collect::<Vec<_>>().join(", ");
            text += &format!(
                "- rule: {name}\n  exceptions: [{{ name: {exception}, values: [[{row}]] }}]\n  \
                 override: {{ exceptions: append }}\n"
            );
        }
    }
    let mut sources = builtin();
    sources.push(Source { name: "operator.yaml".to_owned(), text });
    let loaded = RuleSet::load(&sources).unwrap_or_else(|errors| panic!("{}", told(&errors)));
    assert!(loaded.warnings.is_empty(), "{}", told(&loaded.warnings));
}

/// Replaces the value of a key in an event written on one line; adds the key where it is missing.
fn with(event: &str, key: &str, value: &str) -> String {
    let mark = format!(", {key}: ");
    match event.split_once(&mark) {
        Some((before, rest)) => {
            let end = rest.find([',', '}']).expect("an end");
            format!("{before}{mark}{value}{}", &rest[end..])
        }
        None => format!("{}{mark}{value} }}", event.trim_end_matches([' ', '}'])),
    }
}

/// The names of programs that rules excuse where these lie at their own path.
const TRUSTED: [&str; 14] = [
    "sshd",
    "sudo",
    "dpkg",
    "apt-get",
    "systemd",
    "cron",
    "runc",
    "containerd",
    "kubelet",
    "logrotate",
    "useradd",
    "git",
    "gdb",
    "tar",
];

/// Returns the names of the rules of which some case does not hold.
fn failing(cases: &[(String, Vec<String>)]) -> Vec<String> {
    let mut sources = builtin();
    sources.extend(cases.iter().map(|(name, events)| Source {
        name: name.clone(),
        text: format!("- test: {name}\n  match:\n    - {}\n", events.join("\n    - ")),
    }));
    let failures = test(&sources).failures;
    let name = |failure: &rules::TestFailure| failure.diagnostic.file.clone();
    failures.iter().map(name).collect()
}

/// Who opens a file or a connection may call itself what it likes: if a rule sees it under no
/// particular name, it sees it under the name of every program that is excused.
#[test]
fn a_name_alone_excuses_nobody() {
    let mut strangers = Vec::new();
    for (name, text) in items(&builtin_cases(), "test") {
        let (matching, _) = text.split_once("  ignore:\n").expect("events to ignore");
        let events = matching.lines().filter_map(|line| line.strip_prefix("    - { evt.type: "));
        let mut plain = events.filter(|line| !line.contains("parents:") && !line.contains("exec"));
        if let Some(event) = plain.next() {
            let event = with(&format!("{{ evt.type: {event}"), "proc.exepath", "/tmp/x");
            strangers.push((name, vec![with(&event, "proc.name", "x")]));
        }
    }
    let named = failing(&strangers);
    strangers.retain(|(name, _)| !named.contains(name));
    assert!(strangers.len() >= 30, "{} rules", strangers.len());
    let renamed = strangers.into_iter().map(|(name, events)| {
        let parents = |name: &str| format!("[{{ proc.name: {name}, proc.exepath: /tmp/y }}]");
        let rename = |trusted: &str| {
            let event = with(&with(&events[0], "proc.name", trusted), "proc.exe", trusted);
            with(&event, "parents", &parents(trusted))
        };
        (name, TRUSTED.map(rename).to_vec())
    });
    assert_eq!(failing(&renamed.collect::<Vec<_>>()), Vec::<String>::new());
}

#[test]
fn the_files_they_name_are_known() {
    let files = loaded().requirements().files;
    for path in ["/etc/shadow", "/etc/sudoers", "/var/log/auth.log", "/etc/ld.so.preload"] {
        assert!(files.contains(path), "{path}: {files:?}");
    }
    assert!(files.iter().all(|path| path.starts_with('/')), "{files:?}");
}
