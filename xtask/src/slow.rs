//! Runs tests on a machine that has other things to do: what races there, fails in CI one day.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Instant,
};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::run::{cargo, output, say};

/// The longest one run of a test program may take: it hangs.
const SECONDS_MAX: &str = "1800";

/// What to run, and how often beside how much.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Slow {
    /// Packages whose tests are run; all when there is none.
    #[arg(short, long = "package", value_name = "NAME")]
    packages: Vec<String>,
    /// Threads that do nothing but use processors meanwhile.
    #[arg(short, long, default_value_t = 6)]
    loops: usize,
    /// How often each test program is run.
    #[arg(short, long, default_value_t = 3)]
    rounds: usize,
    /// Names of tests, or parts of them; all when there is none.
    filter: Vec<String>,
}

/// A line of cargo's messages, as far as it tells of a test program.
#[derive(Deserialize)]
struct Message {
    manifest_path: Option<PathBuf>,
    executable: Option<PathBuf>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// A test program and the folder of its package.
struct Program {
    path: PathBuf,
    folder: PathBuf,
}

pub(crate) fn slow(options: &Slow) -> anyhow::Result<()> {
    let programs = programs(&options.packages)?;
    let logs = Path::new("target/slow");
    fs::create_dir_all(logs)?;
    let logs = logs.canonicalize()?;
    let stop = AtomicBool::new(false);
    let failed = thread::scope(|scope| {
        for _ in 0..options.loops {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let failed = rounds(&programs, options, &logs);
        stop.store(true, Ordering::Relaxed);
        failed
    })?;
    if failed.is_empty() {
        return Ok(());
    }
    bail!("{} runs failed: {}", failed.len(), failed.join(", "));
}

/// Returns the logs of the runs that failed.
fn rounds(programs: &[Program], options: &Slow, logs: &Path) -> anyhow::Result<Vec<String>> {
    let mut failed = Vec::new();
    for round in 1..=options.rounds {
        for program in programs {
            let name = program.path.file_name().context("a test program has a name")?;
            let log = logs.join(format!("{}.{round}", name.display()));
            let began = Instant::now();
            let passed = run(program, &options.filter, &log)?;
            let verdict = if passed { "ok" } else { "FAILED" };
            let seconds = began.elapsed().as_secs_f32();
            say(&format!("round {round}, {}: {verdict}, {seconds:.0} s", name.display()));
            match passed {
                true => fs::remove_file(&log)?,
                false => failed.push(log.display().to_string()),
            }
        }
    }
    Ok(failed)
}

fn run(program: &Program, filter: &[String], log: &Path) -> anyhow::Result<bool> {
    let written =
        File::create(log).with_context(|| format!("failed to write {}", log.display()))?;
    let status = Command::new("timeout")
        .arg(SECONDS_MAX)
        .arg(&program.path)
        .args(filter)
        .current_dir(&program.folder)
        .env("CARGO_MANIFEST_DIR", &program.folder)
        .env("CI", "true")
        .stdin(Stdio::null())
        .stdout(written.try_clone()?)
        .stderr(written)
        .status()
        .with_context(|| format!("failed to start {}", program.path.display()))?;
    Ok(status.success())
}

/// Builds the tests, and returns them. Programs they start are built with them.
fn programs(packages: &[String]) -> anyhow::Result<Vec<Program>> {
    say("building the tests …");
    let mut build = cargo(&["test", "--locked", "--no-run", "--message-format=json"]);
    match packages {
        [] => build.arg("--workspace"),
        some => build.args(some.iter().flat_map(|name| ["--package", name])),
    };
    let told = output(&mut build)?;
    let mut programs = Vec::new();
    for line in told.lines() {
        let message: Message = serde_json::from_str(line).context("cargo told no JSON")?;
        let (Some(manifest), Some(path)) = (message.manifest_path, message.executable) else {
            continue;
        };
        if message.profile.is_some_and(|profile| profile.test) {
            let folder = manifest.parent().context("a manifest is in a folder")?.to_owned();
            programs.push(Program { path, folder });
        }
    }
    Ok(programs)
}
