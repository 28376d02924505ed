//! The router does what its OpenAPI document says, whatever it is asked.

use e2e::Schemathesis;
use reqwest::{Method, StatusCode};
use router::api::types::{DeadLetterView, Explanation, InhibitionView, List};

use crate::{
    harness::{Site, alert, id},
    receiver::{Answer, Receiver},
};

/// Requests made up for each operation.
const EXAMPLES_MAX: u32 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_as_its_document_says() {
    let receiver = Receiver::start(|_, _| Answer::Status(400)).await;
    let site = Site::new(&format!(
        "
outputs:
  log: {{ file: {{ path: DIR/alerts.jsonl }} }}
  hook: {{ webhook: {{ url: '{}' }} }}
inhibitions: [{{ name: down, source: rule = Down, target: rule = Noise }}]
windows:
- {{ name: nights, match: rule = Night, starts: '2026-11-27T00:00:00', duration: 4h, repeat: FREQ=DAILY }}
routes:
- {{ match: rule = Lost, group_by: [k8s.pod.name], group_wait: 0s, outputs: [hook] }}
- {{ group_by: [rule, k8s.pod.name], group_wait: 0s, outputs: [log] }}
",
        receiver.url()
    ));
    let router = site.start();
    let silence = serde_json::json!({
        "match": "rule = Kept", "duration": "1h", "author": "ann", "comment": "known",
    });
    let added = router.request(Method::POST, "/api/v1/silences", &silence).await;
    assert_eq!(added.status(), StatusCode::CREATED);
    let mut alerts = vec![alert("Down", "Error", "web"), alert("Kept", "Notice", "web")];
    alerts.push(alert("Night", "Critical", "web"));
    for workload in ["a", "b", "c", "d", "e", "f"] {
        alerts.push(alert("Noise", "Notice", workload));
        alerts.push(alert("Lost", "Warning", workload));
        alerts.push(alert("Shell", "Critical", workload));
    }
    router.send(&alerts).await;
    router.settled().await;
    let letters: List<DeadLetterView> = router.get("/api/v1/deadletters").await;
    let inhibitions: List<InhibitionView> = router.get("/api/v1/inhibitions").await;
    assert_eq!((letters.items.len(), inhibitions.items[0].held), (6, 6));
    let explained: Explanation = router.get(&format!("/api/v1/explain/{}", id(&alerts[0]))).await;
    assert!(!explained.decisions.is_empty());

    let run = Schemathesis {
        document: format!("http://{}/api/v1/openapi.json", router.api),
        examples_max: EXAMPLES_MAX,
        // It has no end.
        without: &["tail"],
    };
    let report = tokio::task::spawn_blocking(move || run.run()).await.unwrap();
    if let Err(report) = report {
        panic!("{report}");
    }
    router.ledger().await;
    assert_eq!(router.stop().await, Some(0));
}
