//! The router as a program of its own.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use router::cli::{self, RouterArgs};

/// Alerts are made of many small parts, made by one thread and freed by another.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

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
