//! What must hold before a change lands, each with the command that shows it.

use crate::{
    chart, dashboards, prometheus,
    run::{cached_tool, cargo, run},
    tidy,
};

pub(crate) fn test() -> anyhow::Result<()> {
    // All binaries first: tests of the whole path start them from the target folder.
    run("build", &mut cargo(&["build", "--locked", "--workspace", "--all-targets"]))?;
    run("tests", &mut cargo(&["test", "--locked", "--workspace", "--no-fail-fast"]))
}

pub(crate) fn check() -> anyhow::Result<()> {
    run("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    tidy::tidy()?;
    dashboards::check()?;
    prometheus::check()?;
    let mut deny = std::process::Command::new(cached_tool("cargo-deny")?);
    run(
        "licences and bans",
        deny.args(["--log-level", "error", "check", "licenses", "bans", "sources"]),
    )?;
    run(
        "lints",
        &mut cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    )?;
    let mut documents =
        cargo(&["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"]);
    run("documents", documents.env("RUSTDOCFLAGS", "-D warnings"))?;
    for example in tidy::example_configs()? {
        let saker = ["run", "--quiet", "--locked", "--package", "cli", "--", "config", "check"];
        let mut check = cargo(&saker);
        check.arg(&example).envs(tidy::secrets_named_in(&example)?);
        run(&format!("example {example}"), &mut check)?;
    }
    chart::check(None)?;
    run(
        "built-in rules",
        &mut cargo(&["run", "--quiet", "--locked", "--package", "cli", "--", "rules", "test"]),
    )
}

pub(crate) fn bench(names: &[String]) -> anyhow::Result<()> {
    let mut bench = cargo(&["run", "--quiet", "--locked", "--release", "--package", "bench", "--"]);
    run(
        "build",
        &mut cargo(&[
            "build",
            "--locked",
            "--release",
            "--package",
            "bench",
            "--package",
            "cli",
            "--package",
            "agent",
        ]),
    )?;
    run("benchmarks", bench.args(names))
}

pub(crate) fn bless() -> anyhow::Result<()> {
    let mut tests = cargo(&["test", "--locked", "--workspace", "--no-fail-fast"]);
    run("bless", tests.env("UPDATE_EXPECT", "1"))
}
