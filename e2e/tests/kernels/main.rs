//! The agent on Debian's stock kernels, in an emulator: every program is accepted by their older
//! verifiers, and both back ends tell the same of the same deeds.
//!
//! Needs `e2e/install.sh`. Under `CI=true` missing kernels are a failure.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests panic where something is wrong and say loudly what they skip"
)]

mod filter;
mod golden;
mod guests;
mod hooks;
mod races;
