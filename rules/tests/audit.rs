//! Rules about audit events of the Kubernetes API server are checked like others, and never asked
//! about what a sensor saw.

use rules::{RuleSet, Source};

const FILE: &str = "
- list: people
  items: [\"system:admin\", \"eks:node-manager\"]
- macro: counted
  condition: evt.num > 0
- macro: finished
  condition: jevt.value[/stage] = ResponseComplete
- rule: privileged pod
  desc: A privileged pod was made by somebody else.
  condition: >
    counted and finished and ka.verb = create and ka.target.resource = pods
    and not ka.target.subresource exists and not ka.user.name in (people)
    and ka.req.pod.containers.privileged intersects (true)
  output: pod=%ka.resp.name first=%ka.req.pod.containers.image[0] param=%ka.uri.param[dryRun] user=%ka.user.name
  priority: WARNING
  source: k8s_audit
- rule: program
  desc: d
  condition: counted and evt.type = execve and proc.name = cat
  output: o
  priority: NOTICE
";

fn load(text: &str) -> Result<(usize, Vec<String>), Vec<String>> {
    let source = Source { name: "audit.yaml".to_owned(), text: text.to_owned() };
    let told = |found: &[rules::Diagnostic]| {
        found.iter().map(|found| format!("{}: {}", found.code.name(), found.message)).collect()
    };
    match RuleSet::load(&[source]) {
        Ok(loaded) => Ok((loaded.rules.rules().len(), told(&loaded.warnings))),
        Err(errors) => Err(told(&errors)),
    }
}

#[test]
fn they_load_beside_rules_about_programs_and_share_macros() {
    let (rules, warnings) = load(FILE).unwrap();
    assert_eq!(rules, 2);
    assert_eq!(
        warnings,
        ["SAKER_UNOBSERVABLE: nothing hands events of the source `k8s_audit` to rules yet"]
    );
}

#[test]
fn no_event_of_a_sensor_matches_them() {
    let cases = "
- test: privileged pod
  ignore: [{ evt.type: execve, proc.name: cat }]
- test: program
  match: [{ evt.type: execve, proc.name: cat }]
";
    // Without its audit fields the condition would hold of any event.
    let always = FILE.replace("counted and finished and", "counted or finished and");
    let source = |name: &str, text: &str| Source { name: name.to_owned(), text: text.to_owned() };
    let report = rules::test(&[source("audit.yaml", &always), source("cases.yaml", cases)]);
    assert!(report.passed(), "{:?}", report.failures);
    assert_eq!(report.cases, 2);
}

#[test]
fn a_field_of_the_other_source_is_refused() {
    let program = FILE.replace("proc.name = cat", "ka.verb = get");
    let audit = FILE.replace("ka.verb = create", "proc.name = cat");
    let output = FILE.replace("user=%ka.user.name", "user=%user.name");
    let shared = FILE.replace("counted and evt.type", "finished and evt.type");
    for (text, code, field) in [
        (program, "LOAD_ERR_COMPILE_CONDITION", "`ka.verb` is of events of the source `k8s_audit`"),
        (audit, "LOAD_ERR_COMPILE_CONDITION", "`proc.name` is of events of the source `syscall`"),
        (output, "LOAD_ERR_COMPILE_OUTPUT", "`user.name` is of events of the source `syscall`"),
        (shared, "LOAD_ERR_COMPILE_CONDITION", "`jevt.value` is of events of the source"),
    ] {
        let errors = load(&text).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].starts_with(code) && errors[0].contains(field), "{errors:?}");
    }
}
