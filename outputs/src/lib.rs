//! The places alerts go: one file per kind, listed once in [`KINDS`].

pub mod human;
mod output;

mod envelope;
mod http;
mod lines;

mod alertmanager;
mod email;
mod file;
#[cfg(feature = "kafka")]
mod kafka;
mod slack;
mod stdout;
mod webhook;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod registry;

pub use alertmanager::Alertmanager;
pub use email::Email;
pub use file::File;
pub use http::Tls;
#[cfg(feature = "kafka")]
pub use kafka::{Kafka, connection as kafka_connection};
pub use lines::{Format, Zone};
pub use output::{
    BuildContext, BuildError, Configured, Delivery, DeliveryError, Descriptor, Kind, Output, Parts,
    Receipt,
};
pub use slack::Slack;
pub use stdout::Stdout;
pub use templates::Part;
pub use webhook::Webhook;

/// Every kind of output, in the order of the documentation.
pub static KINDS: &[Descriptor] = &[
    Descriptor::of::<Slack>(),
    Descriptor::of::<Email>(),
    Descriptor::of::<Webhook>(),
    #[cfg(feature = "kafka")]
    Descriptor::of::<Kafka>(),
    Descriptor::of::<Alertmanager>(),
    Descriptor::of::<File>(),
    Descriptor::of::<Stdout>(),
];

/// Returns the kind with this name.
pub fn kind(name: &str) -> Option<&'static Descriptor> {
    KINDS.iter().find(|kind| kind.name == name)
}
