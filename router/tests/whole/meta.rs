//! What the router tells of itself: that it works, and what is wrong.

use router::dispatch::BreakerState;

use crate::{
    harness::{Site, alert, eventually},
    receiver::{Answer, Received, Receiver},
};

/// Returns the rule of the alert a notification shows first.
fn rule(received: &Received) -> String {
    received.body["findings"][0]["sample"]["rule"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_heartbeat_goes_the_whole_way_and_only_to_who_waits_for_it() {
    let watchdog = Receiver::start(|_, _| Answer::Take).await;
    let people = Receiver::start(|_, _| Answer::Take).await;
    let site = Site::new(&format!(
        "  meta: {{ heartbeat: {{ outputs: [watchdog], interval: 5s }} }}
outputs:
  watchdog: {{ webhook: {{ url: '{}' }} }}
  people: {{ webhook: {{ url: '{}' }} }}
routes: [{{ outputs: [people], group_wait: 0s }}]
",
        watchdog.url(),
        people.url()
    ));
    let router = site.start();
    let mut forged = alert("Forged", "Notice", "web");
    forged["output_fields"]["saker.meta"] = "heartbeat".into();
    assert_eq!(router.send(&[forged]).await, 200);
    let beats = eventually("the heart beats twice", async || {
        let beats = watchdog.taken();
        (beats.len() >= 2).then_some(beats)
    })
    .await;
    assert!(beats.iter().all(|beat| rule(beat) == "Saker heartbeat"), "nobody else's");
    assert_eq!(beats[0].body["route"], "saker-heartbeat");
    eventually("people hear of the rest", async || {
        (people.taken().len() == 1 && rule(&people.taken()[0]) == "Forged").then_some(())
    })
    .await;
    assert_eq!(router.stop().await, Some(0));
}

#[tokio::test]
async fn an_output_that_wants_no_more_is_disabled_and_another_one_is_told() {
    let gone = Receiver::start(|_, _| Answer::Status(410)).await;
    let other = Receiver::start(|_, _| Answer::Take).await;
    let site = Site::new(&format!(
        "
outputs:
  gone: {{ webhook: {{ url: '{}' }}, retry: {{ delay_min: 50ms, delay_max: 100ms }} }}
  other: {{ webhook: {{ url: '{}' }} }}
routes: [{{ group_by: [rule], group_wait: 0s }}]
",
        gone.url(),
        other.url()
    ));
    let router = site.start();
    assert_eq!(router.send(&[alert("Shell in a container", "Notice", "web")]).await, 200);
    let told = eventually("the other output is told", async || {
        other.taken().into_iter().find(|told| rule(told) == "Saker output disabled")
    })
    .await;
    let sample = &told.body["findings"][0]["sample"];
    assert_eq!(sample["source"], "saker");
    assert_eq!(sample["fields"]["label.subject"], "gone");
    assert_eq!(sample["fields"]["annotation.runbook_url"], "docs/runbooks/output-disabled.md");
    let outputs = router.status().await.outputs;
    let disabled = outputs.iter().find(|output| output.name == "gone").unwrap();
    assert_eq!((disabled.breaker, disabled.queued), (BreakerState::Disabled, 1));
    let asked = gone.received();
    assert!(asked.len() == 1 && rule(&asked[0]) == "Shell in a container", "once is enough");
    assert_eq!(router.ledger().await.outputs["gone"].routed, 1, "not its own trouble");
}
