//! `saker silence`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use service::config::HumanDuration;

use super::ApiArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum SilenceCommand {
    /// Add a silence, or change one; prints its id.
    #[command(
        after_help = "Examples:\n  saker silence add 'rule = \"Terminal shell in a container\" and k8s.ns.name = ci' --for 2h --comment 'CI jobs'\n  \
        saker silence add --matcher 'label.severity=~\"warn|info\"' --for 3d --comment move\n  \
        saker silence add 'rule = Backup' --for 30d --weekdays monday:friday --hours 22:00-23:30 --location Europe/Berlin --comment nightly"
    )]
    Add(Box<AddSilenceArgs>),
    /// Show which of the findings that are active now a silence would hide.
    Preview {
        #[command(flatten)]
        what: SilencedArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// List silences.
    List(ApiArgs),
    /// Show one silence, what it hid, and what it was before it was changed.
    Show {
        id: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// End a silence now.
    Expire {
        id: String,
        #[arg(long, env = "USER", default_value = "unknown")]
        author: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Print the silences that count or will, one a line, for `import`.
    Export(ApiArgs),
    /// Add what `export` printed; a silence that is there already is changed.
    Import {
        /// A file, or `-`.
        file: PathBuf,
        #[command(flatten)]
        api: ApiArgs,
    },
}

/// What is silenced.
#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = false)]
pub(crate) struct SilencedArgs {
    /// Alerts for which this condition holds are hidden from people, and counted.
    pub(crate) condition: Option<String>,
    /// As Alertmanager has it, NAME="VALUE", `!=`, `=~` or `!~`; of several all must hold.
    #[arg(long, value_name = "MATCHER")]
    pub(crate) matcher: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AddSilenceArgs {
    #[command(flatten)]
    pub(crate) what: SilencedArgs,
    /// How long, for example `2h` or `3d`.
    #[arg(long = "for", value_name = "DURATION", required_unless_present = "until")]
    pub(crate) duration: Option<HumanDuration>,
    /// Until when.
    #[arg(long, value_name = "TIME", conflicts_with = "duration")]
    pub(crate) until: Option<Timestamp>,
    /// From when; at once without it.
    #[arg(long, value_name = "TIME")]
    pub(crate) starts: Option<Timestamp>,
    /// Only at these hours of the day, as often as they come.
    #[arg(long, value_name = "HH:MM-HH:MM")]
    pub(crate) hours: Vec<String>,
    /// Only on these days, for example `monday:friday`.
    #[arg(long, value_name = "DAY[:DAY]")]
    pub(crate) weekdays: Vec<String>,
    /// Time zone of hours and days; UTC without it.
    #[arg(long, value_name = "ZONE")]
    pub(crate) location: Option<String>,
    /// Why.
    #[arg(long)]
    pub(crate) comment: String,
    /// Who.
    #[arg(long, env = "USER", default_value = "unknown")]
    pub(crate) author: String,
    /// Change the silence with this id in place; added if there is none.
    #[arg(long)]
    pub(crate) id: Option<String>,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}
