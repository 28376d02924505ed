//! `saker-responder`: acts on alerts, guarded.

fn main() {}
