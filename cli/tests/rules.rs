//! The tools of those who write rules, as they are typed.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::{Command, Stdio},
};

const SAKER: &str = env!("CARGO_BIN_EXE_saker");

const RULES: &str = "\
- list: shells
  items: [sh, bash]
- rule: Shell
  desc: Somebody started a shell.
  condition: evt.type = execve and proc.name in (shells) and proc.tty != 0
  output: 'a shell (%proc.name)'
  priority: NOTICE
  tags: [T1059.004, container]
- rule: Shadow read
  desc: Somebody read password hashes.
  condition: evt.type in (openat, openat2) and fd.name = /etc/shadow
  output: 'hashes (%fd.name)'
  priority: WARNING
  tags: [T1003.008]
";

const TESTS: &str = "\
- test: Shell
  match: [{ evt.type: execve, proc.name: bash, proc.tty: 1, output: a shell (bash) }]
  ignore: [{ name: no terminal, evt.type: execve, proc.name: bash }]
";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    /// Runs `saker rules …` in the folder; returns exit code, output and error output.
    fn rules(&self, arguments: &[&str], input: &str) -> (i32, String, String) {
        let mut child = Command::new(SAKER)
            .arg("rules")
            .args(arguments)
            .current_dir(self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One that does not read its input has ended before it is written.
        child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let (code, text, error) = self.rules(arguments, "");
        assert_eq!(code, 0, "{arguments:?}: {text}{error}");
        text
    }
}

fn lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_folder_is_checked_by_name_and_strictness_refuses_warnings() {
    let folder = Folder::new(&[
        ("10-rules.yaml", RULES),
        ("20-more.yaml", "- rule: Shell\n  enabled: false\n"),
        ("notes.txt", "not yaml: ["),
    ]);
    let (code, text, error) = folder.rules(&["check", "."], "");
    assert!(code == 0 && text.starts_with("1 rule loaded from 2 files"), "{text}{error}");
    let (code, _, error) = folder.rules(&["check", "--strict", "."], "");
    assert_eq!(code, 1);
    assert!(error.contains("20-more.yaml:2:12"), "{error}");
    let (code, _, error) = folder.rules(&["check", "20-more.yaml"], "");
    assert_eq!(code, 2, "the rule it changes is in the other file: {error}");
}

#[test]
fn a_check_is_told_in_falcos_shape_also_for_a_file_that_is_not_there() {
    let bad = "- rule: A\n  desc: d\n  condition: proc.nmae = x\n  output: o\n  priority: INFO\n";
    let folder = Folder::new(&[("r.yaml", RULES), ("bad.yaml", bad)]);
    let check = ["check", "--format", "json", "r.yaml", "bad.yaml", "nowhere.yaml"];
    let (code, text, _) = folder.rules(&check, "");
    assert_eq!(code, 2);
    let results = &lines(&text)[0]["falco_load_results"];
    assert_eq!((&results[0]["name"], &results[0]["successful"]), (&"r.yaml".into(), &true.into()));
    assert_eq!(results[1]["errors"][0]["code"], "LOAD_ERR_COMPILE_CONDITION");
    assert_eq!(results[2]["errors"][0]["code"], "LOAD_ERR_FILE_READ");
}

#[test]
fn a_lint_is_found_selected_and_ignored_by_its_name() {
    let rules = RULES.replace("proc.tty != 0", "proc.name = zsh");
    let folder = Folder::new(&[("r.yaml", &rules)]);
    let (code, _, error) = folder.rules(&["lint", "r.yaml"], "");
    assert!(code == 1 && error.contains("docs/rules/lint/never-true.md"), "{error}");
    let (code, text, _) =
        folder.rules(&["lint", "--select", "never-true", "--format", "json", "r.yaml"], "");
    let found = lines(&text);
    assert_eq!((code, found.len(), &found[0]["lint"]), (1, 1, &"never-true".into()));
    folder.ok(&["lint", "--ignore", "never-true", "r.yaml"]);
    let (code, _, error) = folder.rules(&["lint", "--ignore", "never", "r.yaml"], "");
    assert!(code == 2 && error.contains("no lint `never`"), "{error}");
    let listed = lines(&folder.ok(&["lint", "--list", "--format", "json"]));
    assert!(listed.iter().any(|lint| lint["name"] == "never-true"));
}

