//! The kernel's filter on the kernel of this machine: what it drops, no rule can match.
//!
//! Two sensors see the same opens, one with a filter and one without, under hundreds of random rule
//! sets. Needs root; under `CI=true` missing rights are a failure.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests panic where something is wrong and say loudly what they skip"
)]

mod random;
mod twins;

use std::{collections::HashMap, fs, path::Path, process::Command, sync::Arc};

use alert::{Detail, Event, EventKind};
use rules::{FilterView, RuleSet, Source};

use self::{random::Random, twins::Twins};

const RULE_SETS: u64 = 100;
const OPENS: u32 = 60;
/// The file that is opened while its folder is renamed: two looks at its path may differ.
const RACED: &str = "victim";

#[test]
fn what_the_kernel_drops_no_rule_can_match() {
    let folder = tempfile::tempdir().unwrap();
    let opener = compile(folder.path());
    let Some(twins) = Twins::start(&rules("never", "fd.name = /none")) else { return };
    let mut totals = Totals::default();
    for seed in 0..RULE_SETS {
        let top = folder.path().join(format!("{seed}"));
        fs::create_dir(&top).unwrap();
        let mut random = Random(seed + 1);
        let rules = random_rules(&mut random, top.to_str().unwrap());
        twins.put(rules.kernel_filter());
        let pid = run(&opener, &top, seed);
        let (plain, filtered) = twins.events_of(pid);
        totals.compare(&rules, &plain, &filtered, seed);
        fs::remove_dir_all(&top).unwrap();
    }
    assert_eq!(twins.lost(), 0, "events were lost, nothing can be compared");
    eprintln!("{totals:?}");
    assert!(totals.kept > 1000 && totals.matched > 500, "too few were of interest: {totals:?}");
    assert!(totals.dropped * 10 > totals.droppable * 6, "it hardly filters: {totals:?}");
}

#[derive(Debug, Default)]
struct Totals {
    seen: usize,
    matched: usize,
    /// Kept by the reference.
    kept: usize,
    /// What the reference drops, and what of that the kernel did.
    droppable: usize,
    dropped: usize,
}

impl Totals {
    fn compare(&mut self, rules: &Arc<RuleSet>, plain: &[Event], filtered: &[Event], seed: u64) {
        let filter = rules.kernel_filter();
        let mut matcher = rules.matcher();
        let mut told: HashMap<String, usize> = HashMap::new();
        for event in filtered {
            *told.entry(name(event)).or_default() += 1;
        }
        for event in plain {
            let mut matched = false;
            matcher.matches(event, &mut |_| matched = true);
            let kept = filter.keeps(event.kind, &FilterView::of(event));
            let told = told.get_mut(&name(event)).filter(|left| **left > 0).map(|left| *left -= 1);
            assert!(kept || !matched, "the reference drops what matches: {event:?}");
            assert!(told.is_some() || !kept, "seed {seed}: dropped, but possible: {event:?}");
            self.seen += 1;
            self.matched += usize::from(matched);
            self.kept += usize::from(kept);
            self.droppable += usize::from(!kept);
            self.dropped += usize::from(!kept && told.is_none());
        }
        let strange: Vec<_> = told.iter().filter(|(_, left)| **left > 0).collect();
        assert!(strange.is_empty(), "seed {seed}: only the filtered sensor saw {strange:?}");
    }
}

/// Returns what makes an open the same for both sensors.
fn name(event: &Event) -> String {
    let Detail::Open(file) = &event.detail else { return format!("{event:?}") };
    let raced = &*file.raw == RACED;
    let paths = if raced { None } else { Some((&file.path, &file.resolved)) };
    format!(
        "{} {} {} {paths:?} {} {:o}",
        event.tid,
        event.kind.name(),
        event.result,
        file.raw,
        file.flags
    )
}

fn rules(name: &str, condition: &str) -> Arc<RuleSet> {
    let text = format!(
        "- rule: {name}\n  desc: d\n  condition: >\n    {condition}\n  output: o\n  priority: NOTICE\n"
    );
    RuleSet::load(&[Source { name: name.to_owned(), text }]).unwrap().rules
}

/// Returns a few rules about paths below `top` and about how files are opened.
fn random_rules(random: &mut Random, top: &str) -> Arc<RuleSet> {
    let mut text = String::new();
    for number in 0..1 + random.below(4) {
        let mut parts = vec!["evt.type in (open, openat, openat2, creat)".to_owned()];
        for _ in 0..1 + random.below(3) {
            let one = part(random, top);
            parts.push(match random.below(6) {
                0 => format!("not {one}"),
                1 => format!("({one} or {})", part(random, top)),
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

fn part(random: &mut Random, top: &str) -> String {
    let words = ["a", "bin", "secret", "data.txt", "secret.d", "log", "victim", "hostname", "link"];
    let word = words[random.below(words.len())];
    match random.below(17) {
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
        _ => format!("fd.name pmatch ({top}/{word})"),
    }
}

fn compile(folder: &Path) -> std::path::PathBuf {
    let program = folder.join("opener");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let status = Command::new(compiler)
        .args(["-O1", "-pthread", "-o"])
        .arg(&program)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sift/opener.c"))
        .status();
    assert!(status.unwrap().success());
    program
}

/// Runs the opener to its end; returns its pid.
fn run(opener: &Path, top: &Path, seed: u64) -> i32 {
    let mut child =
        Command::new(opener).arg(top).arg(seed.to_string()).arg(OPENS.to_string()).spawn().unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "the opener ended with {status}");
    child.id() as i32
}

/// The kinds of event both sensors watch.
const KINDS: [EventKind; 5] =
    [EventKind::ProcExit, EventKind::Open, EventKind::OpenAt, EventKind::OpenAt2, EventKind::Creat];
