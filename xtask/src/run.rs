//! Starts other programs, and says which.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, bail};

/// Runs a command to its end; its failure is an error that names it.
pub(crate) fn run(title: &str, command: &mut Command) -> anyhow::Result<()> {
    say(&format!("{title} …"));
    let started = Instant::now();
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("failed to start {command:?}"))?;
    if !status.success() {
        bail!("{title} failed ({status}): {command:?}");
    }
    say(&format!("{title}: ok, {:.0} s", started.elapsed().as_secs_f32()));
    Ok(())
}

/// Returns what a command wrote to standard output; its failure is an error that names it.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .stdin(Stdio::null())
        .env("LC_ALL", "C")
        .output()
        .with_context(|| format!("failed to start {command:?}"))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} failed ({}): {}", output.status, told.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{command:?} did not write text"))
}

/// Returns a cargo command with these arguments, on the locked dependencies.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Returns a tool that `tools/install.sh test` put into the cache.
pub(crate) fn cached_tool(name: &str) -> anyhow::Result<PathBuf> {
    let tool = cache()?.join("tools/bin").join(name);
    if !tool.exists() {
        bail!("{} is missing: run `make install-test` first", tool.display());
    }
    Ok(tool)
}

/// Returns the folder of what was downloaded or built once.
pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".cache"),
    };
    Ok(cache.join("saker"))
}

#[expect(clippy::print_stderr, reason = "progress is what a developer watches")]
pub(crate) fn say(text: &str) {
    eprintln!("xtask: {text}");
}
