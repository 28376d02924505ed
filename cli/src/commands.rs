//! One module for each command.

mod agent_status;
mod alerts;
mod audit;
mod changes;
mod config;
mod deadletters;
mod demo;
mod events;
mod explain;
mod journal;
mod ledger;
mod record;
mod replay;
mod responses;
mod route;
mod rules;
mod run;
mod send;
mod silence;
mod status;
mod tail;
mod window;

use std::{future::Future, process::ExitCode};

use crate::{
    args::{AgentCommand, AgentSubcommand, Arguments, Command},
    exit::Code,
};

/// Carries out what was typed.
pub(crate) fn execute(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let code = match arguments.command {
        Command::Agent(AgentCommand {
            command: Some(AgentSubcommand::Status(arguments)), ..
        }) => wait(agent_status::execute(arguments)),
        // These are programs of their own, with exit codes of their own.
        Command::Agent(AgentCommand { run, .. }) => return Ok(agent::cli::run(run)),
        Command::Router(arguments) => return Ok(router::cli::run(&arguments)),
        Command::Responder(arguments) => return Ok(response::cli::run(&arguments)),
        Command::Responses(command) => wait(responses::execute(command)),
        Command::Audit(command) => audit::execute(&command),
        Command::Run(arguments) => wait(run::execute(arguments)),
        Command::Demo(arguments) => wait(demo::execute(arguments)),
        Command::Send(arguments) => wait(send::execute(arguments)),
        Command::Tail(arguments) => wait(tail::execute(arguments)),
        Command::Explain(arguments) => wait(explain::execute(arguments)),
        Command::Replay(arguments) => replay::execute(&arguments),
        Command::Events(arguments) => wait(events::execute(arguments)),
        Command::Record(arguments) => wait(record::execute(arguments)),
        Command::Rules(command) => rules::execute(command),
        Command::Config(command) => config::execute(&command),
        Command::Route(command) => route::execute(&command),
        Command::Silence(command) => wait(silence::execute(command)),
        Command::Window(command) => wait(window::execute(command)),
        Command::Deadletters(command) => wait(deadletters::execute(command)),
        Command::Journal(command) => journal::execute(&command),
        Command::Alerts(arguments) => wait(alerts::execute(arguments)),
        Command::Changes(arguments) => wait(changes::execute(arguments)),
        Command::Ledger(arguments) => wait(ledger::execute(arguments)),
        Command::Status(arguments) => wait(status::execute(arguments)),
    }?;
    Ok(code.into())
}

fn wait(command: impl Future<Output = anyhow::Result<Code>>) -> anyhow::Result<Code> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}
