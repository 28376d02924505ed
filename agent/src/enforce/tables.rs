//! Guards as the tables that the probe looks programs up in.

use std::collections::{BTreeMap, BTreeSet};

use alert::EventKind;
use probe::enforce::{
    Atoms, BANKS, Clause, GUARDS_MAX, INODES_MAX, PATH_BYTES, Plan, Range, TEXTS_MAX, atom, by,
};
use rules::{Demand, ExecAtom, ExecGuard};

/// A path, filled up with zeros.
pub(super) type PathKey = [u8; PATH_BYTES];
/// A `comm`, filled up with zeros.
pub(super) type NameKey = [u8; 16];

/// The tables of all guards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) plan: Plan,
    pub(super) paths: BTreeMap<PathKey, u64>,
    /// By beginning and its length in bytes.
    pub(super) prefixes: BTreeMap<(PathKey, u32), u64>,
    pub(super) names: BTreeMap<NameKey, u64>,
    pub(super) inodes: BTreeMap<u64, u64>,
    atoms: BTreeMap<ExecAtom, u32>,
    clauses: usize,
    ranges: usize,
    guards: usize,
}

/// How a table of the probe changes when one of its banks does.
#[derive(Debug, Default)]
pub(super) struct Entries<'a, K> {
    pub(super) present: Vec<(&'a K, Atoms)>,
    pub(super) gone: Vec<&'a K>,
}

impl<'a, K: Ord> Entries<'a, K> {
    /// Returns the entries of both banks `now`, and those that only the bank which changed had.
    pub(super) fn of(before: &'a BTreeMap<K, u64>, now: [&'a BTreeMap<K, u64>; BANKS]) -> Self {
        let keys: BTreeSet<&K> = now.iter().flat_map(|bank| bank.keys()).collect();
        let atoms = |key: &K| now.map(|bank| bank.get(key).copied().unwrap_or(0));
        Self {
            gone: before.keys().filter(|key| !keys.contains(key)).collect(),
            present: keys.into_iter().map(|key| (key, atoms(key))).collect(),
        }
    }
}

