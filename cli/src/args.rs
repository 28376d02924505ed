//! What can be typed.

mod agent;
mod events;
mod journal;
mod record;
mod replay;
mod route;
mod rules;
mod silence;
mod span;
mod window;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use response::plan::ResponseId;

pub(crate) use agent::{AgentCommand, AgentStatusArgs, AgentSubcommand};
pub(crate) use events::{AgentPlace, EventsArgs};
pub(crate) use journal::{DumpArgs, JournalCommand, JournalPlace};
pub(crate) use record::{RecordArgs, RecordFormat};
pub(crate) use replay::ReplayArgs;
pub(crate) use route::{RouteCommand, RouteTestArgs};
pub(crate) use rules::{
    CheckArgs, ExplainRuleArgs, ImportArgs, LintArgs, ListArgs, ParseArgs, RuleFiles, RulesCommand,
    TestArgs, TopArgs,
};
pub(crate) use silence::{AddSilenceArgs, SilenceCommand, SilencedArgs};
pub(crate) use span::{Moment, SpanArgs};
pub(crate) use window::{AddWindowArgs, WindowCommand};

/// Runtime alerts, from the kernel to the person who must act.
///
/// `saker run` starts everything in one process on embedded defaults. The other commands either run
/// one part by itself, or speak to a running router's API.
#[derive(Debug, Parser)]
#[command(
    name = "saker",
    version,
    after_help = "Exit codes: 0 done; 1 tried and failed, or the answer is no; 2 wrong usage, \
                  configuration or rules; 3 no such thing; 4 the router cannot be reached."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run agent and router in one process.
    #[command(after_help = "Examples:\n  saker run\n  saker run --config saker.yaml\n\n\
        Without --config it watches this machine with the built-in rules, prints every alert and \
        keeps them in a file. Without the rights to load eBPF it says so and runs the router alone.")]
    Run(RunArgs),
    /// Run the agent alone, or show what a running one watches.
    Agent(AgentCommand),
    /// Run the router alone.
    Router(router::cli::RouterArgs),
    /// Show recorded events going through rules, router and rendering; needs no root.
    Demo(DemoArgs),
    /// Send alerts to a router.
    #[command(
        after_help = "Examples:\n  saker send --rule 'Backup failed' --priority error --field host.name=db1\n  \
        falco | saker send --file -\n\nWith --file, alerts are Falco's JSON, one a line."
    )]
    Send(SendArgs),
    /// Watch alerts as they are decided.
    #[command(
        after_help = "Example:\n  saker tail 'priority >= warning and k8s.ns.name startswith prod'"
    )]
    Tail(TailArgs),
    /// Tell where an alert went and why.
    Explain(ExplainArgs),
    /// Run recorded events through rules on any machine.
    #[command(after_help = "Examples:\n  saker agent --record events.saker   # as root, then\n  \
        saker replay events.saker --rules my-rules.yaml\n  \
        saker replay events.saker --from 10s --to 20s --kind execve\n  \
        saker replay events.saker --from 2026-11-27T04:00:00Z\n\n\
        The alerts are those the rules would have raised, without limits of their rate. \
        docs/recordings.md describes the file. Exit code: 0 it was read to its end, 1 it is cut short or \
        damaged (what came before was replayed), 2 the rules do not load.")]
    Replay(ReplayArgs),
    /// Watch events of a running agent as they happen.
    Events(EventsArgs),
    /// Record events of a running agent: in a file, or as cases of a test.
    Record(RecordArgs),
    /// Check, test, list and explain rules.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Check the configuration and show its schema.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show routes, and test who would hear of an alert.
    #[command(subcommand)]
    Route(RouteCommand),
    /// Silence alerts for a while.
    #[command(subcommand)]
    Silence(SilenceCommand),
    /// Suppress or mark alerts in maintenance windows.
    #[command(subcommand)]
    Window(WindowCommand),
    /// Look at what could not be delivered, and deliver it again.
    #[command(subcommand)]
    Deadletters(DeadLettersCommand),
    /// Run the responder alone: acts on alerts, guarded, off by default.
    Responder(response::cli::ResponderArgs),
    /// See what the responder did and would do, and decide about what waits.
    #[command(subcommand)]
    Responses(ResponsesCommand),
    /// Check and read the responder's audit.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Look at journals on this machine's disk: what they hold, and whether they are whole.
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Show the account of every alert's end: of all time, or of a span.
    #[command(after_help = "Examples:\n  saker ledger\n  saker ledger --since 24h\n  \
        saker ledger --since 2026-11-01T00:00:00Z --until 2026-12-01T00:00:00Z --format json\n\n\
        A span is of whole minutes, and reaches back as far as the router's history. Exit code: 1 if \
        the account does not add up.")]
    Ledger(LedgerArgs),
    /// List alerts of the past, the newest first.
    #[command(after_help = "Examples:\n  saker alerts --since 1h --verdict silence\n  \
        saker alerts --priority critical --limit 1000 --format json\n  \
        saker alerts --since 7d 'k8s.ns.name = prod and proc.name in (nc, ncat)'")]
    Alerts(AlertsArgs),
    /// Tell what people changed: silences, windows, dead letters, configurations; the newest first.
    Changes(ChangesArgs),
    /// Show what the router has: journal, outputs, and what could not be had.
    Status(ApiArgs),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For scripts: one JSON document, or one a line where there are many.
    Json,
}

