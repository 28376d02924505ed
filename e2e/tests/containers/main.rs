//! What the sensor tells of containers of real engines: of their first program, and when they come
//! and go.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod containerd;
mod docker;
mod podman;
mod watch;
