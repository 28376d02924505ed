//! What can be typed after `saker record`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use service::config::{HumanBytes, HumanDuration};

use super::AgentPlace;

/// How recorded events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordFormat {
    /// Cases of a rule's test, in YAML.
    #[default]
    Test,
    /// A recording in text, for `saker replay` and `saker rules explain --event`.
    Recording,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    saker record --file events.saker --for 30s\n  \
    saker record --file events.saker --size-max 100MiB 'container.id != host'\n  \
    saker record 'evt.type = execve and proc.name = curl' --for 10s --rule 'My rule' > case.yaml\n  \
    saker record --alert-rule 'Terminal shell in a container' >> my-tests.yaml\n\n\
    With --file everything rules can ask about is kept, for `saker replay` and `saker events --recording`; \
    without it events become cases of a test. --alert-rule waits for the next alert of a rule and writes its \
    event under `ignore:`: a false positive becomes a test. Ctrl-C ends it early; what came is kept. Only root \
    and the agent's own user can record here, elsewhere those of `agent.actions.watchers`. \
    Exit code: 0 something was recorded, 1 nothing came, 2 wrong usage, 4 there is no agent to ask.")]
pub(crate) struct RecordArgs {
    /// Which events, in the rule language; with --file all without it.
    #[arg(required_unless_present_any = ["alert_rule", "file"], conflicts_with = "alert_rule")]
    pub(crate) condition: Option<String>,
    /// Write a recording to this file, and replace what is there.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rule", "ignore", "format"])]
    pub(crate) file: Option<PathBuf>,
    /// Size at which the recording ends.
    #[arg(long, value_name = "SIZE", default_value = "256MiB", requires = "file")]
    pub(crate) size_max: HumanBytes,
    /// Instead the events that raise alerts of this rule.
    #[arg(long, value_name = "NAME")]
    pub(crate) alert_rule: Option<String>,
    /// The rule that the test is about; with --alert-rule that one.
    #[arg(long, value_name = "NAME")]
    pub(crate) rule: Option<String>,
    /// Write what the rule must not match; with --alert-rule always so.
    #[arg(long)]
    pub(crate) ignore: bool,
    /// How long at most; 10s, with --alert-rule an hour, with --file 30s.
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) duration: Option<HumanDuration>,
    /// How many events at most; 20, with --alert-rule 1, with --file any number.
    #[arg(long, value_name = "COUNT")]
    pub(crate) max: Option<u64>,
    /// Take out the arguments and environments of programs: they may hold secrets.
    #[arg(long)]
    pub(crate) redact: bool,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: RecordFormat,
    #[command(flatten)]
    pub(crate) place: AgentPlace,
}
