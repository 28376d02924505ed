//! The kernel's filter on the kernel of this machine: what it drops, no rule can match.
//!
//! Two sensors see the same deeds, one with a filter and one without, under many random rule sets. What
//! the reference keeps must come through; what it drops must not, but for what is told to be in doubt.
//! Needs root; under `CI=true` missing rights are a failure. `e2e/tests/kernels` runs it on other kernels,
//! with each back end: the environment then says where the programs are, and how much is to be done.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests panic where something is wrong and say loudly what they skip"
)]

mod calls;
mod paths;
mod random;
mod totals;
mod twins;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use agent::sensor::{BackendChoice, SensorOptions};
use alert::EventKind;
use rules::{RuleSet, Source};

use self::{random::Random, totals::Totals, twins::Twins};

const RULE_SETS: u64 = 100;
const OPENS: u32 = 60;

#[test]
fn what_the_kernel_drops_no_rule_can_match() {
    let kinds = "open, openat, openat2, creat";
    let rules = &mut |random: &mut Random, top: &str| {
        random_rules(random, kinds, &mut |random| part(random, top))
    };
    let Some((totals, rule_sets)) = hold("opener", &KINDS, (RULE_SETS, OPENS), rules) else {
        return;
    };
    let of_interest = totals.kept > 10 * rule_sets && totals.matched > 5 * rule_sets;
    assert!(of_interest, "too few were of interest: {totals:?}");
    assert!(totals.dropped * 10 > totals.droppable * 9, "it hardly filters: {totals:?}");
}

/// Holds what the kernel drops of a program's deeds to the reference, under so many rule sets and with
/// so many deeds each; `rules_for` makes them for a folder. Returns what it counted, and under how many.
fn hold(
    program: &str,
    kinds: &[EventKind],
    (default, deeds): (u64, u32),
    rules_for: &mut dyn FnMut(&mut Random, &str) -> Arc<RuleSet>,
) -> Option<(Totals, usize)> {
    let folder = tempfile::tempdir().unwrap();
    let program = compile(folder.path(), program);
    let twins = Twins::start(kinds, &rules("never", "fd.name = /none"))?;
    let mut totals = Totals::default();
    let rule_sets = asked("RULE_SETS").map_or(default, |count| count.parse().unwrap());
    for seed in 0..rule_sets {
        let top = folder.path().join(format!("{seed}"));
        fs::create_dir(&top).unwrap();
        let rules = rules_for(&mut Random(seed + 1), top.to_str().unwrap());
        twins.put(rules.kernel_filter());
        let pid = run(&program, &top, seed, deeds);
        let (plain, filtered) = twins.events_of(pid);
        totals.compare(&rules, &plain, &filtered, seed);
        fs::remove_dir_all(&top).unwrap();
    }
    assert_eq!(twins.lost(), 0, "events were lost, nothing can be compared");
    eprintln!("{totals:?}");
    Some((totals, usize::try_from(rule_sets).unwrap()))
}

/// Returns what is set for a run on another kernel.
fn asked(name: &str) -> Option<String> {
    std::env::var(format!("SAKER_SIFT_{name}")).ok()
}

/// Returns options of a sensor that uses the asked for back end.
fn options() -> SensorOptions {
    let backend = match asked("BACKEND").as_deref() {
        None => BackendChoice::Auto,
        Some("trampoline") => BackendChoice::Trampoline,
        Some("syscall") => BackendChoice::Syscall,
        Some(other) => panic!("{other} is no back end"),
    };
    SensorOptions { backend, ..SensorOptions::default() }
}

fn rules(name: &str, condition: &str) -> Arc<RuleSet> {
    let text = format!(
        "- rule: {name}\n  desc: d\n  condition: >\n    {condition}\n  output: o\n  priority: NOTICE\n"
    );
    RuleSet::load(&[Source { name: name.to_owned(), text }]).unwrap().rules
}

/// Returns a few rules about these kinds, of parts joined at random.
fn random_rules(
    random: &mut Random,
    kinds: &str,
    part: &mut dyn FnMut(&mut Random) -> String,
) -> Arc<RuleSet> {
    let mut text = String::new();
    for number in 0..1 + random.below(4) {
        let mut parts = vec![format!("evt.type in ({kinds})")];
        for _ in 0..1 + random.below(3) {
            let one = part(random);
            parts.push(match random.below(6) {
                0 => format!("not {one}"),
                1 => format!("({one} or {})", part(random)),
                _ => one,
            });
        }
        let condition = parts.join(" and ");
        text.push_str(&format!(
            "- rule: r{number}\n  desc: d\n  condition: >\n    {condition}\n  output: o\n  priority: NOTICE\n"
        ));
    }
    RuleSet::load(&[Source { name: "random".to_owned(), text }]).unwrap().rules
}

/// Returns a condition on paths below `top` or on how files are opened.
fn part(random: &mut Random, top: &str) -> String {
    let words = ["a", "bin", "secret", "data.txt", "secret.d", "log", "victim", "hostname", "link"];
    let word = words[random.below(words.len())];
    match random.below(19) {
        0 => format!("fd.name startswith {top}/{word}"),
        1 => format!("fd.name endswith /{word}"),
        2 => format!("fd.name contains {word}"),
        3 => format!("fd.name = {top}/{word}"),
        4 => format!("fd.directory = {top}/{word}"),
        5 => format!("fd.filename = {word}"),
        6 => format!("fd.name in (/{word}, {top}/secret/{word}, /etc/hostname)"),
        7 => "evt.is_open_write = true".to_owned(),
        8 => "evt.is_open_read = true".to_owned(),
        9 => "fd.typechar = 'f'".to_owned(),
        10 => "fd.num >= 0".to_owned(),
        11 => "evt.failed = true".to_owned(),
        12 => format!("fd.nameraw contains {word}"),
        13 => "evt.is_open_exec = true".to_owned(),
        14 => "evt.arg.mode contains S_ISUID".to_owned(),
        15 => "evt.arg.flags contains O_TRUNC".to_owned(),
        16 => format!("fd.nameraw in (./{word}, {word}, {top}/{word})"),
        17 => "fd.nameraw glob *../*".to_owned(),
        _ => format!("fd.name pmatch ({top}/{word})"),
    }
}

fn compile(folder: &Path, name: &str) -> PathBuf {
    if let Some(programs) = asked("PROGRAMS") {
        return Path::new(&programs).join(name);
    }
    let program = folder.join(name);
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let status = Command::new(compiler)
        .args(["-O1", "-pthread", "-o"])
        .arg(&program)
        .arg(format!("{}/tests/sift/{name}.c", env!("CARGO_MANIFEST_DIR")))
        .status();
    assert!(status.unwrap().success());
    program
}

/// Runs a program to its end; returns its pid.
fn run(program: &Path, top: &Path, seed: u64, count: u32) -> i32 {
    let (seed, count) = (seed.to_string(), count.to_string());
    let mut child = Command::new(program).arg(top).args([seed, count]).spawn().unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{program:?} ended with {status}");
    child.id() as i32
}

/// The kinds of event both sensors watch.
const KINDS: [EventKind; 5] =
    [EventKind::ProcExit, EventKind::Open, EventKind::OpenAt, EventKind::OpenAt2, EventKind::Creat];
