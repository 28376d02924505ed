//! The targets, one file each.

pub(crate) mod condition;
pub(crate) mod config;
pub(crate) mod ingest;
pub(crate) mod journal;
pub(crate) mod record;
pub(crate) mod rules;
pub(crate) mod template;
