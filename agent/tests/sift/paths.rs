//! The same of calls that are told by their paths or by what a descriptor stands for.

use alert::EventKind;

use crate::{hold, random::Random, random_rules};

const RULE_SETS: u64 = 80;
const CALLS: u32 = 60;
const KINDS: [EventKind; 13] = [
    EventKind::ProcExit,
    EventKind::Unlink,
    EventKind::UnlinkAt,
    EventKind::Rename,
    EventKind::RenameAt2,
    EventKind::LinkAt,
    EventKind::MkdirAt,
    EventKind::Chmod,
    EventKind::Dup,
    EventKind::Dup2,
    EventKind::Dup3,
    EventKind::Fchmod,
    EventKind::Ftruncate,
];
/// Kinds of event that rules are about at once, and the parameters of them that are paths.
const ABOUT: [(&str, &[&str]); 7] = [
    ("unlink", &["path"]),
    ("unlinkat", &["name"]),
    ("rename, renameat2", &["oldpath", "newpath"]),
    ("linkat", &["oldpath", "newpath"]),
    ("mkdirat", &["path"]),
    ("chmod", &["filename"]),
    ("dup, dup2, dup3, fchmod, ftruncate", &[]),
];

#[test]
fn what_is_dropped_of_calls_with_paths_is_all_that_no_rule_can_match_and_no_more() {
    let rules = &mut |random: &mut Random, top: &str| {
        let (kinds, paths) = ABOUT[random.below(ABOUT.len())];
        random_rules(random, kinds, &mut |random| part(random, paths, top))
    };
    let Some((totals, rule_sets)) = hold("mover", &KINDS, (RULE_SETS, CALLS), rules) else {
        return;
    };
    let of_interest = totals.kept > 2 * rule_sets && totals.matched > 2 * rule_sets;
    assert!(of_interest, "too few were of interest: {totals:?}");
    assert!(totals.dropped > 4 * rule_sets, "it hardly filters: {totals:?}");
}

/// Returns a condition on a path of these parameters, or on a descriptor where there are none.
fn part(random: &mut Random, paths: &[&str], top: &str) -> String {
    let words = ["a", "bin", "secret", "data.txt", "secret.d", "log", "missing"];
    let word = words[random.below(words.len())];
    let path = match paths {
        [] => "fd.name".to_owned(),
        some => format!("evt.arg.{}", some[random.below(some.len())]),
    };
    match random.below(if paths.is_empty() { 11 } else { 8 }) {
        0 => format!("{path} startswith {top}/{word}"),
        1 => format!("{path} endswith /{word}"),
        2 => format!("{path} contains {word}"),
        3 => format!("{path} = {top}/{word}"),
        4 => format!("{path} in (/{word}, {top}/secret/{word}, /{word}/{word})"),
        5 => "evt.failed = true".to_owned(),
        6 => "evt.rawres >= 0".to_owned(),
        7 => format!("{path} glob */{word}/*"),
        8 => "fd.typechar in (d, p)".to_owned(),
        9 => "fd.typechar in ('4', u)".to_owned(),
        _ => format!("fd.filename = {word}"),
    }
}
