//! Every target on the inputs that are kept of it, and on a fixed number of changed ones.

use std::panic;

use fuzz::{Mutator, Read, TARGETS, Target};

/// Changed inputs of a target.
const CHANGED: usize = 1500;
/// Of those that take long for each: a template is rendered with every sample, some of them huge, and rules
/// are compiled with all that is built in.
const CHANGED_SLOW: usize = 300;

/// Runs an input; a failure names a file that has it.
fn holds(target: Target, name: &str, input: &[u8]) -> Read {
    panic::catch_unwind(|| (target.run)(input)).unwrap_or_else(|_| {
        let file = std::env::temp_dir().join(format!("saker-fuzz-{}-{name}", target.name));
        std::fs::write(&file, input).expect("the input is kept");
        panic!("target {} fails on {name}, kept in {}", target.name, file.display())
    })
}

/// Runs the target of this name, on a thread of a test: with as little stack as one of the router.
fn check(name: &str, changed: usize) {
    let target = Target::by_name(name).expect("a target");
    let corpus = target.corpus().expect("a corpus");
    assert!(corpus.len() >= 4, "{} has no corpus to speak of", target.name);
    let mut unexpected = Vec::new();
    for (name, input) in &corpus {
        // So that a target does not hold only because it refuses everything.
        let expected = if name.starts_with("bad-") { Read::Refused } else { Read::Taken };
        if holds(target, name, input) != expected {
            unexpected.push(name);
        }
    }
    assert!(unexpected.is_empty(), "taken or refused, and should not be: {unexpected:?}");
    let inputs: Vec<_> = corpus.into_iter().map(|(_, input)| input).collect();
    let mut mutator = Mutator::new(7, &inputs, target.words);
    let changed = match std::env::var("SAKER_FUZZ_RUNS") {
        Ok(runs) => runs.parse().expect("SAKER_FUZZ_RUNS is a number"),
        Err(_) => changed,
    };
    for number in 0..changed {
        holds(target, &format!("change-{number}"), &mutator.make());
    }
}

#[test]
fn conditions_matchers_and_formats_are_read_or_refused() {
    check("condition", CHANGED);
}

#[test]
fn configurations_are_read_or_refused() {
    check("config", CHANGED);
}

#[test]
fn bodies_are_taken_whole_or_refused() {
    check("ingest", CHANGED);
}

#[test]
fn journal_files_are_read_or_refused_and_go_on() {
    check("journal", CHANGED);
}

#[test]
fn records_read_as_they_were_written_and_restore() {
    check("record", CHANGED);
}

#[test]
fn rule_files_are_read_or_refused() {
    check("rules", CHANGED);
}

#[test]
fn templates_that_compile_render_within_their_limit() {
    check("template", CHANGED_SLOW);
}

#[test]
fn outputs_of_rules_are_read_or_refused() {
    check("output", CHANGED_SLOW);
}

#[test]
fn the_matcher_agrees_with_the_plain_meaning() {
    check("evaluate", CHANGED_SLOW);
}

#[test]
fn every_target_is_checked_here() {
    let names = TARGETS.map(|target| target.name);
    let checked = [
        "condition",
        "config",
        "evaluate",
        "ingest",
        "journal",
        "output",
        "record",
        "rules",
        "template",
    ];
    assert_eq!(names, checked);
}

#[test]
fn the_same_seed_makes_the_same_inputs() {
    let from = [b"abc".to_vec(), b"{\"a\":1}".to_vec()];
    let make = |seed| {
        let mut mutator = Mutator::new(seed, &from, &["word"]);
        (0..50).map(|_| mutator.make()).collect::<Vec<_>>()
    };
    assert_eq!(make(1), make(1));
    assert_ne!(make(1), make(2));
}
