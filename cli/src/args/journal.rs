//! `saker journal`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Format, span::Moment};

#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// Show what journals hold: records, segments, and how far readers are.
    Stat(JournalPlace),
    /// Read every record and check it; what is wrong is shown with file and offset.
    #[command(after_help = "Exit code: 0 all is whole, 1 something is damaged.")]
    Verify(JournalPlace),
    /// Print records, one a line.
    #[command(
        after_help = "Examples:\n  saker journal dump /var/lib/saker/journal --from 1000 --to 1010\n  \
        saker journal dump /var/lib/saker/journal --last 5 --format json\n  \
        saker journal dump /var/lib/saker/journal --since 2h"
    )]
    Dump(DumpArgs),
}

/// Which journals.
#[derive(Debug, Args)]
pub(crate) struct JournalPlace {
    /// A journal's folder, or one with several: what `router.data` names.
    #[arg(value_name = "DIR", default_value = "/var/lib/saker")]
    pub(crate) folder: PathBuf,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct DumpArgs {
    /// The journal's folder.
    #[arg(value_name = "DIR", default_value = "/var/lib/saker/journal")]
    pub(crate) folder: PathBuf,
    /// The first record's sequence.
    #[arg(long, value_name = "SEQUENCE", default_value_t = 0)]
    pub(crate) from: u64,
    /// The sequence after the last record's.
    #[arg(long, value_name = "SEQUENCE")]
    pub(crate) to: Option<u64>,
    /// From the first that was written at this time or later: `2026-11-27T04:00:00Z`, or `2h` ago.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["from", "last"])]
    pub(crate) since: Option<Moment>,
    /// Only so many, the newest.
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "to"])]
    pub(crate) last: Option<u64>,
    /// As text, each record follows its sequence; as JSON, each line is an object with both.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}
