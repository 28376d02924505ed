//! Makes the tables: every set of places in the patterns that a path can lead to is a state.

use hashbrown::HashMap;

use super::{Automaton, CLASS_BITS, FOUND, STATES_MAX, classes::Classes};
use crate::filter::pattern::{Bytes, Element, Pattern};

/// A place in a pattern: what stands behind it in the path was read.
type Place = u32;

/// Patterns with what they tell of, before they are tables.
#[derive(Debug, Default)]
pub(in crate::filter) struct Builder {
    steps: Vec<Step>,
    starts: Vec<Place>,
}

/// What is wanted at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Read(Element),
    /// The pattern was found, whatever stands before it in the path.
    Found(u32),
    /// The pattern was found if the path begins here.
    Whole(u32),
}

impl Builder {
    /// Adds a pattern; paths that fit it tell of `tells`.
    pub(in crate::filter) fn add(&mut self, pattern: &Pattern, tells: u32) {
        let any = |element: &&Element| **element == Element::Many(Bytes::ANY);
        let open = pattern.iter().take_while(any).count();
        self.starts.push(place(self.steps.len()));
        self.steps.extend(pattern[open..].iter().rev().map(|element| Step::Read(*element)));
        self.steps.push(if open > 0 { Step::Found(tells) } else { Step::Whole(tells) });
    }

    /// Returns how many places there are in the patterns.
    pub(in crate::filter) const fn places(&self) -> usize {
        self.steps.len()
    }

    /// Makes the tables, and returns what each of their outputs tells of, sorted; the first is
    /// empty. `None` if there would be more states than an automaton can have.
    pub(in crate::filter) fn build(&self) -> Option<(Automaton, Vec<Box<[u32]>>)> {
        let mut walk = Walk::new(self);
        walk.run()?;
        Some(walk.tables())
    }

    /// Adds a place, and those that are reached from it without reading a byte.
    fn enter(&self, mut place: Place, places: &mut Vec<Place>) {
        places.push(place);
        while let Step::Read(Element::Many(_)) = self.steps[place as usize] {
            place += 1;
            places.push(place);
        }
    }

    /// Returns the bytes that lead on from a place, and the place they lead to.
    fn leads(&self, from: Place) -> Option<(Bytes, Place)> {
        match self.steps[from as usize] {
            Step::Read(Element::One(set)) => Some((set, from + 1)),
            Step::Read(Element::Many(set)) => Some((set, from)),
            Step::Found(_) | Step::Whole(_) => None,
        }
    }
}

fn place(number: usize) -> Place {
    Place::try_from(number).unwrap_or(Place::MAX)
}

/// The states found so far.
struct Walk<'a> {
    patterns: &'a Builder,
    classes: Classes,
    /// Places that belong to every state, so that none needs to name them.
    everywhere: Vec<bool>,
    /// Where a byte of each class leads from those.
    spawned: Vec<Vec<Place>>,
    /// The states of these, as far as they are known.
    plain: Vec<Option<u16>>,
    numbers: HashMap<Box<[Place]>, u16>,
    states: Vec<Box<[Place]>>,
    next: Vec<u16>,
}

impl<'a> Walk<'a> {
    fn new(patterns: &'a Builder) -> Self {
        let classes = Classes::new(&patterns.steps);
        let mut common = Vec::new();
        for start in &patterns.starts {
            if patterns.steps[*start as usize] == Step::Read(Element::Many(Bytes::ANY)) {
                patterns.enter(*start, &mut common);
            }
        }
        let mut everywhere = vec![false; patterns.steps.len()];
        for place in &common {
            everywhere[*place as usize] = true;
        }
        let mut walk = Self {
            patterns,
            classes,
            everywhere,
            spawned: Vec::new(),
            plain: Vec::new(),
            numbers: HashMap::new(),
            states: Vec::new(),
            next: Vec::new(),
        };
        let mut spawned = vec![Vec::new(); walk.classes.bytes.len()];
        common.iter().for_each(|from| walk.follow(*from, &mut spawned));
        walk.spawned = spawned.into_iter().map(|places| walk.named(places)).collect();
        walk.plain = vec![None; walk.spawned.len()];
        walk
    }

    /// Adds where each class of bytes leads from a place.
    fn follow(&self, from: Place, reached: &mut [Vec<Place>]) {
        let Some((set, to)) = self.patterns.leads(from) else { return };
        for class in self.classes.of_set(set) {
            self.patterns.enter(to, &mut reached[usize::from(*class)]);
        }
    }

