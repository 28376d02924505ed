//! Fuzzing by libFuzzer, on the stable compiler: only our own crates are built with the counters it
//! follows, so that what others wrote is taken as it was built already.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use anyhow::{Context, bail};

use crate::run::{cargo, run, say};

/// Tells this program that cargo started it in the compiler's place.
const WRAPPER: &str = "SAKER_FUZZ_WRAPPER";
const TARGET: &str = "SAKER_FUZZ_TARGET";
/// As `fuzz::INPUT_BYTES_MAX`.
const INPUT_BYTES_MAX: usize = 64 << 10;
const MEMORY_MIB_MAX: usize = 2048;
/// One input that takes longer is a hang.
const INPUT_SECONDS_MAX: usize = 20;
/// What the pass that counts is told: which edges were taken, and what was compared with what.
const COUNTERS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Copt-level=1",
];

/// Runs one target for so long. What fails is kept in `fuzz/TARGET` of the folder cargo builds in, and named.
pub(crate) fn fuzz(target: &str, seconds: u64) -> anyhow::Result<()> {
    let corpus = Path::new("fuzz/corpus").join(target);
    if !corpus.is_dir() {
        bail!("there is no target `{target}`: they are the folders in fuzz/corpus");
    }
    let built = PathBuf::from(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let found = built.join("fuzz").join(target);
    std::fs::create_dir_all(&found)
        .with_context(|| format!("failed to make {}", found.display()))?;
    let mut build = cargo(&["build", "--locked", "--package", "fuzz", "--features", "libfuzzer"]);
    let myself = env::current_exe().context("this program has no path")?;
    run("build", build.env("RUSTC_WORKSPACE_WRAPPER", myself).env(WRAPPER, "1"))?;
    say(&format!("inputs that reach more are kept in {}", found.display()));
    let mut fuzzer = Command::new(built.join("debug/fuzz"));
    fuzzer
        .args([&found, &corpus])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-artifact_prefix={}/failed-", found.display()))
        .env(TARGET, target);
    run("fuzz", &mut fuzzer)
}

/// Does the compiler's work if cargo started this program in its place; returns how it ended.
pub(crate) fn compile_if_asked() -> anyhow::Result<Option<ExitStatus>> {
    if env::var_os(WRAPPER).is_none() {
        return Ok(None);
    }
    let mut arguments = env::args_os().skip(1);
    let compiler = arguments.next().context("no compiler is named")?;
    let mut compile = Command::new(compiler);
    let arguments: Vec<_> = arguments.collect();
    // Cargo also asks what the compiler can do, and compiles build scripts, which nobody fuzzes.
    let compiles = arguments.iter().any(|argument| argument == "--crate-name");
    let builds = arguments.iter().any(|argument| argument == "build_script_build");
    compile.args(&arguments);
    if compiles && !builds {
        compile.args(COUNTERS);
    }
    compile.status().map(Some).context("failed to start the compiler")
}
