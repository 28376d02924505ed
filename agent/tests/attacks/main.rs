//! Attacks that are really carried out on this machine, and the alerts they raise: an agent with the
//! built-in rules, another with Falco's stable rules, and what their deeds must make them tell.
//!
//! Needs root. Under `CI=true` missing rights are a failure; elsewhere the tests say loudly that they
//! did nothing.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests panic where something is wrong and say loudly what they skip"
)]

mod builtin;
mod container;
mod doer;
mod evasions;
mod helper;
mod shapes;
mod stable;
mod storms;
mod table;
mod watch;