impl<'a> Entries<'a, (PathKey, u32)> {
    /// Does the same with beginnings of paths, of which the probe finds the longest alone: one that a
    /// bank lacks stands for what the longest shorter one of that bank does.
    pub(super) fn of_prefixes(
        before: &'a BTreeMap<(PathKey, u32), u64>,
        now: [&'a BTreeMap<(PathKey, u32), u64>; BANKS],
    ) -> Self {
        let mut entries = Self::of(before, now);
        let mut above: Vec<(&PathKey, usize, Atoms)> = Vec::new();
        for (key, atoms) in &mut entries.present {
            let (path, bytes) = (&key.0, key.1 as usize);
            while above.last().is_some_and(|(start, bytes, _)| path[..*bytes] != start[..*bytes]) {
                above.pop();
            }
            let shorter = above.last().map_or([0; BANKS], |(_, _, atoms)| *atoms);
            for (bank, atoms) in atoms.iter_mut().enumerate() {
                if !now[bank].contains_key(*key) {
                    *atoms = shorter[bank];
                }
            }
            above.push((path, bytes, *atoms));
        }
        entries
    }
}

/// The tables have no room for another guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the kernel's table of {0} is full")]
pub(super) struct Full(&'static str);

impl Tables {
    /// Adds a rule, whose programs each of these guards describes, as one guard; returns its number.
    /// Without room for all of it nothing is added.
    pub(super) fn add(&mut self, guards: &[ExecGuard]) -> Result<u32, Full> {
        let mut next = self.clone();
        let number = next.guards;
        if number >= GUARDS_MAX {
            return Err(Full("rules"));
        }
        next.guards += 1;
        for guard in guards {
            for clause in &guard.clauses {
                next.add_clause(clause.0.iter(), 1 << number, bit_of(guard.kind))?;
            }
        }
        *self = next;
        Ok(number as u32)
    }

    fn add_clause<'a>(
        &mut self,
        demands: impl Iterator<Item = &'a Demand>,
        guard: u64,
        kinds: u64,
    ) -> Result<(), Full> {
        let mut clause = Clause { guard, kinds, ..Clause::default() };
        for demand in demands {
            let bit = 1 << self.bit(&demand.atom)?;
            match demand.wanted {
                true => clause.needs |= bit,
                false => clause.forbids |= bit,
            }
        }
        let same = |other: &&mut Clause| {
            (other.needs, other.forbids, other.guard)
                == (clause.needs, clause.forbids, clause.guard)
        };
        if let Some(other) = self.plan.clauses[..self.clauses].iter_mut().find(same) {
            other.kinds |= kinds;
            return Ok(());
        }
        *self.plan.clauses.get_mut(self.clauses).ok_or(Full("alternatives"))? = clause;
        self.clauses += 1;
        Ok(())
    }

    /// Returns the bit of a fact, which is given a place in the tables when it is new.
    fn bit(&mut self, atom: &ExecAtom) -> Result<u32, Full> {
        match atom {
            ExecAtom::Host => return Ok(atom::HOST),
            ExecAtom::Memfd => return Ok(atom::MEMFD),
            ExecAtom::UpperLayer => return Ok(atom::UPPER_LAYER),
            _ => {}
        }
        if let Some(bit) = self.atoms.get(atom) {
            return Ok(*bit);
        }
        let bit = atom::FIRST + self.atoms.len() as u32;
        if bit >= u64::BITS {
            return Err(Full("facts"));
        }
        self.atoms.insert(atom.clone(), bit);
        self.enter(atom, 1 << bit)?;
        Ok(bit)
    }

    fn enter(&mut self, atom: &ExecAtom, bit: u64) -> Result<(), Full> {
        match atom {
            ExecAtom::Path(paths) => {
                self.plan.path_atoms |= bit;
                paths.iter().for_each(|path| self.path(path.as_bytes(), bit));
            }
            ExecAtom::PathStart(starts) => {
                self.plan.path_atoms |= bit;
                starts.iter().for_each(|start| self.prefix(start.as_bytes(), bit));
            }
            ExecAtom::Below(folders) => {
                self.plan.path_atoms |= bit;
                for folder in folders {
                    self.path(folder.as_bytes(), bit);
                    self.prefix(format!("{folder}/").as_bytes(), bit);
                }
            }
            ExecAtom::Name(names) => {
                for name in names {
                    *self.names.entry(padded(name.as_bytes())).or_default() |= bit;
                }
            }
            ExecAtom::Uid(from, to) => {
                let range = Range { from: (*from).into(), to: (*to).into(), atom: bit };
                *self.plan.ranges.get_mut(self.ranges).ok_or(Full("users"))? = range;
                self.ranges += 1;
            }
            ExecAtom::Inode(inode) => *self.inodes.entry(*inode).or_default() |= bit,
            ExecAtom::Host | ExecAtom::Memfd | ExecAtom::UpperLayer => {}
        }
        let texts = [self.paths.len(), self.prefixes.len(), self.names.len()];
        if texts.into_iter().any(|texts| texts > TEXTS_MAX) {
            return Err(Full("paths and names"));
        }
        if self.inodes.len() > INODES_MAX { Err(Full("inodes")) } else { Ok(()) }
    }

    /// Protects executables by a path, a folder (`/x/`) or a beginning (`/x*`).
    pub(super) fn protect(&mut self, pattern: &str) -> Result<(), Full> {
        let bit = 1 << atom::PROTECTED;
        match (pattern.strip_suffix('*'), pattern.ends_with('/')) {
            (Some(start), _) => self.prefix(start.as_bytes(), bit),
            (None, true) => self.prefix(pattern.as_bytes(), bit),
            (None, false) => self.path(pattern.as_bytes(), bit),
        }
        let room = self.paths.len() <= TEXTS_MAX && self.prefixes.len() <= TEXTS_MAX;
        if room { Ok(()) } else { Err(Full("paths and names")) }
    }

    fn path(&mut self, path: &[u8], bit: u64) {
        *self.paths.entry(padded(path)).or_default() |= bit;
    }

    fn prefix(&mut self, start: &[u8], bit: u64) {
        let key = (padded(start), start.len().min(PATH_BYTES) as u32);
        *self.prefixes.entry(key).or_default() |= bit;
    }

    /// Gives each beginning what shorter ones stand for as well: the probe finds the longest alone.
    pub(super) fn complete(&mut self) {
        let mut above: Vec<(PathKey, usize, u64)> = Vec::new();
        // In order of their bytes a beginning comes before all that begin with it.
        for ((path, length), atoms) in &mut self.prefixes {
            let length = *length as usize;
            while above.last().is_some_and(|(start, bytes, _)| path[..*bytes] != start[..*bytes]) {
                above.pop();
            }
            *atoms |= above.last().map_or(0, |(_, _, atoms)| *atoms);
            above.push((*path, length, *atoms));
        }
    }
}

fn padded<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut key = [0; N];
    let length = text.len().min(N);
    key[..length].copy_from_slice(&text[..length]);
    key
}

