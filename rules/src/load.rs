//! Rule files to compiled rules: read, collect, expand, compile.

mod collect;
mod compile;
mod exception;
mod item;
mod paste;
#[cfg(test)]
mod tests;

pub(crate) use collect::{Collection, ListDefinition, MacroDefinition, RuleDefinition, collect};
pub(crate) use compile::{NoMacros, compile};
pub(crate) use exception::with_exceptions;
pub(crate) use item::{Item, read_items};
pub(crate) use paste::Lists;
