//! The sensor on the kernel of this machine: real deeds of child processes and the events they make.
//!
//! Needs root. Under `CI=true` missing rights are a failure; elsewhere the tests say loudly that they
//! did nothing. All tests share one sensor and look at the events of their own children.

#![expect(
    clippy::unwrap_used,
    clippy::let_underscore_must_use,
    clippy::print_stderr,
    reason = "tests panic where something is wrong and say loudly what they skip"
)]

mod call;
mod context;
mod deed;
mod file;
mod lifecycle;
mod needs;
mod network;
mod overload;
mod plan;
mod process;
mod watch;
