//! What Saker's daemons share: configuration, secrets, logs, TLS, the server loop, the admin
//! endpoint, shutdown and the clock.

pub mod clock;
pub mod config;
mod error_chain;
pub mod shutdown;
pub mod telemetry;
pub mod tls;

pub use error_chain::ErrorChain;
