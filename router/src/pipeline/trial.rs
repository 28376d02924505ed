//! What would become of an alert that nothing came before.

use alert::Alert;

use super::{AlertDecision, DecisionKind, Effect, Pipeline, PipelineConfig};
use crate::record::Record;

/// Returns what a pipeline with this configuration would decide about the alert, were it the first
/// and came when it was received.
pub fn trial(config: &PipelineConfig, alert: &Alert) -> Option<AlertDecision> {
    let mut pipeline = Pipeline::new();
    let (mut effects, at) = (Vec::new(), alert.received);
    pipeline.apply(0, &Record::Configured { at, config: Box::new(config.clone()) }, &mut effects);
    effects.clear();
    pipeline.apply(1, &Record::Alert(Box::new(alert.clone())), &mut effects);
    effects.into_iter().find_map(|effect| match effect {
        Effect::Decided(decision) => match decision.kind {
            DecisionKind::Alert(decision) => Some(decision),
            _ => None,
        },
        Effect::Notify(_) | Effect::Withdraw { .. } => None,
    })
}
