//! What can be typed after `saker events`, and where an agent is asked for events.

use std::path::PathBuf;

use clap::Args;
use service::config::HumanDuration;

use super::{Format, replay::SelectionArgs};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    saker events 'evt.type = execve'\n  \
    saker events 'evt.type = connect and proc.name = curl' --output '%evt.time %proc.cmdline > %fd.name'\n  \
    saker events 'evt.type in (open, openat, openat2) and evt.failed = true' --for 10s --max 100\n  \
    saker events 'k8s.ns.name = shop' --agent https://node-1:2804 --ca ca.pem --certificate me.pem --key me.key\n  \
    saker events 'evt.type = execve' --recording events.saker --from 10s --format json\n\n\
    The agent attaches what the condition needs while somebody looks, also what no rule needs. Only root and \
    the agent's own user can look here; elsewhere it is those of `agent.actions.watchers`. Four can look at a \
    time. docs/events.md has recipes. \
    Exit code: 0 it ended as asked for, 1 it did not, 2 wrong usage, 4 there is no agent to ask.")]
pub(crate) struct EventsArgs {
    /// Which events, in the rule language; all without it.
    pub(crate) condition: Option<String>,
    /// How an event is shown, as outputs of rules are.
    #[arg(long, value_name = "FORMAT", conflicts_with = "format")]
    pub(crate) output: Option<String>,
    /// With `json` whole events, one a line.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// End after so many events.
    #[arg(long, value_name = "COUNT")]
    pub(crate) max: Option<u64>,
    /// End after this time; a day at most.
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) duration: Option<HumanDuration>,
    /// Events a second at most; what is left out is counted. 0 for no limit.
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub(crate) rate_max: u32,
    /// Look into a recording instead.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["agent", "duration"])]
    pub(crate) recording: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) place: AgentPlace,
}

/// Where an agent is asked for events.
#[derive(Debug, Default, Args)]
pub(crate) struct AgentPlace {
    /// The agent's socket, where it is not at its usual place.
    #[arg(long, value_name = "PATH", env = "SAKER_AGENT_SOCKET")]
    pub(crate) socket: Option<PathBuf>,
    /// Ask the agent of another machine: `https://NODE:2804`, its `agent.actions.listen`.
    #[arg(long, value_name = "URL", requires_all = ["certificate", "key"])]
    pub(crate) agent: Option<String>,
    /// PEM file of the authorities to trust instead of the system's.
    #[arg(long, value_name = "FILE", requires = "agent")]
    pub(crate) ca: Option<PathBuf>,
    /// PEM file of the certificate to show; its first DNS name must be in `agent.actions.watchers`.
    #[arg(long, value_name = "FILE", requires = "agent")]
    pub(crate) certificate: Option<PathBuf>,
    /// PEM file of its key.
    #[arg(long, value_name = "FILE", requires = "agent")]
    pub(crate) key: Option<PathBuf>,
}
