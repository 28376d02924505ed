//! Asks the machine's container runtimes what a container is called, which image it runs and whose
//! pod it is in.
//!
//! All of it happens on a thread of its own: [`Lookups`] hands it requests and takes answers without
//! ever waiting. What runtimes tell comes from whoever may make pods, so it is bounded here.

mod client;
mod lookup;
mod metadata;
mod protocol;
#[cfg(test)]
mod tests;

pub use self::lookup::SocketInUse;
#[cfg(test)]
pub(crate) use self::metadata::{Image, Pod};
pub(crate) use self::{
    lookup::{Answer, LookupState, Lookups, Request},
    metadata::Metadata,
};
