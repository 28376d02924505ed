//! The whole path, with the real programs and real servers: deed or HTTP → agent → router → every
//! kind of output.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod builtin;
mod deeds;
mod delivery;
mod ingest;
mod operator;
mod record;
mod world;
