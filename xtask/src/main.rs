//! The engine room behind `make`: what developers and CI run.

mod build;
mod chart;
mod check;
mod dashboards;
mod deb;
mod fuzz;
mod images;
mod prometheus;
mod run;
mod slow;
mod tidy;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Developer commands of Saker.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every test.
    Test,
    /// Run tests again and again beside threads that use the processors: what races fails here first.
    Slow(slow::Slow),
    /// Check format, lints, crate directions, licences, documents, examples and rule files.
    Check,
    /// Check only what needs no compiler: crate directions, inherited lints, files.
    Tidy,
    /// Measure, in release mode, and print the figures of docs/benchmarks.md.
    Bench {
        /// Names of the benchmarks to run; all when empty.
        names: Vec<String>,
    },
    /// Look for inputs that break what reads them, with libFuzzer.
    Fuzz {
        /// A folder of `fuzz/corpus`.
        target: String,
        #[arg(default_value_t = 600)]
        seconds: u64,
    },
    /// Make the container images, without a container engine.
    Images {
        /// How the programs are compiled.
        #[arg(long, value_enum, default_value = "release")]
        profile: build::Profile,
        /// Where the images go.
        #[arg(long, default_value = "target/images")]
        out: PathBuf,
        /// Names of the images to make; all when empty.
        names: Vec<String>,
    },
    /// Make the Debian package.
    Deb {
        /// How the programs are compiled.
        #[arg(long, value_enum, default_value = "release")]
        profile: build::Profile,
        /// Where the package goes.
        #[arg(long, default_value = "target/deb")]
        out: PathBuf,
    },
    /// Check the Helm chart: schema, copies, rendering, rights, configurations.
    Chart {
        /// A `saker` that was built already.
        #[arg(long, value_name = "FILE")]
        saker: Option<PathBuf>,
    },
    /// Write the schema of the chart's values.
    ChartSchema {
        /// As of `chart`.
        #[arg(long, value_name = "FILE")]
        saker: Option<PathBuf>,
    },
    /// Copy dashboards and alert rules into the chart.
    ChartFiles,
    /// Write the dashboards anew from `xtask/src/dashboards/`.
    Dashboards,
    /// Accept the current output as the expected one in every golden test.
    Bless,
}

fn main() -> std::process::ExitCode {
    match fuzz::compile_if_asked() {
        Ok(None) => {}
        Ok(Some(status)) if status.success() => return std::process::ExitCode::SUCCESS,
        Ok(Some(_)) => return std::process::ExitCode::FAILURE,
        Err(error) => {
            run::say(&format!("error: {error:#}"));
            return std::process::ExitCode::FAILURE;
        }
    }
    match execute(Arguments::parse().command) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            run::say(&format!("error: {error:#}"));
            std::process::ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<()> {
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))?;
    match command {
        Command::Test => check::test(),
        Command::Slow(options) => slow::slow(&options),
        Command::Check => check::check(),
        Command::Tidy => tidy::tidy(),
        Command::Bench { names } => check::bench(&names),
        Command::Fuzz { target, seconds } => fuzz::fuzz(&target, seconds),
        Command::Images { profile, out, names } => images::images(profile, &out, &names),
        Command::Deb { profile, out } => deb::deb(profile, &out),
        Command::Chart { saker } => chart::check(saker.as_deref()),
        Command::ChartSchema { saker } => chart::write_schema(saker.as_deref()),
        Command::ChartFiles => chart::copy_files(),
        Command::Dashboards => dashboards::write(),
        Command::Bless => check::bless(),
    }
}
