//! The responder's hand in Kubernetes, against a real API server.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod actions;
mod evidence;
mod failures;
mod owners;
mod rights;
mod world;
