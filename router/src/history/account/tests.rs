//! The account of a span says what the ledger says.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    history::{
        History,
        folder::{File, day_of},
        part::{Body, Part, Place},
    },
    pipeline::tests::{
        alert_with,
        properties::{World, decisions, step},
    },
};

/// Writes what was decided into a history that begins after some steps, a file after each of `cuts`.
fn written(world: &World, first: usize, before: &Owed, cuts: &[usize]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let alert = alert_with(serde_json::json!({}));
    let body = Body { alert: &alert, record: b"{}" };
    let open = |number: u64| {
        let file = File::new(folder.path(), number, day_of(Timestamp::UNIX_EPOCH));
        Part::open(&file.path).unwrap()
    };
    let (mut number, mut part) = (1, open(1));
    let mut batch = part.batch().unwrap();
    let since =
        decisions(&world.effects[..first]).last().map_or(Timestamp::UNIX_EPOCH, |it| it.time);
    batch.anchor(since, before).unwrap();
    batch.commit().unwrap();
    for (step, effects) in world.effects.iter().enumerate().skip(first) {
        if cuts.contains(&step) {
            number += 1;
            part = open(number);
        }
        let mut batch = part.batch().unwrap();
        for (count, decision) in (1..).zip(decisions(std::slice::from_ref(effects))) {
            let place = Place { sequence: decision.sequence, count };
            batch.add(decision, place, Some(&body), &alert.source).unwrap();
        }
        batch.commit().unwrap();
    }
    folder
}

fn account(folder: &tempfile::TempDir, from: Timestamp, until: Timestamp) -> SpanLedger {
    let history = History { folder: folder.path().to_owned() };
    let asked = history.open(Instant::now() + Duration::from_secs(60)).unwrap();
    asked.ledger(from, until).unwrap().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_account_is_the_ledgers_and_adds_up_over_any_span(
        steps in vec(step(), 1..100),
        first in 0..100_usize,
        cuts in vec(0..100_usize, 0..3),
        middle in 0..1200_i64,
    ) {
        let mut world = World::new();
        let mut before = (0, world.pipeline.ledger());
        for (number, step) in steps.iter().enumerate() {
            world.step(step);
            if number < first {
                before = (world.effects.len(), world.pipeline.ledger());
            }
        }
        let (first, before) = before;
        let folder = written(&world, first, &Owed::of(&before), &cuts);
        let now = world.pipeline.ledger();

        let all = account(&folder, Timestamp::UNIX_EPOCH, Timestamp::MAX);
        prop_assert_eq!(all.check(), Ok(()));
        prop_assert_eq!(all.accepted, now.accepted - before.accepted);
        prop_assert_eq!(all.routed, now.routed - before.routed);
        for (reason, suppressed) in &now.suppressed {
            prop_assert_eq!(all.suppressed[reason], suppressed - before.suppressed[reason]);
        }
        for (name, output) in &now.outputs {
            let told = all.outputs.get(name).copied().unwrap_or_default();
            let was = before.outputs.get(name).copied().unwrap_or_default();
            prop_assert_eq!(told.pending_before, was.pending, "{}", name);
            prop_assert_eq!(told.pending_after, output.pending, "{}", name);
            prop_assert_eq!(told.routed, output.routed - was.routed, "{}", name);
            prop_assert_eq!(told.delivered, output.delivered - was.delivered, "{}", name);
            prop_assert_eq!(told.suppressed, output.suppressed - was.suppressed, "{}", name);
        }

        let middle = all.from.as_second() + middle;
        let middle = Timestamp::from_second(middle).unwrap();
        let early = account(&folder, Timestamp::UNIX_EPOCH, middle);
        let late = account(&folder, middle, Timestamp::MAX);
        prop_assert_eq!((early.check(), late.check()), (Ok(()), Ok(())));
        prop_assert_eq!(early.accepted + late.accepted, all.accepted);
        for (name, output) in &all.outputs {
            let (early, late) = (early.outputs[name], late.outputs[name]);
            prop_assert_eq!(early.pending_after, late.pending_before);
            prop_assert_eq!(early.delivered + late.delivered, output.delivered);
        }
    }
}

#[test]
fn sources_beyond_a_bound_are_counted_together() {
    let mut known = BTreeSet::new();
    for number in 0..SOURCES_MAX {
        assert_eq!(source_name(&number.to_string(), &mut known), number.to_string());
    }
    assert_eq!(source_name("one more", &mut known), OTHER);
    assert_eq!(source_name("7", &mut known), "7");
    assert_eq!(source_name(&"7".repeat(1000), &mut known), OTHER);
}

#[test]
fn an_account_that_does_not_add_up_says_where() {
    let mut ledger = SpanLedger::new(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
    let line = |kind, name: &str| Line { kind, source: String::new(), name: name.to_owned() };
    ledger.add(&line(Kind::Owed, "soc"), 3);
    ledger.add(&line(Kind::Delivered, "soc"), 2);
    let error = ledger.check().unwrap_err();
    assert_eq!(
        error,
        "output `soc`: 3 were due, but 2 are delivered, dead-lettered, suppressed or pending"
    );
    ledger.owed(Owed::default(), Owed { by_output: [("soc".to_owned(), 1)].into() });
    assert_eq!(ledger.check(), Ok(()));
    ledger.accepted = 1;
    assert_eq!(ledger.check().unwrap_err(), "accepted 1 is not suppressed 0 + routed 0");
}
