//! The router: takes alerts, makes them durable, decides who hears of them, and tells them.
//!
//! [`start`] is the way of an alert, read from the top: ingest appends it to the journal, the core's
//! thread applies it to the pipeline, the dispatcher delivers what follows. The API looks at all
//! three.

mod alertmanager;
pub mod api;
pub mod cli;
pub mod config;
pub mod core;
pub mod dispatch;
pub mod history;
pub mod ingest;
pub mod kubernetes;
pub mod live;
pub mod machine;
mod meta;
pub mod metrics;
pub mod pipeline;
pub mod record;
pub mod responder;
mod running;
mod silences;
mod world;

pub use running::{End, IngestHandle, ReloadError, Running, StartError, start};
pub use world::OutputError;
