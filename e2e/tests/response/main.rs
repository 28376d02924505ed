//! What the responder must not do, and what it says of it: the whole program against a real API server
//! behind a proxy that breaks requests, and a real agent where processes matter.
//!
//! Each test holds three things against each other: the outcome, the lines of the audit, and what came
//! to the API server.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a panic is how a test reports, and what is skipped is said loudly"
)]

mod approvals;
mod audit;
mod containment;
mod crashes;
mod evidence;
mod failures;
mod flood;
mod processes;
mod rules;
mod stage;
mod targets;
mod trust;

#[path = "../../../agent/tests/actions/container.rs"]
#[expect(dead_code, reason = "the agent's own tests need more of it")]
mod container;
#[path = "../../../agent/tests/actions/stage.rs"]
#[expect(dead_code, reason = "the agent's own tests need more of it")]
mod orders;
#[path = "../kubernetes/world.rs"]
#[expect(dead_code, reason = "the tests of the client need more of it")]
mod world;
