//! Watches one machine: turns kernel events into alerts and brings them to the router.

mod decode;
mod enrich;
pub mod sensor;
