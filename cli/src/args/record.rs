//! What can be typed after `saker record`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use service::config::{HumanBytes, HumanDuration};

use super::{AgentPlace, replay::SelectionArgs};

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
    saker record --around 30s --alert-rule 'Terminal shell*' --file shells/\n  \
    saker record --around 10s --when 'evt.is_open_write = true and fd.name = /etc/passwd' --file passwd.saker\n  \
    saker record --recording events.saker --from 10s --to 20s 'proc.aname = sshd' --file part.saker\n  \
    saker record 'evt.type = execve and proc.name = curl' --for 10s --rule 'My rule' > case.yaml\n  \
    saker record --alert-rule 'Terminal shell in a container' >> my-tests.yaml\n\n\
    With --file everything rules can ask about is kept, for `saker replay` and `saker events --recording`; \
    without it events become cases of a test. --around keeps the last seconds in the agent's memory, and \
    writes a file when an alert or an event comes: what happened before it, and after it. --alert-rule alone \
    waits for the next alert of a rule and writes its event under `ignore:`: a false positive becomes a test. \
    Ctrl-C ends it early; what came is kept. Only root and the agent's own user can record here, elsewhere \
    those of `agent.actions.watchers`. \
    Exit code: 0 something was recorded, 1 nothing came, 2 wrong usage, 4 there is no agent to ask.")]
pub(crate) struct RecordArgs {
    /// Which events, in the rule language; with --file all without it, with --around starts, ends,
    /// connections and opens for writing.
    #[arg(required_unless_present_any = ["alert_rule", "file"])]
    pub(crate) condition: Option<String>,
    /// Write a recording to this file, and replace what is there; with --around a folder has a file for
    /// each.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["rule", "ignore", "format"])]
    pub(crate) file: Option<PathBuf>,
    /// Size at which the recording ends; of several, all together.
    #[arg(long, value_name = "SIZE", default_value = "256MiB", requires = "file")]
    pub(crate) size_max: HumanBytes,
    /// Only what is around alerts of --alert-rule or events of --when: so long before each, and as long
    /// after it; 5m at most.
    #[arg(long, value_name = "DURATION", requires = "file", conflicts_with_all = ["redact", "recording"])]
    pub(crate) around: Option<HumanDuration>,
    /// Events to record what is around of, in the rule language.
    #[arg(long, value_name = "CONDITION", requires = "around", conflicts_with = "alert_rule")]
    pub(crate) when: Option<String>,
    /// The agent's memory for what happened before; 64MiB at most.
    #[arg(long, value_name = "SIZE", default_value = "16MiB", requires = "around")]
    pub(crate) ring_max: HumanBytes,
    /// Take the events out of this recording instead; --file gets a smaller one.
    #[arg(long, value_name = "FILE", requires = "file", conflicts_with_all = ["alert_rule", "agent", "duration"])]
    pub(crate) recording: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    /// Instead the events that raise alerts of this rule; `*` stands for any text.
    #[arg(long, value_name = "NAME")]
    pub(crate) alert_rule: Option<String>,
    /// The rule that the test is about; with --alert-rule that one.
    #[arg(long, value_name = "NAME")]
    pub(crate) rule: Option<String>,
    /// Write what the rule must not match; with --alert-rule always so.
    #[arg(long)]
    pub(crate) ignore: bool,
    /// How long at most; 10s, with --alert-rule an hour, with --file 30s, with --around a day.
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) duration: Option<HumanDuration>,
    /// How many events at most; 20, with --alert-rule 1, with --file any number. With --around
    /// recordings, not events: 1, in a folder 20.
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

impl RecordArgs {
    /// Returns what is wrong with them together.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let chosen = self.alert_rule.is_some() || self.when.is_some();
        if self.around.is_some() && !chosen {
            return Some("--around needs --alert-rule or --when: around what?");
        }
        if self.around.is_none() && self.alert_rule.is_some() && self.condition.is_some() {
            return Some("a condition and --alert-rule both choose events: take one of them");
        }
        if self.recording.is_none() && self.selection.is_any() {
            return Some("--from, --to, --kind and --pid choose a part of a --recording");
        }
        None
    }
}
