//! What an earlier Saker wrote is still read. `data/snapshot-1.json` was written before there was
//! inhibition; by hand, one finding was silenced and one alert left waiting.

use alert::{Alert, AlertId};

use crate::{
    pipeline::{DecisionKind, Effect, Pipeline, Verdict},
    record::Record,
};

const BEFORE_INHIBITION: &[u8] = include_bytes!("data/snapshot-1.json");

fn decisions(pipeline: &mut Pipeline, sequence: u64, record: &Record) -> Vec<DecisionKind> {
    let mut effects = Vec::new();
    pipeline.apply(sequence, record, &mut effects);
    pipeline.ledger().check().unwrap();
    let decided = |effect| match effect {
        Effect::Decided(decision) => Some(decision.kind),
        Effect::Notify(_) | Effect::Withdraw { .. } => None,
    };
    effects.into_iter().filter_map(decided).collect()
}

#[test]
fn an_alert_that_waited_before_there_was_inhibition_is_told_of() {
    let mut pipeline = Pipeline::restore(BEFORE_INHIBITION).unwrap();
    let now = pipeline.deadline().unwrap();
    let decided = decisions(&mut pipeline, 100, &Record::Tick { now });
    let [DecisionKind::Notified(notified)] = &decided[..] else { panic!("{decided:?}") };
    assert_eq!((notified.alerts, notified.first), (1, 7));
}

#[test]
fn a_finding_that_was_silenced_before_there_was_inhibition_is_told_of_with_its_next_alert() {
    let mut pipeline = Pipeline::restore(BEFORE_INHIBITION).unwrap();
    let (_, live) = pipeline.findings.iter().find(|(_, live)| live.hidden.is_some()).unwrap();
    let sample: Alert = serde_json::from_str(live.sample.get()).unwrap();
    let alert = Alert { id: AlertId::from_u128(1), received: pipeline.wall(), ..sample };
    let decided = decisions(&mut pipeline, 100, &Record::Alert(Box::new(alert)));
    let is_routed = |kind: &DecisionKind| matches!(kind, DecisionKind::Alert(alert) if alert.verdict == Verdict::Routed);
    assert!(decided.iter().any(is_routed), "{decided:?}");
}