#[test]
fn an_import_tells_each_rules_fate() {
    let more = "\
- rule: Dead
  desc: d
  condition: evt.type = execve and evt.num = 0
  output: o
  priority: INFO
- rule: Elsewhere
  desc: d
  condition: ka.verb = get
  output: o
  priority: INFO
  source: other
- rule: Audited
  desc: d
  condition: ka.verb = get
  output: o
  priority: INFO
  source: k8s_audit
- rule: Noisy
  desc: d
  condition: evt.type = execve and proc.name = x
  output: o
  priority: DEBUG
";
    let config = "rules_files: [r.yaml, more.yaml, gone.d]\nengine: { kind: modern_ebpf }\n\
        rules: [{ disable: { tag: container } }]\npriority: informational\n";
    let folder = Folder::new(&[("r.yaml", RULES), ("more.yaml", more), ("falco.yaml", config)]);
    let import = ["import", "--falco-config", "falco.yaml"];
    let (code, text, error) = folder.rules(&[&import[..], &["--format", "json"]].concat(), "");
    let fates: Vec<String> = lines(&text)
        .iter()
        .map(|line| {
            format!("{} {}", line["rule"].as_str().unwrap(), line["fate"].as_str().unwrap())
        })
        .collect();
    let expected = [
        "Shell disabled",
        "Shadow read loaded",
        "Dead dead",
        "Audited unseen",
        "Noisy disabled",
        "Elsewhere skipped",
    ];
    assert_eq!((code, &fates[..]), (1, &expected.map(str::to_owned)[..]), "{error}");
    assert!(error.contains("gone.d"), "{error}");
    let (_, text, _) = folder.rules(&import, "");
    assert!(text.contains("    2 disabled  are switched off"), "{text}");
    assert!(text.contains("nothing hands events of the source `k8s_audit` to rules"), "{text}");
    folder.ok(&["import", "r.yaml"]);
}

#[test]
fn a_rule_that_is_off_is_listed_and_explained_as_such() {
    let more = "- rule: Shell\n  enabled: false\n  override: { enabled: replace }\n\
        - rule: Shadow read\n  exceptions: [{ name: backup, fields: proc.exepath, values: [/b] }]\n  \
        override: { exceptions: append }\n";
    let folder = Folder::new(&[("10.yaml", RULES), ("20.yaml", more)]);
    let (code, text, error) = folder.rules(&["list", "."], "");
    assert!(code == 0 && error.contains("2 rules, 1 of them off"), "{error}");
    assert!(text.contains("off  Notice    Shell        execve"), "{text}");
    let listed = lines(&folder.ok(&["list", ".", "--format", "json"]));
    assert_eq!((&listed[0]["enabled"], &listed[1]["enabled"]), (&false.into(), &true.into()));
    let text = folder.ok(&["explain", "Shell", "--rules", "."]);
    assert!(text.contains("state        off"), "{text}");
    let text = folder.ok(&["explain", "Shadow read", "--rules", "."]);
    assert!(text.contains("exceptions   backup") && !text.contains("state "), "{text}");
}

#[test]
fn a_dash_is_standard_input_and_an_empty_folder_is_told() {
    let folder = Folder::new(&[]);
    for command in ["check", "list", "test", "lint"] {
        let (code, _, error) = folder.rules(&[command, "-"], RULES);
        assert_eq!(code, 0, "{command}: {error}");
    }
    let (code, _, error) = folder.rules(&["check", "-"], "- rule: A\n  desc: d\n");
    assert!(code == 2 && error.contains("--> standard input:1:9"), "{error}");
    let (code, _, error) = folder.rules(&["list", "."], "");
    assert!(code == 0 && error.contains("no file in . ends in .yaml"), "{error}");
}

