//! What a condition means: typed predicates joined in a graph in which equal parts are one.

mod check;
mod fit;
mod getopt;
mod glob;
mod graph;
mod literal;
mod names;
mod nearest;
mod operand;
mod predicate;
mod regex;
mod suspicion;
mod term;
#[cfg(test)]
mod tests;

pub(crate) use check::{Compiler, Macros, Remark};
pub(crate) use graph::{FALSE, Graph, Node, NodeId, TRUE};
pub(crate) use names::{address_names, file_names};
pub(crate) use nearest::{nearest, nearest_field};
pub(crate) use operand::is_deprecated;
pub(crate) use predicate::{Literal, Machine, Predicate, Test, path_match};
pub(crate) use term::{AlertField, EventView, Leaf, PathView, Record, Term};
