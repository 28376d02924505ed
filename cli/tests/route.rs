//! `saker route` on a configuration, without a router.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::{fs, path::PathBuf, process::Command};

const CONFIG: &str = r#"
outputs:
  soc: { stdout: {} }
  night: { stdout: {} }
  kept: { stdout: {} }
intervals:
  office-hours:
    - times: [{ start_time: "09:00", end_time: "17:00" }]
      weekdays: ["monday:friday"]
      location: Europe/Berlin
routes:
  - name: prod
    match: k8s.ns.name startswith prod
    outputs: [soc]
    continue: true
    routes:
      - { name: urgent, match: priority >= critical, outputs: [soc, night] }
      - { name: rest, active: [office-hours] }
  - { name: all, outputs: [kept] }
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("saker.yaml"), CONFIG).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `saker route` and returns its exit code, output and errors.
    fn route(&self, command: &str, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_saker"))
            .args(["route", command, "--config"])
            .arg(self.path("saker.yaml"))
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

#[test]
fn who_hears_of_an_alert_is_told_and_can_be_demanded() {
    let folder = Folder::new();
    let prod = ["--rule", "R", "--field", "k8s.ns.name=production"];
    // A Friday, 09:30 in Berlin.
    let morning = [&prod[..], &["--at", "2026-11-27T08:30:00Z"]].concat();
    let (code, text, _) = folder.route("test", &morning);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("prod/rest, group"), "{text}");
    assert!(text.contains("tells soc") && text.contains("tells kept"), "{text}");
    let expected = [&morning[..], &["--expect", "kept,soc"]].concat();
    assert_eq!(folder.route("test", &expected).0, 0);

    let evening = [&prod[..], &["--at", "2026-11-27T16:00:00Z", "--expect", "soc"]].concat();
    let (code, text, error) = folder.route("test", &evening);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("tells nobody at this time, inactive"), "{text}");
    assert!(error.contains("expected soc to hear of it, but kept would"), "{error}");

    let urgent = [&prod[..], &["--priority", "critical", "--expect", "soc,night,kept"]].concat();
    assert_eq!(folder.route("test", &urgent).0, 0);
}

#[test]
fn alerts_of_a_file_are_judged_each_and_a_bad_line_is_named() {
    let folder = Folder::new();
    let alert = |namespace: &str, priority: &str| {
        format!(
            r#"{{"rule":"R","priority":"{priority}","time":"2026-11-21T08:00:00Z","output":"o","output_fields":{{"k8s.ns.name":"{namespace}"}}}}"#
        )
    };
    let file = folder.path("alerts.jsonl");
    fs::write(&file, [alert("prod", "Critical"), alert("dev", "Notice")].join("\n")).unwrap();
    let path = file.to_str().unwrap();
    let (code, text, error) = folder.route("test", &["--file", path, "--format", "json"]);
    assert_eq!(code, 0, "{error}");
    let told: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["outputs"].clone())
        .collect();
    assert_eq!(told, [serde_json::json!(["kept", "night", "soc"]), serde_json::json!(["kept"])]);

    fs::write(&file, format!("{}\n{{\"rule\": 7}}\n", alert("dev", "Notice"))).unwrap();
    let (code, _, error) = folder.route("test", &["--file", path]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("alerts.jsonl:2: "), "{error}");
}

#[test]
fn the_tree_is_shown_with_what_is_inherited() {
    let (code, text, error) = Folder::new().route("show", &[]);
    assert_eq!(code, 0, "{error}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "prod: k8s.ns.name startswith prod → soc, and goes on",
            "  urgent: priority >= critical → soc, night",
            "  rest: every alert → soc, active in office-hours",
            "all: every alert → kept",
        ]
    );
}
