//! The automaton finds what a plain comparison of each pattern finds.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::filter::pattern::{Bytes, Element, Pattern};

const ANY: Element = Element::Many(Bytes::ANY);

fn text(text: &str) -> Pattern {
    text.bytes().map(|byte| Element::One(Bytes::one(byte))).collect()
}

fn built(patterns: &[Pattern]) -> Option<(Automaton, Vec<Box<[u32]>>)> {
    let mut builder = Builder::default();
    for (pattern, tells) in patterns.iter().zip(0..) {
        builder.add(pattern, tells);
    }
    builder.build()
}

fn found(automaton: &Automaton, outputs: &[Box<[u32]>], path: &[u8]) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    automaton.run(path, &mut |output| found.extend(&*outputs[output as usize]));
    found
}

/// Compares forwards, by trying everything.
fn fits(pattern: &[Element], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([Element::One(set), rest @ ..], [first, after @ ..]) => {
            set.has(*first) && fits(rest, after)
        }
        ([Element::Many(set), rest @ ..], _) => {
            fits(rest, text)
                || matches!(text, [first, after @ ..] if set.has(*first) && fits(pattern, after))
        }
        _ => false,
    }
}

#[test]
fn beginnings_ends_parts_and_whole_paths_are_told_apart() {
    let patterns = [
        text("/etc/shadow"),
        [text("/etc/"), vec![ANY]].concat(),
        [vec![ANY], text(".conf")].concat(),
        [vec![ANY], text("/.ssh/"), vec![ANY]].concat(),
    ];
    let (automaton, outputs) = built(&patterns).expect("a small automaton");
    for (path, expected) in [
        ("/etc/shadow", &[0, 1][..]),
        ("/etc/shadow-", &[1]),
        ("/srv/etc/shadow", &[]),
        ("/etc/a.conf", &[1, 2]),
        ("/root/.ssh/a.conf", &[2, 3]),
        ("/root/.ssh/", &[3]),
        ("", &[]),
    ] {
        let found = found(&automaton, &outputs, path.as_bytes());
        assert_eq!(found, expected.iter().copied().collect(), "{path}");
    }
}

#[test]
fn more_bytes_than_classes_share_some_and_are_still_found() {
    let patterns: Vec<Pattern> = (1..=u8::MAX)
        .filter(|byte| *byte != b'/')
        .map(|byte| vec![Element::One(Bytes::one(b'/')), Element::One(Bytes::one(byte))])
        .collect();
    let (automaton, outputs) = built(&patterns).expect("a small automaton");
    assert!(automaton.classes.iter().all(|class| usize::from(*class) < CLASSES_MAX));
    for (byte, number) in (1..=u8::MAX).filter(|byte| *byte != b'/').zip(0..) {
        assert!(found(&automaton, &outputs, &[b'/', byte]).contains(&number), "{byte}");
    }
    let slash = automaton.classes[usize::from(b'/')];
    assert_eq!(automaton.classes.iter().filter(|class| **class == slash).count(), 1);
}

#[test]
fn too_many_states_are_none() {
    let lines = |number: u32| text(&format!("/{:x}", u64::from(number).wrapping_mul(0x9e37_79b9)));
    let patterns: Vec<Pattern> = (1..4000).map(lines).collect();
    assert!(built(&patterns).is_none());
    assert!(built(&patterns[..500]).is_some());
}

fn element() -> impl Strategy<Value = Element> {
    let byte = prop::sample::select(&b"ab/"[..]);
    prop_oneof![
        5 => byte.prop_map(|byte| Element::One(Bytes::one(byte))),
        1 => Just(Element::One(Bytes::ANY)),
        1 => Just(ANY),
        1 => Just(Element::Many(Bytes::one(b'/'))),
    ]
}

proptest! {
    #[test]
    fn it_finds_what_comparing_each_pattern_finds(
        patterns in prop::collection::vec(prop::collection::vec(element(), 0..7), 1..8),
        paths in prop::collection::vec("[ab/c]{0,9}", 1..8),
    ) {
        let (automaton, outputs) = built(&patterns).expect("a small automaton");
        for path in paths {
            let expected: BTreeSet<u32> = patterns
                .iter()
                .zip(0..)
                .filter(|(pattern, _)| fits(pattern, path.as_bytes()))
                .map(|(_, number)| number)
                .collect();
            prop_assert_eq!(found(&automaton, &outputs, path.as_bytes()), expected, "{}", path);
        }
    }
}
