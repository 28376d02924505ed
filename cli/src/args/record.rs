//! What can be typed after `saker record`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use service::config::HumanDuration;

/// How recorded events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordFormat {
    /// Cases of a rule's test, in YAML.
    #[default]
    Test,
    /// A recording, for `saker replay` and `saker rules explain --event`.
    Recording,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    saker record 'evt.type = execve and proc.name = curl' --for 10s --rule 'My rule' > case.yaml\n  \
    saker record --alert-rule 'Terminal shell in a container' >> my-tests.yaml\n  \
    saker record 'evt.type = connect' --max 100 --format recording > events.ndjson\n\n\
    --alert-rule waits for the next alert of a rule and writes its event under `ignore:`: a false \
    positive becomes a test. Only root and the agent's own user can record, one at a time. \
    Exit code: 0 something was recorded, 1 nothing came, 2 wrong usage, 4 there is no agent to ask.")]
pub(crate) struct RecordArgs {
    /// Which events, in the rule language.
    #[arg(required_unless_present = "alert_rule", conflicts_with = "alert_rule")]
    pub(crate) condition: Option<String>,
    /// Instead the events that raise alerts of this rule.
    #[arg(long, value_name = "NAME")]
    pub(crate) alert_rule: Option<String>,
    /// The rule that the test is about; with --alert-rule that one.
    #[arg(long, value_name = "NAME")]
    pub(crate) rule: Option<String>,
    /// Write what the rule must not match; with --alert-rule always so.
    #[arg(long)]
    pub(crate) ignore: bool,
    /// How long at most; 10s, with --alert-rule an hour.
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) duration: Option<HumanDuration>,
    /// How many events at most; 20, with --alert-rule 1.
    #[arg(long, value_name = "COUNT")]
    pub(crate) max: Option<u32>,
    /// Take out the arguments and environments of programs: they may hold secrets.
    #[arg(long)]
    pub(crate) redact: bool,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: RecordFormat,
    /// The agent's socket, where it is not at its usual place.
    #[arg(long, value_name = "PATH", env = "SAKER_AGENT_SOCKET")]
    pub(crate) socket: Option<PathBuf>,
}
