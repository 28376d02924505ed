//! The programs to ship: built, stripped, and dated by the last commit.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use clap::ValueEnum;

use crate::run::{cargo, output, run};

/// The programs, each with the package of the workspace that makes it.
pub(crate) const PROGRAMS: [(&str, &str); 4] = [
    ("saker", "cli"),
    ("saker-agent", "agent"),
    ("saker-router", "router"),
    ("saker-responder", "response"),
];

/// How the programs are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// To ship.
    Release,
    /// To test: the binaries that tests use anyway.
    Dev,
}

impl Profile {
    /// Returns gzip's level: a test need not wait for the last per cent.
    pub(crate) fn compression(self) -> u8 {
        match self {
            Self::Release => 9,
            Self::Dev => 1,
        }
    }
}

/// Programs that were built, and what they were built from.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) profile: Profile,
    pub(crate) target: PathBuf,
    programs: PathBuf,
    pub(crate) version: String,
    /// The commit, `-dirty` if files differ from it; `unknown` outside a repository.
    pub(crate) revision: String,
    /// Seconds since 1970 of the commit, or `SOURCE_DATE_EPOCH`: the date of all that is packed.
    pub(crate) modified: u64,
    /// The same as a date.
    pub(crate) created: String,
}

impl Built {
    /// Builds all programs. Of the profile `dev`, which tests use, those that are there are taken.
    pub(crate) fn prepare(profile: Profile) -> anyhow::Result<Self> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
        let (folder, flag) = match profile {
            Profile::Release => ("release", Some("--release")),
            Profile::Dev => ("debug", None),
        };
        let programs = target.join(folder);
        let there = PROGRAMS.iter().all(|(name, _)| programs.join(name).exists());
        if profile == Profile::Release || !there {
            let mut build = cargo(&["build", "--locked"]);
            build.args(flag);
            for (_, package) in PROGRAMS {
                build.args(["--package", package]);
            }
            run("programs", &mut build)?;
        }
        let modified = date()?;
        let mut clock = Command::new("date");
        clock.args(["--utc", "--date", &format!("@{modified}"), "+%Y-%m-%dT%H:%M:%SZ"]);
        Ok(Self {
            profile,
            target,
            programs,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: revision(),
            modified,
            created: output(&mut clock)?.trim().to_owned(),
        })
    }

    /// Puts a program, without its symbols, into `folder`.
    pub(crate) fn install(&self, program: &str, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder)?;
        let mut strip = Command::new("strip");
        strip.arg("--strip-all").arg("-o").arg(folder.join(program));
        output(strip.arg(self.programs.join(program)))
            .with_context(|| format!("failed to strip {program}"))?;
        Ok(())
    }
}

fn date() -> anyhow::Result<u64> {
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        return given.parse().context("SOURCE_DATE_EPOCH is not a number of seconds");
    }
    let Ok(commit) = output(Command::new("git").args(["log", "-1", "--format=%ct"])) else {
        bail!("no commit to take the date from: set SOURCE_DATE_EPOCH");
    };
    Ok(commit.trim().parse()?)
}

fn revision() -> String {
    let git = |arguments: &[&str]| output(Command::new("git").args(arguments));
    let Ok(commit) = git(&["rev-parse", "HEAD"]) else { return "unknown".to_owned() };
    let dirty = git(&["status", "--porcelain"]).is_ok_and(|changes| !changes.is_empty());
    format!("{}{}", commit.trim(), if dirty { "-dirty" } else { "" })
}
