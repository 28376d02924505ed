//! Every command of `amtool` that speaks to a server.

use std::process::{Command, Output};

use e2e::{Folder, Router, Webhook};
use serde_json::{Value, json};

use super::router;

/// Runs amtool against a router.
fn run(router: &Router, arguments: &[&str]) -> Output {
    let mut amtool = Command::new("amtool");
    amtool.arg(format!("--alertmanager.url={}", router.ingest_url("")));
    amtool.args(arguments).output().unwrap()
}

/// Returns what amtool prints when all is well.
#[track_caller]
fn amtool(router: &Router, arguments: &[&str]) -> String {
    let output = run(router, arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[track_caller]
fn read(router: &Router, arguments: &[&str]) -> Vec<Value> {
    serde_json::from_str(&amtool(router, arguments)).unwrap()
}

/// Returns what amtool says when it fails.
#[track_caller]
fn refused(router: &Router, arguments: &[&str]) -> String {
    let output = run(router, arguments);
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

fn names(alerts: &[Value]) -> Vec<&str> {
    let mut names: Vec<&str> =
        alerts.iter().map(|alert| alert["labels"]["alertname"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn alerts_are_added_and_queried() {
    let webhook = Webhook::start();
    let router = router(&webhook);
    amtool(
        &router,
        &[
            "alert",
            "add",
            "DiskFull",
            "severity=critical",
            "instance=db-1",
            "--annotation=summary=It is full",
            "--generator-url=http://prometheus/graph",
        ],
    );
    amtool(&router, &["alert", "add", "DiskSlow", "severity=warning", "instance=db-2"]);
    amtool(&router, &["alert", "add", "Over", "--end=2020-01-01T00:00:00Z"]);

    let alerts = read(&router, &["alert", "query", "-o", "json"]);
    assert_eq!(names(&alerts), ["DiskFull", "DiskSlow"]);
    let full = alerts.iter().find(|alert| alert["labels"]["alertname"] == "DiskFull").unwrap();
    assert_eq!(
        full["labels"],
        json!({ "alertname": "DiskFull", "severity": "critical", "instance": "db-1" })
    );
    assert_eq!(full["annotations"], json!({ "summary": "It is full" }));
    assert_eq!(full["receivers"], json!([{ "name": "hook" }]));
    assert_eq!(full["status"]["state"], "active");
    assert_eq!(full["generatorURL"], "http://prometheus/graph");

    for (asked, found) in [
        ("DiskFull", &["DiskFull"][..]),
        ("severity=warning", &["DiskSlow"]),
        ("alertname=~Disk.*", &["DiskFull", "DiskSlow"]),
        ("alertname=~Disk", &[]),
        ("instance!~db-[2-9]", &["DiskFull"]),
        ("instance!=db-1", &["DiskSlow"]),
        ("nothing=", &["DiskFull", "DiskSlow"]),
    ] {
        let alerts = read(&router, &["alert", "query", "-o", "json", asked]);
        assert_eq!(names(&alerts), found, "{asked}");
    }
    let alerts = read(&router, &["alert", "query", "-o", "json", "--receiver=nobody"]);
    assert_eq!(names(&alerts), Vec::<&str>::new());
    let shown = amtool(&router, &["alert", "query", "-o", "extended"]);
    assert!(shown.contains("DiskFull") && shown.contains("It is full"), "{shown}");
    let error = refused(
        &router,
        &["alert", "add", "A", "--start=2026-01-02T00:00:00Z", "--end=2026-01-01T00:00:00Z"],
    );
    assert!(error.contains("start time must be before end time"), "{error}");
}

#[test]
fn silences_are_added_queried_updated_expired_and_imported() {
    let webhook = Webhook::start();
    let router = router(&webhook);
    amtool(&router, &["alert", "add", "DiskFull", "instance=db-1"]);
    let add = [
        "silence",
        "add",
        "--author=ann",
        "--comment=known",
        "alertname=DiskFull",
        "instance=~db-.+",
    ];
    let id = amtool(&router, &add);

    let silences = read(&router, &["silence", "query", "-o", "json"]);
    assert_eq!(silences.len(), 1);
    assert_eq!(silences[0]["id"], id.as_str());
    assert_eq!(
        (&silences[0]["createdBy"], &silences[0]["comment"]),
        (&"ann".into(), &"known".into())
    );
    assert_eq!(silences[0]["status"]["state"], "active");
    assert_eq!(
        silences[0]["matchers"],
        json!([
            { "name": "alertname", "value": "DiskFull", "isRegex": false, "isEqual": true },
            { "name": "instance", "value": "db-.+", "isRegex": true, "isEqual": true },
        ])
    );
    assert_eq!(amtool(&router, &["silence", "query", "-q", "alertname=DiskFull"]), id);
    assert_eq!(amtool(&router, &["silence", "query", "-q", "alertname=Other"]), "");
    assert_eq!(amtool(&router, &["silence", "query", "-q", "--created-by=bob"]), "");

    // It hides the alert, and is ours.
    let query = ["alert", "query", "-o", "json"];
    assert_eq!(read(&router, &query), Vec::<Value>::new());
    let silenced = read(&router, &["alert", "query", "-o", "json", "--silenced"]);
    assert_eq!(silenced[0]["status"]["silencedBy"], json!([id]));
    assert_eq!(silenced[0]["status"]["state"], "suppressed");

    amtool(&router, &["silence", "update", "--duration=2h", "--comment=longer", &id]);
    let updated = read(&router, &["silence", "query", "-o", "json"]);
    assert_eq!(updated.len(), 1);
    assert_eq!(updated[0]["comment"], "longer");
    assert_eq!(updated[0]["matchers"], silences[0]["matchers"]);

    amtool(&router, &["silence", "expire", &id]);
    assert_eq!(amtool(&router, &["silence", "query", "-q"]), "");
    assert_eq!(amtool(&router, &["silence", "query", "-q", "--expired"]), id);
    assert_eq!(names(&read(&router, &query)), ["DiskFull"]);

    // What was exported is imported as new ones.
    let folder = Folder::new("silences");
    let file = folder.write("silences.json", json!(updated).to_string());
    amtool(&router, &["silence", "import", "--force", &file.display().to_string()]);
    let imported = read(&router, &["silence", "query", "-o", "json"]);
    assert_eq!(imported[0]["comment"], "longer");
    assert_eq!(imported[0]["matchers"], silences[0]["matchers"]);
}

#[test]
fn what_cannot_be_silenced_is_refused_in_words() {
    let webhook = Webhook::start();
    let router = router(&webhook);
    let add = ["silence", "add", "--author=ann", "--comment=x"];
    let error = refused(&router, &[&add[..], &["--duration=5000h", "a=b"]].concat());
    assert!(error.contains("30 days"), "{error}");
    let error = refused(&router, &[&add[..], &["a=~.*"]].concat());
    assert!(error.contains("empty value"), "{error}");
    let error = refused(&router, &["silence", "expire", "no-such-id"]);
    assert!(error.contains("404"), "{error}");
}

#[test]
fn the_configuration_and_the_cluster_are_shown() {
    let webhook = Webhook::start();
    let router = router(&webhook);
    let config = amtool(&router, &["config", "show"]);
    assert!(config.contains("label.alertname") && !config.contains(Webhook::SECRET), "{config}");
    let cluster = amtool(&router, &["cluster", "show"]);
    assert!(cluster.contains("disabled"), "{cluster}");
}

#[test]
fn with_tokens_only_who_has_one_may_read_and_only_an_admin_may_write() {
    let router = Router::start_with(&json!({
        "router": { "auth": { "tokens": [
            { "name": "ann", "token": "admins", "role": "admin" },
            { "name": "vic", "token": "viewers", "role": "viewer" },
        ] } },
        "outputs": { "out": { "stdout": {} } },
    }));
    let folder = Folder::new("tokens");
    let with = |token: &str| {
        let file = folder.write(token, format!("authorization: {{ credentials: {token} }}\n"));
        format!("--http.config.file={}", file.display())
    };
    let (admin, viewer) = (with("admins"), with("viewers"));
    let query = ["silence", "query", "-q"];
    // amtool shows the status of what its interface does not name.
    let error = refused(&router, &query);
    assert!(error.contains("401"), "{error}");
    assert_eq!(amtool(&router, &[&query[..], &[&viewer]].concat()), "");
    let add = ["silence", "add", "--author=ann", "--comment=x", "a=b"];
    let error = refused(&router, &[&add[..], &[&viewer]].concat());
    assert!(error.contains("403"), "{error}");
    amtool(&router, &[&add[..], &[&admin]].concat());
    let silences = read(&router, &["silence", "query", "-o", "json", &viewer]);
    assert_eq!(silences[0]["createdBy"], "ann (ann)");
}
