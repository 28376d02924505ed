//! Real servers for end-to-end tests: each on loopback, in a folder of its own, ready when it
//! answers its protocol, and stopped by its process id.
//!
//! `e2e/install.sh` fetches what they need. A server that cannot start panics with the end of its
//! log: in a test that is the report.

mod api_server;
mod certificates;
mod cluster;
mod engines;
mod fault;
mod folder;
mod http;
mod images;
mod kafka;
mod kernel;
mod port;
mod process;
mod prometheus;
mod saker;
mod schemathesis;
mod slack;
mod smtp;
mod wait;
mod webhook;

pub use api_server::ApiServer;
pub use certificates::{Certificates, Pem};
pub use cluster::{Cluster, Forwarder};
pub use engines::{Containerd, Docker, Podman, mark};
pub use fault::{Fault, FaultProxy, Seen};
pub use folder::Folder;
pub use http::Http;
pub use images::images;
pub use kafka::{Follower, Kafka, Received};
pub use kernel::{Guest, Kernel, Report, Step};
pub use port::Port;
pub use process::Process;
pub use prometheus::{Alertmanager, Prometheus};
pub use saker::{Agent, Responder, Router, program, test_program};
pub use schemathesis::Schemathesis;
pub use slack::{Message as SlackMessage, Slack};
pub use smtp::{Mail, Smtp};
pub use wait::{eventually, patience};
pub use webhook::{Call, Webhook};
