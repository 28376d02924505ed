//! The places alerts go: one file per kind, listed once in [`KINDS`].

mod email;
pub mod human;
mod kafka;
mod output;

pub use output::{
    BuildContext, BuildError, Configured, Delivery, DeliveryError, Descriptor, Kind, Output, Parts,
    Receipt,
};
pub use templates::Part;

/// Every kind of output, in the order of the documentation.
pub static KINDS: &[Descriptor] =
    &[Descriptor::of::<kafka::Kafka>(), Descriptor::of::<email::Email>()];

/// Returns the kind with this name.
pub fn kind(name: &str) -> Option<&'static Descriptor> {
    KINDS.iter().find(|kind| kind.name == name)
}
