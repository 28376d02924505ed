//! Acts on alerts, guarded: plan (pure) ▶ gates ▶ intent in the audit ▶ act ▶ verify ▶ undo by TTL.
//!
//! Off by default. When in doubt it does not act, and tells a person.

pub mod cluster;
pub mod kubernetes;
