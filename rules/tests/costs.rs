//! What matching costs is counted, and a plan says how a rule is matched.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use alert::{Detail, Event, EventKind};
use rules::{Lifetime, RuleSet, Source};

mod sample;

fn load(conditions: &[&str]) -> Arc<RuleSet> {
    let rule = |(number, condition): (usize, &&str)| {
        format!(
            "- rule: r{number}\n  desc: d\n  priority: INFO\n  output: o\n  condition: {condition}\n"
        )
    };
    let text: String = conditions.iter().enumerate().map(rule).collect();
    let source = Source { name: "t.yaml".to_owned(), text };
    RuleSet::load(&[source]).unwrap_or_else(|errors| panic!("{}", errors[0])).rules
}

fn exec(name: &str) -> Event {
    let process = Arc::new(sample::process(name, None));
    sample::event(EventKind::Execve, process, Detail::Exec { filename: "/bin/x".into() })
}

#[test]
fn what_is_evaluated_and_matched_is_counted_for_the_whole_set() {
    let rules = load(&[
        "evt.type = execve and proc.name = cat and evt.num > 0",
        "evt.type = execve and proc.name = dog",
    ]);
    let mut matchers = [rules.matcher(), rules.matcher()];
    for matcher in &mut matchers {
        for name in ["cat", "cat", "dog", "cow"] {
            matcher.matches(&exec(name), &mut |_| {});
        }
    }
    assert_eq!(rules.costs()[0].evaluated, 0, "not told yet");
    drop(matchers);
    let costs = rules.costs();
    let seen: Vec<_> =
        costs.iter().map(|cost| (&*cost.rule, cost.evaluated, cost.matched)).collect();
    assert_eq!(seen, [("r0", 4, 4), ("r1", 2, 2)], "others were ruled out by their name alone");
    assert_eq!(rules.events_matched(), 8);
    let predicates = rules.predicate_costs();
    let seen: Vec<_> =
        predicates.iter().map(|cost| (&*cost.predicate, cost.asked, cost.held)).collect();
    let expected = [("proc.name = cat", 8, 4), ("evt.num > 0", 6, 6), ("proc.name = dog", 8, 2)];
    assert_eq!(seen, expected);
}

#[test]
fn a_sample_of_the_evaluations_is_timed() {
    static NOW: AtomicU64 = AtomicU64::new(0);
    let rules = load(&["evt.type = execve and evt.num > 0"]);
    let mut matcher = rules.matcher().timed_with(|| NOW.fetch_add(5, Ordering::Relaxed));
    for _ in 0..128 {
        matcher.matches(&exec("x"), &mut |_| {});
    }
    matcher.flush_costs();
    let cost = &rules.costs()[0];
    assert_eq!((cost.evaluated, cost.timed, cost.timed_ns), (128, 2, 10));
}

#[test]
fn a_plan_tells_what_rules_out_a_rule() {
    let rules = load(&[
        "evt.type in (open, openat) and fd.name startswith /etc and evt.is_open_write = true",
        "evt.type in (open, openat) and proc.name in (cat, dog) and not fd.name endswith .c",
    ]);
    assert!(rules.plan("none").is_none());
    let plan = rules.plan("r0").expect("a rule");
    let [kind] = &plan.kinds[..] else { panic!("{:?}", plan.kinds) };
    assert_eq!((&kind.kinds[..], kind.rules), (&["open", "openat"][..], 2));
    let name = kind.steps.iter().find(|step| step.looks_at == "fd.name").expect("a look");
    assert_eq!((name.kept, name.possible, name.keeps_rule), (Lifetime::Path, 1, false));
    let write = kind.predicates.iter().find(|asked| asked.predicate.contains("write"));
    let write = write.expect("its predicate");
    assert_eq!((write.kept, write.index), (Lifetime::Event, None));
    let [kind] = &rules.plan("r1").expect("a rule").kinds[..] else { panic!() };
    assert!(kind.steps.iter().any(|step| step.looks_at == "proc.name" && !step.keeps_rule));
    assert!(kind.predicates.iter().any(|asked| asked.index == Some("texts")));
}
