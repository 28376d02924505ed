//! Gives the kernel what the loaded rules leave for it: tables by which the probe drops what no rule
//! can match. Tables once given are never changed; others take their place by one update.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use alert::DescriptorKind;
use aya::maps::{Array, ArrayOfMaps, MapData, MapError};
use probe::{
    call::{CALLS, Call, Source},
    filter::{
        self, BY_PATH, BY_PATH_FIRST, FLAGS_ROWS, FilterWords, Mask, NETWORKS_MAX, NUMBER_MAX,
        Networks, OUTPUTS_MAX, PATH_PROGRAMS_MAX, PROGRAMS_MAX, Program, RANGES_MAX, Ranges,
        STATES_MAX, descriptor, dimension, protocol, width,
    },
    layout::Kind,
    program::map,
};
use rules::{KernelFilter, KindFilter, PathMasks};

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
    let fits = automaton.states() <= STATES_MAX;
    if fits {
        tables.classes = automaton.classes;
        tables.next[..automaton.next.len()].copy_from_slice(&automaton.next);
        tables.hit[..automaton.hit.len()].copy_from_slice(&automaton.hit);
        tables.last[..automaton.last.len()].copy_from_slice(&automaton.last);
    }
    let mut placed: Vec<Placed> = Vec::new();
    let own = BY_PATH
        .into_iter()
        .filter(|_| fits)
        .map(|kind| (kind, Registers::default(), Looks { at_paths: true, at_descriptor: false }));
    // Where a process works is told whatever the rules are.
    let calls = || CALLS.iter().filter(|call| !call.moves());
    let first = |call: &&Call| BY_PATH_FIRST.iter().position(|kind| *kind == call.kind);
    let mut with_paths: Vec<_> = calls().filter(|call| fits && call.tells_all()).collect();
    with_paths.sort_by_key(|call| first(call).unwrap_or(BY_PATH_FIRST.len()));
    let of = |call: &Call, at_paths| {
        let (kind, registers) = Registers::of(call);
        (kind, registers, Looks { at_paths, at_descriptor: call.tells_all() })
    };
    let with_paths = with_paths.into_iter().map(|call| of(call, true));
    let without = calls().map(|call| of(call, false));
    for (kind, registers, looks) in own.chain(with_paths).chain(without) {
        let Some(number) = event_kind(kind).and_then(|kind| filter.number(kind)) else { continue };
        let from = &filter.filters()[usize::from(number)];
        let paths = looks.at_paths;
        let needless = paths && from.path.quiet == from.all && !BY_PATH.contains(&kind);
        if tables.of_kind[kind as usize] != 0 || needless {
            continue;
        }
        let key = Placed { number, registers: registers.of_asked(from), looks };
        let place = placed.iter().position(|other| *other == key).unwrap_or(placed.len());
        if place == placed.len() {
            let too_many = if paths { PATH_PROGRAMS_MAX } else { PROGRAMS_MAX };
            if place >= too_many || (paths && from.path.outputs.len() > OUTPUTS_MAX) {
                continue;
            }
            tables.programs[place] = program(from, &key, tables.programs[place]);
            if paths {
                put_outputs(&mut tables.outputs[place], &from.path);
                if let Some(typed) = &from.typed {
                    put_outputs(&mut tables.typed[place], typed);
                }
            }
            placed.push(key);
        }
        tables.of_kind[kind as usize] = u8::try_from(place + 1).unwrap_or(0);
    }
}

/// What a program is made from, and by that the same as another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Placed {
    /// That of the kind's filter.
    number: u8,
    registers: Registers,
    looks: Looks,
}

/// What is looked at in the record of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Looks {
    at_paths: bool,
    /// That of a call; others have rows of their own for it.
    at_descriptor: bool,
}

fn put_outputs(to: &mut [Mask; OUTPUTS_MAX], from: &PathMasks) {
    to.iter_mut().zip(&from.outputs).for_each(|(to, mask)| *to = mask.0);
}

/// Where the call of a kind has its parameters: the register of each and how much of it counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Registers(Vec<Option<(u8, u8)>>);

impl Registers {
    fn of(call: &Call) -> (Kind, Self) {
        let register = |source: &Source| match *source {
            Source::Signed(at) => Some((at, width::SIGNED)),
            Source::Unsigned(at) => Some((at, width::UNSIGNED)),
            Source::Long(at) => Some((at, width::LONG)),
            _ => None,
        };
        (call.kind, Self(call.sources.iter().map(register).collect()))
    }

    /// Returns the same for what the filter asks for alone.
    fn of_asked(&self, filter: &KindFilter) -> Self {
        let asked = filter.arguments.iter();
        Self(asked.map(|(place, _)| self.0.get(usize::from(*place)).copied().flatten()).collect())
    }
}

