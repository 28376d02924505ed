//! The router as a whole: the real program, real sockets, real files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod again;
mod clocks;
mod configuration;
mod crash;
mod delivery;
mod description;
mod full;
mod harness;
mod history;
mod inhibition;
mod kafka;
mod kubernetes;
mod meta;
mod operators;
mod privacy;
mod receiver;
mod responder;
mod storm;
