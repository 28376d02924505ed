//! The targets, one file each.

pub(crate) mod condition;
pub(crate) mod config;
pub(crate) mod evaluate;
pub(crate) mod ingest;
pub(crate) mod journal;
mod language;
pub(crate) mod output;
pub(crate) mod record;
pub(crate) mod rules;
pub(crate) mod template;
