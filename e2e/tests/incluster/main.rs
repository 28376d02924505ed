//! The product where its users run it: our images and our chart, installed by Helm in a real
//! cluster; deeds in real pods, alerts at real receivers, and what the responder makes of them.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod chart;
mod detection;
mod figures;
mod image;
mod pods;
mod responder;
mod response;
mod restarts;
mod rights;
mod values;
mod world;
