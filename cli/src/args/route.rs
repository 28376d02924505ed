//! `saker route`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{AlertArgs, Format};

#[derive(Debug, Subcommand)]
pub(crate) enum RouteCommand {
    /// Show the routes of a configuration as a tree.
    Show {
        /// Configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Tell which routes would take an alert, and who would hear of it.
    #[command(
        after_help = "Examples:\n  saker route test --config saker.yaml --rule 'Terminal shell in a container' --priority notice\n  \
        saker route test --config saker.yaml --rule R --field k8s.ns.name=prod --expect soc,stream\n  \
        saker route test --config saker.yaml --file alerts.jsonl --at 2026-12-24T20:00:00Z\n\n\
        Each alert is judged as if it were the first, by routes, intervals, silences and score of the file. \
        No router is needed. Exit code: 1 if --expect names other outputs than those that would hear of it."
    )]
    Test(Box<RouteTestArgs>),
}

#[derive(Debug, Args)]
pub(crate) struct RouteTestArgs {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Alerts in Falco's JSON, one a line, or `-`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rule", "priority", "output", "field", "tag"])]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) alert: AlertArgs,
    /// When the alert comes, for intervals and silences; now if absent.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,
    /// Outputs that must hear of it, and no others; empty for nobody.
    #[arg(long, value_name = "OUTPUT,…", value_delimiter = ',')]
    pub(crate) expect: Option<Vec<String>>,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}