#[test]
fn a_list_is_chosen_by_name_tag_priority_and_event() {
    let folder = Folder::new(&[("r.yaml", RULES)]);
    for (chosen, expected) in [
        (&[][..], &["Shell", "Shadow read"][..]),
        (&["--name", "sh*l"], &["Shell"]),
        (&["--tag", "t1003*"], &["Shadow read"]),
        (&["--tag", "T1059*", "--tag", "container"], &["Shell"]),
        (&["--priority", "warning"], &["Shadow read"]),
        (&["--event", "openat2"], &["Shadow read"]),
        (&["--source", "k8s_audit"], &[]),
    ] {
        let arguments = [&["list", "r.yaml", "--format", "json"][..], chosen].concat();
        let listed = lines(&folder.ok(&arguments));
        let names: Vec<_> = listed.iter().map(|rule| rule["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{chosen:?}");
    }
    let text = folder.ok(&["list", "r.yaml"]);
    assert!(text.contains("r.yaml:3") && text.contains("openat openat2"), "{text}");
}

#[test]
fn tests_pass_fail_and_name_what_is_untested() {
    let folder = Folder::new(&[("r.yaml", RULES), ("t.yaml", TESTS)]);
    let text = folder.ok(&["test", "r.yaml", "t.yaml"]);
    assert!(text.contains("without a case: Shadow read"), "{text}");
    assert!(text.contains("1 rule tested, 2 cases, 0 failed, 1 rule without a case"), "{text}");
    assert_eq!(folder.rules(&["test", "--all-tested", "r.yaml", "t.yaml"], "").0, 1);
    assert_eq!(folder.rules(&["test", "--rule", "sha*", "r.yaml", "t.yaml"], "").0, 3);

    fs::write(folder.0.path().join("t.yaml"), TESTS.replace("proc.tty: 1,", "")).unwrap();
    let (code, _, error) = folder.rules(&["test", "r.yaml", "t.yaml"], "");
    assert_eq!(code, 1);
    assert!(
        error.contains("t.yaml:2:11") && error.contains("> false    and proc.tty != 0"),
        "{error}"
    );
    let (_, text, _) = folder.rules(&["test", "--format", "json", "r.yaml", "t.yaml"], "");
    let report = &lines(&text)[0];
    assert_eq!(report["failures"][0]["trace"]["decided_by"][0], "proc.tty != 0", "{report}");
}

#[test]
fn a_rule_is_explained_and_its_technique_has_a_link() {
    let folder = Folder::new(&[("r.yaml", RULES)]);
    let text = folder.ok(&["explain", "Shell", "--rules", "r.yaml"]);
    for part in [
        "defined in   r.yaml:3",
        "and proc.name in (sh, bash)",
        "https://attack.mitre.org/techniques/T1059/004/",
        "sched_process_exec",
        "proc.tty",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let (code, _, error) = folder.rules(&["explain", "shadow", "--rules", "r.yaml"], "");
    assert!(code == 3 && error.contains("did you mean `Shadow read`?"), "{error}");
}

#[test]
fn an_event_is_explained_and_the_answer_is_the_exit_code() {
    let folder = Folder::new(&[("r.yaml", RULES), ("t.yaml", TESTS)]);
    let explain = ["explain", "Shell", "--rules", "r.yaml", "--event"];
    let (code, text, _) =
        folder.rules(&[&explain[..], &["-"]].concat(), "{ evt.type: execve, proc.name: bash }");
    assert!(code == 1 && text.contains("does not match"), "{text}");
    assert!(text.contains("> false    and proc.tty != 0   # proc.tty is 0"), "{text}");

    let (code, text, _) = folder.rules(&[&explain[..], &["t.yaml"]].concat(), "");
    assert!(code == 0 && text.contains("1 of 2 events match"), "{text}");
    assert!(text.contains("proc.tty != 0") && text.contains("no terminal"), "{text}");
    let shown = [&explain[..], &["t.yaml", "--index", "2", "--format", "json"]].concat();
    let (code, text, _) = folder.rules(&shown, "");
    assert_eq!((code, lines(&text)[0]["matches"].as_bool()), (1, Some(false)));
    assert_eq!(folder.rules(&[&explain[..], &["t.yaml", "--index", "3"]].concat(), "").0, 3);
    assert_eq!(folder.rules(&[&explain[..], &["-"]].concat(), "evt.type: what").0, 2);
}

#[test]
fn a_condition_is_parsed_and_a_fault_has_its_column() {
    let folder = Folder::new(&[]);
    let (code, text, _) = folder.rules(&["parse"], "evt.type = execve and not my_macro");
    assert_eq!((code, lines(&text).len()), (0, 1), "{text}");
    let (code, text, _) = folder.rules(&["parse", "--format", "text"], "a.b=1 and (c.d exists)");
    assert_eq!((code, text.trim()), (0, "a.b = 1 and c.d exists"));
    let (code, text, _) = folder.rules(&["parse"], "proc.name =\n  and x");
    assert_eq!((code, lines(&text)[0]["error"]["line"].as_u64()), (1, Some(2)), "{text}");
    let (code, _, error) = folder.rules(&["parse", "--format", "text"], "proc.name in (a");
    assert!(code == 1 && error.starts_with("1:"), "{error}");
}

#[test]
fn the_dearest_rules_of_an_agent_come_first() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let body = r#"{"seconds":10.0,"rules":[
        {"rule":"Cheap","evaluated":10,"matched":1,"timed":1,"timed_ns":100},
        {"rule":"Dear","evaluated":1000,"matched":0,"timed":10,"timed_ns":3000}]}"#;
    let served = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = BufReader::new(stream.try_clone().unwrap()).lines();
            assert!(head.next().unwrap().unwrap().starts_with("GET /rules "));
            head.find(|line| line.as_ref().unwrap().is_empty());
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    let folder = Folder::new(&[]);
    let url = format!("http://{address}");
    let top = ["top", "--once", "--agent", &url];
    let text = folder.ok(&top);
    let dear = text.lines().nth(1).unwrap();
    assert!(dear.contains("Dear") && dear.contains("99.7%") && dear.contains("300"), "{text}");
    let text = folder.ok(&[&top[..], &["--max", "1", "--format", "json"]].concat());
    assert_eq!(lines(&text)[0]["rules"].as_array().unwrap().len(), 1);
    served.join().unwrap();
    assert_eq!(folder.rules(&top, "").0, 4, "nobody is there any more");
}
