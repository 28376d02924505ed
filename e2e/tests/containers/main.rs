//! What the sensor tells of the first program of containers of real engines.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod containerd;
mod docker;
mod hold;
mod podman;
mod pods;
mod refused;
mod rules;
mod watch;
