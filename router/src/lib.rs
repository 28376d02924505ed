//! The router: takes alerts, makes them durable, decides who hears of them, and tells them.

pub mod pipeline;
pub mod record;
