//! The fuzzer: one target of `SAKER_FUZZ_TARGET`, by libFuzzer, which knows what of our code an
//! input reaches. `cargo xtask fuzz` builds and starts it.

#![no_main]

use std::sync::LazyLock;

use fuzz::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("SAKER_FUZZ_TARGET").expect("SAKER_FUZZ_TARGET names a target");
    Target::by_name(&name).expect("a target of that name")
});

fuzz_target!(|input: &[u8]| {
    (TARGET.run)(input);
});
