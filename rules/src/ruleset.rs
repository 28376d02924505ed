//! Rule files compiled into one set.

use std::{collections::BTreeSet, sync::Arc};

use alert::{Event, EventKind};

use crate::{Diagnostic, Rule};

/// A rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Shown in diagnostics, usually the path.
    pub name: String,
    pub text: String,
}

/// Compiled rules, shared by the matchers of all threads.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
}

/// A rule set that loaded, and what deserves a look.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub rules: Arc<RuleSet>,
    pub warnings: Vec<Diagnostic>,
}

/// What a sensor must deliver for a rule set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// Kinds of event any rule can match.
    pub kinds: BTreeSet<EventKind>,
    /// Whether a rule or its output reads `proc.env`.
    pub environment: bool,
    /// Whether a rule or its output reads what only the container runtime knows: names, images,
    /// pods.
    pub container_metadata: bool,
}

impl RuleSet {
    /// Compiles rule files in the order given. Returns every error found, or the set.
    pub fn load(sources: &[Source]) -> Result<Loaded, Vec<Diagnostic>> {
        todo!("{sources:?}")
    }

    /// Returns the enabled rules, in the order of their definition.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Returns what a sensor must deliver.
    pub fn requirements(&self) -> Requirements {
        Requirements::default()
    }

    /// Returns a matcher, which one thread uses.
    pub fn matcher(self: &Arc<Self>) -> Matcher {
        Matcher { rules: Arc::clone(self) }
    }
}

/// Finds the rules an event matches. Each thread has its own.
#[derive(Debug)]
pub struct Matcher {
    rules: Arc<RuleSet>,
}

impl Matcher {
    /// Calls `hit` for every rule that matches, in the order of their definition.
    pub fn matches(&mut self, event: &Event, hit: &mut dyn FnMut(&Rule)) {
        todo!("{event:?}{:?}{:p}", self.rules.rules.first().map(hit), self)
    }
}
