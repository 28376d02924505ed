//! A configuration that cannot work is refused, with its place.

use crate::{
    harness::{Site, alert, eventually},
    receiver::{Answer, Receiver},
};

fn refused(config: &str, expected: &[&str]) {
    let site = Site::new(config);
    let Err(ended) = site.try_start(&[]) else { panic!("it started with {config}") };
    assert_eq!(ended.code, Some(2), "{config}: {}", ended.stderr);
    assert!(!site.path("data").exists(), "{config}: it wrote something");
    for text in expected {
        assert!(ended.stderr.contains(text), "{config}: no `{text}` in\n{}", ended.stderr);
    }
}

#[tokio::test]
async fn every_kind_of_mistake_is_named_with_line_and_column() {
    // The common part has 8 lines, so these start at line 9.
    let outputs = "outputs: { log: { file: { path: x.jsonl } } }\n";
    refused("unknown: 1\n", &["saker.yaml:9:1", "unknown"]);
    refused("outputs: [\n", &["saker.yaml:"]);
    refused(
        "outputs:\n  soc: { slak: {} }\n",
        &["saker.yaml:10:", "unknown kind of output `slak`", "`slack`"],
    );
    refused("outputs:\n  soc: { queue: {} }\n", &["saker.yaml:10:", "an output needs a kind"]);
    refused(
        "outputs:\n  soc: { file: { path: x }, stdout: {} }\n",
        &["saker.yaml:10:", "has `file` and `stdout`"],
    );
    refused(
        "outputs:\n  soc:\n    file: { path: x, colour: red }\n",
        &["saker.yaml:11:", "colour"],
    );
    refused("outputs:\n  'a b': { stdout: {} }\n", &["saker.yaml:10:", "letters"]);
    refused(&format!("{outputs}routes:\n  - outputs: [lgo]\n"), &["saker.yaml:11:", "lgo", "log"]);
    refused(
        &format!("{outputs}routes:\n  - match: priority >= urgnt\n"),
        &["saker.yaml:11:", "urgnt"],
    );
    refused(&format!("{outputs}routes:\n  - group_wait: soon\n"), &["saker.yaml:11:", "soon"]);
    refused(
        "outputs:\n  soc:\n    stdout: {}\n    templates: { line: missing.line.hbs }\n",
        &["saker.yaml:12:", "missing.line.hbs"],
    );
    refused(
        "outputs:\n  soc:\n    stdout: {}\n    templates: { body: missing.hbs }\n",
        &["saker.yaml:12:"],
    );
    refused(
        "outputs:\n  soc: { stdout: {}, send: { rate: { per_second: 0 } } }\n",
        &["saker.yaml:10:", "more than 0"],
    );
    refused(
        "outputs:\n  soc: { file: { path: '${env:SAKER_TEST_NOT_SET}' } }\n",
        &["SAKER_TEST_NOT_SET"],
    );
    refused("limits: { findings_max: -1 }\n", &["saker.yaml:9:"]);
}

#[tokio::test]
async fn a_sender_nobody_can_be_is_refused() {
    let senders = |text: &str| format!("  ingest: {{ senders: {{ {text} }} }}\n");
    for (text, expected) in [
        ("a: { inputs: [falco] }", "add `token`, `secrets`, `certificates` or `from`"),
        ("a: { from: [10.0.0.0/40] }", "no address or range"),
        ("a: { secrets: [short] }", "openssl rand -base64 32"),
        ("a: { certificates: ['*.org'] }", "set `router.tls.client_ca`"),
        ("a: { token: x, inputs: [falko] }", "there are falco, "),
        ("'a b': { token: x }", "letters, digits"),
    ] {
        refused(&senders(text), &["saker.yaml:9:", "router.ingest.senders", expected]);
    }
}

#[tokio::test]
async fn an_input_that_cannot_be_read_is_refused() {
    for (input, key, expected) in [
        ("kafka: { a: { brokers: [b], topics: [t] } }", "kafka.a.brokers", "not `host:port`"),
        ("kafka: { a: { brokers: ['b:1'], topics: [] } }", "kafka.a.topics", "at least one"),
        (
            "kafka: { a: { brokers: ['b:1'], topics: [t], format: { json: x } } }",
            "kafka.a.format",
            "`router.ingest.json` has no `x`",
        ),
        ("json: { a: { rule: /a~2 } }", "json.a.rule", "no JSON pointer"),
        ("json: { a: { rule: /a, alerts: list } }", "json.a.alerts", "must be a JSON pointer"),
        ("json: { a/b: { rule: /a } }", "json.a/b", "letters, digits"),
        ("cloudevents: { rule: /a, id: /id }", "cloudevents.id", "name an event"),
    ] {
        let config = format!("  ingest: {{ {input} }}\n");
        refused(&config, &["saker.yaml:9:", &format!("router.ingest.{key}"), expected]);
    }
}

#[tokio::test]
async fn an_open_api_without_tokens_and_a_bad_environment_are_refused() {
    let site = Site::new("");
    let check = |name: &str, value: &str, expected: &str| {
        let Err(ended) = site.try_start(&[(name, value)]) else { panic!("started") };
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    };
    check("SAKER_ROUTER__API", "0.0.0.0:0", "router.auth.tokens");
    check("SAKER_ROUTER__LISTEN", "nowhere", "SAKER_ROUTER__LISTEN");
}

#[tokio::test]
async fn a_changed_file_is_taken_and_a_bad_one_is_not() {
    let receiver = Receiver::start(|_, _| Answer::Take).await;
    let first = "
outputs: { log: { file: { path: DIR/first.jsonl } } }
routes: [{ group_by: [rule], group_wait: 0s }]
";
    let second = format!(
        "
outputs:
  log: {{ file: {{ path: DIR/second.jsonl }} }}
  hook: {{ webhook: {{ url: '{}' }} }}
routes: [{{ group_by: [rule], group_wait: 0s }}]
",
        receiver.url()
    );
    let site = Site::new(first);
    let router = site.start();
    router.send(&[alert("One", "Notice", "web")]).await;
    router.settled().await;
    assert_eq!(site.lines("first.jsonl").len(), 1);

    // New outputs are there before the configuration is in force.
    let before = router.status().await.config.loaded;
    site.configure(&second);
    eventually("the second is in force", async || {
        (router.status().await.config.loaded != before).then_some(())
    })
    .await;
    router.send(&[alert("Two", "Notice", "web")]).await;
    router.settled().await;
    assert_eq!((site.lines("second.jsonl").len(), receiver.taken().len()), (1, 1));

    site.configure("outputs: { log: { fiel: {} } }");
    let refused = eventually("the third is refused", async || router.status().await.config.refused);
    let refused = refused.await;
    assert!(refused.contains("fiel"), "{refused}");
    router.send(&[alert("Three", "Notice", "web")]).await;
    let ledger = router.settled().await;
    assert_eq!((site.lines("second.jsonl").len(), ledger.accepted), (2, 3));

    let before = router.status().await.config.loaded;
    site.configure(first);
    eventually("the first is in force again", async || {
        (router.status().await.config.loaded != before).then_some(())
    })
    .await;
    let status = router.status().await;
    assert_eq!((status.outputs.len(), status.config.refused), (1, None));
    assert_eq!(router.stop().await, Some(0));
}
