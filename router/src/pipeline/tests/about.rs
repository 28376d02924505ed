//! Of what is wrong with an output another one is told; and senders that are to be heard of.

use alert::AlertId;
use serde_json::{Value, json};

use super::script::{Run, alert, at};
use crate::{
    pipeline::{ABOUT_OUTPUT, DecisionKind, Effect},
    record::Record,
};

/// Returns who is told of trouble of an output with this configuration.
fn told(config: Value, about: &str) -> Vec<String> {
    let mut run = Run::new(config);
    let mut alert = alert("a", at(1));
    alert.fields.insert(ABOUT_OUTPUT.to_owned(), about.into());
    run.record(&Record::Alert(Box::new(alert)));
    let decided = run.effects.iter().find_map(|effect| match effect {
        Effect::Decided(decision) => match &decision.kind {
            DecisionKind::Alert(alert) => Some(alert.routes.clone()),
            _ => None,
        },
        _ => None,
    });
    let outputs = decided.unwrap().into_iter().flat_map(|routing| routing.outputs.to_vec());
    outputs.map(|output| output.to_string()).collect()
}

#[test]
fn an_output_is_not_told_of_its_own_trouble_while_there_is_another() {
    let three = || json!(["soc", "mail", "stream"]);
    assert_eq!(told(json!({"outputs": three()}), "soc"), ["mail", "stream"]);
    let routed = json!({"outputs": three(), "routes": [{"outputs": ["soc", "mail"]}]});
    assert_eq!(told(routed, "soc"), ["mail"]);
    let alone = json!({"outputs": three(), "routes": [{"outputs": ["soc"]}]});
    assert_eq!(told(alone, "soc"), ["mail", "stream"], "whoever else there is");
    assert_eq!(told(json!({"outputs": ["soc"]}), "soc"), ["soc"], "there is nobody else");
    assert_eq!(told(json!({"outputs": three()}), "gone"), ["soc", "mail", "stream"]);
}

#[test]
fn senders_that_are_waited_for_are_remembered_over_a_restart() {
    let mut run = Run::new(json!({"senders": ["token:a", "token:b"]}));
    for (index, sender) in ["token:a", "token:c"].into_iter().enumerate() {
        let mut alert = alert("a", at(5));
        alert.id = AlertId::from_u128(index as u128);
        alert.fields.insert("saker.sender".to_owned(), sender.into());
        run.record(&Record::Alert(Box::new(alert)));
    }
    run.restart();
    let heard: Vec<_> = run.pipeline.heard().iter().map(|(name, at)| (&**name, *at)).collect();
    assert_eq!(heard, [("token:a", at(5)), ("token:b", at(0))]);
    let config = Box::new(super::script::config(json!({"senders": ["token:b", "token:c"]})));
    run.record(&Record::Configured { at: at(9), config });
    let heard: Vec<_> = run.pipeline.heard().iter().map(|(name, at)| (&**name, *at)).collect();
    assert_eq!(heard, [("token:b", at(0)), ("token:c", at(9))]);
}