const fn bit_of(kind: EventKind) -> u64 {
    match kind {
        EventKind::ExecveAt => by::EXECVEAT,
        _ => by::EXECVE,
    }
}

#[cfg(test)]
mod tests {
    use rules::{ExecFacts, RuleSet, Source};

    use super::*;

    /// Looks a program up as the probe does.
    fn held(tables: &Tables, facts: &ExecFacts<'_>, kind: EventKind) -> u64 {
        let path = facts.path.as_bytes();
        let mut atoms = tables.paths.get(&padded::<PATH_BYTES>(path)).copied().unwrap_or(0);
        let longest = (1..=path.len().min(PATH_BYTES)).rev().find_map(|length| {
            tables.prefixes.get(&(padded(&path[..length]), length as u32)).copied()
        });
        atoms |= longest.unwrap_or(0);
        atoms |= tables.names.get(&padded::<16>(facts.name.as_bytes())).copied().unwrap_or(0);
        atoms |= tables.inodes.get(&facts.inode).copied().unwrap_or(0);
        let within = |range: &&Range| (range.from..=range.to).contains(&facts.uid.into());
        atoms |= tables.plan.ranges.iter().filter(within).fold(0, |all, range| all | range.atom);
        atoms |= u64::from(facts.host) << atom::HOST;
        atoms |= u64::from(facts.memfd) << atom::MEMFD;
        atoms |= u64::from(facts.upper_layer) << atom::UPPER_LAYER;
        let holds = |clause: &&Clause| {
            clause.kinds & bit_of(kind) != 0
                && atoms & clause.needs == clause.needs
                && atoms & clause.forbids == 0
        };
        tables.plan.clauses.iter().filter(holds).fold(0, |all, clause| all | clause.guard)
    }

    fn guards(conditions: &[&str]) -> Vec<ExecGuard> {
        let rule = |(number, condition): (usize, &&str)| {
            format!(
                "- rule: r{number}\n  desc: d\n  priority: INFO\n  output: o\n  condition: evt.type in (execve, execveat) and {condition}\n"
            )
        };
        let text = conditions.iter().enumerate().map(rule).collect();
        let rules = RuleSet::load(&[Source { name: "t.yaml".to_owned(), text }]).unwrap().rules;
        (0..conditions.len())
            .map(|number| rules.exec_guard(number, EventKind::Execve).unwrap())
            .collect()
    }

    const CONDITIONS: [&str; 9] = [
        "proc.exepath startswith /tmp/",
        "proc.exepath startswith /t and not proc.exepath startswith /tmp/a",
        "proc.exepath pmatch (/tmp, /usr/bin) and user.uid < 1000",
        "proc.exepath in (/tmp/a, /usr/bin/b) and proc.name != b",
        "proc.name in (a, b) and container.id = host",
        "(proc.is_exe_from_memfd = true or proc.exe_ino = 7) and container.id != host",
        "proc.is_exe_upper_layer = true and user.uid != 0",
        "not proc.exepath startswith /usr and proc.exe_ino != 7",
        "proc.exepath startswith anyof (/tmp/ab, /tmp/a, /usr/)",
    ];

