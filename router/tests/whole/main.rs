//! The router as a whole: the real program, real sockets, real files.

mod configuration;
mod crash;
mod delivery;
mod full;
mod harness;
mod operators;
mod receiver;
mod storm;
