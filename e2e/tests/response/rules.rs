//! Which alerts a rule is about: never more than it says.

use proptest::prelude::*;
use rules::{Condition, Subject, Verdict};
use serde_json::{Value, json};

use crate::stage::{Stage, alert, rule, with};

fn about(cmdline: Option<&str>) -> alert::Alert {
    let fields = cmdline.map(|text| ("proc.cmdline".to_owned(), json!(text)));
    alert::Alert {
        id: alert::AlertId::from_u128(1),
        time: jiff::Timestamp::now(),
        received: jiff::Timestamp::now(),
        rule: "shell".into(),
        priority: alert::Priority::Critical,
        source: "syscall".into(),
        hostname: "node".into(),
        output: String::new(),
        tags: Vec::new(),
        fields: fields.into_iter().collect(),
        ends: None,
    }
}

fn verdict(condition: &str, cmdline: Option<&str>) -> Option<Verdict> {
    let condition: Condition = serde_json::from_value(json!(condition)).ok()?;
    Some(condition.evaluate(&Subject::new(&about(cmdline))))
}

proptest! {
    #[test]
    fn t1_a_value_with_signs_in_it_matches_that_value_or_is_refused(
        value in "[a-z=!<>()&|,;'\"/$`{}~^*?.-]{1,12}", other in "[A-Z]{1,12}",
    ) {
        let condition = format!("proc.cmdline={value}");
        prop_assert_ne!(verdict(&condition, Some(&other)), Some(Verdict::True), "{}", condition);
    }

    #[test]
    fn t1_a_condition_with_a_piece_lost_is_refused_or_needs_what_is_left(
        at in 0..60_usize, length in 1..20_usize,
    ) {
        let whole = "proc.cmdline = aaa and proc.cmdline = bbb and proc.cmdline = ccc";
        let (from, to) = (at.min(whole.len()), (at + length).min(whole.len()));
        let mutated = format!("{}{}", &whole[..from], &whole[to..]);
        // No piece of it is true of something else.
        prop_assert_ne!(verdict(&mutated, Some("ZZZ")), Some(Verdict::True), "{}", mutated);
    }
}

#[test]
fn t2_a_negation_of_what_is_absent_is_not_true() {
    for condition in [
        "proc.cmdline != x",
        "not proc.cmdline = x",
        "not proc.cmdline in (x, y)",
        "proc.cmdline != x or proc.cmdline != y",
    ] {
        assert_eq!(verdict(condition, None), Some(Verdict::Unknown), "{condition}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t2_where_an_absent_field_decides_nothing_is_done() {
    let change = json!({ "match": "rule = shell and not container.image.repository = web" });
    let settings = json!({ "responses": [rule("kill_pod", &change)] });
    let Some(stage) = Stage::with(|_| settings).await else { return };
    let pod = stage.pod("web-0").await;
    assert_eq!(stage.send(&[alert(&pod)]).await, 200);
    assert_eq!(stage.audit().len(), 1, "only that it started");
    assert_eq!(stage.changes(), [] as [&str; 0]);
    let metrics = stage.responder.metrics();
    assert!(metrics.contains("saker_response_alerts_total{result=\"undecidable\"} 1"), "{metrics}");
    // With the field it is decided.
    let told = with(alert(&pod), "container.image.repository", json!("miner"));
    assert_eq!(stage.respond(told).await.state.name(), "ended");
    assert_eq!(stage.kills().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn t10_what_an_attacker_writes_stays_data() {
    let Some(stage) = Stage::new().await else { return };
    let pod = stage.pod("web-0").await;
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let hostile =
        format!("$(touch {0}) `touch {0}` ; touch {0} | ../../{0}\n\u{1b}[2J", mark.display());
    let mut hostile_alert = alert(&pod);
    for field in ["proc.name", "proc.exepath", "proc.cmdline", "k8s.workload.kind"] {
        hostile_alert.fields.insert(field.to_owned(), json!(hostile));
    }
    hostile_alert.output.clone_from(&hostile);
    let ended = stage.respond(hostile_alert).await;
    assert_eq!(ended.state.name(), "ended");
    assert_eq!(stage.kills().len(), 1);
    assert!(!mark.exists());
    // A name that would lead elsewhere leads nowhere.
    for name in ["../../../secrets", "web-0/eviction", "web-0?dryRun=All", "$(id)"] {
        let ended = stage.respond(with(alert(&pod), "k8s.pod.name", json!(name))).await;
        assert_eq!(ended.state.name(), "denied", "{name}");
        assert!(stage.story(ended.id.0)[1].starts_with("denied identity/"));
    }
    assert_eq!(stage.kills().len(), 1);
    let asked = stage.place.proxy.seen("GET", "*secrets*");
    assert!(asked.is_empty(), "{asked:?}");
    assert_eq!(ended.plan.target.process.map(|it| it.name), Some(hostile).filter(|_| true));
    let _: Value = stage.get("/api/v1/responses").await;
}
