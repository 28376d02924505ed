//! `saker-responder`: acts on alerts, guarded.

use std::process::ExitCode;

use clap::Parser;

/// Acts on Saker's alerts, guarded. Off by default.
#[derive(Debug, Parser)]
#[command(name = "saker-responder", version)]
struct Arguments {
    #[command(flatten)]
    responder: response::cli::ResponderArgs,
}

fn main() -> ExitCode {
    response::cli::run(&Arguments::parse().responder)
}
