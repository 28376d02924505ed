//! Gives libFuzzer's inputs to `targets::load`.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::load(input));