/// Where the router's API is.
#[derive(Debug, Clone, Args)]
pub(crate) struct ApiArgs {
    /// The router's API.
    #[arg(long, env = "SAKER_API", default_value = "http://127.0.0.1:2802")]
    pub(crate) api: String,
    /// Bearer token for the API, or a file that holds one as `@FILE`.
    #[arg(long, env = "SAKER_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Configuration file; embedded defaults without it.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Rule files beside the built-in ones.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) rules: Vec<PathBuf>,
    /// Where journal, spool and alerts are kept.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Only the router: do not load the probe.
    #[arg(long)]
    pub(crate) no_agent: bool,
    /// Print alerts as JSON, one a line, and the screen to standard error.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Leave out the rendered messages.
    #[arg(long)]
    pub(crate) brief: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The router's input.
    #[arg(long, env = "SAKER_INPUT", default_value = "http://127.0.0.1:2801")]
    pub(crate) router: String,
    /// Bearer token for the input, or `@FILE`.
    #[arg(long, env = "SAKER_INPUT_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Read Falco's JSON, one alert a line, from a file or from `-`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rule", "priority", "output", "field", "tag"])]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) alert: AlertArgs,
}

/// An alert, as it is typed.
#[derive(Debug, Args)]
pub(crate) struct AlertArgs {
    /// Name of the rule.
    #[arg(long, required_unless_present = "file")]
    pub(crate) rule: Option<String>,
    #[arg(long, default_value = "notice")]
    pub(crate) priority: alert::Priority,
    /// The alert's text.
    #[arg(long, default_value = "")]
    pub(crate) output: String,
    /// A field, `NAME=VALUE`; may be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) field: Vec<String>,
    #[arg(long)]
    pub(crate) tag: Vec<String>,
    #[arg(long, default_value = "saker")]
    pub(crate) source: String,
}

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// Only alerts for which this condition holds.
    pub(crate) condition: Option<String>,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    #[command(flatten)]
    pub(crate) span: SpanArgs,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ChangesArgs {
    #[command(flatten)]
    pub(crate) span: SpanArgs,
    /// Only those of this person, or `configuration`.
    #[arg(long)]
    pub(crate) by: Option<String>,
    /// Changes that are shown, at most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AlertsArgs {
    /// Only alerts for which this condition holds.
    pub(crate) condition: Option<String>,
    #[command(flatten)]
    pub(crate) span: SpanArgs,
    #[arg(long)]
    pub(crate) rule: Option<String>,
    /// This priority or a higher one.
    #[arg(long)]
    pub(crate) priority: Option<alert::Priority>,
    #[arg(long)]
    pub(crate) source: Option<String>,
    #[arg(long)]
    pub(crate) hostname: Option<String>,
    /// Only those that ended so: `routed`, or why nobody was told, for example `duplicate`.
    #[arg(long)]
    pub(crate) verdict: Option<String>,
    /// Only those of this finding, as `saker explain` shows it.
    #[arg(long)]
    pub(crate) fingerprint: Option<String>,
    /// Alerts that are shown, at most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The alert's id, as `saker tail` and every message show it.
    pub(crate) alert: alert::AlertId,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a configuration file; what is wrong is shown with its line.
    Check { file: PathBuf },
    /// Print the JSON schema, for editors.
    Schema,
    /// Make a configuration of one of Alertmanager; what is not taken over is told.
    #[command(
        after_help = "Example:\n  saker config import-alertmanager alertmanager.yml > saker.yaml\n\n\
        Routes, matchers, intervals, and receivers of Slack, e-mail and webhooks. Exit code: 0 also if \
        something could not be taken over: it is told on standard error."
    )]
    ImportAlertmanager { file: PathBuf },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// List dead letters.
    List(ApiArgs),
    /// Deliver one again, or all.
    Replay {
        /// The notification's id.
        #[arg(required_unless_present = "all")]
        id: Option<String>,
        /// All of them.
        #[arg(long, conflicts_with = "id")]
        all: bool,
        /// With --all: only those of this output.
        #[arg(long, requires = "all")]
        output: Option<String>,
        /// With --all: only those that died before this time, or as long ago: `7d`.
        #[arg(long, requires = "all", value_name = "TIME")]
        before: Option<Moment>,
        /// To this output in place of their own.
        #[arg(long, value_name = "OUTPUT")]
        to: Option<String>,
        #[arg(long, env = "USER", default_value = "unknown")]
        author: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Show the notification that was not delivered.
    Show {
        /// The notification's id.
        id: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Give one up, or all: it is not kept for a replay any more, and its alerts stay counted.
    #[command(after_help = "Examples:\n  saker deadletters purge 3f1c0b2a99d04711\n  \
        saker deadletters purge --all --output old-hook\n  saker deadletters purge --all --before 7d")]
    Purge {
        /// The notification's id.
        #[arg(required_unless_present = "all")]
        id: Option<String>,
        /// All of them.
        #[arg(long, conflicts_with = "id")]
        all: bool,
        /// With --all: only those of this output.
        #[arg(long, requires = "all")]
        output: Option<String>,
        /// With --all: only those that died before this time, or as long ago: `7d`.
        #[arg(long, requires = "all", value_name = "TIME")]
        before: Option<Moment>,
        #[arg(long, env = "USER", default_value = "unknown")]
        author: String,
        #[command(flatten)]
        api: ApiArgs,
    },
}

/// Where the responder's API is.
#[derive(Debug, Clone, Args)]
pub(crate) struct ResponderApi {
    /// The responder's API.
    #[arg(long, env = "SAKER_RESPONDER", default_value = "http://127.0.0.1:2806")]
    pub(crate) responder: String,
    /// Bearer token for the API, or a file that holds one as `@FILE`.
    #[arg(long, env = "SAKER_RESPONDER_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

impl ResponderApi {
    /// Returns how the client is told of an API.
    pub(crate) fn router(&self) -> ApiArgs {
        let Self { responder, token, format } = self.clone();
        ApiArgs { api: responder, token, format }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ResponsesCommand {
    /// List responses, the newest first.
    List {
        /// Only those in this state: `awaiting`, `executing`, `ended`, `denied` …
        #[arg(long)]
        state: Option<String>,
        #[arg(long)]
        namespace: Option<String>,
        #[command(flatten)]
        api: ResponderApi,
    },
    /// Show one: its target, its gates, what was done and seen.
    Show {
        id: ResponseId,
        #[command(flatten)]
        api: ResponderApi,
    },
    /// Let a waiting response go ahead.
    #[command(after_help = "Example:\n  saker responses approve R-7 --comment 'seen with Ann'")]
    Approve {
        id: ResponseId,
        /// The plan's hash, as `show` prints it; without it, the plan as it is now.
        #[arg(long)]
        plan: Option<String>,
        #[arg(long)]
        comment: Option<String>,
        #[arg(long, env = "USER", default_value = "unknown")]
        author: String,
        #[command(flatten)]
        api: ResponderApi,
    },
    /// Say no to a waiting response.
    Deny {
        id: ResponseId,
        #[arg(long)]
        plan: Option<String>,
        #[arg(long)]
        comment: Option<String>,
        #[arg(long, env = "USER", default_value = "unknown")]
        author: String,
        #[command(flatten)]
        api: ResponderApi,
    },
    /// Take back a label or an isolation before its time.
    Undo {
        id: ResponseId,
        #[arg(long, env = "USER", default_value = "unknown")]
        author: String,
        #[command(flatten)]
        api: ResponderApi,
    },
    /// Stop everything that has not begun, at once.
    Stop {
        /// Why.
        reason: String,
        #[arg(long, env = "USER", default_value = "unknown")]
        author: String,
        #[command(flatten)]
        api: ResponderApi,
    },
    /// Let responses go on.
    Resume {
        /// Why.
        reason: String,
        #[arg(long, env = "USER", default_value = "unknown")]
        author: String,
        #[command(flatten)]
        api: ResponderApi,
    },
    /// Show modes, budgets, what waits and the audit's head.
    Status(ResponderApi),
    /// Print a document of a response's evidence.
    Evidence {
        id: ResponseId,
        /// As `show` prints it.
        name: String,
        #[command(flatten)]
        api: ResponderApi,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Hold every line against the one before it; prints a checkpoint to keep elsewhere.
    Verify {
        /// The audit's folder: `audit` below `response.data`.
        folder: PathBuf,
        /// SEQUENCE:HASH that the chain must go through; may be repeated.
        #[arg(long)]
        checkpoint: Vec<response::audit::Checkpoint>,
    },
    /// Print the entries.
    Show {
        folder: PathBuf,
        /// Only those of this response.
        #[arg(long)]
        response: Option<ResponseId>,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}
