//! The pipeline's promises, as sentences. The little language they are told in is in `script`.

mod about;
mod deliveries;
mod inhibition;
mod paging;
pub(crate) mod properties;
mod reload;
mod resolving;
mod routing;
mod scores;
mod script;
mod silences;
mod speed;
mod storms;
mod telling;
mod versions;
mod windows;

pub(crate) use script::{alert_with, decided};
