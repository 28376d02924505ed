//! What Saker's daemons share: configuration, secrets, logs, metrics, TLS, the server loop, the
//! admin endpoint, reload, shutdown and the clock.

pub mod admin;
pub mod clock;
pub mod config;
mod error_chain;
pub mod metrics;
pub mod reload;
pub mod server;
pub mod shutdown;
pub mod telemetry;
pub mod tls;

pub use error_chain::ErrorChain;
