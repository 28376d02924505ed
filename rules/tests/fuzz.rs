//! A bounded run of the fuzz targets: the corpus as it is, then mutations of it.
//!
//! The mutations are the same in every run. `SAKER_FUZZ_RUNS` sets how many each target gets.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

/// Mutations for each target where nobody asks for more.
const RUNS: usize = 250;
/// A larger input is cut: what grows faster than its input shows long before.
const INPUT_BYTES_MAX: usize = 16 << 10;
/// One input takes milliseconds; a debug build on a busy machine may take seconds.
const INPUT_TIME_MAX: Duration = Duration::from_secs(20);

/// Words the languages are made of.
const WORDS: &[&str] = &[
    " and ",
    " or ",
    " not ",
    "(",
    ")",
    ",",
    "=",
    "!=",
    " in ",
    " contains ",
    " startswith ",
    " glob ",
    " regex ",
    " pmatch ",
    " exists",
    " intersects ",
    " oneof ",
    " allof ",
    "val(",
    "tolower(",
    "b64(",
    "len(",
    "join(",
    "concat(",
    "basename(",
    "proc.name",
    "proc.aname",
    "proc.aname[2]",
    "fd.name",
    "fd.sip",
    "fd.net",
    "fd.sport",
    "evt.type",
    "evt.arg.flags",
    "evt.rawres",
    "user.uid",
    "\"",
    "'",
    "\\",
    "\\x00",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "!!str ",
    "- ",
    ": ",
    "|",
    ">",
    "\n",
    "\n  ",
    "\r\n",
    "\t",
    "\0",
    "\u{feff}",
    "\u{2028}",
    "%",
    "%5",
    "%99999999999proc.name",
    "%proc.name",
    "*",
    "*a*a*a*a*a",
    "(a+)+$",
    ".*",
    "99999999999999999999",
    "-1",
    "0x10",
    "1e400",
    "10.0.0.0/33",
    "::/0",
    "- rule: Fuzzed\n",
    "- macro: m\n",
    "- list: l\n",
    "  condition: ",
    "  items: [",
    "  override: {condition: append}\n",
    "  exceptions:\n",
    "evt.num=0",
    "\n---\n",
    "\n%%%\n",
];

struct Random(u64);

impl Random {
    /// Marsaglia's xorshift.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or(0)
    }
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let entries = fs::read_dir(&folder).expect("the corpus is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a seed")).collect()
}

/// Changes an input in one to four places.
fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        let end = at + random.below(20).min(input.len() - at);
        match random.below(7) {
            0 => drop(input.drain(at..end)),
            1 if at < input.len() => input[at] = (random.next() & 0xff) as u8,
            2 if at < input.len() => input[at] ^= 1 << random.below(8),
            3 => {
                let part = input[at..end].to_vec();
                let times = 1 + random.below(300);
                drop(input.splice(at..at, part.repeat(times)));
            }
            4 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                drop(input.splice(at..end, other[from..].iter().copied()));
            }
            _ => {
                let word = WORDS[random.below(WORDS.len())].repeat(1 + random.below(3));
                drop(input.splice(at..at, word.into_bytes()));
            }
        }
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}

/// Shows the input if the target panics on it.
struct Shown<'a>(&'a str, &'a [u8]);

impl Drop for Shown<'_> {
    #[expect(clippy::print_stderr, reason = "this is how a test tells what it was given")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("target `{}`, input:\n\"{}\"", self.0, self.1.escape_ascii());
        }
    }
}

fn give(name: &str, target: targets::Target, input: &[u8]) {
    let shown = Shown(name, input);
    let start = Instant::now();
    target(input);
    let taken = start.elapsed();
    assert!(taken < INPUT_TIME_MAX, "one input took {taken:?}");
    drop(shown);
}

fn run(name: &str) {
    let (_, target) = targets::TARGETS.into_iter().find(|(known, _)| *known == name).expect("one");
    let seeds = corpus(name);
    assert!(!seeds.is_empty());
    for seed in &seeds {
        give(name, target, seed);
    }
    let runs = std::env::var("SAKER_FUZZ_RUNS").ok().and_then(|text| text.parse().ok());
    let mut random = Random(0x5eed_0000 + name.len() as u64);
    for _ in 0..runs.unwrap_or(RUNS) {
        give(name, target, &mutate(&seeds, &mut random));
    }
}

#[test]
fn rule_files_are_taken_or_refused() {
    run("load");
}

#[test]
fn conditions_are_taken_or_refused() {
    run("condition");
}

#[test]
fn outputs_are_taken_or_refused() {
    run("output");
}

#[test]
fn the_matcher_agrees_with_the_plain_meaning() {
    run("evaluate");
}
