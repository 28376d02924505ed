//! Orders over real mutual TLS, about real processes in real cgroups.
//!
//! Needs root, to make cgroups that are named as containers' are. Under `CI=true` missing rights are a
//! failure; elsewhere the tests say loudly that they did nothing.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests panic where something is wrong, say loudly what they skip, and tell figures"
)]

mod container;
mod door;
mod kill;
mod report;
mod speed;
mod stage;
mod tree;
mod watch;
mod watcher;
