//! Acts on alerts, guarded: plan (pure) ▶ gates ▶ intent in the audit ▶ act ▶ verify ▶ undo by TTL.
//!
//! Off by default. When in doubt it does not act, and tells a person. An action happens only after
//! the audit says that it will, and its outcome is what was seen.

pub mod action;
pub mod agents;
pub mod api;
pub mod audit;
pub mod book;
pub mod budget;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod engine;
pub mod entry;
pub mod evidence;
pub mod gate;
mod intake;
pub mod kubernetes;
mod metrics;
pub mod plan;
mod running;
pub mod tell;

pub use self::running::{Running, StartError, start};
