//! The probe: programs for the kernel, and the reading of what they send.
//!
//! The only crate that sees raw kernel bytes. `include/event.h` is the agreement between both sides;
//! [`layout`] is its mirror, [`Record`] reads one record without copying and never panics.

pub mod call;
pub mod enforce;
pub mod filter;
pub mod layout;
#[cfg(test)]
mod mirror;
pub mod needs;
mod number;
pub mod program;
mod record;
mod ring;
pub mod trampoline;
pub mod types;

pub use record::{Body, Malformed, Record, lasting, texts};
pub use ring::Ring;

/// The compiled object of all hooks, for the loader. Aligned as ELF readers want it.
pub static OBJECT: &[u8] = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/probe.o"))).0;

/// The compiled object of the iterator over processes.
pub static ITERATOR: &[u8] = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/iterator.o"))).0;

#[repr(C, align(8))]
struct Aligned<const N: usize>([u8; N]);