    fn every_program(visit: &mut dyn FnMut(&ExecFacts<'_>)) {
        const PATHS: [&str; 10] = [
            "/tmp",
            "/tmp/",
            "/tmp/a",
            "/tmp/abc",
            "/t",
            "/usr/bin/b",
            "/usr/bin",
            "/opt/x",
            "memfd:a",
            "",
        ];
        for path in PATHS {
            for name in ["a", "b", "fifteen-bytes-a", ""] {
                for uid in [0, 999, 1000, u32::MAX] {
                    for bits in 0..16_u64 {
                        let is = |bit: u64| bits >> bit & 1 == 1;
                        let (host, memfd, upper_layer) = (is(0), is(1), is(2));
                        let inode = 7 + (bits >> 3);
                        visit(&ExecFacts { path, name, uid, inode, host, memfd, upper_layer });
                    }
                }
            }
        }
    }

    #[test]
    fn the_tables_say_what_the_guards_say() {
        let guards = guards(&CONDITIONS);
        let mut tables = Tables::default();
        for guard in &guards {
            tables.add(std::slice::from_ref(guard)).unwrap();
        }
        tables.complete();
        let mut asked = [[false; 2]; CONDITIONS.len()];
        every_program(&mut |facts| {
            let held = held(&tables, facts, EventKind::Execve);
            for (number, guard) in guards.iter().enumerate() {
                let holds = guard.holds(facts);
                assert_eq!(held >> number & 1 == 1, holds, "{}: {facts:?}", CONDITIONS[number]);
                asked[number][usize::from(holds)] = true;
            }
        });
        assert_eq!(asked, [[true; 2]; CONDITIONS.len()], "each holds for some, not for others");
    }

    #[test]
    fn a_bank_says_the_same_whatever_is_written_into_the_other() {
        let key = |text: &str| (padded::<PATH_BYTES>(text.as_bytes()), text.len() as u32);
        let bank = |entries: &[(&str, u64)]| -> BTreeMap<_, _> {
            entries.iter().map(|(text, atoms)| (key(text), *atoms)).collect()
        };
        let in_force = bank(&[("/", 1), ("/tmp/", 3)]);
        let written = bank(&[("/t", 8), ("/tmp/a", 24)]);
        let before = bank(&[("/tmp/", 2), ("/opt/", 2)]);
        let entries = Entries::of_prefixes(&before, [&in_force, &written]);
        let told: Vec<_> = entries.present.iter().map(|(key, atoms)| (**key, *atoms)).collect();
        let expected = [("/", [1, 0]), ("/t", [1, 8]), ("/tmp/", [3, 8]), ("/tmp/a", [3, 24])];
        assert_eq!(told, expected.map(|(text, atoms)| (key(text), atoms)));
        assert_eq!(entries.gone, [&key("/opt/")]);
        let names = Entries::of(&before, [&in_force, &written]);
        assert_eq!(names.present[2].1, [3, 0], "a whole text stands for itself alone");
    }

    #[test]
    fn a_guard_of_one_call_holds_for_no_other() {
        let mut tables = Tables::default();
        let mut guard = guards(&["proc.exepath = /a"]).remove(0);
        guard.kind = EventKind::ExecveAt;
        tables.add(&[guard.clone()]).unwrap();
        let facts = ExecFacts {
            path: "/a",
            name: "a",
            uid: 0,
            inode: 1,
            host: true,
            memfd: false,
            upper_layer: false,
        };
        assert_eq!(held(&tables, &facts, EventKind::Execve), 0);
        assert_eq!(held(&tables, &facts, EventKind::ExecveAt), 1);
        // Both calls, the same alternatives: one clause.
        let other = ExecGuard { kind: EventKind::Execve, ..guard.clone() };
        let mut both = Tables::default();
        both.add(&[guard, other]).unwrap();
        assert_eq!((both.clauses, both.plan.clauses[0].kinds), (1, by::EXECVE | by::EXECVEAT));
    }

    #[test]
    fn a_guard_that_does_not_fit_leaves_the_tables_as_they_were() {
        let mut tables = Tables::default();
        let mut added = 0;
        let refused = (0..100).find_map(|number| {
            let condition = format!("proc.exepath = /{number} and user.uid = {}", number % 8);
            let guards = guards(&[&condition]);
            let before = tables.clone();
            match tables.add(&guards) {
                Ok(_) => {
                    added += 1;
                    None
                }
                Err(full) => {
                    assert_eq!(tables, before);
                    Some(full)
                }
            }
        });
        // 60 facts: 8 users and 52 paths.
        assert_eq!((added, refused), (52, Some(Full("facts"))));
    }
}
