//! What can be typed after `saker agent`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use service::config::HumanDuration;

use super::Format;

/// Watch this machine and bring alerts to the router; or ask a running agent.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AgentCommand {
    #[command(flatten)]
    pub(crate) run: agent::cli::AgentArgs,
    #[command(subcommand)]
    pub(crate) command: Option<AgentSubcommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentSubcommand {
    /// Show what a running agent watches and by which hook, what rules miss, rates, losses and costs.
    #[command(after_help = "Examples:\n  saker agent status\n  \
        saker agent status --watch\n  \
        saker agent status --agent http://node-1:2803 --format json\n\n\
        What is wrong comes first. JSON has everything; docs/agent-api.md describes it. \
        Exit code: 0 nothing is wrong with the sensor and the rules, 1 it does not run or the last rules \
        were not taken, 4 there is no agent to ask.")]
    Status(AgentStatusArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AgentStatusArgs {
    /// The agent's admin address.
    #[arg(long, value_name = "URL", env = "SAKER_AGENT", default_value = "http://127.0.0.1:2803")]
    pub(crate) agent: String,
    /// Ask on the agent's socket instead; without a path where it usually is.
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<Option<PathBuf>>,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// Show it again and again.
    #[arg(long)]
    pub(crate) watch: bool,
    /// Time between two looks.
    #[arg(long, default_value = "2s", requires = "watch")]
    pub(crate) interval: HumanDuration,
}
