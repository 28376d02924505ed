//! The outputs against real servers.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod email;
mod http;
mod kafka;
mod sample;
