//! Rules that end processes, on the kernel of this machine: real programs, forbidden by real rules.
//!
//! Needs root. Under `CI=true` missing rights are a failure; elsewhere the tests say loudly that they
//! did nothing. Rules name folders of these tests alone, so that nobody else's program is meant.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests panic where something is wrong and say loudly what they skip"
)]

mod after;
mod bounds;
mod kernel;
mod reload;
mod stage;
