//! The command line of the responder, shared by `saker-responder` and `saker responder`.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use service::{ErrorChain, reload, shutdown::Shutdown, telemetry, tls};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use crate::{Running, config::ResponseConfig};

/// Exit code for a configuration that cannot be used.
const EXIT_CONFIG: u8 = 2;
/// Pause after which a changed file is read.
const DEBOUNCE: Duration = Duration::from_millis(300);
/// Time what is under way has to end when it stops; the rest is found out after the next start.
const DRAIN_MAX: Duration = Duration::from_secs(20);

/// Act on alerts, guarded. Off by default.
#[derive(Clone, Debug, Args)]
pub struct ResponderArgs {
    /// Configuration file; the responder reads `response` and `logs` of it
    #[arg(short, long, value_name = "FILE", env = "SAKER_CONFIG")]
    pub config: Option<PathBuf>,
    /// Only check the configuration
    #[arg(long)]
    pub check: bool,
}

/// Runs a responder until it is told to stop.
pub fn run(arguments: &ResponderArgs) -> ExitCode {
    tls::install_crypto_provider();
    let (config, logs) = match ResponseConfig::load(arguments.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(&error),
    };
    if arguments.check {
        return ExitCode::SUCCESS;
    }
    service::files::keep_private();
    let logs = match telemetry::init(&logs) {
        Ok(logs) => logs,
        Err(error) => return refuse(&error),
    };
    match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime.block_on(serve(config, arguments.config.clone(), logs)),
        Err(error) => refuse(&error),
    }
}

/// Tells what is wrong with what was given; logs are not there yet.
#[expect(clippy::print_stderr, reason = "the program's own last words to who started it")]
fn refuse(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("{}", ErrorChain(error));
    ExitCode::from(EXIT_CONFIG)
}

async fn serve(
    config: ResponseConfig,
    file: Option<PathBuf>,
    logs: telemetry::LevelHandle,
) -> ExitCode {
    let shutdown = Shutdown::new();
    if let Err(error) = shutdown.on_signals() {
        return refuse(&error);
    }
    let running = match crate::start(config, shutdown.clone(), logs).await {
        Ok(running) => running,
        Err(error) => {
            error!(error = %ErrorChain(&error), "the responder cannot start");
            return ExitCode::FAILURE;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = reloads(&running, file) => {}
    }
    for task in shutdown.drain(DRAIN_MAX).await {
        warn!(task, "still running at the end; what became of it is found out at the next start");
    }
    info!("the responder has stopped");
    ExitCode::SUCCESS
}

/// Takes a new configuration on SIGHUP and when the file changes, for ever.
async fn reloads(running: &Running, file: Option<PathBuf>) {
    let Some(file) = file else { return std::future::pending().await };
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        warn!("SIGHUP cannot be listened for: no reload");
        return std::future::pending().await;
    };
    let mut changes = reload::watch(std::slice::from_ref(&file), DEBOUNCE)
        .inspect_err(|error| warn!(error = %ErrorChain(error), "only SIGHUP reloads"))
        .ok();
    loop {
        let changed = async {
            match &mut changes {
                Some(changes) => changes.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = hangup.recv() => {}
            () = changed => {}
        }
        let path = file.clone();
        match tokio::task::spawn_blocking(move || ResponseConfig::load(Some(&path))).await {
            Ok(Ok((config, _))) => running.reload(config),
            Ok(Err(error)) => {
                let reason = ErrorChain(&error).to_string();
                error!(reason, "the new configuration is refused, the old one stays in force");
            }
            Err(error) => error!(%error, "the configuration could not be read"),
        }
    }
}
