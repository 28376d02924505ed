//! What comes in over HTTP, from Falco and falcosidekick's clients.

use std::io::Write;

use serde_json::{Value, json};

use crate::world::{
    http::{get, post},
    world,
};

const JSON: &[(&str, &str)] =
    &[("content-type", "application/json"), ("user-agent", "falcosecurity/falco")];

/// An alert as Falco writes it; `rule` tells the tests' alerts apart.
pub(crate) fn falco(rule: &str) -> Value {
    json!({
        "hostname": "falco-host",
        "output": "16:31:56.746609046: Warning A shell (user=root command=bash -i)",
        "output_fields": {
            "container.id": "3f1c2a9be0d4",
            "evt.time": 1_507_591_916_746_609_046_u64,
            "k8s.ns.name": "payments",
            "k8s.pod.name": null,
            "proc.cmdline": "bash -i",
            "proc.name": "bash",
            "user.name": "root",
        },
        "priority": "Warning",
        "rule": rule,
        "source": "syscall",
        "tags": ["container", "mitre_execution", "shell"],
        "time": "2017-10-09T23:31:56.746609046Z",
    })
}

pub(crate) fn send(rule: &str) {
    let answer = post(&world().router.ingest_url("/"), JSON, falco(rule).to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn arrived(rule: &str) -> Value {
    world().alert_where(rule, |alert| alert["rule"] == rule)
}

#[test]
fn what_falco_sends_arrives_whole() {
    send("Arrives whole");
    let alert = arrived("Arrives whole");
    for (key, value) in [
        ("priority", json!("Warning")),
        ("source", json!("syscall")),
        ("hostname", json!("falco-host")),
        ("time", json!("2017-10-09T23:31:56.746609046Z")),
        ("tags", json!(["container", "mitre_execution", "shell"])),
        ("output", falco("")["output"].clone()),
    ] {
        assert_eq!(alert[key], value, "{key}");
    }
    assert_eq!(alert["fields"], falco("")["output_fields"]);
}

#[test]
fn any_path_takes_alerts_and_an_upstream_id_is_kept() {
    let mut alert = falco("Any path");
    alert["uuid"] = json!("0198c0de-0000-7000-8000-00000000abcd");
    let answer = post(&world().router.ingest_url("/some/old/path"), JSON, alert.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(arrived("Any path")["id"], "0198c0de-0000-7000-8000-00000000abcd");
}

#[test]
fn each_line_of_ndjson_is_an_alert() {
    let lines = format!("{}\n{}\n", falco("First line"), falco("Second line"));
    let headers = &[("content-type", "application/x-ndjson")];
    let answer = post(&world().router.ingest_url("/"), headers, lines);
    assert_eq!(answer.status, 200, "{answer:?}");
    arrived("First line");
    arrived("Second line");
}

#[test]
fn an_array_is_taken_whole_or_not_at_all() {
    let url = world().router.ingest_url("/");
    let good = json!([falco("Array one"), falco("Array two")]);
    assert_eq!(post(&url, JSON, good.to_string()).status, 200);
    arrived("Array one");
    arrived("Array two");

    let mut bad = falco("Never arrives");
    bad["priority"] = json!("urgent");
    let answer = post(&url, JSON, json!([falco("Never arrives"), bad]).to_string());
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("priority") && answer.body.contains('1'), "{answer:?}");
    send("After the bad array");
    arrived("After the bad array");
    let calls = format!("{:?}", world().webhook.calls());
    assert!(!calls.contains("Never arrives"));
}

#[test]
fn gzip_and_zstd_bodies_are_unpacked() {
    let url = world().router.ingest_url("/");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(falco("Gzipped").to_string().as_bytes()).unwrap();
    let headers = &[("content-type", "application/json"), ("content-encoding", "gzip")];
    assert_eq!(post(&url, headers, gzip.finish().unwrap()).status, 200);

    let zstd = zstd::encode_all(falco("Zstandard").to_string().as_bytes(), 3).unwrap();
    let headers = &[("content-type", "application/json"), ("content-encoding", "zstd")];
    assert_eq!(post(&url, headers, zstd).status, 200);
    arrived("Gzipped");
    arrived("Zstandard");
}

#[test]
fn falcosidekicks_test_event_goes_the_normal_way() {
    let answer = post(&world().router.ingest_url("/test"), &[], "");
    assert_eq!(answer.status, 200, "{answer:?}");
    let alert = arrived("Test rule");
    assert_eq!(alert["priority"], "Debug");
    assert!(alert["tags"].as_array().unwrap().contains(&json!("test")), "{alert:#}");
}

#[test]
fn falcosidekicks_probes_answer_as_they_did() {
    let router = &world().router;
    let ping = get(&router.ingest_url("/ping"));
    assert_eq!((ping.status, ping.body.as_str()), (200, "pong\n"));
    let health = get(&router.ingest_url("/healthz"));
    assert_eq!((health.status, health.json()), (200, json!({ "status": "ok" })));
}

#[test]
fn what_cannot_be_an_alert_is_answered_with_the_field_at_fault() {
    let url = world().router.ingest_url("/");
    let without = |key: &str| {
        let mut alert = falco("Faulty");
        alert.as_object_mut().unwrap().remove(key);
        alert
    };
    let with = |key: &str, value: Value| {
        let mut alert = falco("Faulty");
        alert[key] = value;
        alert
    };
    for (alert, field) in [
        (without("rule"), "rule"),
        (without("priority"), "priority"),
        (with("priority", json!(3)), "priority"),
        (with("time", json!("yesterday")), "time"),
        (with("tags", json!("shell")), "tags"),
        (with("output_fields", json!([1])), "output_fields"),
    ] {
        let answer = post(&url, JSON, alert.to_string());
        assert_eq!(answer.status, 400, "{field}: {answer:?}");
        assert!(answer.body.contains(field), "{field}: {answer:?}");
    }
    assert_eq!(post(&url, JSON, "{").status, 400);
    assert_eq!(post(&url, JSON, "").status, 400);
}

#[test]
fn a_field_of_an_odd_type_is_no_reason_to_lose_an_alert() {
    let mut alert = falco("Odd types");
    alert["output_fields"]["k8s.ns.name"] = json!({ "nested": [1] });
    alert["output_fields"]["k8s.pod.name"] = json!(17);
    let answer = post(&world().router.ingest_url("/"), JSON, alert.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    arrived("Odd types");
}
