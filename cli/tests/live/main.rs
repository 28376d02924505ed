//! What happens on this machine, as a person asks for it: the real program against a real agent. Needs
//! root; under `CI=true` missing rights are a failure.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test ends at what it did not expect, and says loudly what it skips"
)]

mod around;
mod events;
mod record;
mod stage;
