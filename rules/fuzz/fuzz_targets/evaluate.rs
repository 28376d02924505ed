//! Gives libFuzzer's inputs to `targets::evaluate`.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::evaluate(input));