/// Returns the dimensions of one kind of event, with the registers of the parameters it asks for;
/// `empty` is a program of zeros.
fn program(from: &KindFilter, made_from: &Placed, empty: Program) -> Program {
    let (all, looks) = (from.all.0, made_from.looks);
    let quiet_typed = from.typed.as_ref().map_or(all, |typed| typed.quiet.0);
    let quiet = from.path.quiet.0;
    let ends = (from.path.quiet | from.path.ends).0;
    let mut to = Program { all, quiet, quiet_typed, ends, ..empty };
    let mut by = |wanted: bool, dimension: u64| to.dimensions |= if wanted { dimension } else { 0 };
    by(looks.at_paths && quiet != all, dimension::PATH);
    by(looks.at_paths && quiet_typed != all, dimension::TYPED);
    by(looks.at_descriptor && from.descriptor.is_some(), dimension::DESCRIPTOR);
    by(put_ranges(&mut to.result, from.result.as_ref(), all), dimension::RESULT);
    by(put_ranges(&mut to.user, from.user.as_ref(), all), dimension::USER);
    by(put_ranges(&mut to.local_port, from.local_port.as_ref(), all), dimension::LOCAL_PORT);
    by(put_ranges(&mut to.remote_port, from.remote_port.as_ref(), all), dimension::REMOTE_PORT);
    by(put_networks(&mut to.remote, from.remote.as_ref()), dimension::ADDRESS);
    for ((_, ranges), register) in from.arguments.iter().zip(&made_from.registers.0) {
        let Some((at, width)) = *register else { continue };
        let at = usize::from(at);
        by(put_ranges(&mut to.arguments[at], Some(ranges), all), dimension::ARGUMENT << at);
        to.widths[at] = width;
    }
    put_tables(&mut to, from);
    to
}

fn put_tables(to: &mut Program, from: &KindFilter) {
    let all = from.all.0;
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
            (descriptor::IPV4, DescriptorKind::Ipv4),
            (descriptor::IPV6, DescriptorKind::Ipv6),
            (descriptor::OTHER, DescriptorKind::Other),
        ] {
            to.descriptor[place] = row(rows, kind as usize, all);
        }
    }
    to.protocol = [all; 5];
    if let Some(rows) = &from.protocol {
        to.protocol[protocol::ABSENT] = rows.last().map_or(all, |mask| mask.0);
        for (place, seen) in [
            (protocol::TCP, rules::Protocol::Tcp),
            (protocol::UDP, rules::Protocol::Udp),
            (protocol::ICMP, rules::Protocol::Icmp),
            (protocol::RAW, rules::Protocol::Raw),
        ] {
            to.protocol[place] = row(rows, seen as usize, all);
        }
    }
}

fn row(rows: &[rules::Mask], place: usize, all: Mask) -> Mask {
    rows.get(place).map_or(all, |mask| mask.0)
}

/// Returns whether they rule something out and the kernel can tell them apart.
fn put_ranges(to: &mut Ranges, from: Option<&rules::Ranges>, all: Mask) -> bool {
    let rules_out = |from: &&rules::Ranges| {
        let mut masks = from.ranges.iter().map(|(_, mask)| *mask).chain([from.absent]);
        masks.any(|mask| mask.0 != all)
    };
    let Some(from) = from.filter(rules_out) else { return false };
    let fit = |(first, _): &(i64, _)| first.unsigned_abs() < NUMBER_MAX.unsigned_abs();
    if from.ranges.len() > RANGES_MAX || !from.ranges.iter().skip(1).all(fit) {
        return false;
    }
    to.absent = from.absent.0;
    to.first = [NUMBER_MAX; RANGES_MAX];
    to.last = from.ranges.len() as u64 - 1;
    for (place, (first, mask)) in from.ranges.iter().enumerate() {
        (to.first[place], to.masks[place]) = (*first, mask.0);
    }
    true
}

/// Returns whether the kernel can tell these networks apart.
fn put_networks(to: &mut Networks, from: Option<&rules::Networks>) -> bool {
    let Some(from) = from.filter(|from| from.networks.len() <= NETWORKS_MAX) else { return false };
    to.absent = from.absent.0;
    to.count = from.networks.len() as u64;
    for (place, (network, mask)) in from.networks.iter().enumerate() {
        let bits = u128::MAX.checked_shl(128 - u32::from(network.bits)).unwrap_or(0);
        to.address[place] = words(u128::from_be_bytes(network.address) & bits);
        (to.bits[place], to.masks[place]) = (words(bits), mask.0);
    }
    true
}

/// Returns an address as two words of memory in network order.
fn words(address: u128) -> [u64; 2] {
    let [high, low] = [(address >> 64) as u64, address as u64];
    [high, low].map(u64::to_be)
}
