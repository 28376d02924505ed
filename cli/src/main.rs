//! `saker`: the whole product in one command.

mod agent_client;
mod alertmanager;
mod args;
mod client;
mod commands;
mod exit;
mod print;
mod screen;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

/// Alerts are made of many small parts, made by one thread and freed by another.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    service::tls::install_crypto_provider();
    let arguments = args::Arguments::parse();
    match commands::execute(arguments) {
        Ok(code) => code,
        Err(error) => {
            print::error(&error);
            exit::Code::of(&error).into()
        }
    }
}
