//! What must be found in the paths of an event for a rule to be possible, and what in the text that
//! the program typed.
//!
//! Of every rule some predicates on paths are looked for of which one must hold, or the rule cannot:
//! the fewest and rarest that suffice. What says so is the same walk over the conditions that finds
//! the matcher's candidates.

use alert::{EventKind, Value};
use hashbrown::{HashMap, HashSet};

use super::{
    conditions::Conditions,
    pattern::{Element, Part, Pattern, patterns},
};
use crate::{
    ir::{Leaf, NodeId, Term},
    matcher::{Below, Lanes},
};

/// Predicates on paths of which one must hold.
pub(super) type Clause = Vec<u32>;

/// Paths as they are opened on every machine, many times a minute.
const COMMON: [&str; 40] = [
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/ssl/openssl.cnf",
    "/usr/lib/x86_64-linux-gnu/libc.so.6",
    "/usr/lib/x86_64-linux-gnu/libpthread.so.0",
    "/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache",
    "/usr/lib/locale/locale-archive",
    "/usr/lib/python3/dist-packages/apt/__init__.py",
    "/usr/lib/systemd/system/cron.service",
    "/lib/x86_64-linux-gnu/libselinux.so.1",
    "/usr/share/zoneinfo/Etc/UTC",
    "/usr/include/stdio.h",
    "/usr/bin/sed",
    "/bin/sh",
    "/proc/self/maps",
    "/proc/self/fd",
    "/proc/1/stat",
    "/proc/4711/cmdline",
    "/proc/4711/status",
    "/proc/meminfo",
    "/proc/filesystems",
    "/proc/sys/kernel/ngroups_max",
    "/sys/fs/cgroup/system.slice/cron.service/memory.current",
    "/sys/devices/system/cpu/online",
    "/dev/null",
    "/dev/tty",
    "/dev/urandom",
    "/run/systemd/sessions/4",
    "/tmp/cc4711.s",
    "/tmp/work/object.o",
    "/var/lib/dpkg/info/libc6.list",
    "/var/log/journal/4711/system.journal",
    "/var/cache/apt/pkgcache.bin",
    "/home/user/project/src/main.rs",
    "/srv/data/index.html",
];

/// What a predicate on paths looks for.
struct Wanted {
    patterns: Vec<Pattern>,
    /// How often it is found, roughly, from 0 to 1.
    cost: f32,
}

/// Returns which part of the texts that are searched a field shows; `None` if it shows another.
type PartOf = fn(EventKind, &Leaf) -> Option<Part>;

/// What is looked for in one sort of texts: paths, or what was typed.
pub(super) struct Search {
    pub(super) paths: Paths,
    /// What must be found for each rule; `None` if nothing must.
    pub(super) clauses: Vec<Option<Clause>>,
}

impl Search {
    pub(super) fn new(conditions: &Conditions<'_>, part_of: PartOf) -> Self {
        let paths = Paths::new(conditions, part_of);
        let clauses = conditions.roots.iter().map(|root| paths.clause(conditions, *root)).collect();
        Self { paths, clauses }
    }
}

/// The predicates of one kind's rules that can be looked for in paths.
pub(super) struct Paths {
    wanted: HashMap<u32, Wanted>,
}

impl Paths {
    fn new(conditions: &Conditions<'_>, part_of: PartOf) -> Self {
        let kind = conditions.kind;
        let mut wanted = HashMap::new();
        for number in &conditions.predicates {
            let (predicate, machine) = conditions.graph.predicate_of(*number);
            // An event without a path may show a field as empty.
            if predicate.holds(machine, &Value::text("")) {
                continue;
            }
            let Some(patterns) = patterns(predicate, &|leaf| part_of(kind, leaf)) else { continue };
            let part = match &predicate.term {
                Term::Leaf(leaf) => part_of(kind, leaf),
                _ => None,
            };
            let common = COMMON.iter().filter(|path| match part {
                Some(part) => predicate.holds(machine, &Value::text(shown(part, path))),
                None => false,
            });
            // Of those that no common path fits, fewer patterns and longer ones are better.
            let length: usize = patterns.iter().map(Vec::len).max().unwrap_or(0);
            let rest = patterns.len() as f32 / (1.0 + length as f32) * 1e-3;
            let cost = common.count() as f32 / COMMON.len() as f32 + rest;
            wanted.insert(*number, Wanted { patterns, cost });
        }
        Self { wanted }
    }

    /// Returns what a predicate is looked for by.
    pub(super) fn patterns(&self, predicate: u32) -> &[Pattern] {
        self.wanted.get(&predicate).map_or(&[], |wanted| &wanted.patterns)
    }

    /// Returns how often one of the predicates is found, roughly.
    pub(super) fn cost(&self, clause: &[u32]) -> f32 {
        clause.iter().filter_map(|number| self.wanted.get(number)).map(|wanted| wanted.cost).sum()
    }

    /// Returns rare predicates of which one must hold for a condition to; `None` if it may hold
    /// though none does.
    fn clause(&self, conditions: &Conditions<'_>, root: NodeId) -> Option<Clause> {
        let below = Below::new(conditions.graph, std::iter::once(root));
        let mut order: Clause =
            below.predicates().filter(|number| self.wanted.contains_key(number)).collect();
        let mut quiet: HashSet<u32> = order.iter().copied().collect();
        let cannot = |quiet: &HashSet<u32>| {
            let lanes = below.roots(&|number| match quiet.contains(&number) {
                true => Lanes::known(0, u64::MAX),
                false => conditions.known(number),
            });
            lanes.iter().all(|lanes| lanes.may == 0)
        };
        if !cannot(&quiet) {
            return None;
        }
        // What is found most often is given up first.
        let cost = |number: &u32| self.wanted.get(number).map_or(0.0, |wanted| wanted.cost);
        order.sort_by(|left, right| cost(right).total_cmp(&cost(left)).then(left.cmp(right)));
        order.retain(|number| {
            quiet.remove(number);
            let needed = !cannot(&quiet);
            if needed {
                quiet.insert(*number);
            }
            needed
        });
        order.sort_unstable();
        Some(order)
    }

    /// Returns whether one of a clause's predicates can hold of the name of a socket with addresses.
    pub(super) fn can_be_ends(&self, clause: &[u32]) -> bool {
        let patterns = clause.iter().flat_map(|number| self.patterns(*number));
        patterns.into_iter().any(can_be_ends)
    }
}

/// Returns whether a pattern can fit the name of a socket with addresses.
fn can_be_ends(pattern: &Pattern) -> bool {
    pattern.iter().all(|element| match element {
        Element::One(set) => b"0123456789abcdef:.->".iter().any(|byte| set.has(*byte)),
        Element::Many(_) => true,
    })
}

/// Returns the part of a path that a field shows.
fn shown(part: Part, path: &str) -> &str {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    match part {
        Part::Whole => path,
        Part::Name => name,
        Part::Directory if directory.is_empty() => "/",
        Part::Directory => directory,
    }
}