    /// Returns places, sorted, without those that are everywhere.
    fn named(&self, mut places: Vec<Place>) -> Vec<Place> {
        places.retain(|place| !self.everywhere[*place as usize]);
        places.sort_unstable();
        places.dedup();
        places
    }

    fn run(&mut self) -> Option<()> {
        let mut first = Vec::new();
        self.patterns.starts.iter().for_each(|start| self.patterns.enter(*start, &mut first));
        let first = self.named(first);
        self.number(first)?;
        let mut reached = vec![Vec::new(); self.spawned.len()];
        let mut state = 0;
        while state < self.states.len() {
            let places = self.states[state].clone();
            places.iter().for_each(|from| self.follow(*from, &mut reached));
            let mut row = [0; 1 << CLASS_BITS];
            for (class, (reached, entry)) in reached.iter_mut().zip(&mut row).enumerate() {
                *entry = match (reached.is_empty(), self.plain[class]) {
                    (true, Some(plain)) => plain,
                    (alone, _) => {
                        reached.extend(&self.spawned[class]);
                        let number = self.number(self.named(std::mem::take(reached)))?;
                        if alone {
                            self.plain[class] = Some(number);
                        }
                        number
                    }
                };
            }
            self.next.extend(row);
            state += 1;
        }
        Some(())
    }

    /// Returns the number of a state; `None` if there are too many.
    fn number(&mut self, places: Vec<Place>) -> Option<u16> {
        if let Some(number) = self.numbers.get(&places[..]) {
            return Some(*number);
        }
        let number = u16::try_from(self.states.len()).ok()?;
        if self.states.len() >= STATES_MAX {
            return None;
        }
        let places: Box<[Place]> = places.into();
        self.states.push(places.clone());
        self.numbers.insert(places, number);
        Some(number)
    }

    fn tables(self) -> (Automaton, Vec<Box<[u32]>>) {
        let mut outputs = Outputs::default();
        outputs.number(Vec::new());
        let common: Vec<Place> =
            (0..).zip(&self.everywhere).filter(|(_, is)| **is).map(|(place, _)| place).collect();
        let (mut hit, mut last) = (Vec::new(), Vec::new());
        for (number, places) in self.states.iter().enumerate() {
            let step = |place: &Place| self.patterns.steps[*place as usize];
            let mut found: Vec<u32> = places.iter().filter_map(|at| step(at).found()).collect();
            // What is found everywhere is found at the start already.
            if number == Automaton::START {
                found.extend(common.iter().filter_map(|at| step(at).found()));
            }
            let whole = places.iter().chain(&common).filter_map(|at| step(at).whole());
            last.push(outputs.number(whole.collect()));
            hit.push(outputs.number(found));
        }
        let mut automaton = Automaton { classes: self.classes.of, next: self.next, hit, last };
        automaton.mark();
        (automaton, outputs.sets)
    }
}

impl Step {
    const fn found(self) -> Option<u32> {
        match self {
            Self::Found(tells) => Some(tells),
            _ => None,
        }
    }

    const fn whole(self) -> Option<u32> {
        match self {
            Self::Whole(tells) => Some(tells),
            _ => None,
        }
    }
}

/// Sets of what is told, each once.
#[derive(Default)]
struct Outputs {
    numbers: HashMap<Box<[u32]>, u16>,
    sets: Vec<Box<[u32]>>,
}

impl Outputs {
    fn number(&mut self, mut set: Vec<u32>) -> u16 {
        set.sort_unstable();
        set.dedup();
        let next = u16::try_from(self.sets.len()).unwrap_or(u16::MAX);
        let set: Box<[u32]> = set.into();
        *self.numbers.entry(set).or_insert_with_key(|set| {
            self.sets.push(set.clone());
            next
        })
    }
}

impl Automaton {
    /// Gives the outputs other numbers.
    pub(in crate::filter) fn renumber(&mut self, numbers: &[u16]) {
        for output in self.hit.iter_mut().chain(&mut self.last) {
            *output = numbers[*output as usize];
        }
        self.mark();
    }

    /// Marks the entries that lead to where something is found.
    fn mark(&mut self) {
        for entry in &mut self.next {
            let state = *entry & !FOUND;
            *entry = state | if self.hit[state as usize] == 0 { 0 } else { FOUND };
        }
    }
}
