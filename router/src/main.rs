//! The router as a program of its own.

use std::process::ExitCode;

use clap::Parser;
use router::cli::{self, RouterArgs};

/// Takes alerts, makes them durable, and tells whoever must hear of them.
#[derive(Debug, Parser)]
#[command(name = "saker-router", version)]
struct Arguments {
    #[command(flatten)]
    router: RouterArgs,
}

fn main() -> ExitCode {
    cli::run(&Arguments::parse().router)
}
