//! Asks the machine's container runtimes what a container is called, which image it runs and whose
//! pod it is in.
//!
//! All of it happens on a thread of its own: [`Lookups`] hands it requests and takes answers without
//! ever waiting. What runtimes tell comes from whoever may make containers, so it is bounded here.

mod bundle;
mod containerd;
mod cri;
mod desk;
mod docker;
mod grpc;
mod http;
mod image;
mod lookup;
mod metadata;
mod probes;
mod socket;
mod specification;
#[cfg(test)]
mod tests;
mod wanted;

pub use self::lookup::SocketInUse;
#[cfg(test)]
pub(crate) use self::metadata::{Image, Pod};
pub(crate) use self::{
    lookup::{Answer, LookupState, Lookups, Places, Request},
    metadata::Metadata,
    wanted::Wanted,
};
