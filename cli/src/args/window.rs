//! `saker window`.

use clap::{Args, Subcommand};
use jiff::civil::{Date, DateTime};
use service::config::HumanDuration;

use super::{ApiArgs, silence::SilencedArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum WindowCommand {
    /// Add a maintenance window, or change the one with this name.
    #[command(
        after_help = "Examples:\n  saker window add patch-night 'k8s.ns.name startswith prod' --starts 2026-11-28T22:00:00 --for 4h \\\n    --location Europe/Berlin --repeat 'FREQ=WEEKLY;BYDAY=SA'\n  \
        saker window add move --matcher 'label.site=\"north\"' --starts 2026-12-05T08:00:00 --for 2d --mark"
    )]
    Add(Box<AddWindowArgs>),
    /// List windows, and when each opens or closes next.
    List(ApiArgs),
    /// Remove a window; people are told of what it hid and is still active.
    Remove {
        name: String,
        #[arg(long, env = "USER", default_value = "unknown")]
        author: String,
        #[command(flatten)]
        api: ApiArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AddWindowArgs {
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) what: SilencedArgs,
    /// The first start, in local time at --location.
    #[arg(long, value_name = "LOCAL TIME")]
    pub(crate) starts: DateTime,
    /// How long each lasts.
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) duration: HumanDuration,
    /// Time zone, for example `Europe/Berlin`; UTC without it.
    #[arg(long, value_name = "ZONE")]
    pub(crate) location: Option<String>,
    /// On which days it recurs, a rule of iCalendar; once without it.
    #[arg(long, value_name = "RRULE")]
    pub(crate) repeat: Option<router::pipeline::Recurrence>,
    /// A day on which it does not start.
    #[arg(long, value_name = "DATE")]
    pub(crate) except: Vec<Date>,
    /// Let people hear of it, marked with the window's name.
    #[arg(long)]
    pub(crate) mark: bool,
    /// Why.
    #[arg(long, default_value = "")]
    pub(crate) comment: String,
    /// Who.
    #[arg(long, env = "USER", default_value = "unknown")]
    pub(crate) author: String,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}
