//! Gives the kernel what the loaded rules leave for it: tables by which the probe drops what no rule
//! can match. Tables once given are never changed; others take their place by one update.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use alert::DescriptorKind;
use aya::maps::{Array, ArrayOfMaps, MapData, MapError};
use probe::{
    filter::{
        self, FILTERED, FLAGS_ROWS, FilterWords, Mask, NUMBER_MAX, OUTPUTS_MAX, PATH_PROGRAMS_MAX,
        Program, RANGES_MAX, Ranges, STATES_MAX, descriptor, dimension, scope,
    },
    program::map,
};
use rules::{KernelFilter, KindFilter};

use super::{SensorError, load::event_kind};

/// The slot of the tables in the kernel.
pub(super) type FilterSlot = ArrayOfMaps<MapData, Array<MapData, FilterWords>>;

/// Puts filters in force, from any thread.
pub struct FilterControl {
    state: Mutex<State>,
    /// The probe was loaded with its filter; else all that is put is without effect.
    loaded: bool,
}

struct State {
    slot: FilterSlot,
    /// The generation in force, for the probe; 0 for none.
    in_force: Array<MapData, u64>,
    /// The filter in the slot, its tables, and how many were there before.
    filter: Option<Arc<KernelFilter>>,
    tables: Option<Array<MapData, FilterWords>>,
    generation: u64,
    open: bool,
}

impl FilterControl {
    pub(super) fn new(slot: FilterSlot, in_force: Array<MapData, u64>, loaded: bool) -> Self {
        let state = State { slot, in_force, filter: None, tables: None, generation: 0, open: true };
        Self { state: Mutex::new(state), loaded }
    }

    /// Puts a filter in force; without one every event of the wanted kinds is told of. Returns when
    /// the probe no longer goes by what was in force before; after an error nothing is filtered.
    pub fn put(&self, filter: Option<Arc<KernelFilter>>) -> Result<(), SensorError> {
        if !self.loaded {
            return Ok(());
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let put = match filter {
            Some(filter) => state.put(filter),
            None => state.open(),
        };
        put.map_err(|source| SensorError::Map { map: map::FILTERS, source: Box::new(source) })
    }
}

impl State {
    fn put(&mut self, filter: Arc<KernelFilter>) -> Result<(), MapError> {
        let known = self.filter.as_ref() == Some(&filter);
        if known && !self.open {
            return Ok(());
        }
        if !known {
            self.open()?;
            let mut words = filter::empty();
            fill(&mut words, &filter, self.generation + 1);
            // By reference: the array itself has no place on the stack.
            let words: &FilterWords = &words;
            let mut tables = Array::<MapData, FilterWords>::create(1, 0)?;
            tables.set(0, words, 0)?;
            self.slot.set(0, &tables, 0)?;
            (self.filter, self.tables) = (Some(filter), Some(tables));
            self.generation += 1;
        }
        self.in_force.set(0, self.generation, 0)?;
        self.open = false;
        Ok(())
    }

    fn open(&mut self) -> Result<(), MapError> {
        if self.open {
            return Ok(());
        }
        self.in_force.set(0, 0, 0)?;
        self.open = true;
        match &self.tables {
            // Putting a map into a map waits for all programs that run (maybe_wait_bpf_programs).
            Some(tables) => self.slot.set(0, tables, 0),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for FilterControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilterControl").field("loaded", &self.loaded).finish_non_exhaustive()
    }
}

fn fill(words: &mut FilterWords, filter: &KernelFilter, generation: u64) {
    let tables = filter::tables(words);
    tables.generation = generation;
    let automaton = filter.automaton();
    if automaton.states() > STATES_MAX {
        return;
    }
    tables.classes = automaton.classes;
    tables.next[..automaton.next.len()].copy_from_slice(&automaton.next);
    tables.hit[..automaton.hit.len()].copy_from_slice(&automaton.hit);
    tables.last[..automaton.last.len()].copy_from_slice(&automaton.last);
    let mut placed: Vec<u8> = Vec::new();
    for kind in FILTERED {
        let Some(number) = event_kind(kind).and_then(|kind| filter.number(kind)) else { continue };
        let place = match placed.iter().position(|other| *other == number) {
            Some(place) => place,
            None => {
                let from = &filter.filters()[usize::from(number)];
                if placed.len() == PATH_PROGRAMS_MAX || from.path.outputs.len() > OUTPUTS_MAX {
                    continue;
                }
                placed.push(number);
                let place = placed.len() - 1;
                tables.programs[place] = program(from, tables.programs[place]);
                for (to, mask) in tables.outputs[place].iter_mut().zip(&from.path.outputs) {
                    *to = mask.0;
                }
                place
            }
        };
        tables.of_kind[kind as usize] = u8::try_from(place + 1).unwrap_or(0);
    }
}

/// Returns the dimensions of one kind of event; `empty` is a program of zeros.
fn program(from: &KindFilter, empty: Program) -> Program {
    let all = from.all.0;
    let mut to = Program { all, quiet: from.path.quiet.0, ..empty };
    let mut by = |wanted: bool, dimension: u64| to.dimensions |= if wanted { dimension } else { 0 };
    by(to.quiet != all, dimension::PATH);
    by(put_ranges(&mut to.result, from.result.as_ref()), dimension::RESULT);
    by(put_ranges(&mut to.user, from.user.as_ref()), dimension::USER);
    by(from.scope.is_some(), dimension::SCOPE);
    to.scope = [all; 3];
    if let Some(rows) = &from.scope {
        to.scope[scope::HOST] = row(rows, rules::Scope::Host as usize, all);
        to.scope[scope::CONTAINER] = row(rows, rules::Scope::Container as usize, all);
    }
    for (place, mask) in to.flags.iter_mut().enumerate().take(FLAGS_ROWS) {
        *mask = from.open.as_ref().map_or(all, |rows| row(rows, place, all));
    }
    to.descriptor = [all; 8];
    if let Some(rows) = &from.descriptor {
        to.descriptor[descriptor::ABSENT] = rows.last().map_or(all, |mask| mask.0);
        for (place, kind) in [
            (descriptor::FILE, DescriptorKind::File),
            (descriptor::DIRECTORY, DescriptorKind::Directory),
            (descriptor::PIPE, DescriptorKind::Pipe),
            (descriptor::UNIX, DescriptorKind::Unix),
            (descriptor::OTHER, DescriptorKind::Other),
        ] {
            to.descriptor[place] = row(rows, kind as usize, all);
        }
    }
    to
}

fn row(rows: &[rules::Mask], place: usize, all: Mask) -> Mask {
    rows.get(place).map_or(all, |mask| mask.0)
}

/// Returns whether the kernel can tell these ranges apart.
fn put_ranges(to: &mut Ranges, from: Option<&rules::Ranges>) -> bool {
    let Some(from) = from.filter(|from| from.ranges.len() > 1) else { return false };
    let fit = |(first, _): &(i64, _)| first.unsigned_abs() < NUMBER_MAX.unsigned_abs();
    if from.ranges.len() > RANGES_MAX || !from.ranges.iter().skip(1).all(fit) {
        return false;
    }
    to.first = [NUMBER_MAX; RANGES_MAX];
    to.last = from.ranges.len() as u64 - 1;
    for (place, (first, mask)) in from.ranges.iter().enumerate() {
        (to.first[place], to.masks[place]) = (*first, mask.0);
    }
    true
}
