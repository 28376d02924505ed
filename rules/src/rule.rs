//! A rule after compilation: what it is called, how bad it is, and what it says about an event.

use alert::{Event, Fields, Priority};
use serde::Serialize;

/// An enabled rule.
#[derive(Clone, Debug)]
pub struct Rule {
    pub name: String,
    pub description: String,
    pub priority: Priority,
    pub source: String,
    /// Sorted, each once.
    pub tags: Vec<String>,
}

/// What a rule says about one event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rendered {
    pub output: String,
    pub fields: Fields,
}

impl Rule {
    /// Returns the formatted text and every field it names. A field the event lacks prints `<NA>`
    /// and is `null`.
    pub fn render(&self, event: &Event) -> Rendered {
        todo!("{event:?}")
    }
}
