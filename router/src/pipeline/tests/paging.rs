//! Lists that are read in parts while everything goes on.

use std::{collections::BTreeSet, fmt::Display};

use alert::Finding;
use proptest::{collection::vec, prelude::*};

use super::{
    properties::{Step, World, step},
    script::snapshot,
};
use crate::pipeline::{DeadLetterView, FindingsQuery, GroupView, Page, Part, Pipeline, Place};

/// Somebody reads a list from its beginning to its end, and then once more.
struct Reader<T> {
    list: fn(&Pipeline, Page) -> Part<T>,
    id: fn(&T) -> String,
    after: Option<Place>,
    seen: Vec<String>,
    /// What was in the list all the time since its reading began.
    throughout: BTreeSet<String>,
}

impl<T> Reader<T> {
    fn new(list: fn(&Pipeline, Page) -> Part<T>, id: fn(&T) -> String) -> Self {
        Self { list, id, after: None, seen: Vec::new(), throughout: BTreeSet::new() }
    }

    fn all(&self, pipeline: &Pipeline) -> BTreeSet<String> {
        let whole = (self.list)(pipeline, Page { after: None, limit: usize::MAX });
        assert_eq!(whole.next, None);
        whole.items.iter().map(self.id).collect()
    }

    /// Notes what is there after something happened.
    fn look(&mut self, pipeline: &Pipeline) {
        let all = self.all(pipeline);
        self.throughout.retain(|id| all.contains(id));
    }

    fn read(&mut self, pipeline: &Pipeline, limit: usize) {
        if self.after.is_none() {
            (self.seen, self.throughout) = (Vec::new(), self.all(pipeline));
        }
        let part = (self.list)(pipeline, Page { after: self.after, limit });
        assert!(part.items.len() <= limit);
        self.seen.extend(part.items.iter().map(self.id));
        self.after = part.next;
        if part.next.is_none() {
            let seen: BTreeSet<&String> = self.seen.iter().collect();
            assert_eq!(seen.len(), self.seen.len(), "twice: {:?}", self.seen);
            for id in &self.throughout {
                assert!(seen.contains(id), "{id} was there all the time, but is missing");
            }
        }
    }
}

fn text(id: impl Display) -> String {
    id.to_string()
}

fn readers() -> (Reader<Finding>, Reader<GroupView>, Reader<DeadLetterView>) {
    let findings = |pipeline: &Pipeline, page| {
        pipeline.findings(&FindingsQuery { page, ..FindingsQuery::default() })
    };
    (
        Reader::new(findings, |finding| text(finding.fingerprint)),
        Reader::new(|pipeline, page| pipeline.groups(page), |group| text(group.id)),
        Reader::new(|pipeline, page| pipeline.dead_letters(page), |it| text(it.notification)),
    )
}

/// What happens, and how much of each list is then read.
fn turn() -> impl Strategy<Value = (Step, usize, bool)> {
    (step(), 0_usize..4, prop::bool::weighted(0.05))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn what_is_there_all_the_time_is_read_once_whatever_comes_and_goes(
        turns in vec(turn(), 1..150),
    ) {
        let (mut world, (mut findings, mut groups, mut letters)) = (World::new(), readers());
        for (step, limit, restarts) in &turns {
            world.step(step);
            if *restarts {
                world.pipeline = Pipeline::restore(&snapshot(&world.pipeline)).unwrap();
            }
            findings.look(&world.pipeline);
            groups.look(&world.pipeline);
            letters.look(&world.pipeline);
            if *limit > 0 {
                findings.read(&world.pipeline, *limit);
                groups.read(&world.pipeline, *limit);
                letters.read(&world.pipeline, *limit);
            }
        }
    }
}

#[test]
fn a_list_of_which_little_is_wanted_goes_on_after_what_was_looked_at() {
    let numbers = (0..10_000_u32).rev().map(|number| (Place(u64::from(number), 0), number));
    let none = Part::<u32>::of(numbers.clone(), 10, |_| None);
    assert_eq!((none.items.len(), none.next), (0, Some(Place(10_000 - 4096, 0))));
    let some = Part::of(numbers.clone(), 2, |number| (number % 2 == 0).then_some(number));
    assert_eq!((some.items, some.next), (vec![9998, 9996], Some(Place(9996, 0))));
    let last = Part::of(numbers.skip(9998), 2, Some);
    assert_eq!((last.items, last.next), (vec![1, 0], None), "there is nothing after the last");
}
