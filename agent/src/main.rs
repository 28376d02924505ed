//! The agent as a program of its own.

use std::process::ExitCode;

use clap::Parser;

/// Watches this machine and brings alerts to Saker's router.
#[derive(Parser)]
#[command(name = "saker-agent", version, about)]
struct Program {
    #[command(flatten)]
    agent: agent::cli::AgentArgs,
}

fn main() -> ExitCode {
    agent::cli::run(Program::parse().agent)
}
