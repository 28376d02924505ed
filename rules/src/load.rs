//! Rule files to compiled rules: read, collect, expand, compile.

mod collect;
mod compile;
mod exception;
mod expand;
mod item;
mod macros;
mod options;
#[cfg(test)]
mod options_tests;
mod output;
mod paste;
mod report;
mod required;
mod statics;
#[cfg(test)]
mod tests;
mod value;
mod warn;

use crate::{
    diagnostic::{Diagnostic, ItemType, Location},
    text::Files,
    yaml::Node,
};

pub(crate) use collect::{Collection, ListDefinition, MacroDefinition, RuleDefinition, collect};
pub(crate) use compile::{Compiled, compile};
pub(crate) use expand::with_exceptions;
pub(crate) use item::{Item, read_items};
pub(crate) use macros::NoMacros;
pub use options::{AppendOutput, ExtraField, LoadOptions, Pick, Selection, wildcard};
pub(crate) use paste::Lists;
pub use report::{FileReport, LoadReport};

/// Does `work`, and notes on all it found that it lies inside an item.
fn inside<T>(
    files: &Files,
    found: &mut Vec<Diagnostic>,
    item_type: ItemType,
    item_name: &str,
    node: &Node,
    work: impl FnOnce(&mut Vec<Diagnostic>) -> T,
) -> T {
    let before = found.len();
    let result = work(found);
    if found.len() > before {
        let place = files.place(node.file, node.span.clone());
        let location = Location::new(item_type, item_name, &place);
        for diagnostic in &mut found[before..] {
            diagnostic.inside(location.clone());
        }
    }
    result
}
