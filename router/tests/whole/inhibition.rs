//! What is hidden by something else, across crashes and reloads.

use router::api::types::Explanation;

use crate::harness::{Site, alert, eventually, id};

const OUTPUT: &str = "
outputs: { log: { file: { path: DIR/told.jsonl } } }
routes: [{ group_by: [rule], group_wait: 2s, group_interval: 1s }]
";
const INHIBITION: &str = "
inhibitions:
  - { name: node-lost, source: rule = \"Node lost\", target: rule = \"Pod lost\", equal: [hostname] }
";

/// Returns whether the file has been told of a rule.
fn told(site: &Site, rule: &str) -> bool {
    site.lines("told.jsonl").iter().any(|line| line.to_string().contains(rule))
}

#[tokio::test]
async fn a_target_that_came_before_its_source_is_not_told_of_even_when_the_router_dies_between() {
    let site = Site::new(&format!("{OUTPUT}{INHIBITION}"));
    let router = site.start();
    let (early, late) = (alert("Pod lost", "Notice", "web"), alert("Pod lost", "Notice", "web"));
    router.send(&[early.clone(), alert("Node lost", "Notice", "node")]).await;
    router.kill();

    let router = site.start();
    let ledger = router.settled().await;
    let log = &ledger.outputs["log"];
    assert_eq!((log.routed, log.delivered, log.suppressed), (2, 1, 1));
    assert!(told(&site, "Node lost") && !told(&site, "Pod lost"));
    let explained: Explanation = router.get(&format!("/api/v1/explain/{}", id(&early))).await;
    let explained = serde_json::to_string(&explained).unwrap();
    assert!(explained.contains("\"kind\":\"withheld\""), "{explained}");
    assert!(explained.contains("\"rule\":\"node-lost\""), "{explained}");
    assert!(explained.contains("\"pending\":false"), "{explained}");

    router.send(std::slice::from_ref(&late)).await;
    router.settled().await;
    let explained: Explanation = router.get(&format!("/api/v1/explain/{}", id(&late))).await;
    let explained = serde_json::to_string(&explained).unwrap();
    assert!(explained.contains("{\"suppressed\":{\"inhibited\":{\"rule\":\"node-lost\""));
    let metrics = router.metrics().await;
    for line in [
        "saker_pipeline_alerts_suppressed_total{reason=\"inhibited\"} 1",
        "saker_pipeline_alerts_withheld_total{reason=\"inhibited\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }

    site.configure(OUTPUT);
    router.signal(rustix::process::Signal::HUP);
    eventually("the pod is told of", async || told(&site, "Pod lost").then_some(())).await;
}
