//! What Saker's daemons share: configuration, secrets, logs, metrics, TLS, the server loop, who
//! may use an API, clients of each other, retries, the admin endpoint, reload, shutdown, the clock and
//! who may read files.

pub mod access;
pub mod admin;
pub mod client;
pub mod clock;
pub mod config;
mod error_chain;
pub mod files;
pub mod metrics;
pub mod problem;
pub mod reload;
pub mod retry;
pub mod server;
pub mod shutdown;
pub mod telemetry;
pub mod tls;

pub use error_chain::ErrorChain;
