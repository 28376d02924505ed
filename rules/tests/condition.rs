//! Conditions over alerts: routes, silences and searches.

use alert::{Alert, AlertId, Fields, Fingerprint, Priority};
use expect_test::{Expect, expect};
use rules::{Condition, Subject, Verdict};

fn alert() -> Alert {
    let fields: Fields = [
        ("proc.name", serde_json::json!("bash")),
        ("user.uid", 1000.into()),
        ("k8s.ns.name", "prod-eu".into()),
        ("k8s.pod.name", serde_json::Value::Null),
        ("fd.rip", "203.0.113.7".into()),
        ("container.privileged", true.into()),
        ("proc.aname", serde_json::json!(["sshd", "systemd"])),
        ("load.average", serde_json::json!(1.5)),
        ("proc.aname[2]", "sshd".into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    Alert {
        id: AlertId::from_u128(1),
        time: "2026-01-01T00:00:00Z".parse().expect("a time"),
        received: "2026-01-01T00:00:01Z".parse().expect("a time"),
        rule: "Terminal shell".to_owned(),
        priority: Priority::Critical,
        source: "syscall".to_owned(),
        hostname: "node-1".to_owned(),
        output: "A shell was started".to_owned(),
        tags: vec!["container".to_owned(), "mitre_execution".to_owned()],
        fields,
        ends: None,
    }
}

fn evaluate(condition: &str) -> Verdict {
    let alert = alert();
    let mut subject = Subject::new(&alert);
    (subject.score, subject.count) = (Some(70), Some(3));
    subject.fingerprint = Some(Fingerprint(0xab));
    let condition = Condition::parse(condition).unwrap_or_else(|error| panic!("{error}"));
    let verdict = condition.evaluate(&subject);
    if verdict != Verdict::Unknown {
        assert_eq!(condition.matches(&subject), verdict == Verdict::True);
    }
    verdict
}

#[test]
fn an_alert_answers_by_its_fields() {
    for condition in [
        "priority >= critical",
        "priority >= Warning and k8s.ns.name startswith prod",
        "priority = CRITICAL",
        "priority in (alert, critical)",
        "priority < emergency",
        "rule = \"Terminal shell\"",
        "rule icontains SHELL",
        "source != k8s_audit",
        "hostname glob node-*",
        "output contains shell",
        "tags intersects (container, host)",
        "tags = container",
        "tags contains mitre_",
        "tags in (container, mitre_execution, x)",
        "score > 50",
        "score >= 70 and count = 3",
        "fingerprint endswith ab",
        "proc.name = bash",
        "user.uid = 1000",
        "user.uid > 999",
        "container.privileged = true",
        "fd.rip = 203.0.113.0/24",
        "proc.aname intersects (sshd)",
        "proc.aname[2] = sshd",
        "load.average > 1",
        "load.average < 1.6",
        "proc.name exists",
        "not k8s.pod.name exists",
        "not rule = x",
        "not (nosuch.field = x and rule = x)",
        "nosuch.field = x or rule = \"Terminal shell\"",
    ] {
        assert_eq!(evaluate(condition), Verdict::True, "{condition}");
    }
    for condition in [
        "priority > critical",
        "priority = warning",
        "rule = x",
        "tags intersects (host)",
        "tags in (container)",
        "tags != container",
        "score > 70",
        "user.uid = 1001",
        "container.privileged = false",
        "fd.rip = 10.0.0.0/8",
        "nosuch.field exists",
        "k8s.pod.name exists",
        "nosuch.field = x and rule = x",
    ] {
        assert_eq!(evaluate(condition), Verdict::False, "{condition}");
    }
}

#[test]
fn what_is_missing_is_unknown() {
    for condition in [
        "nosuch.field = x",
        "nosuch.field != x",
        "not nosuch.field = x",
        "k8s.pod.name = x",
        "state = delivered",
        "nosuch.field = x and priority >= critical",
        "nosuch.field = x or rule = x",
    ] {
        assert_eq!(evaluate(condition), Verdict::Unknown, "{condition}");
    }
    let alert = alert();
    let matches = |text: &str| Condition::parse(text).unwrap().matches(&Subject::new(&alert));
    assert!(!matches("score > 0") && !matches("score <= 0") && matches("not score > 0"));
}

fn check(condition: &str, expect: Expect) {
    expect.assert_eq(&Condition::parse(condition).expect_err("a fault").to_string());
}

#[test]
fn a_fault_is_shown_with_its_place() {
    check(
        "priority >= critcal",
        expect![[r#"
            error[LOAD_ERR_COMPILE_CONDITION]: expected a priority, found `critcal`
             --> condition:1:13
              |
            1 | priority >= critcal
              |             ^^^^^^^
              |
              = help: did you mean `critical`?"#]],
    );
    check(
        "prioritty = x",
        expect![[r#"
            error[LOAD_ERR_COMPILE_CONDITION]: `prioritty` is no field
             --> condition:1:1
              |
            1 | prioritty = x
              | ^^^^^^^^^
              |
              = help: did you mean `priority`?"#]],
    );
    check(
        "rule = a and",
        expect![[r#"
            error[LOAD_ERR_COMPILE_CONDITION]: expected a field or `(`, found the end
             --> condition:1:13
              |
            1 | rule = a and
              |             ^"#]],
    );
    check(
        "score contains 7",
        expect![[r#"
            error[LOAD_ERR_COMPILE_CONDITION]: `contains` cannot be used on `score`, which is a number
             --> condition:1:7
              |
            1 | score contains 7
              |       ^^^^^^^^
              |
              = help: it takes exists <= < >= > = != intersects in"#]],
    );
}

#[test]
fn it_travels_as_its_text() {
    let condition: Condition = serde_json::from_str("\"priority >= critical\"").unwrap();
    assert_eq!(condition.text(), "priority >= critical");
    assert_eq!(serde_json::to_string(&condition).unwrap(), "\"priority >= critical\"");
    assert_eq!(condition, Condition::parse("priority >= critical").unwrap());
    let error = serde_json::from_str::<Condition>("\"rule =\"").unwrap_err().to_string();
    assert!(error.contains("1:7") && error.contains('^'), "{error}");
    let long = format!("rule = {}", "x".repeat(100_000));
    assert!(Condition::parse(&long).is_err());
}

#[test]
fn it_is_shared_by_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Condition>();
    shared::<rules::RuleSet>();
}
