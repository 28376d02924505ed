//! From HTTP in to every output, and what one output's trouble does to another.

use std::time::Duration;

use router::api::types::{Explanation, Status};

use crate::{
    harness::{Site, alert, eventually, id},
    receiver::{Answer, Receiver, resetting},
};

const FILE: &str = "
outputs: { log: { file: { path: DIR/alerts.jsonl } } }
routes: [{ group_wait: 100ms, group_interval: 1s }]
";

#[tokio::test]
async fn an_alert_goes_through_journal_and_pipeline_to_a_file() {
    let site = Site::new(FILE);
    let router = site.start();
    let sent = alert("Shell in a container", "Warning", "web");
    assert_eq!(router.send(std::slice::from_ref(&sent)).await, 200);
    let ledger = router.settled().await;
    assert_eq!((ledger.accepted, ledger.routed), (1, 1));
    assert_eq!(ledger.outputs["log"].delivered, 1);
    let lines = site.lines("alerts.jsonl");
    assert_eq!(lines.len(), 1);
    assert!(lines[0].to_string().contains("Shell in a container"), "{}", lines[0]);

    let explanation: Explanation = router.get(&format!("/api/v1/explain/{}", id(&sent))).await;
    let text = serde_json::to_string(&explanation.decisions).unwrap();
    assert!(!explanation.pending && !explanation.incomplete, "{explanation:?}");
    for kind in ["\"kind\":\"alert\"", "\"kind\":\"notified\"", "\"kind\":\"delivered\""] {
        assert!(text.contains(kind), "{kind}: {text}");
    }
    assert_eq!(explanation.alert.unwrap().rule, "Shell in a container");
    assert_eq!(router.stop().await, Some(0));
}

#[tokio::test]
async fn state_survives_a_restart() {
    let site = Site::new(FILE);
    let router = site.start();
    let first = alert("Shell in a container", "Warning", "web");
    router.send(std::slice::from_ref(&first)).await;
    let before = router.settled().await;
    let groups: serde_json::Value = router.get("/api/v1/groups").await;
    assert_eq!(router.stop().await, Some(0));

    let router = site.start();
    assert_eq!(router.ledger().await, before);
    assert_eq!(router.get::<serde_json::Value>("/api/v1/groups").await, groups);
    // The same alert again is recognised, and a repeat of its finding counts for it.
    router.send(&[first, alert("Shell in a container", "Warning", "web")]).await;
    let ledger = router.settled().await;
    assert_eq!(ledger.accepted, 3);
    assert_eq!(ledger.suppressed.values().sum::<u64>() + ledger.routed, 3);
    router.kill();
    let router = site.start();
    assert_eq!(router.ledger().await, ledger);
}

#[tokio::test]
async fn an_output_in_trouble_touches_no_other() {
    let good = Receiver::start(|_, _| Answer::Take).await;
    let hanging = Receiver::start(|_, _| Answer::Hang).await;
    let later =
        Receiver::start(
            |n, _| {
                if n == 0 { Answer::Later(Duration::from_secs(2)) } else { Answer::Take }
            },
        )
        .await;
    let reset = resetting().await;
    let site = Site::new(&format!(
        "
outputs:
  good: {{ webhook: {{ url: '{}' }} }}
  hanging: {{ webhook: {{ url: '{}' }}, send: {{ attempt_timeout: 1s }}, retry: {{ delay_min: 100ms }} }}
  later: {{ webhook: {{ url: '{}' }}, send: {{ concurrency: 1 }} }}
  reset: {{ webhook: {{ url: 'http://{reset}/' }}, retry: {{ delay_min: 10ms, delay_max: 100ms, give_up_after: 1s }} }}
routes: [{{ group_by: [rule], group_wait: 0s, group_interval: 1s }}]
",
        good.url(),
        hanging.url(),
        later.url(),
    ));
    let router = site.start();
    for number in 0..20 {
        let alerts: Vec<_> = (0..10)
            .map(|i| alert(&format!("rule {number}"), "Warning", &format!("w{i}")))
            .collect();
        assert_eq!(router.send(&alerts).await, 200);
    }
    let ledger = eventually("the good one took all", async || {
        let ledger = router.ledger().await;
        let output = ledger.outputs["good"];
        (ledger.routed == 200 && output.delivered == output.routed).then_some(ledger)
    })
    .await;
    assert_eq!(ledger.outputs["hanging"].delivered, 0);
    let ledger = eventually("429 was obeyed and resets were given up on", async || {
        let ledger = router.ledger().await;
        let (later, reset) = (ledger.outputs["later"], ledger.outputs["reset"]);
        (later.delivered == later.routed && reset.dead_lettered == reset.routed).then_some(ledger)
    })
    .await;
    assert!(ledger.outputs["hanging"].pending > 0);
    let received = later.received();
    let (first, second) = (&received[0], received.iter().find(|it| it.answer == Answer::Take));
    let pause = second.unwrap().at - first.at;
    assert!(pause >= Duration::from_millis(1900), "{pause:?}");

    let status: Status = router.status().await;
    assert!(status.ready && status.ledger_error.is_none(), "{status:?}");
    let metrics = router.metrics().await;
    for line in [
        "falcosecurity_falcosidekick_outputs_total{destination=\"webhook\",status=\"error\"}",
        "saker_dispatch_breaker_state{output=\"hanging\"}",
        "saker_dispatch_notifications_total{output=\"reset\",result=\"dead_lettered\"}",
        "saker_dispatch_queue_oldest_seconds{output=\"good\"} 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert_eq!(router.stop().await, Some(0), "a hanging output does not stop the stop");
}
