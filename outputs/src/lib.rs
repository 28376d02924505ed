//! The places alerts go: one file per kind, listed once in [`KINDS`].

mod output;

pub use output::{
    BuildContext, BuildError, Delivery, DeliveryError, Descriptor, Kind, Output, Part, Parts,
    Receipt,
};

/// Every kind of output, in the order of the documentation.
pub static KINDS: &[Descriptor] = &[];
